//! Results in the order in which they come, whichever task that is: here the last one first.
//!
//! In Python: `for future in concurrent.futures.as_completed(future2n): n = future2n[future]`.

use std::error::Error;
use std::sync::mpsc;

use brigade::{Event, ProcessPool, Until, as_completed, wait_futures};

fn square((number, may_end): (u64, Event)) -> u64 {
    may_end.wait();
    number * number
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let pool = ProcessPool::new(3)?;
    let gates = [Event::new()?, Event::new()?, Event::new()?];
    let mut futures = Vec::new();
    for (number, gate) in (0..).zip(&gates) {
        futures.push(pool.submit(square, (number, gate.clone()))?);
    }

    gates[2].set();
    let first = wait_futures(&[&futures[0], &futures[1], &futures[2]], Until::FirstDone, None);
    assert_eq!((first.done, first.not_done), (vec![2], vec![0, 1]));

    // Called when the task ends, with its result.
    let (tell, told) = mpsc::channel();
    futures[0].add_done_callback(move |result| {
        // Nobody listens any more only if the program has failed already.
        let _ = tell.send(result.map_err(ToString::to_string).copied());
    });

    let mut order = Vec::new();
    for (number, future) in as_completed(futures) {
        let square = future.result()?;
        assert_eq!(square, (number * number) as u64);
        println!("task {number} is done: {square}");
        order.push(number);
        // Lets the one before it end.
        if number > 0 {
            gates[number - 1].set();
        }
    }
    assert_eq!(order, [2, 1, 0]);
    assert_eq!(told.recv()?, Ok(0));
    println!("the callback was told as well");
    Ok(())
}
