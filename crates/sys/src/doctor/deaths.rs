//! What the kernel does when a process dies: tried with children that die.
//!
//! # Safety
//!
//! A forked child of a program with many threads must not take a lock that one of those may have
//! held: no allocation, no output. The children here touch nothing but words of the shared page,
//! make system calls, and end by a signal that they send to themselves. The page is mapped once and
//! never unmapped. It is used under a lock, so that one examination runs at a time.
#![allow(unsafe_code)]

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Finding, Outcome};
use crate::Error;
use crate::bell::Bell;
use crate::futex::{self, Wait};
use crate::memory::{self, Mapping, Shareable};
use crate::robust::{Acquired, RobustLock};
use crate::time::Deadline;

/// What the examiner and its children share.
#[repr(C, align(64))]
struct Page {
    lock: RobustLock,
    bell: Bell,
    stage: AtomicU32,
    change: AtomicU32,
}

// SAFETY: shareable parts throughout.
unsafe impl Shareable for Page {}

/// How long the examiner waits for what should be there at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a child lets the examiner fall asleep before it dies.
const NAP: Duration = Duration::from_millis(20);

pub(super) fn examine() -> Vec<Finding> {
    static PAGE: Mutex<Option<&'static Page>> = Mutex::new(None);
    let mut page = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let page = match *page {
        Some(page) => page,
        None => match map() {
            Ok(mapped) => *page.insert(mapped),
            Err(error) => {
                let outcome = Outcome::Broken(error.to_string());
                return vec![Finding::new("shared memory", "everything", outcome)];
            }
        },
    };
    vec![dead_holder(page), waiter_of_a_dead_holder(page), cut_short_wake_up(page)]
}

fn map() -> Result<&'static Page, Error> {
    const SIZE: usize = 4096;
    let mapping = Mapping::new(memory::create("doctor", SIZE as u64)?, SIZE)?;
    Ok(mapping.get(0).expect("a page holds one `Page`"))
}

/// Whether the kernel marks the lock of a process that died with it.
fn dead_holder(page: &'static Page) -> Finding {
    let child = die_after(|| {
        let _ = page.lock.lock(Deadline::NEVER);
    });
    let outcome = child.map_or_else(broken, |()| match page.lock.try_lock() {
        Some(Acquired::OwnerDied) => Outcome::Holds,
        Some(Acquired::Clean) => Outcome::Broken("the lock of a dead process seemed free".into()),
        None => Outcome::Broken("the lock of a dead process stayed locked".into()),
    });
    page.lock.unlock();
    Finding::new("a dead holder's lock", "locks are taken over", outcome)
}

/// Whether one who sleeps for a lock is woken by its holder's death.
fn waiter_of_a_dead_holder(page: &'static Page) -> Finding {
    page.stage.store(0, Relaxed);
    let began = Instant::now();
    let child = start(|| {
        let _ = page.lock.lock(Deadline::NEVER);
        page.stage.store(1, Release); // PAIR stage
        nap();
    });
    let outcome = child.and_then(|child| {
        // PAIR stage: with the child's store.
        while page.stage.load(Acquire) == 0 && began.elapsed() < PATIENCE {
            std::hint::spin_loop();
        }
        // Not by the lock's own wait, whose sleepers look for themselves now and then.
        let slept = page
            .lock
            .watch()
            .map(|(word, held)| futex::wait(word, held, Deadline::after(PATIENCE)));
        let after = began.elapsed();
        reap(child);
        let orphaned = page.lock.is_orphaned();
        let _ = page.lock.try_lock();
        page.lock.unlock();
        match slept {
            Some(Wait::TimedOut) => Err("one who slept for a dead process was not woken"),
            _ if !orphaned => Err("the lock of a dead process was not marked"),
            _ => Ok(after.saturating_sub(NAP)),
        }
    });
    let subject = "waiters of a dead holder";
    told(Finding::new(subject, "nobody waits for the dead", Outcome::Holds), outcome)
}

/// Whether a wake-up reaches the sleeper although the one who woke died in the middle of it.
fn cut_short_wake_up(page: &'static Page) -> Finding {
    page.change.store(0, Relaxed);
    let began = Instant::now();
    let child = start(|| {
        nap();
        page.bell.ring_after(|| {
            page.change.store(1, Relaxed);
            die();
        });
    });
    let outcome = child.and_then(|child| {
        let look = || (page.change.load(Relaxed) != 0).then_some(());
        let seen = page.bell.wait(Deadline::after(PATIENCE), look, |_| ());
        let after = began.elapsed();
        reap(child);
        match seen {
            Some(()) if after < PATIENCE => Ok(after.saturating_sub(NAP)),
            _ => Err("the wake-up of one who died while it woke was lost"),
        }
    });
    let subject = "wake-ups cut short by a death";
    told(Finding::new(subject, "no wake-up is lost", Outcome::Holds), outcome)
}

fn broken(seen: &'static str) -> Outcome {
    Outcome::Broken(seen.into())
}

fn told(finding: Finding, outcome: Result<Duration, &'static str>) -> Finding {
    match outcome {
        Ok(after) => finding.with_detail(format!("after {} µs", after.as_micros())),
        Err(seen) => Finding { outcome: Outcome::Broken(seen.into()), ..finding },
    }
}

/// Runs `body` in a child that dies after it, and waits for its end.
fn die_after(body: impl FnOnce()) -> Result<(), &'static str> {
    start(body).map(reap)
}

/// Starts a child that runs `body`, which must keep to the rules at the head, and dies.
fn start(body: impl FnOnce()) -> Result<libc::pid_t, &'static str> {
    // SAFETY: see the head of this file.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err("the system gives no child");
    }
    if pid == 0 {
        body();
        die();
    }
    Ok(pid)
}

fn reap(child: libc::pid_t) {
    let mut status = 0;
    // SAFETY: waits for a child of ours, which nobody else knows.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
}

/// Lets some time pass. Allocates nothing.
fn nap() {
    let moment = libc::timespec { tv_sec: 0, tv_nsec: NAP.subsec_nanos().into() };
    // SAFETY: reads one structure; nothing is written for want of a second one.
    unsafe { libc::nanosleep(&raw const moment, std::ptr::null_mut()) };
}

/// Ends the calling process as `kill -9` does.
fn die() -> ! {
    loop {
        // SAFETY: a signal to ourselves, which cannot be caught.
        unsafe { libc::raise(libc::SIGKILL) };
    }
}
