//! What the death of a party leaves to the others (GAP). Processes only: a thread does not die.

use std::time::{Duration, Instant};

use brigade::queue::GetTimeoutError;
use brigade::{
    Event, ExitStatus, Process, Queue, Semaphore, SharedMemory, SharedMemoryError, StartMethod,
};

use brigade_tests::stage::{LONG, here, in_every_mode, in_processes, unique, until_asleep};

const KILLED: ExitStatus = ExitStatus::Signal(9);

fn by(method: StartMethod) -> brigade::ProcessBuilder {
    Process::builder().method(method).dies_with_parent()
}

/// How often to repeat what depends on timing.
const ROUNDS: usize = 6;

/// GAP-08
#[test]
fn permits_of_killed_holders_come_back_to_one_who_waits() {
    in_processes(|method| {
        for _ in 0..ROUNDS {
            let (semaphore, held) = (Semaphore::new(2).unwrap(), Queue::bounded(2).unwrap());
            let hold = |(semaphore, held): (Semaphore, Queue<()>)| {
                let _permit = semaphore.acquire();
                held.put(()).unwrap();
                Event::new().unwrap().wait();
            };
            let argument = (semaphore.clone(), held.clone());
            let holders: Vec<_> =
                (0..2).map(|_| by(method).start(hold, argument.clone()).unwrap()).collect();
            held.get_timeout(LONG).unwrap();
            held.get_timeout(LONG).unwrap();
            assert!(semaphore.try_acquire().is_none());
            let waiting = Queue::bounded(1).unwrap();
            let wait = |(semaphore, waiting): (Semaphore, Queue<String>)| {
                waiting.put(here()).unwrap();
                let begin = Instant::now();
                let permits = [semaphore.acquire(), semaphore.acquire()];
                assert!(begin.elapsed() < LONG);
                drop(permits);
            };
            let waiter = by(method).start(wait, (semaphore.clone(), waiting.clone())).unwrap();
            until_asleep(&waiting.get_timeout(LONG).unwrap());
            for holder in &holders {
                holder.kill().unwrap();
            }
            assert_eq!(waiter.join_timeout(LONG), Some(ExitStatus::Code(0)));
            assert!(holders.iter().all(|holder| holder.join() == KILLED));
            assert_eq!(semaphore.available(), 2);
        }
    });
}

/// GAP-12
#[test]
fn a_consumer_hears_of_the_end_when_the_last_producer_is_killed() {
    in_processes(|method| {
        for _ in 0..ROUNDS {
            let queue = Queue::<u32>::bounded(4).unwrap();
            let producer = queue.producer().unwrap();
            let put_and_exit = |queue: brigade::Producer<u32>| queue.put(1).unwrap();
            let put_and_stay = |queue: brigade::Producer<u32>| {
                queue.put(2).unwrap();
                Event::new().unwrap().wait();
            };
            let first = by(method).start(put_and_exit, producer.clone()).unwrap();
            assert_eq!(first.join(), ExitStatus::Code(0));
            let last = by(method).start(put_and_stay, producer.clone()).unwrap();
            drop(producer);
            assert_eq!(queue.get_timeout(LONG).unwrap(), 1);
            assert_eq!(queue.get_timeout(LONG).unwrap(), 2);
            std::thread::scope(|scope| {
                let (tell, told) = std::sync::mpsc::channel();
                let queue = &queue;
                let consumer = scope.spawn(move || {
                    tell.send(here()).unwrap();
                    queue.get_timeout(LONG)
                });
                until_asleep(&told.recv().unwrap());
                last.kill().unwrap();
                assert!(matches!(consumer.join().unwrap(), Err(GetTimeoutError::Closed)));
            });
            assert_eq!(last.join(), KILLED);
        }
    });
}

/// GAP-15
#[test]
fn a_segment_for_which_there_is_no_room_is_an_error_and_not_a_signal() {
    in_every_mode(|mode| {
        let create = |name: String| {
            for size in [1 << 50, 1 << 60, usize::MAX] {
                match SharedMemory::create(&name, size) {
                    Err(
                        SharedMemoryError::NoSpace { .. } | SharedMemoryError::InvalidSize { .. },
                    ) => {}
                    Err(other) => panic!("{other}"),
                    Ok(memory) => panic!("{memory:?} of {size} bytes"),
                }
            }
        };
        mode.start(create, unique("vast")).join();
    });
}

