//! Deaths at every labelled step while messages carry handles: what they carried is let go, and
//! whoever waits for it hears of it.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::time::Duration;

use brigade_shm::queue::GetTimeoutError;
use brigade_shm::testing::{alone, at_every_step, end_here, start};
use brigade_shm::transit::Packed;
use brigade_shm::{Arena, Event, GetError, Lock, Producer, Queue, arena, transit};
use brigade_sys::test_processes::Child;

const SOON: Duration = Duration::from_secs(10);

/// A letter carries the right to put into the queue, and a lock.
type Letter = (Producer<u32>, Lock<u32>);

/// A queue that had a producer, which is gone: it has ended unless there is another.
fn ended_queue() -> Queue<u32> {
    let queue = Queue::bounded(1).unwrap();
    drop(queue.producer().unwrap());
    queue
}

fn letter(queue: &Queue<u32>) -> Letter {
    (queue.producer().unwrap(), Lock::new(0).unwrap())
}

/// Sees that the queue ends, without help.
fn assert_ends(queue: &Queue<u32>) {
    let got = queue.get_timeout(SOON);
    assert!(matches!(got, Err(GetTimeoutError::Closed)), "{got:?}");
}

/// Sees that nothing is left in the arena but `used` bytes, when the dead are buried.
fn assert_used(used: usize) {
    let arena = Arena::program().unwrap();
    arena.bury_the_dead();
    assert_eq!(arena.used().unwrap(), used);
}

fn used() -> usize {
    Arena::program().unwrap().used().unwrap()
}

#[test]
fn a_sender_killed_at_any_step_keeps_nothing_that_it_was_sending() {
    let _alone = alone();
    let (mail, inner) = (Queue::<Letter>::bounded(2).unwrap(), ended_queue());
    let used = used();
    let died = at_every_step(
        || mail.put(letter(&inner)).unwrap(),
        |_| {
            // The letter was put or not; if so, it is whole.
            if let Ok((producer, lock)) = mail.try_get() {
                *lock.lock().unwrap() += 1;
                producer.put(1).unwrap();
                drop(producer);
                assert_eq!(inner.get().unwrap(), 1);
            }
            assert_ends(&inner);
            assert_used(used);
        },
    );
    assert!(died > 20, "only {died} steps");
}

#[test]
fn a_sender_of_a_long_message_killed_at_any_step_keeps_nothing() {
    let _alone = alone();
    let mail = Queue::<(Vec<u8>, Producer<u32>)>::with_ring(1, 64).unwrap();
    let inner = ended_queue();
    let used = used();
    let long = vec![7_u8; 3_000];
    at_every_step(
        || mail.put((long.clone(), inner.producer().unwrap())).unwrap(),
        |_| {
            if let Ok((bytes, _producer)) = mail.try_get() {
                assert_eq!(bytes, long);
            }
            assert_ends(&inner);
            assert_used(used);
        },
    );
}

#[test]
fn a_receiver_killed_at_any_step_keeps_nothing_that_it_took() {
    let _alone = alone();
    let (mail, inner) = (Queue::<Letter>::bounded(2).unwrap(), ended_queue());
    let used = used();
    mail.put(letter(&inner)).unwrap();
    let died = at_every_step(
        || drop(mail.try_get()),
        |_| {
            // Taken or not.
            drop(mail.try_get());
            assert_ends(&inner);
            assert_used(used);
            mail.put(letter(&inner)).unwrap();
        },
    );
    assert!(died > 15, "only {died} steps");
}

#[test]
fn a_receiver_of_a_long_message_killed_at_any_step_keeps_nothing() {
    let _alone = alone();
    let mail = Queue::<(Vec<u8>, Producer<u32>)>::with_ring(1, 64).unwrap();
    let inner = ended_queue();
    let used = used();
    let put = || mail.put((vec![7_u8; 3_000], inner.producer().unwrap())).unwrap();
    put();
    at_every_step(
        || drop(mail.try_get()),
        |_| {
            drop(mail.try_get());
            assert_ends(&inner);
            assert_used(used);
            put();
        },
    );
}

