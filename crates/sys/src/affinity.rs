//! How many processors there are.

use std::fs;
use std::num::NonZero;

use rustix::thread::sched_getaffinity;

/// The processors of the machine that are switched on.
///
/// Whether this process may use them all is another question: see [`process_cpu_count`].
pub fn cpu_count() -> NonZero<usize> {
    fs::read_to_string("/sys/devices/system/cpu/online")
        .ok()
        .and_then(|list| count_ranges(list.trim()))
        .unwrap_or_else(process_cpu_count)
}

/// The processors that the calling thread may run on: those of its affinity mask.
pub fn process_cpu_count() -> NonZero<usize> {
    sched_getaffinity(None)
        .ok()
        .and_then(|set| usize::try_from(set.count()).ok())
        .and_then(NonZero::new)
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZero::<usize>::MIN)
}

/// Counts the processors of a list such as `0-3,8,10-11`.
fn count_ranges(list: &str) -> Option<NonZero<usize>> {
    let mut count = 0_usize;
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        count = count.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    NonZero::new(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_ranges_is_counted() {
        for (list, count) in [("0", 1), ("0-3", 4), ("0-3,8,10-11", 7)] {
            assert_eq!(count_ranges(list), NonZero::new(count), "{list}");
        }
        for broken in ["", "a", "3-1", "0-", "0,,1", "0-18446744073709551615"] {
            assert_eq!(count_ranges(broken), None, "{broken}");
        }
    }

    #[test]
    fn this_process_may_use_some_processors_of_the_machine() {
        assert!(process_cpu_count() <= cpu_count());
    }
}
