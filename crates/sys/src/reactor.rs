//! Waiting without a thread of one's own: a future for anything that can be waited for.
//!
//! One thread of the process sleeps for all futures that wait, on everything they wait for. It is
//! started by the first, ends when nobody has waited for a while, and needs no runtime: whatever
//! polls a future is woken by its `Waker`.
//!
//! | `version`             | meaning                                                            |
//! |-----------------------|--------------------------------------------------------------------|
//! | as the thread saw it  | the thread sleeps on all that is registered                        |
//! | another               | somebody came or went since: the thread looks at the list again    |
//!
//! # Why no wake-up is lost
//!
//! A future registers, raises `version` and wakes the thread, which looks at the list and then
//! sleeps only while `version` is what it was before that look. When a thing becomes ready, every
//! future that waits for it is woken and tries for itself; those that come too late register anew.
//! What the thread is woken for it passes on to the sleepers of other processes, as every
//! [`wait`] does, so a future that is dropped after its wake-up takes nothing
//! away from anybody.
//!
//! # What a dead process leaves
//!
//! Nothing: no word of this file is shared. The thread dies with the process that it sleeps for,
//! and the kernel passes its wake-ups on.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::futex;
use crate::thread::fork_generation;
use crate::time::Deadline;
use crate::wait::{Sleep, Waitable, wait};

/// How long the thread stays when nobody waits.
const LINGER: Duration = Duration::from_secs(1);

/// Something that a future can wait for: shared with the thread that sleeps for it.
type Object = Arc<dyn Waitable + Send + Sync>;

/// Who waits, for what.
struct Registered {
    object: Object,
    waker: Waker,
}

/// All that wait.
struct List {
    /// Which process the list is of: a forked child starts with an empty one.
    fork_generation: u32,
    has_thread: bool,
    next: u64,
    waiting: BTreeMap<u64, Registered>,
}

static LIST: Mutex<List> =
    Mutex::new(List { fork_generation: 0, has_thread: false, next: 0, waiting: BTreeMap::new() });

/// Counts the changes of the list.
static VERSION: AtomicU32 = AtomicU32::new(0);

fn list() -> MutexGuard<'static, List> {
    // Changed by single inserts and removals, so a panic elsewhere leaves it whole.
    let mut list = LIST.lock().unwrap_or_else(PoisonError::into_inner);
    if list.fork_generation != fork_generation() {
        list.fork_generation = fork_generation();
        list.has_thread = false;
        list.waiting = BTreeMap::new();
    }
    list
}

/// Tells the thread that the list has changed.
fn changed() {
    // PAIR version: the change of the list is there before its number.
    VERSION.fetch_add(1, Release);
    futex::wake_all(&VERSION);
}

/// A future that is done when `object` is ready.
///
/// Being ready says that an operation would not block now, and another may be quicker: try, and
/// wait again if it did not succeed. The first wait of a process starts a thread, which ends a
/// second after the last one.
///
/// # Cancellation
///
/// Dropping the future ends the wait and takes nothing from anybody.
pub fn ready<W: Waitable + Send + Sync + 'static>(object: W) -> Ready {
    Ready { object: Arc::new(object), number: None }
}

/// The future that [`ready`] returns.
#[must_use = "a future does nothing unless it is polled"]
pub struct Ready {
    object: Object,
    /// Under which number it is registered.
    number: Option<u64>,
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Future for Ready {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // Registered first: what becomes ready after the look is seen by the thread.
        self.register(context.waker());
        if self.object.is_ready() {
            self.withdraw();
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        self.withdraw();
    }
}

impl Ready {
    fn register(&mut self, waker: &Waker) {
        let mut list = list();
        let known = self.number.and_then(|number| list.waiting.get_mut(&number));
        let is_new = known.is_none();
        if let Some(waiting) = known {
            waiting.waker.clone_from(waker);
        } else {
            let number = list.next;
            list.next += 1;
            let object = Arc::clone(&self.object);
            list.waiting.insert(number, Registered { object, waker: waker.clone() });
            self.number = Some(number);
        }
        list.has_thread = list.has_thread || start();
        if !list.has_thread {
            // Out of threads: whoever polls looks for itself, which is slow but right.
            waker.wake_by_ref();
        }
        drop(list);
        if is_new {
            changed();
        }
    }

