//! A value that several processes see: read, set, added to, and updated as a whole.
//!
//! In Python: `multiprocessing.Value("q", 0)`, `with value.get_lock():`.

use std::error::Error;

use brigade::{Process, Value};

const WORKERS: u64 = 4;
const EACH: u64 = 500;

/// How many numbers, their sum, and the sum of their squares: right only together.
type Statistics = [u64; 3];

fn work((hits, statistics): (Value<u64>, Value<Statistics>)) {
    for number in 1..=EACH {
        hits.fetch_add(1);
        statistics.update(|[count, sum, squares]| {
            *count += 1;
            *sum += number;
            *squares += number * number;
        });
    }
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let hits = Value::new(0)?;
    let statistics = Value::new(Statistics::default())?;
    let workers = (0..WORKERS)
        .map(|_| Process::start(work, (hits.clone(), statistics.clone())))
        .collect::<Result<Vec<_>, _>>()?;

    // Whoever reads while the others write sees a whole value, never a half.
    while statistics.get()[0] < WORKERS * EACH {
        let [count, sum, squares] = statistics.get();
        assert!(count <= sum && sum <= squares);
        assert!(workers.iter().all(|worker| worker.exit_status().is_none_or(|it| it.success())));
    }
    assert!(workers.iter().all(|worker| worker.join().success()));

    assert_eq!(hits.get(), WORKERS * EACH);
    let sum = WORKERS * EACH * (EACH + 1) / 2;
    let squares = WORKERS * EACH * (EACH + 1) * (2 * EACH + 1) / 6;
    assert_eq!(statistics.get(), [WORKERS * EACH, sum, squares]);
    println!("{WORKERS} processes, {EACH} numbers each: {:?}", statistics.get());

    hits.set(7);
    assert_eq!(hits.compare_exchange(7, 8), Ok(7));
    assert_eq!(hits.compare_exchange(7, 9), Err(8));
    assert_eq!(hits.swap(0), 8);
    println!("set, compare and exchange, swap: {}", hits.get());
    Ok(())
}
