//! The life of a process: start, join, end, and what is known of it (PRC, GAP-16, GAP-29).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod scenario;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use brigade_codec::Descriptor;
use brigade_process::{
    ExitStatus, Process, StartMethod, active_children, cpu_count, current_process, parent_process,
    process_cpu_count,
};
use brigade_shm::Event;
use brigade_sys::reactor::block_on;
use brigade_sys::signals::{self, Signal};
use brigade_sys::time::Deadline;
use brigade_sys::wait::wait;

use scenario::{LONG, ask, each_method, hear, nothing, pipe, say, wait_for_ever, with};

brigade_process::test_binary!();

const SIGINT: i32 = 2;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

#[test]
fn a_process_knows_its_name_its_number_and_its_parent() {
    each_method(|method| {
        let own = current_process();
        assert_eq!(own.pid, std::process::id() as i32);
        let (answer, out) = pipe();
        let process = with(method)
            .name("clerk")
            .start(
                |(number, text, out): (i32, String, Descriptor)| {
                    let own = current_process();
                    let parent = parent_process().unwrap();
                    assert!(parent.is_alive());
                    assert!(!parent.join_timeout(Duration::from_millis(1)));
                    let parent = (parent.name().to_owned(), parent.pid());
                    say(out, &(number, text, own.name, own.pid, own.method, parent));
                },
                (7, "seven".to_owned(), out),
            )
            .unwrap();
        let is_listed = active_children().iter().any(|child| child.pid() == process.pid());
        // It may have said all and ended already.
        assert!(is_listed || !process.is_alive());
        type Said = (i32, String, String, i32, Option<StartMethod>, (String, i32));
        let said: Said = hear(answer);
        assert_eq!((said.0, said.1.as_str()), (7, "seven"));
        assert_eq!((said.2.as_str(), said.3), ("clerk", process.pid()));
        assert_eq!(said.4, Some(method));
        assert_eq!(said.5, (own.name, own.pid));
        assert_eq!(process.join(), ExitStatus::Code(0));
        assert!(!process.is_alive());
        assert_eq!((process.name(), process.method()), ("clerk", method));
        assert!(active_children().is_empty());
    });
}

#[test]
fn arguments_of_every_shape_arrive_as_they_were() {
    each_method(|method| {
        assert_eq!(ask(with(method), |n: i64| n, i64::MIN), i64::MIN);
        assert_eq!(ask(with(method), |text: String| text, "\0ü".to_owned()), "\0ü");
        let list = vec![Some(1.5), None];
        assert_eq!(ask(with(method), |list: Vec<Option<f64>>| list, list.clone()), list);
        let map = BTreeMap::from([('a', (1, true)), ('b', (2, false))]);
        assert_eq!(ask(with(method), |map: BTreeMap<char, (u8, bool)>| map, map.clone()), map);
        ask(with(method), |()| (), ());
        let large = vec![0x5a_u8; 3 << 20];
        let sum = |bytes: Vec<u8>| -> u64 { bytes.iter().map(|byte| u64::from(*byte)).sum() };
        let sum = ask(with(method), sum, large);
        assert_eq!(sum, 0x5a_u64 * (3 << 20));
    });
}

#[test]
fn a_process_is_ended_by_the_signal_that_its_handle_sends() {
    each_method(|method| {
        type Send = fn(&Process) -> Result<(), brigade_sys::Error>;
        let ways: [(Send, i32); 3] =
            [(Process::terminate, SIGTERM), (Process::kill, SIGKILL), (Process::interrupt, SIGINT)];
        for (send, signal) in ways {
            let process = with(method).start(wait_for_ever, ()).unwrap();
            assert_eq!(process.join_timeout(Duration::ZERO), None);
            assert_eq!(process.exit_status(), None);
            assert!(process.is_alive());
            send(&process).unwrap();
            assert_eq!(process.join_timeout(LONG), Some(ExitStatus::Signal(signal)));
            assert_eq!(process.join(), ExitStatus::Signal(signal), "a second time");
            send(&process).unwrap();
            assert!(active_children().is_empty());
        }
    });
}

