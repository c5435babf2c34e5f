//! The queues of other orders, and those whose values are answered for.

use std::cell::RefCell;
use std::time::Duration;

use brigade_codec::Bytes;
use brigade_shm::queue::{Order, OrderedQueue, TryGetError};
use brigade_shm::{
    DelayQueue, GetError, JoinableQueue, LeasedQueue, LifoQueue, PriorityQueue, SimpleQueue,
};
use brigade_sys::stepping::through;

use super::{Case, SOON, case};
use crate::steps::{Fate, Steps};

pub(super) const CASES: &[Case] = &[
    case("last-in queue: put", "a short message", |steps| put(steps, lifo, short)),
    case("last-in queue: put", "a long message", |steps| put(steps, lifo, long)),
    case("last-in queue: put", "another waits to get", |steps| put_awaited(steps, lifo, short)),
    case("last-in queue: put", "it is full, then another gets", put_late),
    case("last-in queue: get", "a short message", |steps| get(steps, lifo, short)),
    case("last-in queue: get", "a long message", |steps| get(steps, lifo, long)),
    case("last-in queue: get", "another waits to put", |steps| get_awaited(steps, lifo, short)),
    case("last-in queue: get", "it is empty, then another puts", get_late),
    case("last-in queue: close", "one waits to get and one to put", close_awaited),
    case("last-in queue: drop the last producer", "another waits to get", drop_producer),
    case("priority queue: put", "another waits to get", |steps| {
        put_awaited(steps, priority, ranked);
    }),
    case("priority queue: get", "another waits to put", |steps| {
        get_awaited(steps, priority, ranked);
    }),
    case("delay queue: put", "another waits to get", |steps| put_awaited(steps, delay, short)),
    case("delay queue: put", "it is due soon, another waits to get", put_delayed),
    case("simple queue: put", "another waits to get", put_simple),
    case("leased queue: put", "another waits to lease", put_leased),
    case("leased queue: lease", "alone", lease),
    case("leased queue: acknowledge", "alone", acknowledge),
    case("leased queue: give back", "another waits to lease", give_back),
    case("leased queue: reject", "another waits for the dead letter", reject),
    case("leased queue: lease", "what the dead had", lease_of_dead),
    case("joinable queue: get", "alone", take_task),
    case("joinable queue: task done", "another waits for all", task_done),
];

const NOW: Duration = Duration::ZERO;

fn short() -> Bytes {
    Bytes(vec![1; 10])
}

fn long() -> Bytes {
    Bytes(vec![2; 3_000])
}

fn ranked() -> (u8, Bytes) {
    (7, short())
}

fn lifo() -> LifoQueue<Bytes> {
    LifoQueue::bounded(2).unwrap()
}

fn priority() -> PriorityQueue<u8, Bytes> {
    PriorityQueue::bounded(2).unwrap()
}

fn delay() -> DelayQueue<Bytes> {
    DelayQueue::bounded(2).unwrap()
}

fn leased() -> LeasedQueue<Bytes> {
    LeasedQueue::bounded(2).unwrap()
}

/// How many times `item` is in the queue, which is empty afterwards.
fn drain<T, O: Order<T>>(queue: &OrderedQueue<T, O>, item: &O::Item) -> usize
where
    O::Item: PartialEq + std::fmt::Debug,
{
    let mut found = 0;
    while let Ok(taken) = queue.get_timeout(if queue.is_empty() { NOW } else { SOON }) {
        assert_eq!(&taken, item);
        found += 1;
    }
    found
}

/// Takes what is left, at least `least` and at most `most` of `item`; then it works.
fn check<T, O: Order<T>>(
    queue: &OrderedQueue<T, O>,
    item: fn() -> O::Item,
    (least, most): (usize, usize),
) where
    O::Item: PartialEq + std::fmt::Debug,
{
    let found = drain(queue, &item());
    assert!((least..=most).contains(&found), "{found} messages, not {least} to {most}");
    for _ in 0..queue.capacity() {
        assert!(queue.put_timeout(item(), SOON).is_ok(), "there is no room");
    }
    assert!(queue.is_full());
    assert_eq!(drain(queue, &item()), queue.capacity());
    assert!(matches!(queue.try_get(), Err(TryGetError::Empty)));
}

fn least(fate: Fate) -> usize {
    usize::from(fate == Fate::CameThrough)
}

