#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn frame(message: &[u8]) -> Vec<u8> {
    let header = Header { len: message.len(), descriptors: 0 }.encode().unwrap();
    [&header, message].concat()
}

fn inbox() -> Inbox {
    Inbox::new(Greeting::Awaited, 1 << 24)
}

/// Feeds `stream` in pieces of `size` bytes and takes every message as soon as it is whole.
fn messages(stream: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut inbox = inbox();
    let mut messages = Vec::new();
    for piece in stream.chunks(size) {
        let mut piece = piece;
        while !piece.is_empty() {
            let room = inbox.room();
            let len = room.len().min(piece.len());
            room[..len].copy_from_slice(&piece[..len]);
            piece = &piece[len..];
            inbox.arrived(len, Vec::new()).unwrap();
            while inbox.has_frame().unwrap() {
                let frame = inbox.take().unwrap().unwrap();
                messages.push(frame.bytes().to_vec());
                inbox.recycle(frame.into_buffer());
            }
            assert!(inbox.take().unwrap().is_none());
        }
    }
    assert!(inbox.is_empty());
    messages
}

#[test]
fn a_stream_cut_anywhere_gives_the_same_messages() {
    let sent: Vec<Vec<u8>> =
        vec![vec![], b"one".to_vec(), vec![], vec![7; 40], b"four".to_vec(), vec![9; 300]];
    let mut stream = GREETING.to_vec();
    sent.iter().for_each(|message| stream.extend(frame(message)));
    for size in 1..=stream.len() {
        assert_eq!(messages(&stream, size), sent, "in pieces of {size}");
    }
}

#[test]
fn messages_larger_than_every_buffer_arrive_whole() {
    let large: Vec<u8> = (0..5 << 20).map(|index: u32| index.to_le_bytes()[0]).collect();
    let mut stream = GREETING.to_vec();
    for message in [b"before".as_slice(), &large, b"between", &large, b"after"] {
        stream.extend(frame(message));
    }
    for size in [1000, 1 << 16, stream.len()] {
        let arrived = messages(&stream, size);
        assert_eq!(arrived.len(), 5);
        assert!(arrived[1] == large && arrived[3] == large);
        assert_eq!(arrived[4], b"after");
    }
}

#[test]
fn a_claimed_length_costs_no_memory() {
    let mut inbox = Inbox::new(Greeting::Done, usize::MAX);
    let header = Header { len: u32::MAX as usize, descriptors: 0 }.encode().unwrap();
    inbox.room()[..HEADER].copy_from_slice(&header);
    inbox.arrived(HEADER, Vec::new()).unwrap();
    assert!(inbox.room().len() <= TRUST);
    let mut arrived = HEADER;
    while arrived < 4 * TRUST {
        let len = inbox.room().len();
        inbox.arrived(len, Vec::new()).unwrap();
        arrived += len;
        assert!(inbox.buffer.len() <= arrived * 2 + TRUST);
    }
}

#[test]
fn a_stream_out_of_step_or_with_a_wrong_greeting_is_malformed() {
    for (stream, expected) in [
        (b"HTTP/1.1 200 OK".to_vec(), Malformed::Greeting),
        ([&GREETING[..], &[0; 8]].concat(), Malformed::Mark),
        (
            [&GREETING[..], &[0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0x1D, 0xB1]].concat(),
            Malformed::TooLarge { len: 0xFFFF_FFFF, limit: 1 << 24 },
        ),
        ([&GREETING[..], &[0, 0, 0, 0, 1, 0, 0x1D, 0xB1]].concat(), Malformed::Descriptors),
    ] {
        let mut inbox = inbox();
        inbox.room()[..stream.len()].copy_from_slice(&stream);
        let outcome = inbox.arrived(stream.len(), Vec::new()).and_then(|()| inbox.take());
        assert_eq!(outcome.unwrap_err(), expected);
    }
}

/// CON-11: a frame whose descriptor did not come, and one that brings too many.
#[test]
fn descriptors_without_a_frame_do_not_pile_up() {
    let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let mut inbox = Inbox::new(Greeting::Done, 100);
    inbox.arrived(0, (0..DESCRIPTORS).map(|_| null()).collect()).unwrap();
    inbox.arrived(0, (0..DESCRIPTORS).map(|_| null()).collect()).unwrap();
    assert_eq!(inbox.arrived(0, vec![null()]), Err(Malformed::Descriptors));
}
