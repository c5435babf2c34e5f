//! Descriptors beside a pipe: they arrive, in order, and end with the other end.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::time::Duration;

use brigade_shm::testing::{Ended, alone, start};
use brigade_shm::{DescriptorError, PutError, Queue, pipe_with_descriptors};

const SOON: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(10);

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// CON-10.
#[test]
fn what_another_process_writes_to_a_passed_file_lands_in_the_file() {
    let _alone = alone();
    let (here, there) = pipe_with_descriptors::<u32>().unwrap();
    let other = start(|| {
        for _ in 0..3 {
            let number = there.recv().unwrap();
            let mut file = File::from(there.recv_descriptor().unwrap());
            write!(file, "file {number}").unwrap();
            there.send(number).unwrap();
        }
    });
    for number in 0..3 {
        let mut file = tempfile::tempfile().unwrap();
        here.send(number).unwrap();
        here.send_descriptor(&file).unwrap();
        assert_eq!(here.recv_timeout(SOON).unwrap(), number);
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("file {number}"));
    }
    assert_eq!(other.join(), Ended::Code(0));
}

#[test]
fn descriptors_come_in_order_and_none_is_left_open() {
    let _alone = alone();
    let before = descriptors();
    let (here, there) = pipe_with_descriptors::<()>().unwrap();
    for number in 0..20_u8 {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[number]).unwrap();
        file.rewind().unwrap();
        here.send_descriptor(file).unwrap();
    }
    for number in 0..10_u8 {
        let mut byte = [0];
        File::from(there.recv_descriptor().unwrap()).read_exact(&mut byte).unwrap();
        assert_eq!(byte, [number]);
    }
    // The other ten are under way.
    drop((here, there));
    // The arena, which the first object of the program creates, stays open.
    assert!(descriptors() <= before + 1);
}

#[test]
fn a_full_lane_and_an_empty_one_time_out() {
    let _alone = alone();
    let (here, there) = pipe_with_descriptors::<()>().unwrap();
    assert!(matches!(there.try_recv_descriptor(), Err(DescriptorError::TimedOut)));
    assert!(matches!(there.recv_descriptor_timeout(SHORT), Err(DescriptorError::TimedOut)));
    let file = tempfile::tempfile().unwrap();
    let mut sent = 0_u32;
    // The kernel allows as many under way as the process may have open.
    let refusal = loop {
        match here.try_send_descriptor(&file) {
            Ok(()) => sent += 1,
            Err(refusal) => break refusal,
        }
    };
    assert!(sent > 10, "{refusal}");
    for _ in 0..sent {
        there.recv_descriptor_timeout(SOON).unwrap();
    }
    here.send_descriptor_timeout(&file, SHORT).unwrap();
    there.recv_descriptor().unwrap();
}

#[test]
fn the_lane_ends_with_the_process_at_its_other_end() {
    let _alone = alone();
    for _ in 0..10 {
        let (here, there) = pipe_with_descriptors::<()>().unwrap();
        let other = start(|| {
            loop {
                std::thread::park();
            }
        });
        drop(there);
        std::thread::scope(|scope| {
            let ended = scope.spawn(|| here.recv_descriptor());
            other.kill();
            assert!(matches!(ended.join().unwrap(), Err(DescriptorError::Ended)));
        });
        let file = tempfile::tempfile().unwrap();
        assert!(matches!(here.send_descriptor(file), Err(DescriptorError::Ended)));
    }
}

#[test]
fn a_queue_refuses_an_end_that_it_cannot_pass_on() {
    let _alone = alone();
    let queue = Queue::bounded(1).unwrap();
    let (here, _there) = pipe_with_descriptors::<u32>().unwrap();
    assert!(matches!(queue.put(here), Err(PutError::Failed { .. })));
    assert!(queue.is_empty());
}