fn put<T, O: Order<T>>(steps: &mut Steps, make: fn() -> OrderedQueue<T, O>, item: fn() -> O::Item)
where
    O::Item: PartialEq + std::fmt::Debug,
{
    let queue = make();
    steps
        .of(|| {
            let item = item();
            assert!(through(|| queue.put(item)).is_ok());
        })
        .check(|fate| check(&queue, item, (least(fate), 1)));
}

fn put_awaited<T, O: Order<T>>(
    steps: &mut Steps,
    make: fn() -> OrderedQueue<T, O>,
    item: fn() -> O::Item,
) where
    O::Item: PartialEq + std::fmt::Debug,
{
    let queue = make();
    let help = || assert!(queue.put(item()).is_ok());
    steps
        .of(|| {
            let item = item();
            assert!(through(|| queue.put(item)).is_ok());
        })
        .awaited_by(|| assert_eq!(queue.get().unwrap(), item()))
        .unless(|| !queue.is_empty(), help)
        .check(|_| check(&queue, item, (0, 1)));
}

fn put_late(steps: &mut Steps) {
    let queue = lifo();
    steps
        .of(|| through(|| queue.put(short())).unwrap())
        .after(|| while queue.try_put(short()).is_ok() {})
        .release(|| while queue.try_get().is_ok() {})
        .check(|_| check(&queue, short, (0, 1)));
}

fn get<T, O: Order<T>>(steps: &mut Steps, make: fn() -> OrderedQueue<T, O>, item: fn() -> O::Item)
where
    O::Item: PartialEq + std::fmt::Debug,
{
    let queue = make();
    steps
        .of(|| assert_eq!(through(|| queue.get()).unwrap(), item()))
        .after(|| assert!(queue.put(item()).is_ok()))
        .check(|fate| check(&queue, item, (0, 1 - least(fate))));
}

fn get_awaited<T, O: Order<T>>(
    steps: &mut Steps,
    make: fn() -> OrderedQueue<T, O>,
    item: fn() -> O::Item,
) where
    O::Item: PartialEq + std::fmt::Debug,
{
    let queue = make();
    steps
        .of(|| assert_eq!(through(|| queue.get()).unwrap(), item()))
        .after(|| while queue.try_put(item()).is_ok() {})
        .awaited_by(|| assert!(queue.put(item()).is_ok()))
        .unless(|| !queue.is_full(), || drop(queue.get().unwrap()))
        .check(|_| check(&queue, item, (1, 2)));
}

fn get_late(steps: &mut Steps) {
    let queue = lifo();
    steps
        .of(|| assert_eq!(through(|| queue.get()).unwrap(), short()))
        .release(|| while queue.is_empty() && queue.put(short()).is_err() {})
        .check(|_| check(&queue, short, (0, 1)));
}

fn close_awaited(steps: &mut Steps) {
    let queues = RefCell::new([lifo(), lifo()]);
    let close = || queues.borrow().iter().for_each(|queue| queue.close());
    steps
        .of(|| through(close))
        .after(|| {
            queues.replace([lifo(), lifo()]);
            while queues.borrow()[1].try_put(short()).is_ok() {}
        })
        .awaited_by(|| assert!(matches!(queues.borrow()[0].get(), Err(GetError::Closed))))
        .awaited_by(|| assert!(queues.borrow()[1].put(short()).is_err()))
        .unless(|| queues.borrow().iter().all(|queue| queue.is_closed()), close)
        .check(|_| ());
}

fn drop_producer(steps: &mut Steps) {
    let current = RefCell::new(lifo());
    steps
        .of(|| {
            let producer = current.borrow().producer().unwrap();
            through(|| drop(producer));
        })
        .after(|| {
            current.replace(lifo());
        })
        .awaited_by(|| assert!(matches!(current.borrow().get(), Err(GetError::Closed))))
        .check(|_| assert!(matches!(current.borrow().get(), Err(GetError::Closed))));
}

fn put_delayed(steps: &mut Steps) {
    const DELAY: Duration = Duration::from_millis(1);
    let queue = delay();
    steps
        .of(|| {
            let item = short();
            through(|| queue.put_after(item, DELAY)).unwrap();
        })
        .awaited_by(|| assert_eq!(queue.get().unwrap(), short()))
        .unless(|| !queue.is_empty(), || queue.put(short()).unwrap())
        .check(|_| check(&queue, short, (0, 1)));
}

