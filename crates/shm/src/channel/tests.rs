#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::time::{Duration, Instant};

use super::*;
use crate::arena::block::Block;
use crate::arena::heap;
use crate::testing::{alone, start};

const SHORT: Duration = Duration::from_millis(50);

fn nothing() -> Contents {
    Contents::default()
}

#[test]
fn a_long_message_with_an_impossible_length_is_an_error() {
    for length in [1_u64 << 62, 1 << 40, u64::MAX >> 1] {
        let channel = Channel::new(2, 64).unwrap();
        channel.put(&[7; 1000], &nothing(), Deadline::NEVER).unwrap();
        let arena = channel.handle.arena();
        let part = heap::part(arena, channel.handle.place(), 2).unwrap();
        let block: &Block = arena.mapping().get(part.offset).unwrap();
        block.length.store(length, Relaxed);
        channel.slots[0].form.store(length | 1 << 63, Relaxed);
        assert!(matches!(channel.try_get(), Err(GetRefusal::Failed(_))));
        block.length.store(1000, Relaxed);
    }
}

#[test]
fn a_head_beyond_the_tail_is_an_error_and_no_endless_loop() {
    let channel = Channel::new(2, 64).unwrap();
    channel.shared.head.0.store(5, Relaxed);
    assert!(channel.try_put(&[1], &nothing()).is_err());
    assert!(matches!(channel.put(&[1], &nothing(), Deadline::NEVER), Err(PutRefusal::Failed(_))));
    assert!(matches!(channel.try_get(), Err(GetRefusal::Failed(_))));
    assert!(matches!(channel.get(Deadline::NEVER), Err(GetRefusal::Failed(_))));
}

#[test]
fn a_stopped_holder_is_not_dead_and_holds_nobody_up_beyond_the_deadline() {
    let _alone = alone();
    let channel = Channel::new(2, 64).unwrap();
    channel.put(&[1], &nothing(), Deadline::NEVER).unwrap();
    let stopped = start(|| {
        let _ = channel.shared.producer.lock(Deadline::NEVER);
        let _ = channel.shared.consumer.lock(Deadline::NEVER);
        brigade_sys::test_processes::stop();
    });
    while !channel.shared.consumer.is_held() {
        std::thread::yield_now();
    }
    for _ in 0..3 {
        let began = Instant::now();
        let put = channel.put(&[2], &nothing(), Deadline::after(SHORT));
        assert!(matches!(put, Err(PutRefusal::Full)), "{put:?}");
        let got = channel.get(Deadline::after(SHORT));
        assert!(matches!(got, Err(GetRefusal::Empty)), "{got:?}");
        assert!(began.elapsed() >= 2 * SHORT);
        assert!(matches!(channel.try_put(&[2], &nothing()), Err(PutRefusal::Full)));
        assert!(matches!(channel.try_get(), Err(GetRefusal::Empty)));
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    assert!(!channel.shared.producer.is_orphaned());
    stopped.kill();
    channel.try_get().unwrap().read(|bytes| assert_eq!(bytes, [1]));
    channel.put(&[2], &nothing(), Deadline::NEVER).unwrap();
}

#[test]
fn a_stopped_producer_is_not_taken_for_dead() {
    let _alone = alone();
    let channel = Channel::new(2, 64).unwrap();
    let producer = channel.sides().enter(Side::Sending).unwrap();
    let ready = crate::Event::new().unwrap();
    let stopped = start(|| {
        ready.set();
        brigade_sys::test_processes::stop();
    });
    ready.wait();
    drop(producer);
    for _ in 0..3 {
        let got = channel.get(Deadline::after(SHORT));
        assert!(matches!(got, Err(GetRefusal::Empty)), "{got:?}");
    }
    stopped.kill();
    assert!(matches!(channel.get(Deadline::NEVER), Err(GetRefusal::Closed)));
}
