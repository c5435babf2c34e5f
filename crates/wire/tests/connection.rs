//! Connections: whole messages, their end, their limits, and time-outs that bound all of it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use brigade_sys::time::Deadline;
use brigade_sys::wait::{Waitable, wait};
use brigade_wire::{
    Connection, RecvError, RecvIntoError, RecvTimeoutError, SendError, SendTimeoutError,
    TryRecvError, TrySendError,
};
use serde::{Deserialize, Serialize};

const SOON: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(20);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Item {
    Number(i64),
    Text(String),
    List(Vec<Item>),
}

/// CON-01: objects of many kinds, both ways.
#[test]
fn values_arrive_as_they_were_sent_in_both_directions() {
    let (one, two) = Connection::<Item>::pair().unwrap();
    let item = Item::List(vec![Item::Number(-1), Item::Text("two".into()), Item::List(vec![])]);
    for _ in 0..3 {
        one.send(&item).unwrap();
        assert_eq!(two.recv().unwrap(), item);
        two.send(&item).unwrap();
        assert_eq!(one.recv_timeout(SOON).unwrap(), item);
    }
}

/// CON-02: into the middle of a buffer, with the rest left alone.
#[test]
fn a_message_is_received_into_a_part_of_a_buffer() {
    let (one, two) = Connection::<()>::pair().unwrap();
    for offset in [0, 3] {
        let mut buffer = [9_u8; 10];
        one.send_bytes(&[1, 2, 3, 4]).unwrap();
        assert_eq!(two.recv_bytes_into(&mut buffer[offset..]).unwrap(), 4);
        assert_eq!(buffer[offset..offset + 4], [1, 2, 3, 4]);
        assert_eq!(buffer.iter().filter(|&&byte| byte == 9).count(), 6);
    }
}

/// CON-03: the buffer is too short.
#[test]
fn a_message_that_does_not_fit_comes_whole_in_the_error() {
    let (one, two) = Connection::<()>::pair().unwrap();
    let long: Vec<u8> = (0..110).collect();
    one.send_bytes(&long).unwrap();
    one.send_bytes(b"next").unwrap();
    let error = two.recv_bytes_into(&mut [0; 40]).unwrap_err();
    assert!(matches!(error, RecvIntoError::BufferTooShort(message) if message == long));
    assert_eq!(two.recv_bytes().unwrap(), b"next");
}

/// CON-04: poll at once, for a while, and with a message.
#[test]
fn poll_says_whether_a_message_is_there() {
    let (one, two) = Connection::<u8>::pair().unwrap();
    assert!(!two.poll(Duration::ZERO));
    let start = Instant::now();
    assert!(!two.poll(SHORT));
    assert!(start.elapsed() >= SHORT);
    one.send(&1).unwrap();
    let start = Instant::now();
    assert!(two.poll(SOON) && two.poll(Duration::ZERO) && two.poll(Duration::MAX));
    assert!(start.elapsed() < SOON);
    assert_eq!(two.recv().unwrap(), 1);
    assert!(!two.poll(Duration::ZERO));
}

/// CON-06: the end of the stream.
#[test]
fn the_end_of_the_stream_is_said_to_everyone_who_asks() {
    let (one, two) = Connection::<u8>::pair().unwrap();
    one.send(&1).unwrap();
    drop(one);
    assert_eq!(two.recv().unwrap(), 1);
    assert!(two.poll(Duration::ZERO) && two.is_ready());
    assert!(matches!(two.recv(), Err(RecvError::EndOfStream)));
    assert!(matches!(two.recv_bytes(), Err(RecvError::EndOfStream)));
    assert!(matches!(two.try_recv(), Err(TryRecvError::Recv(RecvError::EndOfStream))));
    assert!(matches!(two.send(&1), Err(SendError::Disconnected)));
}

