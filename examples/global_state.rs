//! A global variable that a child changes stays as it was in the parent: every process has its own.
//!
//! In Python: the list `global_results` of the process pool example, which the workers fill and
//! which is empty in the end.

use std::error::Error;
use std::sync::Mutex;

use brigade::{List, Process, StartMethod};

static RESULTS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Adds to the global list, and tells how long it was before and is now.
fn compute(lengths: List<usize>) -> Result<(), Box<dyn Error>> {
    let mut results = RESULTS.lock()?;
    lengths.push(results.len())?;
    results.push(512);
    lengths.push(results.len())?;
    Ok(())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    RESULTS.lock()?.extend([1, 2]);
    for method in StartMethod::ALL {
        let lengths = List::new()?;
        let child = Process::builder().method(method).start(compute, lengths.clone())?;
        assert!(child.join().success());

        // A copy of this process has copies of its variables; a new one begins with its own.
        let inherited = if method == StartMethod::Fork { 2 } else { 0 };
        assert_eq!(lengths.to_vec()?, [inherited, inherited + 1]);
        assert_eq!(*RESULTS.lock()?, [1, 2]);
        println!("by {method}: the child had {inherited}, then one more; the parent still has two");
    }
    brigade::fork_server::stop();
    Ok(())
}
