//! The queue with delays: an order that nobody has paid for in time is cancelled, by another process
//! than those that take orders and payments.
//!
//! Python has none: its users build one on a priority queue and a timer, or on a server.

use std::error::Error;
use std::time::{Duration, Instant};

use brigade::{Array, DelayQueue, Process, Producer};

const ORDERS: u32 = 12;

/// How long an order waits for its payment.
const PATIENCE: Duration = Duration::from_millis(40);

/// What has become of an order.
const OPEN: u32 = 0;
const PAID: u32 = 1;
const CANCELLED: u32 = 2;

fn take_orders((due, first): (Producer<u32, DelayQueue<u32>>, u32)) -> Result<(), Box<dyn Error>> {
    for order in (first..ORDERS).step_by(2) {
        due.put_after(order, PATIENCE)?;
    }
    Ok(())
}

fn cancel((due, orders): (DelayQueue<u32>, Array<u32>)) -> Result<(), Box<dyn Error>> {
    // Asleep until the next one is due; over when all are done and nobody is left who takes orders.
    for order in due.iter() {
        orders.update(order as usize, |state| {
            if *state == OPEN {
                *state = CANCELLED;
            }
        })?;
    }
    Ok(())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let (due, orders) = (DelayQueue::unbounded()?, Array::zeroed(ORDERS as usize)?);
    let right = due.producer()?;
    let canceller = Process::start(cancel, (due.clone(), orders.clone()))?;
    for first in 0..2 {
        assert!(Process::start(take_orders, (right.clone(), first))?.join().success());
    }
    drop(right);
    // Every third is paid for at once.
    for order in (0..ORDERS as usize).step_by(3) {
        orders.update(order, |state| *state = if *state == OPEN { PAID } else { *state })?;
    }
    assert!(canceller.join().success());
    assert!(began.elapsed() >= PATIENCE && due.is_empty());
    let count = |state| orders.to_vec().iter().filter(|&&it| it == state).count();
    assert_eq!((count(OPEN), count(PAID) + count(CANCELLED)), (0, ORDERS as usize));
    println!("{} orders were paid for, and {} cancelled in time", count(PAID), count(CANCELLED));

    let later = DelayQueue::bounded(2)?;
    later.put_after("in an hour".to_owned(), Duration::from_secs(3_600))?;
    assert!(later.try_get().is_err());
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| later.get());
        later.put_after("in 10 ms".to_owned(), Duration::from_millis(10))?;
        let got = waiter.join().map_err(|_| "the waiter has failed")??;
        assert_eq!(got, "in 10 ms");
        println!("one who waited for something in an hour got what was put for sooner");
        Ok(())
    })
}
