//! The program of the README: three workers carry numbers from one queue to one sum.

use brigade::{Process, Queue, Value};

fn carry((buckets, total): (Queue<u64>, Value<u64>)) {
    while let Ok(bucket) = buckets.get() {
        total.fetch_add(bucket);
    }
}

#[brigade::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let buckets = Queue::bounded(64)?;
    let total = Value::new(0)?;
    let workers = (0..3)
        .map(|_| Process::start(carry, (buckets.clone(), total.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    for bucket in 1..=1000 {
        buckets.put(bucket)?;
    }
    buckets.close();
    for worker in workers {
        worker.join();
    }
    assert_eq!(total.get(), 500_500);
    Ok(())
}
