//! An array of fixed length that several processes fill: each its own part, all one histogram.
//!
//! In Python: `multiprocessing.Array("d", 1000)`.

use std::error::Error;
use std::ops::Range;

use brigade::{Array, Process};

const LENGTH: usize = 900;
const WORKERS: usize = 3;

fn fill(
    (roots, digits, part): (Array<f64>, Array<u64>, Range<usize>),
) -> Result<(), brigade::Error> {
    for index in part {
        roots.set(index, (index as f64).sqrt())?;
        // All processes count in the same ten places; no addition is lost.
        digits.fetch_add(index % 10, 1)?;
    }
    Ok(())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let roots = Array::<f64>::zeroed(LENGTH)?;
    let digits = Array::<u64>::zeroed(10)?;
    let share = LENGTH / WORKERS;
    let workers = (0..WORKERS)
        .map(|worker| worker * share..(worker + 1) * share)
        .map(|part| Process::start(fill, (roots.clone(), digits.clone(), part)))
        .collect::<Result<Vec<_>, _>>()?;
    assert!(workers.iter().all(|worker| worker.join().success()));

    assert_eq!(roots.len(), LENGTH);
    assert!(roots.iter().enumerate().all(|(index, root)| root == (index as f64).sqrt()));
    assert_eq!(digits.to_vec(), [LENGTH as u64 / 10; 10]);
    println!("{WORKERS} processes took {LENGTH} roots; the last is {:.3}", roots.range(899..)?[0]);

    assert_eq!(roots.get(LENGTH), None);
    assert!(roots.set(LENGTH, 0.0).is_err());
    println!("there is nothing beyond the end: {:?}", roots.get(LENGTH));
    Ok(())
}