    fn withdraw(&mut self) {
        let removed = self.number.take().and_then(|number| list().waiting.remove(&number));
        // The thread lets go of the object as well: it may be what keeps a queue from ending.
        if removed.is_some() {
            changed();
        }
    }
}

/// Starts the thread; false when the system gives none.
fn start() -> bool {
    std::thread::Builder::new().name("brigade-reactor".into()).spawn(run).is_ok()
}

/// Sleeps for all that wait, until nobody has waited for a while.
fn run() {
    let mut idle = false;
    loop {
        let version = VERSION.load(Acquire); // PAIR version: with `changed`.
        let waiting = waiting();
        if waiting.is_empty() && idle && retire() {
            return;
        }
        idle = waiting.is_empty();
        let change = Change(version);
        let mut objects: Vec<&dyn Waitable> = vec![&change];
        objects.extend(waiting.iter().map(|(_, object)| -> &dyn Waitable { object.as_ref() }));
        let deadline = if idle { Deadline::after(LINGER) } else { Deadline::NEVER };
        let ready = wait(&objects, deadline);
        idle &= ready.is_empty();
        let numbers = ready.into_iter().filter_map(|index| waiting.get(index.checked_sub(1)?));
        let numbers: Vec<u64> = numbers.map(|(number, _)| *number).collect();
        // Whoever is woken finds that nobody but itself has the object.
        drop(objects);
        drop(waiting);
        wake(numbers);
    }
}

fn waiting() -> Vec<(u64, Object)> {
    let list = list();
    list.waiting.iter().map(|(number, it)| (*number, Arc::clone(&it.object))).collect()
}

/// Says that the thread ends, unless somebody waits again.
fn retire() -> bool {
    let mut list = list();
    list.has_thread = !list.waiting.is_empty();
    !list.has_thread
}

fn wake(numbers: Vec<u64>) {
    let woken: Vec<Registered> = {
        let mut list = list();
        numbers.into_iter().filter_map(|number| list.waiting.remove(&number)).collect()
    };
    // Outside the lock: a waker may run the task, which registers anew.
    for Registered { object, waker } in woken {
        drop(object);
        waker.wake();
    }
}

/// A change of the list since this version of it.
struct Change(u32);

impl Waitable for Change {
    fn is_ready(&self) -> bool {
        VERSION.load(Acquire) != self.0 // PAIR version: with `changed`.
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.word(&VERSION, self.0);
    }
}

/// Waits until at least one of `objects` is ready, and returns the indexes of all that are.
///
/// # Cancellation
///
/// As for [`ready`].
pub async fn ready_any(objects: Vec<Box<dyn Waitable + Send + Sync>>) -> Vec<usize> {
    let any = Arc::new(Any(objects));
    loop {
        let indexes: Vec<usize> =
            (0..any.0.len()).filter(|&index| any.0[index].is_ready()).collect();
        if !indexes.is_empty() {
            return indexes;
        }
        Ready { object: any.clone(), number: None }.await;
    }
}

/// Several objects, of which one is enough.
struct Any(Vec<Box<dyn Waitable + Send + Sync>>);

impl Waitable for Any {
    fn is_ready(&self) -> bool {
        self.0.iter().any(|object| object.is_ready())
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.0.iter().for_each(|object| object.prepare(sleep));
    }
}

/// Runs a future to its end in this thread.
///
/// For programs without a runtime, and for tests.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);

    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
#[path = "reactor_tests.rs"]
mod tests;
