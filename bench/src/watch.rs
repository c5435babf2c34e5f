//! An end for what would never end.

use std::process;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// How long one measurement may take.
const LIMIT: Duration = Duration::from_secs(180);

/// Does the work. If it hangs, the program ends: nothing else could free a thread that waits for a
/// message that will not come.
pub(crate) fn over<R>(what: &str, work: impl FnOnce() -> R) -> R {
    let (working, done) = channel::<()>();
    let what = what.to_owned();
    let watch = thread::spawn(move || {
        if done.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            eprintln!("brigade-bench: {what}: not done within {LIMIT:?}");
            process::exit(1);
        }
    });
    let outcome = work();
    drop(working);
    watch.join().expect("the watch does nothing but wait");
    outcome
}
