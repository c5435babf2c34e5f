//! A list that grows: several processes push, pop, get and set.
//!
//! In Python: `multiprocessing.Manager().list()`, but without a server process: the list lies in
//! shared memory.

use std::error::Error;

use brigade::{List, Process};

/// A number and its square, or zero while nobody has computed it.
type Entry = [u64; 2];

const EACH: u64 = 300;

fn push((entries, worker): (List<Entry>, u64)) -> Result<(), brigade::Error> {
    (0..EACH).try_for_each(|number| entries.push([worker * EACH + number, 0]))
}

/// Computes what the entries of its parity lack.
fn square((entries, parity): (List<Entry>, usize)) -> Result<(), brigade::Error> {
    for index in (parity..entries.len()).step_by(2) {
        entries.update(index, |[number, square]| *square = *number * *number)?;
    }
    Ok(())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let entries = List::<Entry>::new()?;
    let pushers = (0..3)
        .map(|worker| Process::start(push, (entries.clone(), worker)))
        .collect::<Result<Vec<_>, _>>()?;
    assert!(pushers.iter().all(|pusher| pusher.join().success()));
    assert_eq!(entries.len(), 900);

    let squarers = (0..2)
        .map(|parity| Process::start(square, (entries.clone(), parity)))
        .collect::<Result<Vec<_>, _>>()?;
    assert!(squarers.iter().all(|squarer| squarer.join().success()));

    let mut all = entries.to_vec()?;
    all.sort_unstable();
    assert!(all.into_iter().eq((0..900).map(|number| [number, number * number])));
    println!("three processes pushed {} numbers, two squared them", entries.len());

    entries.set(0, [0, 0])?;
    assert_eq!(entries.get(0), Some([0, 0]));
    entries.push([30, 900])?;
    assert_eq!(entries.pop(), Some([30, 900]));
    entries.clear();
    assert!(entries.is_empty() && entries.pop().is_none());
    println!("set, get, push, pop, clear: {} entries are left", entries.len());
    Ok(())
}
