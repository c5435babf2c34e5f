#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use super::*;

const SOON: Duration = Duration::from_secs(10);

/// CON-01, CON-06.
#[test]
fn both_ends_send_and_receive_and_hear_of_the_end() {
    let (one, two) = pipe::<Vec<u8>>().unwrap();
    one.send(vec![1, 2]).unwrap();
    two.send(vec![]).unwrap();
    assert_eq!(two.recv().unwrap(), [1, 2]);
    assert_eq!(one.recv().unwrap(), []);
    one.send(vec![3]).unwrap();
    drop(one);
    assert_eq!(two.recv().unwrap(), [3]);
    assert!(matches!(two.recv(), Err(RecvError::Ended)));
    assert!(matches!(two.send(vec![4]), Err(SendError::Ended(message)) if message == [4]));
    assert!(two.is_readable() && two.is_writable());
}

/// CON-07.
#[test]
fn a_one_way_pipe_refuses_the_other_way() {
    let (reader, writer) = one_way_pipe::<u32>().unwrap();
    assert!(reader.is_readable() && !reader.is_writable());
    assert!(!writer.is_readable() && writer.is_writable());
    assert!(matches!(reader.send(1), Err(SendError::OneWay(1))));
    assert!(matches!(writer.recv(), Err(RecvError::OneWay)));
    assert!(!writer.poll(Duration::ZERO));
    writer.send(5).unwrap();
    assert_eq!(reader.recv().unwrap(), 5);
}

/// CON-04, CON-13.
#[test]
fn poll_tells_of_a_message_and_of_the_end_and_takes_nothing() {
    let (one, two) = pipe::<Vec<u8>>().unwrap();
    assert!(!two.poll(Duration::ZERO));
    assert!(!two.poll(Duration::from_millis(5)));
    one.send(vec![]).unwrap();
    for _ in 0..3 {
        assert!(two.poll(Duration::ZERO));
    }
    assert_eq!(two.recv().unwrap(), []);
    assert!(matches!(two.try_recv(), Err(RecvError::Empty)));
    drop(one);
    assert!(two.poll(SOON));
}

#[test]
fn the_directions_may_carry_different_types() {
    let (client, server) = pipe_between::<u32, String>().unwrap();
    client.send(6).unwrap();
    server.send(server.recv().unwrap().to_string()).unwrap();
    assert_eq!(client.recv().unwrap(), "6");
}

#[test]
fn a_pipe_that_nobody_reads_fills_up() {
    let (one, _two) = pipe::<u32>().unwrap();
    let mut sent = 0;
    while one.try_send(sent).is_ok() {
        sent += 1;
    }
    assert_eq!(sent as usize, MESSAGES);
    assert!(matches!(one.send_timeout(7, Duration::from_millis(5)), Err(SendError::Full(7))));
}

/// CON-18.
#[test]
fn an_end_can_be_sent_through_another_pipe() {
    let (one, two) = pipe::<Connection<u32>>().unwrap();
    let (reader, writer) = one_way_pipe::<u32>().unwrap();
    one.send(writer).unwrap();
    let writer = two.recv().unwrap();
    writer.send(3).unwrap();
    drop(writer);
    assert_eq!(reader.recv().unwrap(), 3);
    assert!(matches!(reader.recv(), Err(RecvError::Ended)));
}
