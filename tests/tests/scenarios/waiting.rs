//! Waiting for many things (WAI).

use std::time::Duration;

use brigade::pipe::RecvError;
use brigade::socket::{self, Address, Listener};
use brigade::{Connection, Event, Waitable, one_way_pipe, wait, wait_timeout};

use brigade_tests::stage::{LONG, SHORT, in_every_mode, join_all, takes};

type Line = (u32, u32);

/// Receives from all `ends` until each has ended, and returns what each has said.
fn gather<C: Waitable>(ends: Vec<C>, recv: impl Fn(&C) -> Option<Line>) -> Vec<Vec<Line>> {
    let mut open: Vec<_> = (0..ends.len()).collect();
    let mut lines = vec![Vec::new(); ends.len()];
    while !open.is_empty() {
        let objects: Vec<&dyn Waitable> = open.iter().map(|&end| &ends[end] as _).collect();
        let mut ready = wait(&objects);
        assert!(!ready.is_empty(), "without a time-out there is something");
        ready.reverse();
        for place in ready {
            match recv(&ends[open[place]]) {
                Some(line) => lines[open[place]].push(line),
                None => drop(open.remove(place)),
            }
        }
    }
    lines
}

fn expected() -> Vec<Vec<Line>> {
    (0..4).map(|part| (0..10).map(|n| (part, n)).collect()).collect()
}

/// Passes the time until the next message: up to three milliseconds that differ with each.
fn dawdle(never: &Event, (part, n): Line) {
    never.wait_timeout(Duration::from_micros(u64::from((part * 7 + n * 13) % 11) * 300));
}

/// WAI-01, WAI-02
#[test]
fn ten_messages_and_one_end_of_each_of_four_pipes() {
    type Way = (Connection<Line>, Option<Event>, u32);
    in_every_mode(|mode| {
        for never in [None, Some(Event::new().unwrap())] {
            let send = |(writer, never, part): Way| {
                for n in 0..10 {
                    never.iter().for_each(|never| dawdle(never, (part, n)));
                    writer.send((part, n)).unwrap();
                }
            };
            let (mut readers, mut parties) = (Vec::new(), Vec::new());
            for part in 0..4 {
                let (reader, writer) = one_way_pipe::<Line>().unwrap();
                readers.push(reader);
                parties.push(mode.start(send, (writer, never.clone(), part)));
            }
            let lines = gather(readers, |reader| match reader.recv() {
                Ok(line) => Some(line),
                Err(RecvError::Ended) => None,
                Err(other) => panic!("{other}"),
            });
            assert_eq!(lines, expected());
            join_all(parties);
        }
    });
}

/// WAI-03
#[test]
fn ten_messages_and_one_end_of_each_of_four_tcp_connections() {
    in_every_mode(|mode| {
        for never in [None, Some(Event::new().unwrap())] {
            let anywhere = Address::Tcp { host: "127.0.0.1".to_owned(), port: 0 };
            let listener = Listener::bind(&anywhere).unwrap();
            let send = |(address, never, part): (Address, Option<Event>, u32)| {
                let connection: socket::Connection<Line> = socket::connect(&address).unwrap();
                for n in 0..10 {
                    never.iter().for_each(|never| dawdle(never, (part, n)));
                    connection.send(&(part, n)).unwrap();
                }
            };
            let address = listener.address();
            let start = |part| mode.start(send, (address.clone(), never.clone(), part));
            let parties: Vec<_> = (0..4).map(start).collect();
            let ends: Vec<socket::Connection<Line>> =
                (0..4).map(|_| listener.accept_timeout(LONG).unwrap().unwrap()).collect();
            let mut lines = gather(ends, |end| match end.recv() {
                Ok(line) => Some(line),
                Err(socket::RecvError::EndOfStream) => None,
                Err(other) => panic!("{other}"),
            });
            lines.sort();
            assert_eq!(lines, expected());
            join_all(parties);
        }
    });
}

/// WAI-04, WAI-06 (a negative time-out cannot be written; one of zero returns at once)
#[test]
fn nothing_is_ready_until_one_is_and_then_only_that_one() {
    in_every_mode(|mode| {
        let (first, _first_writer) = one_way_pipe::<u32>().unwrap();
        let (second, writer) = one_way_pipe::<u32>().unwrap();
        let event = Event::new().unwrap();
        let all: [&dyn Waitable; 3] = [&first, &second, &event];
        assert!(wait_timeout(&all, Duration::ZERO).is_empty());
        assert!(takes(SHORT * 5, || wait_timeout(&all, SHORT * 5)).is_empty());
        let write = |writer: Connection<u32>| writer.send(1).unwrap();
        let party = mode.start(write, writer.clone());
        assert_eq!(wait_timeout(&all, LONG), [1]);
        party.join();
        assert_eq!(wait_timeout(&all, LONG), [1]);
        assert_eq!(second.recv().unwrap(), 1);
        assert!(wait_timeout(&all, Duration::ZERO).is_empty());
    });
}
