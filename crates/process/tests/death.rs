//! What becomes of children when their parent dies, and of parents when their children do.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod scenario;

use std::os::fd::{AsFd, OwnedFd};

use brigade_codec::Descriptor;
use brigade_process::{ExitStatus, Process, StartMethod, parent_process};
use brigade_shm::{Event, Producer, Queue};
use brigade_sys::pidfd;
use brigade_sys::time::Deadline;
use brigade_sys::wait::wait;

use scenario::{
    LONG, each_method, each_method_alone, hear, nothing, pipe, say, wait_for_ever, with,
};

brigade_process::test_binary!();

/// Starts a parent that starts two children, one tied to it and one not, from a thread that has
/// ended when it says so.
fn family(method: StartMethod, go: &Event) -> (Process, OwnedFd, OwnedFd) {
    let run = |(method, go, out): (StartMethod, Event, Descriptor)| {
        let start = move || {
            let tied = with(method).start(wait_for_ever, ()).unwrap();
            let wait = |go: Event| assert!(go.wait_timeout(LONG));
            let free = Process::builder().method(method).start(wait, go).unwrap();
            (tied.pid(), free.pid())
        };
        let pids = match method {
            StartMethod::Fork => start(),
            _ => std::thread::spawn(start).join().unwrap(),
        };
        say(out, &pids);
        wait_for_ever(());
    };
    let (said, out) = pipe();
    let parent = Process::builder()
        .method(StartMethod::Spawn)
        .dies_with_parent()
        .start(run, (method, go.clone(), out))
        .unwrap();
    // Children by fork keep the pipe open, so its end is not waited for.
    let mut said = said;
    let mut bytes = [0; 64];
    let count = std::io::Read::read(&mut said, &mut bytes).unwrap();
    let (tied, free): (i32, i32) = brigade_codec::decode(&bytes[..count]).unwrap();
    (parent, pidfd::open(tied).unwrap(), pidfd::open(free).unwrap())
}

#[test]
fn a_tied_child_dies_with_its_parent_and_another_lives_on() {
    each_method(|method| {
        for _ in 0..5 {
            let go = Event::new().unwrap();
            let (parent, tied, free) = family(method, &go);
            assert!(!pidfd::has_ended(tied.as_fd()), "the thread that started it has ended");
            parent.kill().unwrap();
            assert_eq!(parent.join(), ExitStatus::Signal(9));
            let limit = Deadline::after(LONG);
            assert!(pidfd::wait_end(tied.as_fd(), limit).unwrap());
            assert!(!pidfd::has_ended(free.as_fd()));
            go.set();
            assert!(pidfd::wait_end(free.as_fd(), limit).unwrap());
        }
    });
}

#[test]
fn a_tied_child_dies_also_when_its_parent_exits_in_order() {
    each_method(|method| {
        let run = |(method, out): (StartMethod, Descriptor)| {
            let child = with(method).start(wait_for_ever, ()).unwrap();
            std::io::Write::write_all(&mut std::fs::File::from(out), &child.pid().to_le_bytes())
                .unwrap();
            // A child that was just started may not have hung on yet.
        };
        for _ in 0..20 {
            let (mut said, out) = pipe();
            let parent = with(StartMethod::Spawn).start(run, (method, out)).unwrap();
            let mut number = [0; 4];
            std::io::Read::read_exact(&mut said, &mut number).unwrap();
            let child = pidfd::open(i32::from_le_bytes(number));
            assert_eq!(parent.join(), ExitStatus::Code(0));
            // It may be gone and reaped already.
            if let Ok(child) = child {
                assert!(pidfd::wait_end(child.as_fd(), Deadline::after(LONG)).unwrap());
            }
        }
    });
}

