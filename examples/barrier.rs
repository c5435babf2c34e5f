//! A barrier: three processes smooth a curve, each its own part, step after step. None takes a step
//! before all have taken the last, since at its ends each part needs its neighbours.
//!
//! In Python: `multiprocessing.Barrier(3, action)`, `barrier.wait()`, `BrokenBarrierError`.

use std::error::Error;
use std::time::Duration;

use brigade::sync::BrokenBarrier;
use brigade::{Array, Barrier, Process, Value};

const WORKERS: usize = 3;
const PART: usize = 20;
const STEPS: u32 = 50;

/// The curve before and after a step, how many steps were taken, the barrier between two of them, and
/// which part is the worker's.
type Task = (Array<f64>, Array<f64>, Value<u32>, Barrier, usize);

fn smooth((old, new, steps, barrier, worker): Task) {
    // Whoever comes last makes the new curve the old one, while all the others wait.
    let (from, to, count) = (new.clone(), old.clone(), steps.clone());
    let barrier = barrier.with_action(move || {
        to.copy_from_slice(0, &from.to_vec()).expect("they are equally long");
        count.fetch_add(1);
    });
    let own = worker * PART..(worker + 1) * PART;
    for step in 0..STEPS {
        for place in own.clone() {
            let at = |place: usize| old.get(place.min(WORKERS * PART - 1)).expect("it is inside");
            let mean = (at(place.saturating_sub(1)) + at(place) + at(place + 1)) / 3.0;
            new.set(place, mean).expect("it is inside");
        }
        barrier.wait().expect("nobody breaks it");
        assert_eq!(steps.get(), step + 1, "all take the same step");
    }
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let length = WORKERS * PART;
    let mut curve = vec![0.0; length];
    curve[length / 2] = 1.0;
    let (old, new) = (Array::from_slice(&curve)?, Array::zeroed(length)?);
    let (steps, barrier) = (Value::new(0)?, Barrier::new(WORKERS)?);
    let workers = (0..WORKERS)
        .map(|worker| {
            let task = (old.clone(), new.clone(), steps.clone(), barrier.clone(), worker);
            Process::start(smooth, task)
        })
        .collect::<Result<Vec<_>, _>>()?;
    assert!(workers.iter().all(|worker| worker.join().success()));
    let (sum, highest) = old
        .to_vec()
        .iter()
        .fold((0.0, 0.0_f64), |(sum, highest), &height| (sum + height, highest.max(height)));
    assert!((sum - 1.0).abs() < 1e-9 && highest < 0.1);
    println!(
        "after {} steps the peak of 1 is one of {highest:.3}, and nothing is lost",
        steps.get()
    );

    assert_eq!(barrier.wait_timeout(Duration::from_millis(5)), Err(BrokenBarrier::TimedOut));
    assert!(barrier.is_broken());
    barrier.reset();
    assert!(!barrier.is_broken());
    println!("who waits for the others in vain breaks the barrier, and a reset mends it");
    Ok(())
}
