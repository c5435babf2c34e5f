//! What differs between the start methods, and what must not (STM).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod scenario;

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use brigade_process::{ExitStatus, Process, StartError, StartMethod, current_process, fork_server};
use brigade_shm::{Event, Lock, Semaphore};
use brigade_sys::pidfd;
use brigade_sys::signals::Signal;
use brigade_sys::time::Deadline;
use serde::{Deserialize, Serialize};

use scenario::{LONG, ask, children, each_method, nothing, wait_for_ever, with};

brigade_process::test_binary!();

#[test]
fn children_see_the_method_they_were_started_by_and_inherit_the_default() {
    each_method(|method| {
        method.make_default();
        let seen = ask(
            Process::builder(),
            |()| (current_process().method, StartMethod::current_default()),
            (),
        );
        assert_eq!(seen, (Some(method), method));
        let process = Process::start(nothing, ()).unwrap();
        assert_eq!(process.method(), method);
        process.join();
        let other = ask(with(StartMethod::Spawn), |()| current_process().method, ());
        assert_eq!(other, Some(StartMethod::Spawn), "a method that is named is used");
    });
}

#[test]
fn the_list_of_methods_begins_with_the_default() {
    let defaults = ask(with(StartMethod::Spawn), |()| StartMethod::current_default(), ());
    assert_eq!(defaults, StartMethod::ALL[0]);
}

/// Counts with a lock, and says when it is done: for every pair of methods.
fn count((counter, done): (Lock<u64>, Semaphore)) {
    for _ in 0..100 {
        *counter.lock().unwrap() += 1;
    }
    done.release(1).unwrap();
}

#[test]
fn shared_objects_work_between_processes_of_different_methods() {
    each_method(|method| {
        let counter = Lock::new(0_u64).unwrap();
        let done = Semaphore::new(0).unwrap();
        // This process first, while it has one thread; then children of the others, which start
        // children of their own.
        let relay = |(method, counter, done): (StartMethod, Lock<u64>, Semaphore)| {
            let child = with(method).start(count, (counter.clone(), done.clone())).unwrap();
            count((counter, done));
            assert_eq!(child.join(), ExitStatus::Code(0));
        };
        let processes: Vec<_> = StartMethod::ALL
            .into_iter()
            .map(|inner| with(method).start(relay, (inner, counter.clone(), done.clone())).unwrap())
            .collect();
        for _ in 0..6 {
            done.acquire_timeout(LONG).unwrap().forget();
        }
        for process in processes {
            assert_eq!(process.join(), ExitStatus::Code(0));
        }
        assert_eq!(*counter.lock().unwrap(), 600);
    });
}

#[test]
fn arguments_and_environment_of_the_program_reach_its_grandchildren() {
    each_method(|method| {
        let seen = |()| {
            let arguments: Vec<_> = std::env::args().collect();
            (arguments, std::env::var("PATH").ok(), std::env::var_os("BRIGADE_ENTRY").is_none())
        };
        let relay = move |method: StartMethod| ask(with(method), seen, ());
        let (arguments, path, is_clean) = ask(with(method), relay, method);
        assert_eq!(arguments, std::env::args().collect::<Vec<_>>());
        assert_eq!(path, std::env::var("PATH").ok());
        assert!(is_clean, "the entry's variable is gone");
    });
}

#[test]
fn five_generations_of_processes_each_start_the_next() {
    each_method(|method| {
        fn generation((left, method): (u32, StartMethod)) {
            assert_eq!(scenario::open_descriptors().len(), own_share(method), "{left} left");
            if left > 0 {
                let child = with(method).start(generation, (left - 1, method)).unwrap();
                assert_eq!(child.join(), ExitStatus::Code(0));
            }
        }
        /// What a fork copies grows by the parent's own handles; the others have a fixed set.
        fn own_share(method: StartMethod) -> usize {
            match method {
                StartMethod::Fork => scenario::open_descriptors().len(),
                _ => 6,
            }
        }
        let first = with(method).start(generation, (5, method)).unwrap();
        assert_eq!(first.join(), ExitStatus::Code(0));
    });
}

#[test]
fn a_fork_is_refused_while_there_are_other_threads() {
    let error = with(StartMethod::Fork).name("copy").start(nothing, ()).unwrap_err();
    assert!(matches!(error, StartError::OtherThreads { threads: 2.., .. }), "{error}");
    assert!(error.to_string().contains("`copy`"), "{error}");
}

/// This process's fork server, which is started if it is not running.
fn server() -> i32 {
    fork_server::start().unwrap();
    fork_server::pid().unwrap()
}

/// Runs a scenario of the fork server in a process that has no other.
fn with_a_fork_server(scenario: impl Fn() + Copy + Send + 'static) {
    let run = move |()| {
        scenario();
        fork_server::stop();
        assert_eq!(children(), Vec::<i32>::new());
    };
    let process = with(StartMethod::Spawn).start(run, ()).unwrap();
    assert_eq!(process.join_timeout(LONG), Some(ExitStatus::Code(0)));
}

#[test]
fn the_fork_server_ignores_the_interrupt_key() {
    with_a_fork_server(|| {
        let go = Event::new().unwrap();
        let run = |go: Event| go.wait();
        let running = with(StartMethod::ForkServer).start(run, go.clone()).unwrap();
        let server = server();
        let pidfd = pidfd::open(server).unwrap();
        pidfd::signal(pidfd.as_fd(), Signal::INT).unwrap();
        let next = with(StartMethod::ForkServer).start(nothing, ()).unwrap();
        assert_eq!(next.join(), ExitStatus::Code(0));
        assert_eq!(self::server(), server, "it is the same server");
        go.set();
        assert_eq!(running.join(), ExitStatus::Code(0));
    });
}

