#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::thread;

use brigade_codec::Descriptor;

use super::*;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn values_arrive_in_order_and_then_the_end() {
    let (sender, receiver) = channel::<Vec<String>>().unwrap();
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    assert!(matches!(receiver.recv_timeout(Duration::from_millis(10)), Err(TryRecvError::Empty)));
    let other = sender.clone();
    for index in 0..100 {
        let sender = if index % 2 == 0 { &sender } else { &other };
        sender.send(&vec![index.to_string(); index % 5]).unwrap();
    }
    for index in 0..100_usize {
        assert_eq!(receiver.recv().unwrap(), vec![index.to_string(); index % 5]);
    }
    drop((sender, other));
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Recv(RecvError::Disconnected))));
}

#[test]
fn large_values_arrive_whole() {
    let (sender, receiver) = channel::<Vec<u8>>().unwrap();
    let large: Vec<u8> = (0..1_u32 << 20).map(|index| index.to_le_bytes()[1]).collect();
    thread::scope(|scope| {
        scope.spawn(|| sender.send(&large).unwrap());
        assert!(receiver.recv_timeout(SOON).unwrap() == large);
    });
}

#[test]
fn a_parent_and_a_child_meet_by_name() {
    let server = Server::<u32, String>::new().unwrap();
    let name = server.name().to_owned();
    let child = thread::spawn(move || {
        let (sender, receiver) = connect::<String, u32>(&name).unwrap();
        let number = receiver.recv().unwrap();
        sender.send(&format!("got {number}")).unwrap();
    });
    let (sender, receiver) = server.accept_timeout(SOON).unwrap();
    sender.send(&6).unwrap();
    assert_eq!(receiver.recv_timeout(SOON).unwrap(), "got 6");
    child.join().unwrap();
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    assert!(matches!(sender.send(&7), Err(SendError::Disconnected)));
}

#[test]
fn a_child_that_never_comes_is_not_waited_for() {
    let server = Server::<u8, u8>::new().unwrap();
    let name = server.name().to_owned();
    let error = server.accept_timeout(Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.source.kind(), io::ErrorKind::TimedOut);
    assert!(connect::<u8, u8>(&format!("{name}-not")).is_err());
}

#[test]
fn a_descriptor_is_refused_and_another_type_is_an_error() {
    let (sender, _receiver) = channel::<Descriptor>().unwrap();
    let descriptor = Descriptor::from(std::fs::File::open("/dev/null").unwrap());
    assert!(matches!(sender.send(&descriptor), Err(SendError::Encode(EncodeError::NotCarried(_)))));

    let (sender, receiver) = channel::<u8>().unwrap();
    sender.channel.send(Packet(vec![1, 2])).unwrap();
    sender.send(&3).unwrap();
    assert!(matches!(receiver.recv(), Err(RecvError::Decode(DecodeError::Trailing { .. }))));
    assert_eq!(receiver.recv().unwrap(), 3);
}