#[test]
fn what_is_in_a_queue_in_a_queue_in_a_queue_goes_with_the_outermost() {
    let _alone = alone();
    let inner = ended_queue();
    let used = used();
    let died = at_every_step(
        || {
            let first = Queue::<Letter>::bounded(2).unwrap();
            first.put(letter(&inner)).unwrap();
            first.put(letter(&inner)).unwrap();
            let second = Queue::bounded(1).unwrap();
            second.put(first).unwrap();
            let third = Queue::<Queue<Queue<Letter>>>::bounded(1).unwrap();
            third.put(second).unwrap();
            assert!(matches!(inner.try_get(), Err(brigade_shm::queue::TryGetError::Empty)));
            drop(third);
            assert!(matches!(inner.get(), Err(GetError::Closed)));
        },
        |_| {
            assert_ends(&inner);
            assert_used(used);
        },
    );
    assert!(died > 100, "only {died} steps");
}

#[test]
fn a_gravedigger_killed_at_any_step_is_succeeded_by_who_waits() {
    let _alone = alone();
    let inner = ended_queue();
    let mail = Queue::<Letter>::bounded(4).unwrap();
    let used = used();
    at_every_step(
        || {
            start(|| {
                let own = Queue::<Queue<Letter>>::bounded(1).unwrap();
                let inmost = Queue::bounded(2).unwrap();
                inmost.put(letter(&inner)).unwrap();
                own.put(inmost).unwrap();
                mail.put(letter(&inner)).unwrap();
                std::mem::forget((own, mail.get().unwrap()));
                end_here();
            })
            .join();
            Arena::program().unwrap().bury_the_dead();
        },
        |_| {
            assert_ends(&inner);
            assert_used(used);
        },
    );
}

#[test]
fn a_parent_killed_at_any_step_of_giving_keeps_nothing_of_what_it_gave() {
    let _alone = alone();
    let inner = ended_queue();
    let used = used();
    at_every_step(
        || {
            let given = letter(&inner);
            let (bytes, contents) = transit::gather(|| brigade_codec::encode(&given));
            drop(given);
            bytes.unwrap();
            assert!(!contents.is_empty());
            drop(arena::expect_child(&contents).unwrap());
        },
        |_| {
            assert_ends(&inner);
            assert_used(used);
        },
    );
}

#[test]
fn an_immediate_end_killed_at_any_step_lets_go_of_what_it_destroyed() {
    let _alone = alone();
    let inner = ended_queue();
    let used = used();
    let mut mail = Queue::<Letter>::bounded(3).unwrap();
    let fill = |mail: &Queue<Letter>| (0..2).for_each(|_| mail.put(letter(&inner)).unwrap());
    fill(&mail);
    // The operation is the same closure for all steps, so the queue is looked up.
    let shared = std::cell::RefCell::new(mail.clone());
    at_every_step(
        || shared.borrow().shutdown_now(),
        |_| {
            if !mail.is_closed() {
                while mail.try_get().is_ok() {}
            }
            // The dead one's burial has let go of it: nobody has used the queue.
            assert_ends(&inner);
            assert!(mail.is_empty());
            if mail.is_closed() {
                assert!(matches!(mail.get(), Err(GetError::Closed)));
            }
            mail = Queue::bounded(3).unwrap();
            fill(&mail);
            shared.replace(mail.clone());
        },
    );
    drop((mail, shared));
    assert_used(used);
}

#[test]
fn whoever_sleeps_until_the_last_producer_is_gone_hears_of_its_end_in_a_message() {
    let _alone = alone();
    for round in 0..20 {
        let inner = ended_queue();
        let mail = Queue::<Letter>::bounded(1).unwrap();
        let ready = Event::new().unwrap();
        let holder = start(|| {
            let own = Queue::<Queue<Letter>>::bounded(1).unwrap();
            mail.put(letter(&inner)).unwrap();
            own.put(mail.clone()).unwrap();
            ready.set();
            brigade_sys::test_processes::stop();
        });
        ready.wait();
        // Now only the child has the queue that has the queue that has the producer.
        drop(mail);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| inner.get_timeout(SOON));
            if round % 2 == 0 {
                std::thread::yield_now();
            }
            holder.kill();
            assert!(matches!(sleeper.join().unwrap(), Err(GetTimeoutError::Closed)));
        });
    }
}

#[test]
fn a_message_with_handles_leaves_no_trace_when_it_has_been_read() {
    let _alone = alone();
    let (mail, inner) = (Queue::<Letter>::bounded(2).unwrap(), ended_queue());
    let used = used();
    for _ in 0..100 {
        mail.put(letter(&inner)).unwrap();
        let (producer, lock) = mail.get().unwrap();
        // The letter's place has not been used again, and nothing of it is there.
        producer.put(5).unwrap();
        assert_eq!(inner.get().unwrap(), 5);
        drop((producer, lock));
        assert_ends(&inner);
        assert_eq!(self::used(), used);
    }
}