#[test]
fn a_fork_server_that_dies_is_replaced_and_loses_no_status() {
    with_a_fork_server(|| {
        for _ in 0..20 {
            let go = Event::new().unwrap();
            let run = |go: Event| {
                go.wait();
                ExitCode::from(5)
            };
            let running = with(StartMethod::ForkServer).start(run, go.clone()).unwrap();
            let server = server();
            let pidfd = pidfd::open(server).unwrap();
            pidfd::signal(pidfd.as_fd(), Signal::KILL).unwrap();
            let next = with(StartMethod::ForkServer).start(nothing, ()).unwrap();
            assert_eq!(next.join(), ExitStatus::Code(0));
            assert_ne!(self::server(), server);
            go.set();
            assert_eq!(running.join(), ExitStatus::Code(5), "the status of its child is known");
        }
    });
}

/// Kills whatever goes by the server's name, until told to stop: the server, and copies of it that
/// have not become children yet.
fn hunt(stop: &Event) {
    while !stop.wait_timeout(Duration::from_millis(1)) {
        for pid in children() {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
            if name.is_ok_and(|name| name == "brigade-forker\n")
                && let Ok(process) = pidfd::open(pid)
            {
                pidfd::signal(process.as_fd(), Signal::KILL).unwrap();
            }
        }
    }
}

#[test]
fn a_fork_server_killed_at_any_moment_starts_each_process_once_or_says_that_it_did_not() {
    with_a_fork_server(|| {
        let started = Semaphore::new(0).unwrap();
        let stop = Event::new().unwrap();
        let hunter = {
            let stop = stop.clone();
            std::thread::spawn(move || hunt(&stop))
        };
        let mut successes = 0;
        for _ in 0..300 {
            let before = started.available();
            let run = |started: Semaphore| started.release(1).unwrap();
            let result = with(StartMethod::ForkServer).start(run, started.clone());
            let status = match result {
                Ok(process) => Some(process.join_timeout(LONG).expect("it ends")),
                Err(StartError::ForkServer { .. }) => None,
                Err(error) => panic!("{error}"),
            };
            let runs = started.available() - before;
            match status {
                Some(ExitStatus::Code(0)) => assert_eq!(runs, 1),
                Some(ExitStatus::Signal(9)) => assert!(runs <= 1),
                Some(status) => panic!("{status}"),
                None => assert_eq!(runs, 0),
            }
            successes += runs;
        }
        stop.set();
        hunter.join().unwrap();
        assert!(successes > 0);
    });
}

#[test]
fn the_fork_server_ends_with_its_owner_and_its_children_do_not() {
    let (said, out) = scenario::pipe();
    let run = |(go, out): (Event, brigade_codec::Descriptor)| {
        let run = |go: Event| assert!(go.wait_timeout(LONG));
        let builder = Process::builder().method(StartMethod::ForkServer);
        let child = builder.start(run, go).unwrap();
        scenario::say(out, &(server(), child.pid()));
        wait_for_ever(());
    };
    let go = Event::new().unwrap();
    let owner = with(StartMethod::Spawn).start(run, (go.clone(), out)).unwrap();
    let (server, child): (i32, i32) = scenario::hear(said);
    let [server, child] = [server, child].map(|pid| pidfd::open(pid).unwrap());
    owner.kill().unwrap();
    let limit = Deadline::after(LONG);
    assert!(pidfd::wait_end(server.as_fd(), limit).unwrap());
    assert!(!pidfd::has_ended(child.as_fd()));
    go.set();
    assert!(pidfd::wait_end(child.as_fd(), limit).unwrap());
}

#[test]
fn a_frozen_fork_server_is_thawed_or_given_up_but_never_waited_for_without_end() {
    with_a_fork_server(|| {
        let server = pidfd::open(server()).unwrap();
        pidfd::signal(server.as_fd(), Signal::STOP).unwrap();
        let thaw = std::thread::spawn(move || {
            assert!(
                !pidfd::wait_end(server.as_fd(), Deadline::after(Duration::from_millis(50)))
                    .unwrap()
            );
            pidfd::signal(server.as_fd(), Signal::CONT).unwrap();
        });
        let process = with(StartMethod::ForkServer).start(nothing, ()).unwrap();
        assert_eq!(process.join(), ExitStatus::Code(0));
        thaw.join().unwrap();
    });
}

#[derive(Serialize, Deserialize)]
struct Paths {
    program: std::path::PathBuf,
    moved: std::path::PathBuf,
}

/// What the next test runs in a copy of this program.
#[test]
fn start_after_the_program_was_replaced() {
    let Some(paths) = std::env::var_os("BRIGADE_TEST_REPLACED") else { return };
    let program = std::path::PathBuf::from(paths);
    let paths = Paths { moved: program.with_extension("moved"), program };
    std::fs::rename(&paths.program, &paths.moved).unwrap();
    std::fs::write(&paths.program, "#!/bin/false\n").unwrap();
    each_method(|method| {
        let process = with(method).start(|n: u8| ExitCode::from(n), 9).unwrap();
        assert_eq!(process.join(), ExitStatus::Code(9));
    });
    std::fs::remove_file(&paths.moved).unwrap();
    each_method(|method| {
        let process = with(method).start(|n: u8| ExitCode::from(n), 10).unwrap();
        assert_eq!(process.join(), ExitStatus::Code(10));
    });
}

#[test]
fn a_program_that_is_replaced_while_it_runs_starts_itself() {
    let directory = std::env::temp_dir().join(format!("brigade-replaced-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let program = directory.join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = std::process::Command::new(&program)
        .args(["start_after_the_program_was_replaced", "--exact"])
        .env("BRIGADE_TEST_REPLACED", &program)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
