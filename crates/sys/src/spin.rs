//! Looking again for a short while before going to sleep.
//!
//! A wake-up across processors costs tens of microseconds where a look costs nanoseconds. But on
//! the processor that the awaited thread needs, spinning only keeps it from running; and which
//! processors others run on cannot be known, since they may be bound to some, and so may we. So a
//! thread that spins gives its processor away in between: to nobody, if each has its own. That takes
//! as long as a message there and back, so it comes late; but if somebody took the processor, then
//! at once the next time.

use std::cell::Cell;
use std::hint;
use std::sync::OnceLock;
use std::time::Duration;

use crate::time::now;

/// After how many looks in vain the processor is given away, where nobody seems to need it.
const LOOKS_BEFORE_YIELD: u32 = 120;

/// How long it takes at least when somebody takes the processor, and longer than if nobody does.
const SWITCH: Duration = Duration::from_nanos(1_000);

thread_local! {
    /// After how many looks in vain this thread gives its processor away.
    static YIELDS_AFTER: Cell<u32> = const { Cell::new(LOOKS_BEFORE_YIELD) };
}

/// Gives the processor away, and remembers whether somebody took it.
fn give_way() {
    let began = now();
    std::thread::yield_now();
    let is_shared = now() - began > SWITCH;
    YIELDS_AFTER.set(if is_shared { 1 } else { LOOKS_BEFORE_YIELD });
}

/// Looks once, and up to `looks` times where others can make progress meanwhile.
pub(crate) fn look<R>(looks: u32, look: impl FnMut() -> Option<R>) -> Option<R> {
    linger(looks, 1, look)
}

/// Looks once, and up to `looks` times where others can make progress meanwhile, but only at every
/// `pace`th time: a look takes the cache line away from who writes to it, and where much is to be
/// expected at once, fewer looks let more come together.
pub fn linger<R>(looks: u32, pace: u32, mut look: impl FnMut() -> Option<R>) -> Option<R> {
    if let Some(found) = look() {
        return Some(found);
    }
    let looks = if has_processors() { looks } else { 1 };
    let mut yields_at = YIELDS_AFTER.get();
    for number in 1..looks {
        if number >= yields_at {
            give_way();
            yields_at = number + YIELDS_AFTER.get();
        } else {
            hint::spin_loop();
            if !number.is_multiple_of(pace) {
                continue;
            }
        }
        if let Some(found) = look() {
            return Some(found);
        }
    }
    None
}

/// How long a contender looks away before it looks again: at first in the hope that the holder is
/// about to go, then so long that the holder, who may be back at once, gets something done.
const FIRST_GLANCE: Duration = Duration::from_nanos(100);
const LATER_GLANCES: Duration = Duration::from_micros(2);

/// How often it looks again before it sleeps.
const GLANCES: u32 = 8;

/// Looks at once, and now and then for some microseconds, at something that others take and give
/// back at a high rate.
///
/// Each look takes the cache line away from the one who has it, for as long as some ten operations
/// would take. So the fewer looks, the more gets done, by both sides together.
pub(crate) fn contend<R>(mut look: impl FnMut() -> Option<R>) -> Option<R> {
    if let Some(found) = look() {
        return Some(found);
    }
    let glances = if has_processors() { GLANCES } else { 0 };
    let mut pause = FIRST_GLANCE;
    for _ in 0..glances {
        let until = now() + pause;
        while now() < until {
            hint::spin_loop();
        }
        if let Some(found) = look() {
            return Some(found);
        }
        pause = LATER_GLANCES;
    }
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
    fn what_is_there_is_found_at_once_and_what_is_not_is_looked_for_briefly() {
        assert_eq!(look(100, || Some(7)), Some(7));
        let mut looks = 0;
        let found: Option<()> = look(120, || {
            looks += 1;
            None
        });
        assert_eq!(found, None);
        assert_eq!(looks, if has_processors() { 120 } else { 1 });
    }

    #[test]
    fn who_lingers_looks_less_often() {
        let mut looks = 0;
        let found: Option<()> = linger(120, 10, || {
            looks += 1;
            None
        });
        assert_eq!(found, None);
        assert_eq!(looks, if has_processors() { 12 } else { 1 });
    }

    #[test]
    fn a_contender_looks_at_once_and_gives_up_soon() {
        assert_eq!(contend(|| Some(7)), Some(7));
        let mut looks = 0;
        let found: Option<()> = contend(|| {
            looks += 1;
            None
        });
        assert_eq!(found, None);
        assert_eq!(looks, if has_processors() { GLANCES + 1 } else { 1 });
    }
}
