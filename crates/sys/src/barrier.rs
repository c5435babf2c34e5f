//! A fence between two sides of which one is in a hurry.
//!
//! Two threads that each store one word and then load the other's need a full fence between their
//! store and their load, or both may miss what the other wrote. Where one side does this for every
//! message and the other only before it goes to sleep, the second can pay for both: the first calls
//! [`light`], which keeps the compiler from changing the order and costs nothing, and the second
//! calls [`heavy`], which asks the kernel to execute a full fence on every processor where a thread
//! of the first kind runs.
//!
//! | side    | between its store and its load | what runs                                          |
//! |---------|--------------------------------|----------------------------------------------------|
//! | hurried | [`light`]                      | nothing; a full fence in a process that cannot ask |
//! | patient | [`heavy`]                      | a full fence, here and on the other processors     |
//!
//! # Why it is enough
//!
//! The fence that the kernel executes on the hurried side's processor falls between two of its
//! instructions. Does it fall after the store, then the store is seen by whatever the patient side
//! loads after `heavy`. Does it fall before, then the load comes after it as well, and sees what the
//! patient side stored before `heavy`. A thread that does not run at that moment was switched out,
//! or will be switched in, with a full fence. So one of the two sees the other, as with two full
//! fences. Two sides that both call `light` are not ordered.
//!
//! The kernel reaches those processes that have said that they want it. [`prepare`] says so, before
//! a thread's first use of anything shared; where it fails, `light` is a full fence. Where `heavy`
//! fails, one hurried store may be missed for the moment, so its caller must look again soon.
//!
//! See [membarrier(2)](https://man7.org/linux/man-pages/man2/membarrier.2.html), whose expedited
//! global command this is, and "Asymmetric thread fences" (P1202R5), which names the two sides.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed, compiler_fence};

use rustix::thread::{MembarrierCommand, membarrier};

use crate::atomic::{Ordering::SeqCst, fence};
use crate::futex::UNWATCHED_NAP;
use crate::time::Deadline;

/// Whether the kernel executes the fences of this process's hurried side.
static IS_REACHED: AtomicBool = AtomicBool::new(false);

/// Asks the kernel to execute this process's fences from now on.
///
/// Takes no time in a process with one thread, nor in one that has asked before; in another, some
/// milliseconds.
pub(crate) fn prepare() {
    let is_reached = membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok();
    IS_REACHED.store(is_reached, Relaxed);
}

/// The hurried side's fence.
#[inline]
pub(crate) fn light() {
    if IS_REACHED.load(Relaxed) {
        compiler_fence(SeqCst);
    } else {
        fence(SeqCst);
    }
}

/// The patient side's fence, before it goes to sleep. Says until when it may sleep on what it finds
/// now: for ever, unless the kernel does not help.
pub(crate) fn heavy() -> Deadline {
    fence(SeqCst);
    match membarrier(MembarrierCommand::GlobalExpedited) {
        Ok(()) => Deadline::NEVER,
        Err(_) => Deadline::after(UNWATCHED_NAP),
    }
}

/// Whether the kernel helps.
pub(crate) fn is_asymmetric() -> bool {
    IS_REACHED.load(Relaxed) && membarrier(MembarrierCommand::GlobalExpedited).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_processes::{Child, Ended, without_calls};

    #[test]
    fn the_patient_side_sleeps_as_long_as_it_likes_where_the_kernel_helps() {
        prepare();
        assert!(is_asymmetric());
        assert_eq!(heavy(), Deadline::NEVER);
    }

    #[test]
    fn without_the_kernels_help_the_hurried_side_fences_and_the_patient_one_naps() {
        let ended = Child::run(|| {
            without_calls(&[libc::SYS_membarrier]);
            prepare();
            light();
            assert!(!is_asymmetric());
            assert_ne!(heavy(), Deadline::NEVER);
        })
        .join();
        assert_eq!(ended, Ended::Code(0));
    }
}
