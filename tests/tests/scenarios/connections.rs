//! Pipes between parties (CON). Sockets have their scenarios with `wire`.

use std::time::Duration;

use brigade::pipe::{RecvError, SendError};
use brigade::{Connection, Queue, one_way_pipe, pipe};
use serde::{Deserialize, Serialize};

use brigade_tests::stage::{LONG, SHORT, here, in_every_mode, takes, until_asleep};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Mixed {
    Nothing,
    Number(i64),
    Fraction(f64),
    Text(String),
    Bytes(Vec<u8>),
    All(Vec<Mixed>),
}

fn echo<T: brigade::codec::Message>(end: Connection<T>) {
    loop {
        match end.recv() {
            Ok(message) => end.send(message).unwrap(),
            Err(RecvError::Ended) => break,
            Err(other) => panic!("{other}"),
        }
    }
}

/// CON-01, CON-12 (a scope that ends closes the end; a later use cannot be written)
#[test]
fn lists_of_everything_and_bytes_of_any_number_are_echoed() {
    in_every_mode(|mode| {
        let party = {
            let (ours, theirs) = pipe::<Mixed>().unwrap();
            let party = mode.start(echo::<Mixed>, theirs);
            let list = vec![
                Mixed::Nothing,
                Mixed::Number(i64::MIN),
                Mixed::Fraction(2.5),
                Mixed::Text("ü\0".to_owned()),
                Mixed::Bytes((0..=255).collect()),
            ];
            for length in [0, 1, 100, 65_535, 65_536, 1 << 20] {
                let bytes = Mixed::Bytes(vec![0x5a; length]);
                let both = Mixed::All(vec![Mixed::All(list.clone()), bytes]);
                ours.send(both.clone()).unwrap();
                assert!(ours.recv().unwrap() == both);
            }
            party
        };
        party.join();
    });
}

/// CON-04, CON-13, CON-14
#[test]
fn messages_are_polled_for_in_short_steps_and_an_empty_one_is_one() {
    type Ends = (Connection<String>, Queue<()>);
    let messages = || ["hello", "", "bonjour", "", ""].map(str::to_owned);
    in_every_mode(move |mode| {
        let (reader, writer) = one_way_pipe::<String>().unwrap();
        assert!(!reader.poll(Duration::ZERO));
        assert!(!takes(SHORT, || reader.poll(SHORT)));
        let next = Queue::bounded(1).unwrap();
        let send = move |(writer, next): Ends| {
            for message in messages() {
                next.get().unwrap();
                writer.send(message).unwrap();
            }
        };
        let party = mode.start(send, (writer, next.clone()));
        for message in messages() {
            assert!(!reader.poll(Duration::from_millis(1)), "none was asked for");
            next.put(()).unwrap();
            while !reader.poll(Duration::from_millis(10)) {}
            for _ in 0..3 {
                assert!(reader.poll(Duration::ZERO), "it is there until it is taken");
            }
            assert_eq!(reader.recv().unwrap(), message);
        }
        party.join();
        assert!(matches!(reader.recv(), Err(RecvError::Ended)));
    });
}

/// CON-06
#[test]
fn the_end_is_heard_by_one_who_waits_and_by_one_who_comes_later() {
    in_every_mode(|mode| {
        for _ in 0..mode.rounds() {
            let (ours, theirs) = pipe::<u32>().unwrap();
            let waiting = Queue::bounded(1).unwrap();
            let listen = |(end, waiting): (Connection<u32>, Queue<String>)| {
                assert_eq!(end.recv().unwrap(), 1);
                waiting.put(here()).unwrap();
                assert!(matches!(end.recv(), Err(RecvError::Ended)));
                assert!(matches!(end.recv_timeout(LONG), Err(RecvError::Ended)));
                assert!(matches!(end.try_recv(), Err(RecvError::Ended)));
                assert!(matches!(end.send(5), Err(SendError::Ended(5))));
                assert!(end.poll(Duration::ZERO), "the end is something to receive");
                assert!(end.is_readable() && end.is_writable());
            };
            let party = mode.start(listen, (theirs, waiting.clone()));
            ours.send(1).unwrap();
            until_asleep(&waiting.get_timeout(LONG).unwrap());
            drop(ours);
            party.join();
        }
    });
}