#[test]
fn an_end_that_leaves_messages_unread_is_an_end_too() {
    let (one, two) = Connection::<u8>::pair().unwrap();
    two.send(&1).unwrap();
    one.send(&2).unwrap();
    drop(one);
    assert_eq!(two.recv().unwrap(), 2);
    assert!(matches!(two.recv(), Err(RecvError::EndOfStream)));
}

/// CON-07: a one-way connection.
#[test]
fn a_half_can_only_do_its_half() {
    let (one, two) = Connection::<u8>::pair().unwrap();
    let receiver = two.finish_sending();
    assert!(matches!(one.recv(), Err(RecvError::EndOfStream)));
    let (sender, rest) = one.split();
    drop(rest);
    sender.send(&1).unwrap();
    assert_eq!(receiver.recv().unwrap(), 1);
    drop(sender);
    assert!(matches!(receiver.recv(), Err(RecvError::EndOfStream)));
}

/// CON-09: slices, and empty ones.
#[test]
fn any_slice_is_a_message() {
    let (one, two) = Connection::<()>::pair().unwrap();
    let bytes = b"abcdefghijklmnopqrstuvwxyz";
    for slice in [&bytes[..], &bytes[5..], &bytes[7..10], &bytes[26..], &bytes[4..4]] {
        one.send_bytes(slice).unwrap();
        assert_eq!(two.recv_bytes().unwrap(), slice);
    }
}

/// CON-13: an empty message.
#[test]
fn an_empty_message_can_be_polled_until_it_is_received() {
    let (one, two) = Connection::<()>::pair().unwrap();
    one.send_bytes(b"").unwrap();
    assert!(two.poll(SOON) && two.poll(Duration::ZERO));
    assert_eq!(two.recv_bytes().unwrap(), b"");
    assert!(!two.poll(Duration::ZERO));
}

/// CON-14: messages with pauses between them, polled for in short steps.
#[test]
fn polling_in_short_steps_gets_every_message_in_order() {
    let (one, two) = Connection::<String>::pair().unwrap();
    let texts = ["hello", "", "a", "b", "", "bye", "", "lop"];
    thread::scope(|scope| {
        scope.spawn(move || {
            for text in texts {
                assert!(!one.poll(Duration::from_millis(10)));
                one.send(&text.to_owned()).unwrap();
            }
        });
        for text in texts {
            while !two.poll(Duration::from_millis(1)) {}
            assert_eq!(two.try_recv().unwrap(), text);
        }
    });
}

/// CON-19: a descriptor that is no connection.
#[test]
fn only_a_connected_socket_is_adopted() {
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(Connection::<u8>::adopt(file.into()).is_err());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(Connection::<u8>::adopt(listener.into()).is_err());
    let (one, two) = UnixStream::pair().unwrap();
    let one = Connection::<u8>::adopt(one.into()).unwrap();
    let two = Connection::<u8>::adopt(two.into()).unwrap();
    one.send(&1).unwrap();
    assert_eq!(two.recv().unwrap(), 1);
}

/// CON-22: a time-out of the socket itself changes nothing.
#[test]
fn a_time_out_set_on_the_socket_does_not_matter() {
    let (one, two) = UnixStream::pair().unwrap();
    two.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    two.set_nonblocking(true).unwrap();
    let one = Connection::<u8>::adopt(one.into()).unwrap();
    let two = Connection::<u8>::adopt(two.into()).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            assert!(!one.poll(SHORT));
            one.send(&1).unwrap();
        });
        assert_eq!(two.recv().unwrap(), 1);
    });
}

/// The bytes of one message, as they are on the wire.
fn wire_bytes(message: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let (mut raw, connection) = raw_pair();
    connection.send_bytes(message).unwrap();
    drop(connection);
    let mut bytes = Vec::new();
    raw.read_to_end(&mut bytes).unwrap();
    bytes
}

fn raw_pair() -> (UnixStream, Connection<(), String>) {
    let (raw, socket) = UnixStream::pair().unwrap();
    (raw, Connection::adopt(OwnedFd::from(socket)).unwrap())
}