#[test]
fn a_child_learns_that_its_parent_was_killed() {
    each_method(|method| {
        let middle = |(method, out): (StartMethod, Descriptor)| {
            let orphan = |out: Descriptor| {
                let parent = parent_process().unwrap();
                std::io::Write::write_all(&mut &std::fs::File::from(out_copy(&out)), b"ready")
                    .unwrap();
                assert!(parent.join_timeout(LONG));
                assert!(!parent.is_alive());
                assert_eq!(wait(&[&parent], Deadline::NEVER), [0]);
                say(out, &"bereft");
            };
            Process::builder().method(method).start(orphan, out).unwrap();
            wait_for_ever(());
        };
        let (mut said, out) = pipe();
        let parent = with(StartMethod::Spawn).start(middle, (method, out)).unwrap();
        let mut ready = [0; 5];
        std::io::Read::read_exact(&mut said, &mut ready).unwrap();
        parent.kill().unwrap();
        parent.join();
        assert_eq!(hear::<String>(said), "bereft");
    });
}

fn out_copy(out: &Descriptor) -> OwnedFd {
    out.as_fd().try_clone_to_owned().unwrap()
}

#[test]
fn a_child_killed_while_it_settles_leaves_its_parent_unharmed() {
    each_method(|method| {
        let go = Event::new().unwrap();
        for turn in 0..60_u32 {
            let run = |go: Event| go.wait();
            let process = with(method).start(run, go.clone()).unwrap();
            // From at once to about when it has settled.
            for _ in 0..turn * 200 {
                std::hint::spin_loop();
            }
            process.kill().unwrap();
            assert_eq!(process.join_timeout(LONG), Some(ExitStatus::Signal(9)));
        }
        go.set();
        let last = with(method).start(|go: Event| assert!(go.is_set()), go).unwrap();
        assert_eq!(last.join(), ExitStatus::Code(0));
        with(method).start(nothing, ()).unwrap().join();
    });
}

#[derive(serde::Serialize)]
struct Unreadable;

impl<'de> serde::Deserialize<'de> for Unreadable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("illegible, as it is meant to be"))
    }
}

#[test]
fn nobody_waits_for_a_child_that_ended_before_it_read_its_argument() {
    each_method(|method| {
        if method == StartMethod::Fork {
            // It has its argument from the start.
            return;
        }
        let queue = Queue::<u32>::bounded(4).unwrap();
        let producer = queue.producer().unwrap();
        let run = |_: (Unreadable, Producer<u32>)| ();
        let process = with(method).start(run, (Unreadable, producer)).unwrap();
        assert!(queue.iter().next().is_none(), "its producer has gone");
        assert_eq!(process.join(), ExitStatus::Code(70));
    });
}

#[test]
fn a_producer_killed_at_any_moment_of_its_start_is_noticed_and_leaves_nothing() {
    let name = "a_producer_killed_at_any_moment_of_its_start_is_noticed_and_leaves_nothing";
    each_method_alone(name, |method| {
        let arena = brigade_shm::Arena::program().unwrap();
        let turn = |pause: u32| {
            let queue = Queue::<u32>::bounded(4).unwrap();
            let run = |producer: Producer<u32>| {
                producer.put(1).unwrap();
                wait_for_ever(());
            };
            let process = with(method).start(run, queue.producer().unwrap()).unwrap();
            for _ in 0..pause {
                std::hint::spin_loop();
            }
            process.kill().unwrap();
            let values: Vec<_> = queue.iter().collect();
            assert!(values.is_empty() || values == [1], "{values:?}");
            process.join();
        };
        turn(0);
        arena.bury_the_dead();
        let before = arena.used().unwrap();
        for pause in 0..60 {
            turn(pause * 1000);
        }
        arena.bury_the_dead();
        assert_eq!(arena.used().unwrap(), before);
    });
}

#[test]
fn a_grandchild_uses_a_queue_of_its_grandparent() {
    each_method(|method| {
        let queue = Queue::<u32>::bounded(4).unwrap();
        let producer = queue.producer().unwrap();
        let run = |(method, producer): (StartMethod, Producer<u32>)| {
            let run = |producer: Producer<u32>| (0..100).for_each(|n| producer.put(n).unwrap());
            let child = with(method).start(run, producer).unwrap();
            assert_eq!(child.join(), ExitStatus::Code(0));
        };
        let process = with(method).start(run, (method, producer)).unwrap();
        assert_eq!(queue.iter().collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
        assert_eq!(process.join(), ExitStatus::Code(0));
    });
}
