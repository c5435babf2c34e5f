//! What a child inherits: descriptors, signals, streams; and what it costs its parent.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod scenario;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use brigade_codec::Descriptor;
use brigade_process::{ExitStatus, Process, StartError, StartMethod};
use brigade_shm::{DescriptorConnection, Event, pipe_with_descriptors};
use brigade_sys::signals::{self, Signal, Signals};

use scenario::{
    LONG, ask, descriptors_of, each_method, each_method_alone, nothing, open_descriptors,
    own_status, with,
};

brigade_process::test_binary!();

#[test]
fn a_child_has_its_streams_the_memory_its_parent_and_its_argument_and_nothing_else() {
    each_method(|method| {
        let _held = File::open("/dev/full").unwrap();
        let zero = Descriptor::from(File::open("/dev/zero").unwrap());
        let (end, theirs) = scenario::pipe();
        let run = |(zero, end): (Descriptor, Descriptor)| {
            let list = open_descriptors();
            drop(zero);
            scenario::say(end, &list);
        };
        // Not tied to this process: a line would be one more.
        let process = Process::builder().method(method).start(run, (zero, theirs)).unwrap();
        let list: Vec<(i32, String)> = scenario::hear(end);
        assert_eq!(process.join(), ExitStatus::Code(0));
        assert_eq!(list[0], (0, "/dev/null".to_owned()), "standard input");
        let count = |what: &str| list.iter().filter(|(_, target)| target.contains(what)).count();
        assert_eq!(count("/dev/zero"), 1, "{list:?}");
        if method != StartMethod::Fork {
            assert_eq!(count("/dev/full"), 0, "{list:?}");
            assert_eq!(count("memfd:brigade"), 1, "{list:?}");
            assert_eq!(count("pidfd"), 1, "{list:?}");
            assert_eq!(count("socket"), 0, "{list:?}");
            assert_eq!(list.len(), 3 + 2 + 2, "{list:?}");
        }
    });
}

#[test]
fn every_number_of_descriptors_arrives_in_order() {
    each_method(|method| {
        for count in [1_usize, 2, 30, 249] {
            let (readers, writers): (Vec<_>, Vec<_>) = (0..count).map(|_| scenario::pipe()).unzip();
            let run = |writers: Vec<Descriptor>| {
                for (number, writer) in (0_u32..).zip(writers) {
                    File::from(writer).write_all(&number.to_le_bytes()).unwrap();
                }
            };
            let process = with(method).start(run, writers).unwrap();
            assert_eq!(process.join_timeout(LONG), Some(ExitStatus::Code(0)));
            for (number, mut reader) in (0_u32..).zip(readers) {
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes).unwrap();
                assert_eq!(bytes, number.to_le_bytes());
            }
        }
    });
}

#[test]
fn more_descriptors_than_can_be_passed_are_refused_with_their_number() {
    each_method(|method| {
        let null = || Descriptor::from(File::open("/dev/null").unwrap());
        let many: Vec<_> = (0..254).map(|_| null()).collect();
        let result = with(method).name("clerk").start(|_: Vec<Descriptor>| (), many);
        if method == StartMethod::Fork {
            assert_eq!(result.unwrap().join(), ExitStatus::Code(0));
            return;
        }
        let error = result.unwrap_err();
        assert!(matches!(error, StartError::Encode { .. }), "{error}");
        assert!(error.to_string().contains("`clerk`"), "{error}");
        if method == StartMethod::ForkServer {
            let many: Vec<_> = (0..250).map(|_| null()).collect();
            let error = with(method).start(|_: Vec<Descriptor>| (), many).unwrap_err();
            assert!(
                matches!(error, StartError::TooManyDescriptors { count: 250, limit: 249, .. }),
                "{error}"
            );
        }
    });
}

#[test]
fn no_signal_is_blocked_or_ignored_in_a_child_but_that_of_broken_pipes() {
    each_method(|method| {
        let before =
            signals::block(Signals::of(&[Signal::TERM, Signal::CHLD, Signal::USR1])).unwrap();
        signals::ignore(Signal::HUP).unwrap();
        signals::ignore(Signal::INT).unwrap();
        let seen =
            ask(with(method), |()| ["SigBlk", "SigIgn", "SigPnd", "ShdPnd"].map(own_status), ());
        signals::restore_default(Signal::HUP).unwrap();
        signals::restore_default(Signal::INT).unwrap();
        signals::set_mask(before).unwrap();
        let pipe = format!("{:016x}", 1 << (13 - 1));
        let none = "0000000000000000".to_owned();
        assert_eq!(seen, [none.clone(), pipe, none.clone(), none]);
    });
}

#[test]
fn a_signal_sent_as_soon_as_the_process_exists_is_not_lost() {
    each_method(|method| {
        signals::ignore(Signal::INT).unwrap();
        for _ in 0..30 {
            let process = with(method).start(scenario::wait_for_ever, ()).unwrap();
            process.interrupt().unwrap();
            assert_eq!(process.join_timeout(LONG), Some(ExitStatus::Signal(2)));
        }
        signals::restore_default(Signal::INT).unwrap();
    });
}

