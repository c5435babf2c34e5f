//! `map` gives the results in the order of the tasks: here the first task ends last, and its result
//! still comes first.
//!
//! In Python: `with ProcessPoolExecutor(max_workers=3) as pool: pool.map(func, iterable)`.

use std::error::Error;

use brigade::{Event, List, ProcessPool};

/// Which task, what it waits for, what it tells the next one by, and who has ended.
type Task = (u64, Event, Event, List<u64>);

fn square((number, may_end, has_ended, order): Task) -> Result<u64, String> {
    may_end.wait();
    order.push(number).map_err(|error| error.to_string())?;
    has_ended.set();
    Ok(number * number)
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let order = List::new()?;
    let last = Event::new()?;
    // Each task may end when the one behind it has.
    let mut tasks = Vec::new();
    let mut before = last.clone();
    for number in 1..=3 {
        let next = Event::new()?;
        tasks.push((number, next.clone(), before, order.clone()));
        before = next;
    }
    before.set();

    let results = {
        let pool = ProcessPool::new(3)?;
        let results: Result<Vec<_>, _> = pool.map(square, tasks).collect();
        results?
        // The pool ends with its scope, when all its tasks have.
    };
    assert!(last.is_set());
    assert_eq!(order.to_vec()?, [3, 2, 1]);
    assert_eq!(results, [Ok(1), Ok(4), Ok(9)]);
    println!("the tasks ended in the order {:?}", order.to_vec()?);
    println!("their results came in the order {results:?}");

    // Input is taken as results are asked for, so it may have no end.
    let pool = ProcessPool::new(2)?;
    let first: Result<Vec<u64>, _> = pool.map(|n: u64| n * 10, 1..).take(5).collect();
    assert_eq!(first?, [10, 20, 30, 40, 50]);
    println!("and five of a map without an end");
    Ok(())
}