/// CON-07
#[test]
fn either_end_of_a_one_way_pipe_refuses_the_other_way_wherever_it_is() {
    in_every_mode(|mode| {
        let (reader, writer) = one_way_pipe::<u32>().unwrap();
        let write = |writer: Connection<u32>| {
            assert!(!writer.is_readable() && writer.is_writable());
            assert!(matches!(writer.recv(), Err(RecvError::OneWay)));
            assert!(matches!(writer.recv_timeout(LONG), Err(RecvError::OneWay)));
            assert!(!writer.poll(Duration::ZERO));
            writer.send(1).unwrap();
        };
        mode.start(write, writer).join();
        let read = |reader: Connection<u32>| {
            assert!(reader.is_readable() && !reader.is_writable());
            assert!(matches!(reader.send(2), Err(SendError::OneWay(2))));
            assert!(matches!(reader.try_send(2), Err(SendError::OneWay(2))));
            assert_eq!(reader.recv().unwrap(), 1);
        };
        mode.start(read, reader).join();
    });
}

/// CON-08
#[test]
fn an_end_that_is_given_away_at_the_start_works_although_the_giver_has_none_left() {
    in_every_mode(|mode| {
        for _ in 0..mode.rounds() {
            let (ours, theirs) = pipe::<String>().unwrap();
            let kept = theirs.clone();
            let party = mode.start(echo::<String>, theirs);
            drop(kept);
            ours.send("there".to_owned()).unwrap();
            assert_eq!(ours.recv_timeout(LONG).unwrap(), "there");
            drop(ours);
            party.join();
        }
    });
}

/// CON-18
#[test]
fn either_end_can_be_sent_to_another_and_used_there() {
    type Post = Connection<Connection<u32>>;
    in_every_mode(|mode| {
        let (ours, theirs) = pipe::<Connection<u32>>().unwrap();
        let use_both = |post: Post| {
            let writer = post.recv().unwrap();
            writer.send(7).unwrap();
            drop(writer);
            let reader = post.recv().unwrap();
            assert_eq!(reader.recv().unwrap(), 8);
            assert!(matches!(reader.recv(), Err(RecvError::Ended)));
        };
        let party = mode.start(use_both, theirs);
        let (reader, writer) = one_way_pipe().unwrap();
        ours.send(writer).unwrap();
        assert_eq!(reader.recv_timeout(LONG).unwrap(), 7);
        assert!(matches!(reader.recv_timeout(LONG), Err(RecvError::Ended)));
        let (reader, writer) = one_way_pipe().unwrap();
        ours.send(reader).unwrap();
        writer.send(8).unwrap();
        drop(writer);
        party.join();
    });
}

/// GAP-28
#[test]
fn the_end_is_heard_at_once_although_ten_others_were_started_meanwhile() {
    in_every_mode(|mode| {
        let stop = Queue::<()>::bounded(1).unwrap();
        let (ours, theirs) = pipe::<u32>().unwrap();
        let stay = |stop: Queue<()>| assert!(stop.get().is_err());
        let mut siblings = mode.start_many(5, stay, &stop);
        let party = mode.start(|end: Connection<u32>| end.send(3).unwrap(), theirs);
        siblings.extend(mode.start_many(5, stay, &stop));
        assert_eq!(ours.recv_timeout(LONG).unwrap(), 3);
        assert!(matches!(ours.recv_timeout(LONG), Err(RecvError::Ended)));
        party.join();
        stop.close();
        brigade_tests::stage::join_all(siblings);
    });
}