/// W5: a part of a message is invisible, and a time-out in its middle loses nothing.
#[test]
fn a_message_in_parts_appears_when_it_is_whole() {
    let bytes = wire_bytes(b"message");
    for cut in 1..bytes.len() {
        let (mut raw, connection) = raw_pair();
        raw.write_all(&bytes[..cut]).unwrap();
        assert!(!connection.is_ready() && !connection.poll(Duration::ZERO));
        assert!(matches!(connection.try_recv_bytes(), Err(TryRecvError::Empty)));
        assert!(matches!(
            connection.recv_bytes_timeout(Duration::from_millis(1)),
            Err(RecvTimeoutError::TimedOut)
        ));
        assert!(wait(&[&connection], Deadline::after(Duration::from_millis(1))).is_empty());
        raw.write_all(&bytes[cut..]).unwrap();
        assert_eq!(wait(&[&connection], Deadline::after(SOON)), [0]);
        assert_eq!(connection.recv_bytes().unwrap(), b"message");
    }
}

/// W5: a sender that trickles does not stretch the time-out.
#[test]
fn a_slow_message_does_not_stretch_a_time_out() {
    let bytes = wire_bytes(&[7; 100_000]);
    let (mut raw, connection) = raw_pair();
    thread::scope(|scope| {
        let (told, tell) = std::sync::mpsc::channel::<()>();
        let bytes = &bytes;
        scope.spawn(move || {
            let mut sent = 0;
            // The pause is the wait for the word that the receiver has given up.
            while tell.recv_timeout(Duration::from_millis(1)).is_err() {
                raw.write_all(&bytes[sent..=sent]).unwrap();
                sent += 1;
            }
            raw.write_all(&bytes[sent..]).unwrap();
        });
        let start = Instant::now();
        let outcome = connection.recv_bytes_timeout(Duration::from_millis(50));
        assert!(matches!(outcome, Err(RecvTimeoutError::TimedOut)));
        assert!(start.elapsed() < SOON);
        told.send(()).unwrap();
        assert_eq!(connection.recv_bytes().unwrap(), [7; 100_000]);
    });
}

#[test]
fn a_stream_that_ends_within_a_message_is_truncated() {
    let bytes = wire_bytes(b"message");
    for cut in 0..bytes.len() {
        let (mut raw, connection) = raw_pair();
        raw.write_all(&bytes[..cut]).unwrap();
        drop(raw);
        assert!(connection.poll(SOON));
        let truncated = connection.recv_bytes().unwrap_err();
        // After the greeting alone the stream ends between messages.
        match cut {
            0 | 8 => assert!(matches!(truncated, RecvError::EndOfStream), "{cut}: {truncated}"),
            _ => assert!(matches!(truncated, RecvError::Truncated), "{cut}: {truncated}"),
        }
        assert!(connection.recv_bytes().is_err());
    }
}

