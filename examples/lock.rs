//! A lock that holds what it protects: two processes move money between accounts, and nobody ever
//! sees a sum that is not there.
//!
//! In Python: `multiprocessing.Lock()`, `with lock:`, `lock.acquire(timeout=...)`.

use std::error::Error;
use std::time::Duration;

use brigade::sync::{LockTimeoutError, TryLockError};
use brigade::{Event, Lock, OwnerDied, Process};

type Accounts = [i64; 2];

fn transfer((accounts, amount): (Lock<Accounts>, i64)) {
    for _ in 0..500 {
        let mut accounts = accounts.lock().unwrap_or_else(OwnerDied::recover);
        assert_eq!(accounts.iter().sum::<i64>(), 1000);
        // Between these two lines money is missing; nobody can look.
        accounts[0] -= amount;
        accounts[1] += amount;
    }
}

fn hold((accounts, held, release): (Lock<Accounts>, Event, Event)) {
    let _guard = accounts.lock().unwrap_or_else(OwnerDied::recover);
    held.set();
    release.wait();
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let accounts = Lock::new([600, 400])?;
    let there = Process::start(transfer, (accounts.clone(), 3))?;
    let back = Process::start(transfer, (accounts.clone(), -2))?;
    assert!(there.join().success() && back.join().success());
    let now = *accounts.lock().unwrap_or_else(OwnerDied::recover);
    assert_eq!(now, [600 - 500, 400 + 500]);
    println!("after a thousand transfers: {now:?}");

    let (held, release) = (Event::new()?, Event::new()?);
    let holder = Process::start(hold, (accounts.clone(), held.clone(), release.clone()))?;
    held.wait();
    assert!(matches!(accounts.try_lock(), Err(TryLockError::Locked)));
    let waited = accounts.lock_timeout(Duration::from_millis(5));
    assert!(matches!(waited, Err(LockTimeoutError::TimedOut)));
    release.set();
    assert!(holder.join().success());
    assert!(accounts.try_lock().is_ok());
    println!("a lock that is held can be tried, waited for a while, and had afterwards");
    Ok(())
}