/// It has no bound: what is left is counted.
fn put_simple(steps: &mut Steps) {
    let queue = SimpleQueue::<Bytes>::new().unwrap();
    steps
        .of(|| {
            let item = short();
            through(|| queue.put(item)).unwrap();
        })
        .awaited_by(|| assert_eq!(queue.get().unwrap(), short()))
        .unless(|| !queue.is_empty(), || queue.put(short()).unwrap())
        .check(|_| assert!(drain(&queue, &short()) <= 1));
}

fn put_leased(steps: &mut Steps) {
    let queue = leased();
    steps
        .of(|| {
            let item = short();
            through(|| queue.put(item)).unwrap();
        })
        .awaited_by(|| queue.lease().unwrap().ack().unwrap())
        .unless(|| !queue.is_empty(), || queue.put(short()).unwrap())
        .check(|_| check(&queue, short, (0, 1)));
}

/// What was lent comes back, whatever becomes of the child.
fn come_back(queue: &LeasedQueue<Bytes>) {
    let lease = queue.lease_timeout(SOON).expect("what was lent comes back");
    assert_eq!(*lease, short());
    lease.ack().unwrap();
    check(queue, short, (0, 0));
}

fn lease(steps: &mut Steps) {
    let queue = leased();
    steps
        .of(|| drop(through(|| queue.lease()).unwrap()))
        .after(|| queue.put(short()).unwrap())
        .check(|_| come_back(&queue));
}

fn acknowledge(steps: &mut Steps) {
    let queue = leased();
    steps
        .of(|| {
            let lease = queue.lease().unwrap();
            through(|| lease.ack()).unwrap();
        })
        .after(|| queue.put(short()).unwrap())
        .check(|fate| check(&queue, short, (0, 1 - least(fate))));
}

fn give_back(steps: &mut Steps) {
    let queue = leased();
    steps
        .of(|| {
            let lease = queue.lease().unwrap();
            through(|| lease.requeue()).unwrap();
        })
        .after(|| queue.put(short()).unwrap())
        .awaited_by(|| queue.lease().unwrap().ack().unwrap())
        .check(|_| check(&queue, short, (0, 0)));
}

fn reject(steps: &mut Steps) {
    let queue = leased();
    let letters = queue.dead_letters();
    let is_back = || matches!(queue.try_lease().map(|lease| lease.reject()), Ok(Ok(())));
    steps
        .of(|| {
            let lease = queue.lease().unwrap();
            through(|| lease.reject()).unwrap();
        })
        .after(|| queue.put(short()).unwrap())
        .awaited_by(|| assert_eq!(letters.get().unwrap(), short()))
        .unless(|| !is_back(), || ())
        .check(|_| check(&queue, short, (0, 0)));
}

/// The last one died with it.
fn lease_of_dead(steps: &mut Steps) {
    let queue = leased();
    steps
        .of(|| {
            let lease = through(|| queue.lease()).unwrap();
            assert_eq!(lease.delivery_count(), 2);
        })
        .after(|| {
            queue.put(short()).unwrap();
            crate::processes::start(|| {
                let _lease = queue.lease().unwrap();
                brigade_shm::testing::end_here();
            })
            .join();
        })
        .check(|_| come_back(&queue));
}

fn joinable() -> JoinableQueue<Bytes> {
    JoinableQueue::bounded(2).unwrap()
}

/// What a dead one had taken, others get.
fn finish(queue: &JoinableQueue<Bytes>, most: usize) {
    let mut found = 0;
    while let Ok(taken) = queue.get_timeout(if queue.unfinished() == 0 { NOW } else { SOON }) {
        assert_eq!(taken, short());
        queue.task_done().unwrap();
        found += 1;
    }
    assert!(found <= most, "{found} tasks, not {most}");
    assert!(queue.join_timeout(SOON).unwrap(), "a task is never done");
}

fn take_task(steps: &mut Steps) {
    let queue = joinable();
    steps
        .of(|| {
            through(|| queue.get()).unwrap();
            queue.task_done().unwrap();
        })
        .after(|| queue.put(short()).unwrap())
        .check(|fate| finish(&queue, 1 - least(fate)));
}

fn task_done(steps: &mut Steps) {
    let queue = joinable();
    steps
        .of(|| {
            queue.get().unwrap();
            through(|| queue.task_done()).unwrap();
        })
        .after(|| queue.put(short()).unwrap())
        .awaited_by(|| queue.join().unwrap())
        .unless(|| queue.unfinished() == 0, || finish(&queue, 1))
        .check(|_| finish(&queue, 0));
}
