#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::time::{Duration, Instant};

use super::*;
use crate::arena::block::Block;
use crate::arena::heap;
use crate::message::Form;
use crate::testing::{alone, start};
use crate::transit::Contents;

const SHORT: Duration = Duration::from_millis(50);

/// Takes the first message, if there is one.
fn try_get(channel: &Channel) -> Result<Vec<u8>, GetRefusal> {
    let mut bytes = Vec::new();
    channel.try_get(&mut bytes).map(|message| message.read(&bytes, <[u8]>::to_vec))
}

/// Takes the first message.
fn get(channel: &Channel, deadline: Deadline) -> Result<Vec<u8>, GetRefusal> {
    let mut bytes = Vec::new();
    channel.get(deadline, &mut bytes).map(|message| message.read(&bytes, <[u8]>::to_vec))
}

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
        let long = Form::from_word(length | 1 << 63);
        channel.ring.write(0, long, &[]).unwrap();
        assert!(matches!(try_get(&channel), Err(GetRefusal::Failed(_))));
        block.length.store(1000, Relaxed);
    }
}

#[test]
fn a_message_that_claims_more_than_was_put_is_an_error() {
    for length in [9, 1 << 20, u64::MAX >> 2] {
        let channel = Channel::new(2, 64).unwrap();
        channel.put(&[7; 8], &nothing(), Deadline::NEVER).unwrap();
        channel.ring.write(0, Form::from_word(length), &[]).unwrap();
        assert!(matches!(try_get(&channel), Err(GetRefusal::Failed(_))));
    }
}

#[test]
fn a_queue_holds_as_many_as_it_says_however_long_they_are() {
    let channel = Channel::new(6, 64).unwrap();
    // The numbers and the positions begin anew during this.
    let start = Mark { number: u32::MAX - 20, position: u32::MAX - 50 };
    for progress in [&channel.shared.tail, &channel.shared.head] {
        progress.mark.0.store(start.to_word(), Relaxed);
        progress.other.store(start.to_word(), Relaxed);
    }
    for round in 0..40_usize {
        let lengths = (0..6).map(|index| (round * 7 + index * 5) % 31);
        for (index, length) in lengths.clone().enumerate() {
            assert_eq!(channel.len(), index);
            let bytes = vec![index as u8; length];
            channel.try_put(&bytes, &nothing()).unwrap();
        }
        assert!(matches!(channel.try_put(&[], &nothing()), Err(PutRefusal::Full)));
        for (index, length) in lengths.enumerate() {
            assert_eq!(try_get(&channel).unwrap(), vec![index as u8; length]);
        }
        assert!(matches!(try_get(&channel), Err(GetRefusal::Empty)));
    }
}

#[test]
fn a_head_beyond_the_tail_is_an_error_and_no_endless_loop() {
    let channel = Channel::new(2, 64).unwrap();
    channel.shared.head.mark.0.store(5 << 32, Relaxed);
    // What a producer has seen of the head does before it looks again.
    channel.put(&[1], &nothing(), Deadline::NEVER).unwrap();
    channel.put(&[1], &nothing(), Deadline::NEVER).unwrap();
    assert!(channel.try_put(&[1], &nothing()).is_err());
    assert!(matches!(channel.put(&[1], &nothing(), Deadline::NEVER), Err(PutRefusal::Failed(_))));
    assert!(matches!(try_get(&channel), Err(GetRefusal::Failed(_))));
    assert!(matches!(get(&channel, Deadline::NEVER), Err(GetRefusal::Failed(_))));
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
        let got = get(&channel, Deadline::after(SHORT));
        assert!(matches!(got, Err(GetRefusal::Empty)), "{got:?}");
        assert!(began.elapsed() >= 2 * SHORT);
        assert!(matches!(channel.try_put(&[2], &nothing()), Err(PutRefusal::Full)));
        assert!(matches!(try_get(&channel), Err(GetRefusal::Empty)));
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    assert!(!channel.shared.producer.is_orphaned());
    stopped.kill();
    assert_eq!(try_get(&channel).unwrap(), [1]);
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
        let got = get(&channel, Deadline::after(SHORT));
        assert!(matches!(got, Err(GetRefusal::Empty)), "{got:?}");
    }
    stopped.kill();
    assert!(matches!(get(&channel, Deadline::NEVER), Err(GetRefusal::Closed)));
}