#[test]
fn a_sender_or_receiver_of_many_killed_at_any_step_keeps_nothing() {
    let _alone = alone();
    let mail = Queue::<(u32, Option<Letter>)>::bounded(4).unwrap();
    let inner = ended_queue();
    let used = used();
    let many = || (0..4).map(|n| (n, (n % 2 == 1).then(|| letter(&inner))));
    let check = || {
        let mut next = None;
        while let Ok(some) = mail.try_get_many(3) {
            for (n, letter) in some {
                assert!(next.is_none_or(|next| n == next), "{n} is out of order");
                assert_eq!(letter.is_some(), n % 2 == 1);
                next = Some(n + 1);
            }
        }
        assert_ends(&inner);
        assert_used(used);
    };
    at_every_step(|| mail.put_all(many()).unwrap(), |_| check());
    mail.put_all(many()).unwrap();
    at_every_step(
        || drop(mail.get_many(4).unwrap()),
        |_| {
            check();
            mail.put_all(many()).unwrap();
        },
    );
}

#[test]
fn a_packed_value_keeps_its_objects_where_it_is_and_lets_them_go_with_itself() {
    let _alone = alone();
    let (mail, inner) = (Queue::<Packed>::bounded(2).unwrap(), ended_queue());
    let used = used();
    let died = at_every_step(
        || {
            mail.put(Packed::of(&letter(&inner)).unwrap()).unwrap();
            // There and back, unread.
            mail.put(mail.get().unwrap()).unwrap();
            let packed = mail.get().unwrap();
            let (producer, lock): Letter = packed.read(brigade_codec::decode).unwrap();
            drop(packed);
            assert_eq!(*lock.lock().unwrap(), 0);
            producer.put(1).unwrap();
            assert_eq!(inner.get().unwrap(), 1);
        },
        |_| {
            drop((mail.try_get(), inner.try_get()));
            assert_ends(&inner);
            assert_used(used);
        },
    );
    assert!(died > 50, "only {died} steps");
}

/// How often the processes that pass letters on are killed.
const KILLS: u32 = 60;

#[test]
fn letters_that_go_round_while_those_who_pass_them_on_are_killed_leave_nothing() {
    let _alone = alone();
    let inner = ended_queue();
    let used = used();
    let mut passed = 0;
    for round in 0..KILLS {
        let mail = [(); 3].map(|()| Queue::<(Vec<u8>, Letter)>::with_ring(4, 256).unwrap());
        for size in 0..6_usize {
            mail[size % 3].put((vec![0; size * 40], letter(&inner))).unwrap();
        }
        let begun = [Event::new().unwrap(), Event::new().unwrap()];
        let carriers = begun.each_ref().map(|begun| {
            start(|| {
                for at in (0..3).cycle() {
                    if let Ok(letters) = mail[at].try_get_many(2) {
                        begun.set();
                        letters.iter().for_each(|(_, (_, lock))| *lock.lock().unwrap() += 1);
                        mail[(at + 1) % 3].put_all(letters).unwrap();
                    }
                }
            })
        });
        begun.iter().for_each(Event::wait);
        for _ in 0..u64::from(round) * 7_919 % 200_000 {
            std::hint::spin_loop();
        }
        carriers.into_iter().for_each(Child::kill);
        let mut left = 0;
        for (_, (producer, lock)) in mail.iter().flat_map(|mail| mail.try_get_many(9)).flatten() {
            // A letter in a queue is in nobody's hands.
            passed += *lock.lock().unwrap();
            drop(producer);
            left += 1;
        }
        // Each of the two had no more than two in its hands.
        assert!((2..=6).contains(&left), "{left} letters");
        assert_ends(&inner);
        drop((mail, begun));
        assert_used(used);
    }
    assert!(passed > KILLS, "only {passed} letters were passed on");
}

#[test]
fn letters_that_meet_an_immediate_end_are_let_go_while_the_queue_is_still_there() {
    let _alone = alone();
    let inner = ended_queue();
    let used = used();
    for round in 0..300_u32 {
        let mail = Queue::<Letter>::bounded(3).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| while mail.put(letter(&inner)).is_ok() {});
            }
            scope.spawn(|| while mail.get().is_ok() {});
            for _ in 0..round * 97 % 5_000 {
                std::hint::spin_loop();
            }
            mail.shutdown_now();
        });
        assert_ends(&inner);
        drop(mail);
        assert_used(used);
    }
}
