//! Processes are killed where it hurts most: holding a lock, holding a permit, in the middle of a
//! put. The others go on, and nothing that was committed is lost.
//!
//! In Python the first two wait for ever, and the third may leave half a message in the pipe.

use std::error::Error;

use brigade::{Event, ExitStatus, Lock, OwnerDied, Process, Producer, PutError, Queue, Semaphore};

const KILLED: ExitStatus = ExitStatus::Signal(9);

fn hold((account, permits, held): (Lock<[i64; 2]>, Semaphore, Event)) {
    let _permit = permits.acquire();
    let mut account = account.lock().unwrap_or_else(OwnerDied::recover);
    account[0] -= 5;
    held.set();
    // The other half of the transfer never comes.
    loop {
        std::thread::park();
    }
}

fn count(numbers: Producer<u64>) -> Result<(), PutError<u64>> {
    (0..).try_for_each(|number| numbers.put(number))
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let (account, permits, held) = (Lock::new([50, 50])?, Semaphore::new(1)?, Event::new()?);
    let holder = Process::start(hold, (account.clone(), permits.clone(), held.clone()))?;
    held.wait();
    assert!(permits.try_acquire().is_none());
    holder.kill()?;
    // The next one gets the lock at once, and is told that the value may be half-written.
    let repaired = match account.lock() {
        Ok(_) => return Err("the holder's death went unnoticed".into()),
        Err(mut died) => {
            assert_eq!(**died.guard_mut(), [45, 50]);
            died.guard_mut()[0] = 50;
            *died.recover()
        }
    };
    assert_eq!(account.lock().map(|it| *it).map_err(|_| "it was recovered")?, repaired);
    println!("the lock of a killed process was taken over: {repaired:?}");
    drop(permits.acquire());
    assert_eq!(holder.join(), KILLED);
    println!("the permit of a killed process came back");

    for round in 1..=5 {
        let numbers = Queue::bounded(100)?;
        let counter = Process::start(count, numbers.producer()?)?;
        let mut taken: Vec<u64> = numbers.iter().take(500 * round).collect();
        counter.kill()?;
        // Every number that was put is here, whole and in order; then the stream ends by itself.
        taken.extend(numbers.iter());
        assert!(taken.iter().copied().eq(0..taken.len() as u64));
        assert_eq!(counter.join(), KILLED);
        println!("round {round}: killed in the middle of a put, {} numbers arrived", taken.len());
    }
    Ok(())
}