/// GAP-25
#[test]
fn a_thousand_messages_are_received_although_their_producer_was_gone_at_once() {
    in_processes(|method| {
        for killed in [false, true] {
            // A ring that holds them all, since nobody takes them before the producer is gone.
            let queue = Queue::bounded(1_000).unwrap();
            let put = |(queue, killed): (Queue<u32>, bool)| {
                (0..1_000).for_each(|n| queue.put(n).unwrap());
                if killed {
                    std::process::abort();
                }
                std::process::exit(0);
            };
            let producer = by(method)
                .start(
                    move |argument: (Queue<u32>, bool)| -> () { put(argument) },
                    (queue.clone(), killed),
                )
                .unwrap();
            let expected = if killed { ExitStatus::Signal(6) } else { ExitStatus::Code(0) };
            assert_eq!(producer.join_timeout(LONG), Some(expected));
            assert_eq!(queue.len(), 1_000);
            for n in 0..1_000 {
                assert_eq!(queue.try_get().unwrap(), n);
            }
        }
    });
}

/// GAP-25
#[test]
fn join_does_not_wait_for_messages_that_nobody_takes() {
    in_processes(|method| {
        let queue = Queue::bounded(1_000).unwrap();
        let last = Event::new().unwrap();
        let put = |(queue, last): (Queue<Vec<u8>>, Event)| {
            (0..100).for_each(|_| queue.put(vec![7; 10_000]).unwrap());
            last.set();
            Event::new().unwrap().wait();
        };
        let producer = by(method).start(put, (queue.clone(), last.clone())).unwrap();
        assert!(last.wait_timeout(LONG));
        producer.kill().unwrap();
        assert_eq!(producer.join_timeout(LONG), Some(KILLED));
        assert_eq!((0..100).filter(|_| queue.try_get().unwrap() == [7; 10_000]).count(), 100);
    });
}

/// GAP-16
#[test]
fn everyone_who_asks_a_short_process_hears_the_same_status() {
    in_processes(|method| {
        for n in 0..10_u8 {
            let exit = |n: u8| std::process::ExitCode::from(n);
            let process = by(method).start(exit, n).unwrap();
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        while process.is_alive() {
                            std::thread::yield_now();
                        }
                        let expected = ExitStatus::Code(i32::from(n));
                        assert_eq!(process.exit_status(), Some(expected));
                        assert_eq!(process.join(), expected);
                        assert!(!process.is_alive(), "alive after join");
                    });
                }
            });
        }
    });
}

/// GAP-29
#[test]
fn a_process_has_ended_although_its_own_child_runs_on() {
    in_processes(|method| {
        let (go, gone) = (Event::new().unwrap(), Queue::<u32>::bounded(1).unwrap());
        type Family = (Event, brigade::Producer<u32>, StartMethod);
        let start_another = |(go, gone, method): Family| {
            let stay = |(go, gone): (Event, brigade::Producer<u32>)| {
                go.wait();
                gone.put(1).unwrap();
            };
            drop(Process::builder().method(method).start(stay, (go, gone)).unwrap());
        };
        let argument = (go.clone(), gone.producer().unwrap(), method);
        let child = by(method).start(start_another, argument).unwrap();
        assert_eq!(child.join_timeout(LONG), Some(ExitStatus::Code(0)));
        assert_eq!(brigade::wait_timeout(&[&child], Duration::ZERO), [0]);
        assert_eq!(child.exit_status(), Some(ExitStatus::Code(0)));
        assert!(!child.is_alive());
        assert!(gone.is_empty(), "the grandchild still waits");
        go.set();
        assert_eq!(gone.get_timeout(LONG).unwrap(), 1);
        assert!(matches!(gone.get_timeout(LONG), Err(GetTimeoutError::Closed)));
    });
}