#[test]
fn the_result_of_the_function_is_the_exit_status() {
    each_method(|method| {
        let status = |process: Process| process.join();
        let code = |n: u8| ExitCode::from(n);
        for n in [0, 1, 8, 255] {
            let process = with(method).start(code, n).unwrap();
            assert_eq!(status(process), ExitStatus::Code(i32::from(n)));
        }
        let exits = with(method).start(|n: i32| std::process::exit(n) as (), 8).unwrap();
        assert_eq!(status(exits), ExitStatus::Code(8));
        let fails = with(method).start(|()| Err::<(), _>("no ledger"), ()).unwrap();
        assert_eq!(status(fails), ExitStatus::Code(1));
        let aborts = with(method).start(|()| std::process::abort() as (), ()).unwrap();
        assert_eq!(status(aborts), ExitStatus::Signal(6));
    });
}

#[test]
fn a_panic_and_an_error_are_on_standard_error_when_join_returns() {
    each_method(|method| {
        let run = |out: Descriptor, what: u8| {
            with(method)
                .start(
                    |(out, what): (Descriptor, u8)| {
                        brigade_sys::descriptor::replace_stderr(OwnedFd::from(out)).unwrap();
                        assert_ne!(what, 0, "the ledger is wet");
                        Err::<(), _>("no ledger")
                    },
                    (out, what),
                )
                .unwrap()
        };
        for (what, code, text) in [(0, 101, "the ledger is wet"), (1, 1, "no ledger")] {
            let (mut said, out) = pipe();
            let process = run(out, what);
            assert_eq!(process.join(), ExitStatus::Code(code));
            let mut all = String::new();
            said.read_to_string(&mut all).unwrap();
            assert!(all.contains(text), "{all}");
        }
    });
}

#[test]
fn there_is_a_processor() {
    assert!(process_cpu_count() <= cpu_count());
}

#[test]
fn names_count_the_children_along_the_family() {
    each_method(|method| {
        let names = |method: StartMethod| {
            let grandchild = ask(with(method), |()| current_process().name, ());
            (current_process().name, grandchild)
        };
        let (child, grandchild) = ask(with(method), names, method);
        assert_eq!(grandchild, format!("{child}:1"));
        let family = |name: String| name.rsplit_once(':').unwrap().0.to_owned();
        let (next, _) = ask(with(method), names, method);
        assert_eq!(family(next.clone()), family(child.clone()));
        assert_ne!(next, child);
    });
}

fn descend(out: &File, path: Vec<u32>, method: StartMethod) {
    let mut line = path.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
    line.push('\n');
    (&mut &*out).write_all(line.as_bytes()).unwrap();
    if path.len() == 2 {
        return;
    }
    for number in 0..2 {
        let mut path = path.clone();
        path.push(number);
        let out = Descriptor::from(out.try_clone().unwrap());
        let child = with(method)
            .start(
                |(out, path, method): (Descriptor, Vec<u32>, StartMethod)| {
                    descend(&File::from(out), path, method);
                },
                (out, path, method),
            )
            .unwrap();
        assert_eq!(child.join(), ExitStatus::Code(0));
    }
}

#[test]
fn children_have_children_in_the_order_in_which_they_are_joined() {
    each_method(|method| {
        let (mut said, out) = pipe();
        descend(&File::from(out), vec![], method);
        let mut all = String::new();
        said.read_to_string(&mut all).unwrap();
        assert_eq!(all, "\n0\n0.0\n0.1\n1\n1.0\n1.1\n");
    });
}

#[test]
fn the_sentinel_is_ready_when_the_process_has_ended_and_stays_so() {
    each_method(|method| {
        let go = Event::new().unwrap();
        let process = with(method).start(|go: Event| go.wait(), go.clone()).unwrap();
        let soon = Deadline::after(Duration::from_millis(5));
        assert_eq!(wait(&[&process], soon), Vec::<usize>::new());
        assert!(!brigade_sys::descriptor::is_readable(process.sentinel()));
        go.set();
        assert_eq!(wait(&[&process], Deadline::after(LONG)), [0]);
        assert_eq!(process.join(), ExitStatus::Code(0));
        assert!(brigade_sys::descriptor::is_readable(process.sentinel()));
        assert_eq!(wait(&[&process], Deadline::after(LONG)), [0]);
    });
}

