//! The queue by priority: what has the least number comes first, whoever put it and whenever.
//!
//! In Python: `queue.PriorityQueue`, over `heapq`, for threads alone.

use std::cmp::Reverse;
use std::error::Error;

use brigade::{PriorityQueue, Process, Producer, Queue};

/// How urgent, and what.
type Patients = PriorityQueue<u32, String>;

fn admit((patients, door): (Producer<String, Patients>, usize)) -> Result<(), Box<dyn Error>> {
    for number in 0..5 {
        let urgency = (number * 7 + door as u32 * 3) % 4;
        patients.put((urgency, format!("patient {number} at door {door}")))?;
    }
    Ok(())
}

fn treat((patients, treated): (Patients, Queue<u32>)) -> Result<(), Box<dyn Error>> {
    for (urgency, _name) in patients.iter() {
        treated.put(urgency)?;
    }
    Ok(())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let words = PriorityQueue::unbounded()?;
    words.put((1, "aaa".to_owned()))?;
    words.put((20, "bbb".to_owned()))?;
    words.put((1, "ccc".to_owned()))?;
    // Equal ones come as they were put, so nothing need be known of their values.
    assert_eq!(
        (words.get()?.1, words.get()?.1, words.get()?.1),
        ("aaa".into(), "ccc".into(), "bbb".into())
    );

    let (patients, treated) = (Patients::unbounded()?, Queue::bounded(20)?);
    let right = patients.producer()?;
    let doors: Vec<_> = (0..3)
        .map(|door| Process::start(admit, (right.clone(), door)))
        .collect::<Result<_, _>>()?;
    drop(right);
    assert!(doors.iter().all(|door| door.join().success()));
    println!("{} patients wait", patients.len());
    // The queue has ended for who puts; it is emptied all the same.
    assert!(Process::start(treat, (patients, treated.clone()))?.join().success());
    treated.close();
    let order: Vec<u32> = treated.iter().collect();
    assert!(order.len() == 15 && order.is_sorted());
    println!("treated by urgency: {order:?}");

    // Any key that has an order: here the greatest number first, then the name.
    let bids = PriorityQueue::unbounded()?;
    for (amount, name) in [(10, "Ann"), (30, "Cid"), (30, "Bob")] {
        bids.put(((Reverse(amount), name.to_owned()), ()))?;
    }
    assert_eq!(bids.get()?.0.1, "Bob");
    println!("the highest bid first");
    Ok(())
}
