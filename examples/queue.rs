//! A queue between processes: three producers, two consumers, a bound, and an end that comes by
//! itself when the last producer has gone.
//!
//! In Python: `multiprocessing.Queue(maxsize)`, with a sentinel `None` for each consumer, which
//! nobody needs here.

use std::error::Error;
use std::time::Duration;

use brigade::queue::{PutTimeoutError, TryPutError};
use brigade::{Process, Producer, PutError, Queue, Value};

const PRODUCERS: usize = 3;
const EACH: u64 = 200;

/// Who puts it, and its number.
type Parcel = (usize, u64);

fn produce((parcels, own): (Producer<Parcel>, usize)) -> Result<(), PutError<Parcel>> {
    (1..=EACH).try_for_each(|number| parcels.put((own, number)))
}

fn consume((parcels, taken): (Queue<Parcel>, Value<u64>)) {
    let mut last = [0; PRODUCERS];
    for (producer, number) in parcels.iter() {
        assert!(last[producer] < number, "what one producer puts arrives in its order");
        last[producer] = number;
        taken.fetch_add(1);
    }
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let parcels = Queue::<Parcel>::bounded(8)?;
    let taken = Value::new(0)?;
    // While this exists the queue does not end; each producer gets a right of its own.
    let right = parcels.producer()?;
    let mut processes = Vec::new();
    for own in 0..PRODUCERS {
        processes.push(Process::start(produce, (right.clone(), own))?);
    }
    for _ in 0..2 {
        processes.push(Process::start(consume, (parcels.clone(), taken.clone()))?);
    }
    drop(right);
    assert!(processes.iter().all(|process| process.join().success()));
    assert_eq!(taken.get(), PRODUCERS as u64 * EACH);
    println!("{PRODUCERS} producers put {EACH} parcels each, and {} were taken", taken.get());

    let two = Queue::bounded(2)?;
    two.put(1)?;
    two.put(2)?;
    assert!(matches!(two.try_put(3), Err(TryPutError::Full(3))));
    let refused = two.put_timeout(3, Duration::from_millis(5));
    assert!(matches!(refused, Err(PutTimeoutError::TimedOut(3))));
    println!("a full queue refuses, at once or after a while, and gives the value back");
    Ok(())
}
