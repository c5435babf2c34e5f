//! What is heard at one end of a pipe when the process at the other has gone.

#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::time::Duration;

use brigade_shm::pipe;
use brigade_shm::pipe::RecvError;
use brigade_shm::testing::{Ended, alone, start};

const SOON: Duration = Duration::from_secs(10);

fn park() {
    loop {
        std::thread::park();
    }
}

/// CON-08, GAP-28.
#[test]
fn an_end_in_another_process_is_heard_to_go_however_it_went() {
    let _alone = alone();
    for killed in [true, false] {
        let siblings: Vec<_> = (0..3).map(|_| start(park)).collect();
        let (ours, theirs) = pipe::<u32>().unwrap();
        let child = start(|| {
            theirs.send(theirs.recv().unwrap() + 1).unwrap();
            if killed {
                park();
            }
        });
        drop(theirs);
        ours.send(1).unwrap();
        assert_eq!(ours.recv_timeout(SOON).unwrap(), 2);
        if killed {
            child.kill();
        } else {
            assert_eq!(child.join(), Ended::Code(0));
        }
        assert!(matches!(ours.recv_timeout(SOON), Err(RecvError::Ended)));
        drop(siblings);
    }
}
