//! Futures, and waiting for many (FUT, WAT, GAP-17).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod scenario;

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use brigade_pool::{
    Future, Pending, ResultTimeoutError, TaskError, TaskState, Until, as_completed, wait_futures,
};
use brigade_shm::Queue;
use brigade_sys::time::Deadline;
use brigade_sys::wait::wait;

use scenario::{Gate, LONG, await_workers, pool};

brigade_process::test_binary!();

fn double(n: i32) -> i32 {
    assert!(n >= 0, "negative");
    n * 2
}

/// What callbacks have seen.
type Seen = Arc<Mutex<Vec<String>>>;

fn note<T: std::fmt::Debug + 'static>(
    seen: &Seen,
    name: &'static str,
) -> impl FnOnce(Result<&T, &TaskError>) + Send + 'static {
    let seen = Arc::clone(seen);
    move |result| {
        let text = match result {
            Ok(value) => format!("{name}: {value:?}"),
            Err(error) => format!("{name}: {error}"),
        };
        seen.lock().unwrap().push(text);
        assert_ne!(name, "bad", "a callback that panics");
    }
}

#[test]
fn fut_01_fut_02_callbacks_see_the_end_in_order_and_a_panic_stops_none() {
    let pool = pool(1);
    let gate = Gate::new();
    let seen = Seen::default();
    let blocker = gate.submit(&pool);
    let value = pool.submit(double, 4).unwrap();
    let error = pool.submit(double, -1).unwrap();
    let cancelled = pool.submit(double, 1).unwrap();
    for (future, name) in [(&value, "value"), (&error, "error"), (&cancelled, "cancelled")] {
        future.add_done_callback(note(&seen, "bad"));
        future.add_done_callback(note(&seen, name));
    }
    assert!(cancelled.cancel());
    gate.open();
    blocker.result().unwrap();
    assert_eq!(value.result().unwrap(), 8);
    assert!(error.result().is_err());
    let expected = [
        "bad: the task was cancelled",
        "cancelled: the task was cancelled",
        "bad: 8",
        "value: 8",
        "bad: the task panicked: negative",
        "error: the task panicked: negative",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn fut_03_fut_04_a_late_callback_runs_at_once_and_its_panic_stays_with_it() {
    let pool = pool(1);
    let seen = Seen::default();
    for argument in [1, -1] {
        let future = pool.submit(double, argument).unwrap();
        future.wait();
        future.add_done_callback(note(&seen, "bad"));
        future.add_done_callback(note(&seen, "late"));
    }
    let expected = [
        "bad: 2",
        "late: 2",
        "bad: the task panicked: negative",
        "late: the task panicked: negative",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn fut_05_fut_06_each_state_is_told_apart_and_only_what_has_not_begun_is_cancelled() {
    let pool = pool(1);
    let gate = Gate::new();
    let running = gate.submit(&pool);
    gate.await_begun(1);
    let waiting: Vec<_> = (0..100).map(|_| pool.submit(double, 1).unwrap()).collect();
    let (dispatched, queued) = (&waiting[0], &waiting[99]);
    assert_eq!(running.state(), TaskState::Running);
    assert_eq!(dispatched.state(), TaskState::Dispatched);
    assert_eq!(queued.state(), TaskState::Queued);
    assert!(running.is_running() && !running.is_done() && !running.is_cancelled());

    assert!(!running.cancel());
    for future in [dispatched, queued] {
        assert!(future.cancel());
        assert!(future.cancel(), "a second time");
        assert_eq!(future.state(), TaskState::Cancelled);
        assert!(future.is_done() && future.is_cancelled() && !future.is_running());
    }
    assert_eq!(waiting[1].state(), TaskState::Dispatched);

    gate.open();
    running.wait();
    assert_eq!(running.state(), TaskState::Done);
    assert!(!running.cancel());
    assert!(running.is_done() && !running.is_cancelled());
    let failed = pool.submit(double, -1).unwrap();
    failed.wait();
    assert_eq!(failed.state(), TaskState::Done);
    assert!(!failed.cancel());
    assert!(waiting[1..99].iter().all(|future| future.error().is_none()));
}

#[test]
fn cancelled_tasks_do_not_run_and_the_others_do_once() {
    let pool = pool(2);
    let ran = Queue::bounded(1000).unwrap();
    let gate = Gate::new();
    let blockers = [gate.submit(&pool), gate.submit(&pool)];
    gate.await_begun(2);
    let put = |(n, ran): (usize, Queue<usize>)| ran.put(n).unwrap();
    let futures: Vec<_> = (0..200).map(|n| pool.submit(put, (n, ran.clone())).unwrap()).collect();
    let cancelled = futures.iter().step_by(3).filter(|future| future.cancel()).count();
    assert_eq!(cancelled, 67);
    gate.open();
    blockers.into_iter().for_each(|blocker| blocker.wait());
    futures.iter().for_each(Future::wait);
    let mut seen: Vec<_> = (0..ran.len()).map(|_| ran.get().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..200).filter(|n| n % 3 != 0).collect::<Vec<_>>());
}

#[test]
fn fut_07_a_time_out_gives_the_future_back() {
    let pool = pool(1);
    let gate = Gate::new();
    let running = gate.submit(&pool);
    let pending = pool.submit(double, 2).unwrap();
    let cancelled = pool.submit(double, 3).unwrap();
    let failed = pool.submit(double, -3).unwrap();
    cancelled.cancel();
    gate.await_begun(1);
    let Err(ResultTimeoutError::TimedOut(running)) = running.result_timeout(Duration::ZERO) else {
        panic!("it runs")
    };
    let Err(ResultTimeoutError::TimedOut(pending)) = pending.result_timeout(Duration::ZERO) else {
        panic!("it waits")
    };
    let cancelled = cancelled.result_timeout(Duration::ZERO);
    assert!(matches!(cancelled, Err(ResultTimeoutError::Failed(TaskError::Cancelled))));
    gate.open();
    running.result_timeout(LONG).unwrap();
    assert_eq!(pending.result_timeout(LONG).unwrap(), 4);
    let failed = failed.result_timeout(LONG);
    assert!(matches!(failed, Err(ResultTimeoutError::Failed(TaskError::Panicked { .. }))));
}

#[test]
fn fut_08_many_threads_wait_for_one_future() {
    let pool = pool(1);
    for _ in 0..20 {
        let gate = Gate::new();
        let future = gate.submit(&pool);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| assert!(future.error().is_none()));
            }
            gate.await_begun(1);
            gate.open();
        });
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_future_is_awaited_without_a_runtime_of_ours() {
    let pool = pool(2);
    let sum = async {
        let mut sum = 0;
        for n in 0..100 {
            sum += pool.submit(double, n).unwrap().await.unwrap();
        }
        assert!(pool.submit(double, -1).unwrap().await.is_err());
        sum
    };
    let mut sum = pin!(sum);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let sum = loop {
        match sum.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(sum) => break sum,
            Poll::Pending => thread::park(),
        }
    };
    assert_eq!(sum, 9900);
}

