//! A read-write lock: many processes look into a table of prices at a time, and one changes it as a
//! whole, although there is always somebody who looks.
//!
//! Python has none.

use std::error::Error;

use brigade::sync::TryLockError;
use brigade::{Event, OwnerDied, Process, RwLock};

/// The price of a thing, the tax on it, and what both come to.
type Prices = [[u64; 3]; 8];

fn look((prices, closed): (RwLock<Prices>, Event)) {
    while !closed.is_set() {
        let prices = prices.read().unwrap_or_else(OwnerDied::recover);
        assert!(prices.iter().all(|[net, tax, gross]| net + tax == *gross));
    }
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let (prices, closed) = (RwLock::new(Prices::default())?, Event::new()?);
    let customers = (0..3)
        .map(|_| Process::start(look, (prices.clone(), closed.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    for day in 1..=200 {
        let mut prices = prices.write().unwrap_or_else(OwnerDied::recover);
        for (number, [net, tax, gross]) in (1..).zip(prices.iter_mut()) {
            *net = number * day;
            *tax = *net / 5;
            *gross = *net + *tax;
        }
    }
    closed.set();
    assert!(customers.iter().all(|customer| customer.join().success()));
    println!("two hundred new lists of prices, and nobody saw half of one");

    let one = prices.read().unwrap_or_else(OwnerDied::recover);
    let other = prices.read().unwrap_or_else(OwnerDied::recover);
    assert_eq!(one[7], other[7]);
    assert!(matches!(prices.try_write(), Err(TryLockError::Locked)));
    drop((one, other));
    assert!(prices.try_write().is_ok());
    println!("those who look share the lock, and who changes it has it alone");
    Ok(())
}