#[test]
fn a_handle_is_closed_when_the_process_has_ended_and_not_before() {
    each_method(|method| {
        let process = with(method).start(wait_for_ever, ()).unwrap();
        let refused = process.close().unwrap_err();
        assert!(refused.to_string().contains("still running"), "{refused}");
        let process = refused.0;
        process.kill().unwrap();
        process.join();
        assert_eq!(process.close().unwrap(), ExitStatus::Signal(SIGKILL));
    });
}

#[test]
fn a_dropped_handle_leaves_the_process_running_and_no_zombie() {
    each_method(|method| {
        let go = Event::new().unwrap();
        let done = Event::new().unwrap();
        let run = |(go, done): (Event, Event)| {
            go.wait();
            done.set();
        };
        drop(with(method).start(run, (go.clone(), done.clone())).unwrap());
        let child = active_children().pop().unwrap();
        go.set();
        assert!(done.wait_timeout(LONG));
        assert_eq!(wait(&[&child], Deadline::after(LONG)), [0]);
        drop(child);
        // The next start reaps it.
        let next = with(method).start(nothing, ()).unwrap();
        let numbers = [vec![next.pid()], vec![]];
        let others: Vec<_> = scenario::children()
            .into_iter()
            .filter(|pid| method != StartMethod::ForkServer && !numbers[0].contains(pid))
            .collect();
        assert_eq!(others, Vec::<i32>::new());
        next.join();
    });
}

#[test]
fn text_buffered_before_the_start_is_written_once() {
    each_method(|method| {
        let (mut said, out) = pipe();
        // The scenario runs in a process of its own, whose standard output may be replaced.
        let writes = |(out, method): (Descriptor, StartMethod)| {
            brigade_sys::descriptor::replace_stdout(OwnedFd::from(out)).unwrap();
            print!("parent ");
            let child = with(method).start(|()| print!("child "), ()).unwrap();
            child.join();
            println!("parent");
            brigade_process::fork_server::stop();
        };
        let writer = with(StartMethod::Spawn).start(writes, (out, method)).unwrap();
        assert_eq!(writer.join(), ExitStatus::Code(0));
        let mut all = String::new();
        said.read_to_string(&mut all).unwrap();
        assert_eq!(all.matches("parent").count(), 2, "{all:?}");
        assert_eq!(all.matches("child").count(), 1, "{all:?}");
    });
}

/// What the next test runs in a process that was started without standard streams.
#[test]
fn starts_children_by_each_method() {
    each_method(|method| {
        let child = with(method).start(|()| println!("to nobody"), ()).unwrap();
        assert_eq!(child.join(), ExitStatus::Code(0));
    });
}

#[test]
fn a_process_without_standard_streams_starts_children_that_work() {
    let status = std::process::Command::new("/bin/sh")
        .args(["-c", "exec \"$0\" \"$@\" <&- >&- 2>&-"])
        .arg(std::env::current_exe().unwrap())
        .args(["starts_children_by_each_method", "--exact"])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_childs_main_thread_has_a_number_of_its_own() {
    each_method(|method| {
        let own = brigade_sys::identity::Identity::current();
        let theirs = ask(
            with(method),
            |()| {
                let task = std::fs::read_link("/proc/thread-self").unwrap();
                (task.display().to_string(), std::process::id())
            },
            (),
        );
        assert_eq!(theirs.0, format!("{0}/task/{0}", theirs.1));
        assert_ne!(theirs.1, own.pid);
    });
}

#[test]
fn up_to_nineteen_threads_join_the_same_process() {
    for threads in [2, 7, 19] {
        for method in [StartMethod::Spawn, StartMethod::ForkServer] {
            let go = Event::new().unwrap();
            let run = |go: Event| {
                go.wait();
                ExitCode::from(3)
            };
            let process = with(method).start(run, go.clone()).unwrap();
            let ready = Barrier::new(threads + 1);
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        ready.wait();
                        assert_eq!(process.join(), ExitStatus::Code(3));
                        assert!(!process.is_alive());
                    });
                }
                ready.wait();
                go.set();
            });
        }
    }
}