use std::future::Future as _;

#[test]
fn a_future_is_waited_for_together_with_a_queue() {
    let pool = pool(1);
    let gate = Gate::new();
    let queue = Queue::bounded(1).unwrap();
    let future = gate.submit(&pool);
    gate.await_begun(1);
    let deadline = Deadline::after(Duration::from_millis(10));
    assert!(wait(&[&queue, &future], deadline).is_empty());
    queue.put(1).unwrap();
    assert_eq!(wait(&[&queue, &future], Deadline::after(LONG)), [0]);
    queue.get().unwrap();
    gate.open();
    assert_eq!(wait(&[&queue, &future], Deadline::after(LONG)), [1]);
}

#[test]
fn wat_01_wat_02_wat_06_the_first_that_is_done_ends_the_wait() {
    let pool = pool(2);
    await_workers(&pool);
    let gate = Gate::new();
    let slow = gate.submit(&pool);
    let quick = pool.submit(double, 2).unwrap();
    let waited = wait_futures(&[&slow, &quick, &quick], Until::FirstDone, Some(LONG));
    assert_eq!((waited.done, waited.not_done), (vec![1, 2], vec![0]));
    let again = wait_futures(&[&slow, &quick], Until::FirstDone, None);
    assert_eq!(again.done, [1]);
    let timeout = Some(Duration::from_millis(10));
    let all = wait_futures(&[&slow, &quick], Until::AllDone, timeout);
    assert_eq!((all.done, all.not_done), (vec![1], vec![0]));
    assert!(wait_futures(&[], Until::AllDone, None).done.is_empty());
    gate.open();
    slow.wait();
}

#[test]
fn wat_03_wat_04_the_first_failure_ends_the_wait_and_a_success_does_not() {
    let pool = pool(2);
    await_workers(&pool);
    let gate = Gate::new();
    let slow = gate.submit(&pool);
    let good = pool.submit(double, 2).unwrap();
    good.wait();
    let bad = pool.submit(double, -2).unwrap();
    let waited = wait_futures(&[&good, &slow, &bad], Until::FirstError, Some(LONG));
    assert_eq!((waited.done, waited.not_done), (vec![0, 2], vec![1]));
    let again = wait_futures(&[&slow, &bad], Until::FirstError, Some(LONG));
    assert_eq!(again.done, [1]);
    gate.open();
    let all = wait_futures(&[&good, &slow], Until::FirstError, Some(LONG));
    assert_eq!(all.done, [0, 1]);
}

#[test]
fn wat_05_gap_17_cancelled_futures_are_done_at_once() {
    let pool = pool(1);
    let gate = Gate::new();
    let running = gate.submit(&pool);
    gate.await_begun(1);
    let one = pool.submit(double, 1).unwrap();
    let other = pool.submit(double, 2).unwrap();
    assert!(one.cancel());
    assert_eq!(wait_futures(&[&one], Until::AllDone, Some(LONG)).done, [0]);
    pool.close(Pending::Cancel);
    assert_eq!(wait_futures(&[&one, &other], Until::AllDone, Some(LONG)).done, [0, 1]);
    let cancelled: Vec<_> = as_completed([one, other]).map(|(index, _)| index).collect();
    assert_eq!(cancelled.len(), 2);
    gate.open();
    running.result().unwrap();
}

#[test]
fn wat_08_wat_09_wat_11_futures_come_as_they_are_completed() {
    let pool = pool(2);
    await_workers(&pool);
    let gate = Gate::new();
    let slow = gate.submit(&pool);
    gate.await_begun(1);
    let one = pool.submit(scenario::own_pid, ()).unwrap();
    let two = pool.submit(scenario::own_pid, ()).unwrap();
    one.wait();
    let mut completed = as_completed([slow, two, one]);
    let mut first: Vec<_> = completed.by_ref().take(2).map(|(index, _)| index).collect();
    first.sort_unstable();
    assert_eq!(first, [1, 2]);
    for timeout in [Duration::ZERO, Duration::from_millis(20)] {
        let error = completed.next_timeout(timeout).unwrap_err();
        assert_eq!(error.to_string(), "timed out: 1 of 3 futures are unfinished");
    }
    gate.open();
    let (index, future) = completed.next().unwrap();
    assert_eq!(index, 0);
    future.result().unwrap();
    assert!(completed.next().is_none());
}