#[test]
fn a_hostile_peer_gets_an_error_and_no_more() {
    let good = wire_bytes(b"");
    let cases: [(&str, Vec<u8>); 5] = [
        ("brigade's protocol", b"GET / HTTP/1.1\r\n".to_vec()),
        ("another version", b"brgd\x07\0\0\0".to_vec()),
        ("authentication", b"brgd\x01\x01\0\0".to_vec()),
        ("out of step", [&good[..8], &[0; 8]].concat()),
        ("descriptors", [&good[..8], &[0, 0, 0, 0, 1, 0, 0x1D, 0xB1]].concat()),
    ];
    for (expected, bytes) in cases {
        let (mut raw, connection) = raw_pair();
        raw.write_all(&bytes).unwrap();
        assert!(connection.poll(SOON));
        for _ in 0..2 {
            let error = connection.recv().unwrap_err();
            assert!(matches!(error, RecvError::Corrupt { .. }), "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
    let (mut raw, connection) = raw_pair();
    raw.write_all(&[&good[..8], &[0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0x1D, 0xB1]].concat()).unwrap();
    assert!(matches!(connection.recv(), Err(RecvError::TooLarge { len: 0xFFFF_FFFF, .. })));
}

#[test]
fn a_message_of_another_type_is_an_error_and_the_next_one_arrives() {
    let (one, two) = Connection::<(), String>::pair().unwrap();
    two.send_bytes(&[1, 2, 3]).unwrap();
    two.send(&"fine".to_owned()).unwrap();
    assert!(matches!(one.recv(), Err(RecvError::Decode(_))));
    assert_eq!(one.recv().unwrap(), "fine");
}

#[test]
fn the_limit_holds_for_both_directions() {
    let (one, two) = Connection::<()>::pair().unwrap();
    let (one, two) = (one.with_limit(10), two.with_limit(5));
    assert!(matches!(one.send_bytes(&[0; 11]), Err(SendError::TooLarge { len: 11, limit: 10 })));
    one.send_bytes(&[0; 5]).unwrap();
    one.send_bytes(&[0; 6]).unwrap();
    assert_eq!(two.recv_bytes().unwrap(), [0; 5]);
    assert!(matches!(two.recv_bytes(), Err(RecvError::TooLarge { len: 6, limit: 5 })));
}

/// W37: sending can time out, before the message and in its middle.
#[test]
fn a_send_that_times_out_loses_nothing_and_doubles_nothing() {
    let (one, two) = Connection::<()>::pair().unwrap();
    let large: Vec<u8> = (0..4_u32 << 20).map(|index| index.to_le_bytes()[1]).collect();
    let start = Instant::now();
    let outcome = one.send_bytes_timeout(&large, SHORT);
    assert!(matches!(outcome, Err(SendTimeoutError::Unfinished)));
    assert!(start.elapsed() >= SHORT);
    let outcome = one.send_bytes_timeout(b"second", SHORT);
    assert!(matches!(outcome, Err(SendTimeoutError::TimedOut)));
    assert!(!one.flush_timeout(SHORT).unwrap());
    assert!(!two.poll(SHORT), "the first message is not whole");

    thread::scope(|scope| {
        scope.spawn(move || {
            assert!(one.flush_timeout(SOON).unwrap());
            one.send_bytes(b"third").unwrap();
            one
        });
        assert!(two.recv_bytes().unwrap() == large);
        assert_eq!(two.recv_bytes().unwrap(), b"third");
    });
}

#[test]
fn a_message_under_way_leaves_while_its_sender_waits_for_an_answer() {
    let (one, two) = Connection::<Vec<u8>, usize>::pair().unwrap();
    let large = vec![7; 4 << 20];
    assert!(matches!(one.try_send(&large), Err(TrySendError::Unfinished)));
    thread::scope(|scope| {
        scope.spawn(move || {
            let len = two.recv().unwrap().len();
            two.send(&len).unwrap();
        });
        assert_eq!(one.recv_timeout(SOON).unwrap(), large.len());
    });
}

#[test]
fn a_full_connection_refuses_what_it_cannot_begin() {
    let (one, two) = Connection::<Vec<u8>>::pair().unwrap();
    let block = vec![0; 1000];
    let mut sent = 0;
    let last = loop {
        match one.try_send(&block) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    if matches!(last, TrySendError::Unfinished) {
        sent += 1;
        assert!(matches!(one.try_send(&block), Err(TrySendError::Full)));
    }
    // One is taken out; what is under way goes in first.
    for _ in 0..sent {
        assert_eq!(two.recv_timeout(SOON).unwrap(), block);
        one.flush_timeout(Duration::ZERO).unwrap();
    }
    assert!(matches!(two.try_recv(), Err(TryRecvError::Empty)));
    assert!(sent > 10);
}

#[test]
fn a_sender_that_waits_for_room_notices_that_the_other_end_has_gone() {
    let (one, two) = Connection::<Vec<u8>>::pair().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            // Takes a part of the message in, and time enough for the sender to wait for room.
            let _ = two.poll(SHORT);
            drop(two);
        });
        let outcome = one.send(&vec![0; 16 << 20]);
        assert!(matches!(outcome, Err(SendError::Disconnected)));
    });
}