#[test]
fn eight_threads_see_the_one_true_status_of_two_hundred_processes() {
    let processes: Vec<_> = (0..200_u32)
        .map(|number| {
            let code = |number: u32| ExitCode::from(u8::try_from(number).unwrap());
            let method = [StartMethod::Spawn, StartMethod::ForkServer][number as usize % 2];
            with(method).start(code, number).unwrap()
        })
        .collect();
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (processes, start) = (&processes, &start);
            scope.spawn(move || {
                start.wait();
                for (number, process) in processes.iter().enumerate() {
                    let expected = ExitStatus::Code(i32::try_from(number).unwrap());
                    match thread % 4 {
                        0 => assert_eq!(process.join(), expected),
                        1 => assert_eq!(process.join_timeout(LONG), Some(expected)),
                        2 => {
                            while process.is_alive() {
                                std::thread::yield_now();
                            }
                        }
                        _ => {
                            while process.exit_status().is_none() {
                                assert!(!active_children().iter().any(|child| {
                                    child
                                        .exit_status()
                                        .is_some_and(|status| status == ExitStatus::Unknown)
                                }));
                            }
                        }
                    }
                    assert!(!process.is_alive(), "alive after join");
                    assert_eq!(process.exit_status(), Some(expected));
                }
            });
        }
    });
}

#[test]
fn a_process_has_ended_though_its_own_child_runs_on() {
    each_method(|method| {
        let end = Event::new().unwrap();
        let (mut said, out) = pipe();
        let process = with(method)
            .start(
                |(method, end, out): (StartMethod, Event, Descriptor)| {
                    let run = |end: Event| assert!(end.wait_timeout(LONG));
                    let grandchild = Process::builder().method(method).start(run, end).unwrap();
                    File::from(out).write_all(&grandchild.pid().to_le_bytes()).unwrap();
                },
                (method, end.clone(), out),
            )
            .unwrap();
        let begun = Instant::now();
        assert_eq!(process.join_timeout(LONG), Some(ExitStatus::Code(0)));
        assert!(begun.elapsed() < LONG);
        assert!(brigade_sys::descriptor::is_readable(process.sentinel()));
        assert_eq!(process.exit_status(), Some(ExitStatus::Code(0)));
        // A grandchild by fork keeps the pipe open, so its end is not waited for.
        let mut number = [0; 4];
        said.read_exact(&mut number).unwrap();
        let grandchild = brigade_sys::pidfd::open(i32::from_le_bytes(number)).unwrap();
        assert!(!brigade_sys::pidfd::has_ended(grandchild.as_fd()));
        end.set();
        assert!(brigade_sys::pidfd::wait_end(grandchild.as_fd(), Deadline::after(LONG)).unwrap());
    });
}

#[test]
fn a_status_that_somebody_else_took_is_not_made_up() {
    each_method(|method| {
        // The kernel then reaps children by itself.
        signals::ignore(Signal::CHLD).unwrap();
        let process = with(method).start(wait_for_ever, ()).unwrap();
        process.kill().unwrap();
        let status = process.join();
        signals::restore_default(Signal::CHLD).unwrap();
        assert!(matches!(status, ExitStatus::Unknown | ExitStatus::Signal(SIGKILL)), "{status}");
        assert_eq!(process.join(), status);
    });
}

#[test]
fn a_task_waits_for_processes_without_a_thread_of_its_own() {
    each_method(|method| {
        // A copy by `fork` is refused beside the thread that sleeps for futures.
        if method == StartMethod::Fork {
            return;
        }
        let process = with(method).start(wait_for_ever, ()).unwrap();
        let other = process.clone();
        std::thread::scope(|scope| {
            let ended = scope.spawn(|| block_on(process.join_async()));
            other.kill().unwrap();
            assert_eq!(ended.join().unwrap(), ExitStatus::Signal(SIGKILL));
        });
        assert_eq!(block_on(other.join_async()), ExitStatus::Signal(SIGKILL));
    });
}
