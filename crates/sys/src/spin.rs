//! Looking again for a short while before going to sleep.
//!
//! A wake-up across processors costs tens of microseconds where a look costs nanoseconds. But on
//! the processor that the awaited thread needs, spinning only keeps it from running; and which
//! processors others run on cannot be known, since they may be bound to some, and so may we. So
//! each thread learns from its luck: as long as spinning finds things, it spins; when it has not
//! for a while, it tries only now and then.

use std::cell::Cell;
use std::hint;
use std::sync::OnceLock;

/// After how many spins in vain a thread stops spinning each time.
const PATIENCE: u32 = 8;

/// Every how many sleeps a thread without luck tries again.
const RETRY: u32 = 32;

thread_local! {
    /// How many times in a row this thread has looked in vain, or would have.
    static MISSES: Cell<u32> = const { Cell::new(0) };
}

/// Looks once, and up to `looks` times if that has paid lately.
pub(crate) fn look<R>(looks: u32, mut look: impl FnMut() -> Option<R>) -> Option<R> {
    if let Some(found) = look() {
        return Some(found);
    }
    if !has_processors() {
        return None;
    }
    let misses = MISSES.get();
    if misses < PATIENCE || misses.is_multiple_of(RETRY) {
        for _ in 1..looks {
            hint::spin_loop();
            if let Some(found) = look() {
                MISSES.set(0);
                return Some(found);
            }
        }
    }
    MISSES.set(misses.wrapping_add(1));
    None
}

/// Whether the machine has more than one processor, whichever of them this process may use.
fn has_processors() -> bool {
    static PROCESSORS: OnceLock<bool> = OnceLock::new();
    *PROCESSORS.get_or_init(|| {
        let online = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN);
        online.ok().flatten().is_none_or(|count| count > 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found_at_once_and_what_is_not_is_not_looked_for_for_ever() {
        let mut looks = 0;
        assert_eq!(look(100, || Some(7)), Some(7));
        for _ in 0..3200 {
            let found: Option<()> = look(100, || {
                looks += 1;
                None
            });
            assert_eq!(found, None);
        }
        assert!(looks >= 3200);
        assert!(looks <= 3200 + (PATIENCE + 3200 / RETRY) * 100, "{looks} looks");
    }

    #[test]
    fn luck_brings_the_spinning_back() {
        std::thread::spawn(|| {
            while MISSES.get() < PATIENCE + 1 {
                let _: Option<()> = look(10, || None);
            }
            if !has_processors() {
                return;
            }
            let mut looks = 0;
            while MISSES.get() != 0 {
                let _ = look(10, || {
                    looks += 1;
                    (looks % 9 == 0).then_some(())
                });
            }
            assert!(looks <= 10 * RETRY);
        })
        .join()
        .expect("no panic");
    }
}