/// W38: the halves in two threads, under load.
#[test]
fn the_halves_work_in_two_threads_at_once() {
    let (one, two) = Connection::<u32>::pair().unwrap();
    let (sender, receiver) = one.split();
    let (echo_sender, echo_receiver) = two.split();
    const COUNT: u32 = 20_000;
    thread::scope(|scope| {
        scope.spawn(move || (0..COUNT).for_each(|number| sender.send(&number).unwrap()));
        scope.spawn(move || {
            while let Ok(number) = echo_receiver.recv() {
                echo_sender.send(&(number * 2)).unwrap();
            }
        });
        (0..COUNT).for_each(|number| assert_eq!(receiver.recv().unwrap(), number * 2));
        assert!(matches!(receiver.recv(), Err(RecvError::EndOfStream)));
    });
}

#[test]
fn all_that_are_ready_are_found_and_buffered_messages_count() {
    let pairs: Vec<_> = (0..3).map(|_| Connection::<u8>::pair().unwrap()).collect();
    let waited: Vec<&dyn Waitable> = pairs.iter().map(|(_, two)| two as &dyn Waitable).collect();
    assert!(wait(&waited, Deadline::after(SHORT)).is_empty());
    pairs[2].0.send(&1).unwrap();
    pairs[2].0.send(&2).unwrap();
    pairs[0].0.send(&3).unwrap();
    assert_eq!(wait(&waited, Deadline::after(SOON)), [0, 2]);
    assert_eq!(pairs[2].1.recv().unwrap(), 1);
    assert_eq!(wait(&waited, Deadline::after(SOON)), [0, 2], "the second is in the buffer");
    assert_eq!(pairs[2].1.recv().unwrap(), 2);
    assert_eq!(pairs[0].1.recv().unwrap(), 3);
    assert!(wait(&waited, Deadline::after(Duration::ZERO)).is_empty());
}

#[test]
fn a_wait_wakes_for_a_message_that_comes_later() {
    for _ in 0..50 {
        let (one, two) = Connection::<u8>::pair().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || one.send(&1).unwrap());
            assert_eq!(wait(&[&two], Deadline::after(SOON)), [0]);
            assert_eq!(two.try_recv().unwrap(), 1);
        });
    }
}

/// A type that counts, so that a message which is decoded twice is noticed.
struct Counted;

thread_local! {
    static DECODED: Cell<u32> = const { Cell::new(0) };
}

impl Serialize for Counted {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DECODED.set(DECODED.get() + 1);
        <()>::deserialize(deserializer).map(|()| Self)
    }
}

#[test]
fn polling_decodes_nothing() {
    let (one, two) = Connection::<Counted>::pair().unwrap();
    one.send(&Counted).unwrap();
    assert!(two.poll(SOON) && two.is_ready());
    assert_eq!(DECODED.get(), 0);
    two.recv().unwrap();
    assert_eq!(DECODED.get(), 1);
}

#[test]
fn messages_over_tcp_arrive_whole_however_they_are_cut() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut raw = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server: Connection<()> = Connection::adopt(listener.accept().unwrap().0.into()).unwrap();
    raw.set_nodelay(true).unwrap();
    for byte in wire_bytes(b"byte by byte") {
        assert!(matches!(server.try_recv_bytes(), Err(TryRecvError::Empty)));
        raw.write_all(&[byte]).unwrap();
    }
    assert_eq!(server.recv_bytes().unwrap(), b"byte by byte");
    assert!(server.peer_credentials().is_err());
}

#[test]
fn the_kernel_says_who_is_at_the_other_end() {
    let (one, _two) = Connection::<u8>::pair().unwrap();
    let peer = one.peer_credentials().unwrap();
    assert_eq!(u32::try_from(peer.pid).unwrap(), std::process::id());
}