#[test]
fn a_hundred_processes_and_refusals_leave_nothing() {
    each_method(|method| {
        let count = || descriptors_of(std::process::id() as i32).len();
        let event = Event::new().unwrap();
        with(method).start(nothing, ()).unwrap().join();
        brigade_process::active_children();
        let before = count();
        for _ in 0..100 {
            let run = |event: Event| assert!(!event.is_set());
            let process = with(method).start(run, event.clone()).unwrap();
            assert_eq!(process.join(), ExitStatus::Code(0));
        }
        brigade_process::active_children();
        assert_eq!(count(), before);
    });
}

#[test]
fn objects_created_and_handed_to_processes_leave_memory_flat() {
    let name = "objects_created_and_handed_to_processes_leave_memory_flat";
    each_method_alone(name, |method| {
        let arena = brigade_shm::Arena::program().unwrap();
        let turn = || {
            let event = Event::new().unwrap();
            let run = |event: Event| event.set();
            let process = with(method).start(run, event).unwrap();
            assert_eq!(process.join(), ExitStatus::Code(0));
        };
        for _ in 0..10 {
            turn();
        }
        arena.bury_the_dead();
        let before = arena.used().unwrap();
        for _ in 0..50 {
            turn();
        }
        arena.bury_the_dead();
        assert_eq!(arena.used().unwrap(), before);
    });
}

#[test]
fn a_child_that_dies_at_once_does_not_hold_its_parent_up() {
    each_method(|method| {
        let begun = Instant::now();
        for _ in 0..20 {
            let large = vec![1_u8; 1 << 20];
            let process = with(method).start(|_: Vec<u8>| (), large).unwrap();
            process.kill().unwrap();
            let status = process.join_timeout(LONG).unwrap();
            assert!(matches!(status, ExitStatus::Signal(9) | ExitStatus::Code(0)), "{status}");
        }
        assert!(begun.elapsed() < Duration::from_secs(30));
    });
}

#[test]
fn a_value_that_cannot_be_encoded_is_refused_and_nothing_starts() {
    each_method(|method| {
        if method == StartMethod::Fork {
            // It is not encoded.
            return;
        }
        #[derive(serde::Deserialize)]
        struct Stubborn;
        impl serde::Serialize for Stubborn {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("I stay"))
            }
        }
        let before = scenario::children();
        let error = with(method).start(|_: Stubborn| (), Stubborn).unwrap_err();
        assert!(error.to_string().contains("I stay"), "{error}");
        assert_eq!(scenario::children(), before);
    });
}

#[test]
fn an_argument_that_cannot_be_read_ends_the_child_with_a_message() {
    each_method(|method| {
        if method == StartMethod::Fork {
            return;
        }
        #[derive(serde::Serialize)]
        struct Unreadable;
        impl<'de> serde::Deserialize<'de> for Unreadable {
            fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
                Err(serde::de::Error::custom("illegible"))
            }
        }
        let run = |(out, method): (Descriptor, StartMethod)| {
            brigade_sys::descriptor::replace_stderr(OwnedFd::from(out).as_fd()).unwrap();
            let process = with(method).start(|_: Unreadable| (), Unreadable).unwrap();
            assert_eq!(process.join(), ExitStatus::Code(70));
            brigade_process::fork_server::stop();
        };
        let (mut said, out) = scenario::pipe();
        let process = with(StartMethod::Spawn).start(run, (out, method)).unwrap();
        let mut text = String::new();
        said.read_to_string(&mut text).unwrap();
        assert_eq!(process.join(), ExitStatus::Code(0), "{text}");
        assert!(text.contains("illegible"), "{text}");
    });
}

#[test]
fn a_process_that_may_open_nothing_more_is_told_so_and_goes_on() {
    each_method(|method| {
        let mut held = Vec::new();
        loop {
            match File::open("/dev/null") {
                Ok(file) => held.push(file),
                Err(_) => break,
            }
            if held.len() > 300_000 {
                return;
            }
        }
        let error = with(method).start(nothing, ()).unwrap_err();
        assert!(error.to_string().contains("Too many open files"), "{error}");
        drop(held);
        assert_eq!(with(method).start(nothing, ()).unwrap().join(), ExitStatus::Code(0));
    });
}

#[test]
fn an_end_of_a_pipe_that_passes_descriptors_is_an_argument() {
    each_method(|method| {
        let (here, there) = pipe_with_descriptors::<u32>().unwrap();
        let child = with(method)
            .start(
                |there: DescriptorConnection<u32>| {
                    let mut file = File::from(there.recv_descriptor().unwrap());
                    write!(file, "{}", there.recv().unwrap()).unwrap();
                },
                there,
            )
            .unwrap();
        let mut file = tempfile::tempfile().unwrap();
        here.send_descriptor(&file).unwrap();
        here.send(7).unwrap();
        assert_eq!(child.join(), ExitStatus::Code(0));
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "7");
    });
}
