//! A re-entrant lock: a transfer takes the lock, and so do the two bookings that it is made of.
//!
//! In Python: `multiprocessing.RLock()`.

use std::error::Error;

use brigade::sync::TryLockError;
use brigade::{OwnerDied, Process, RLock};

type Accounts = [i64; 2];

fn book(accounts: &RLock<Accounts>, account: usize, amount: i64) {
    // Alone, or as part of something larger.
    let accounts = accounts.lock().unwrap_or_else(OwnerDied::recover);
    let mut new = accounts.get();
    new[account] += amount;
    accounts.set(new);
}

fn transfer((accounts, amount): (RLock<Accounts>, i64)) {
    for _ in 0..500 {
        let all = accounts.lock().unwrap_or_else(OwnerDied::recover);
        assert_eq!(all.get().iter().sum::<i64>(), 1000);
        book(&accounts, 0, -amount);
        assert_eq!(accounts.recursion_count(), 1);
        // Money is missing here; nobody else can look.
        book(&accounts, 1, amount);
    }
}

fn is_refused(accounts: RLock<Accounts>) {
    assert!(!accounts.is_owned());
    assert!(matches!(accounts.try_lock(), Err(TryLockError::Locked)));
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let accounts = RLock::new([600, 400])?;
    let there = Process::start(transfer, (accounts.clone(), 3))?;
    let back = Process::start(transfer, (accounts.clone(), -2))?;
    assert!(there.join().success() && back.join().success());
    let now = accounts.lock().unwrap_or_else(OwnerDied::recover).get();
    assert_eq!(now, [600 - 500, 400 + 500]);
    println!("after a thousand transfers: {now:?}");

    let first = accounts.lock().unwrap_or_else(OwnerDied::recover);
    let second = accounts.lock().unwrap_or_else(OwnerDied::recover);
    assert!(accounts.is_owned() && accounts.recursion_count() == 2);
    drop(first);
    assert!(Process::start(is_refused, accounts.clone())?.join().success());
    drop(second);
    assert!(!accounts.is_locked());
    println!("a lock that was taken twice is free when it was given back twice");
    Ok(())
}
