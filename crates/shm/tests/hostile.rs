//! Bytes that a faulty process wrote: operations fail or not, and each comes back.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use brigade_codec::{Message, decode, encode};
use brigade_shm::testing::{Ended, alone, overwritable};
use brigade_shm::{
    Arena, Array, Barrier, Broadcast, Condition, Event, JoinableQueue, LeasedQueue, LifoQueue,
    List, LoanQueue, Lock, Map, Overflow, Plain, PriorityQueue, Producer, Queue, RLock, RwLock,
    Semaphore, Subscriber, Value, pipe,
};
use brigade_sys::test_processes::Child;
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Waitable, wait};

/// How many processes each meet overwritten memory, and how often.
const PROCESSES: u64 = 150;
const ROUNDS: u32 = 20;

const SHORT: Duration = Duration::from_millis(1);

/// A sequence that looks random and is the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    /// Bytes that are more likely to be taken for something than most.
    fn bytes(&mut self) -> Vec<u8> {
        let number = self.0;
        match self.below(6) {
            0 => vec![0; 8],
            1 => vec![0xff; 8],
            2 => (number % (1 << 20)).next_multiple_of(64).to_ne_bytes().to_vec(),
            3 => (1_u64 << self.below(64)).to_ne_bytes().to_vec(),
            4 => number.to_ne_bytes().to_vec(),
            _ => vec![number as u8],
        }
    }
}

#[test]
fn overwritten_memory_ends_no_process_and_keeps_nobody_waiting() {
    let _alone = alone();
    let seed = AtomicU64::new(0);
    for number in 1..=PROCESSES {
        seed.store(number, Relaxed);
        // The arena is the child's own: this process uses none.
        let ended = Child::run(|| live_with_overwritten_memory(number)).join();
        assert_eq!(ended, Ended::Code(0), "the process with seed {number}");
    }
}

fn live_with_overwritten_memory(seed: u64) {
    let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let objects = Objects::new();
    objects.use_all();
    let ranges = overwritable();
    let memory = File::from(Arena::program().unwrap().descriptor().try_clone_to_owned().unwrap());
    for _ in 0..ROUNDS {
        for _ in 0..=numbers.below(4) {
            let range = ranges[numbers.below(ranges.len())].clone();
            let at = range.start + numbers.below(range.len());
            // Words are aligned, most of them to eight bytes.
            let at = if numbers.below(4) == 0 { at } else { (at & !7).max(range.start) };
            let mut bytes = numbers.bytes();
            bytes.truncate(range.end - at);
            memory.write_all_at(&bytes, at as u64).unwrap();
        }
        objects.use_all();
    }
    drop(objects);
    // Not an error: the arena may be beyond repair.
    black_box(Objects::try_new().is_ok());
}

/// What a message with handles carries.
type Letter = (Producer<Vec<u8>>, Event);

struct Objects {
    queue: Queue<Vec<u8>>,
    letters: Queue<Letter>,
    lock: Lock<u64>,
    rlock: RLock<u64>,
    rwlock: RwLock<u64>,
    condition: Condition,
    barrier: Barrier,
    semaphore: Semaphore,
    event: Event,
    value: Value<[u64; 4]>,
    array: Array<u64>,
    rows: Array<[u64; 3]>,
    list: List<u64>,
    pairs: List<[u64; 2]>,
    map: Map<u64, String>,
    pipe: brigade_shm::pipe::Ends<String, String>,
    stack: LifoQueue<Vec<u8>>,
    jobs: PriorityQueue<u32, Vec<u8>>,
    tasks: JoinableQueue<Letter>,
    leased: LeasedQueue<Vec<u8>>,
    frames: LoanQueue<u32>,
    news: Broadcast<Vec<u8>>,
    late: Broadcast<Vec<u8>>,
    readers: [Subscriber<Vec<u8>>; 2],
}

impl Objects {
    fn new() -> Self {
        Self::try_new().unwrap()
    }

    fn try_new() -> Result<Self, brigade_shm::Error> {
        let news = Broadcast::new(4)?;
        let late = Broadcast::with_overflow(4, Overflow::Overwrite)?;
        Ok(Self {
            readers: [news.subscribe()?, late.subscribe()?],
            stack: LifoQueue::bounded(4)?,
            jobs: PriorityQueue::unbounded()?,
            tasks: JoinableQueue::bounded(4)?,
            leased: LeasedQueue::bounded(4)?,
            frames: LoanQueue::new(3, 10)?,
            news,
            late,
            queue: Queue::with_ring(3, 128)?,
            letters: Queue::bounded(3)?,
            lock: Lock::new(0)?,
            rlock: RLock::new(0)?,
            rwlock: RwLock::new(0)?,
            condition: Condition::new()?,
            barrier: Barrier::new(2)?,
            semaphore: Semaphore::new(2)?,
            event: Event::new()?,
            value: Value::new([0; 4])?,
            array: Array::zeroed(20)?,
            rows: Array::zeroed(30)?,
            list: List::new()?,
            pairs: List::new()?,
            map: Map::new()?,
            pipe: pipe()?,
        })
    }

    fn use_all(&self) {
        self.use_channels();
        self.use_letters();
        self.use_shelves();
        self.use_broadcasts();
        self.use_frames();
        if let Ok(mut guard) = self.lock.lock_timeout(SHORT) {
            *guard += 1;
        }
        if let Ok(guard) = self.lock.lock_timeout(SHORT) {
            let (guard, _) = self.condition.wait_timeout(guard, SHORT);
            black_box(guard.is_ok());
        }
        black_box(self.rwlock.read_timeout(SHORT).is_ok());
        black_box((self.rwlock.try_read().is_ok(), self.rwlock.try_write().is_ok()));
        if let Ok(mut guard) = self.rwlock.write_timeout(SHORT) {
            *guard = guard.wrapping_add(1);
        }
        black_box((self.condition.notify(2), self.condition.notify_all()));
        black_box(self.condition.waiting());
        black_box((self.barrier.wait_timeout(SHORT).is_ok(), self.barrier.try_wait().is_ok()));
        black_box((self.barrier.waiting(), self.barrier.is_broken()));
        self.barrier.reset();
        if let Ok(outer) = self.rlock.lock_timeout(SHORT)
            && let Ok(inner) = self.rlock.try_lock()
        {
            inner.set(outer.get().wrapping_add(1));
        }
        let first = self.semaphore.acquire_timeout(SHORT);
        black_box((self.semaphore.try_acquire().is_some(), self.semaphore.release(1).is_ok()));
        drop(first);
        self.event.set();
        self.event.clear();
        black_box(self.event.wait_timeout(SHORT));
        self.value.set([1; 4]);
        black_box(self.value.get());
        self.value.update(|row| row[0] = row[0].wrapping_add(1));
        black_box((self.array.set(3, 3).is_ok(), self.array.get(19), self.array.to_vec()));
        use_array(&self.array, 7);
        use_array(&self.rows, [7; 3]);
        use_list(&self.list, 7);
        use_list(&self.pairs, [7; 2]);
        // A handle that has just arrived believes what lies there; one that was there knows better.
        if let Some(array) = arrived(&self.array) {
            use_array(&array, 8);
        }
        if let (Some(list), Some(pairs)) = (arrived(&self.list), arrived(&self.pairs)) {
            use_list(&list, 8);
            use_list(&pairs, [8; 2]);
        }
        self.use_map();
        let arena = Arena::program().unwrap();
        arena.bury_the_dead();
        black_box((arena.used().is_ok(), arena.size().is_ok()));
        black_box(Value::new(7_u64).is_ok());
    }

    fn use_map(&self) {
        let map = &self.map;
        for key in 0..20 {
            black_box(map.insert(&(key % 12), &"text".repeat(key as usize)).is_ok());
            black_box((map.get(&key).is_ok(), map.remove(&(key * 7 % 12)).is_ok()));
        }
        black_box((map.len(), map.iter().take(1_000).count(), map.to_vec().is_ok()));
        black_box(map.retain(|key, _| key % 2 == 0).is_ok());
        // Else it stays as it is once it is corrupt.
        black_box(map.clear().is_ok());
        black_box(map.update(&3, |text| *text = Some("text".to_owned())).is_ok());
        black_box(map.get_or_insert_with(&4, || "four".repeat(99)).is_ok());
        // A change that reads the map, and must not wait for itself.
        black_box(
            map.update(&4, |_| (map.get(&3).is_ok(), map.len(), map.iter().take(9).count()))
                .is_ok(),
        );
        black_box((map.contains_key(&3).is_ok(), map.keys().is_ok(), map.values().is_ok()));
    }

    fn use_shelves(&self) {
        for length in [3, 100, 3_000] {
            let (text, key) = (vec![1; length], length as u32);
            black_box(self.stack.put_timeout(text.clone(), SHORT).is_ok());
            black_box(self.jobs.put_timeout((key, text.clone()), SHORT).is_ok());
            black_box(self.leased.put_timeout(text, SHORT).is_ok());
        }
        black_box((self.stack.len(), self.jobs.is_full(), self.leased.capacity()));
        black_box((self.stack.try_get().is_ok(), self.stack.get_timeout(SHORT).is_ok()));
        black_box((self.jobs.try_get().is_ok(), self.jobs.get_timeout(SHORT).is_ok()));
        if let Ok(lease) = self.leased.lease_timeout(SHORT) {
            black_box((lease.delivery_count(), lease.requeue().is_ok()));
        }
        black_box(self.leased.try_lease().map(|lease| lease.reject().is_ok()).is_ok());
        black_box(self.leased.try_lease().map(|lease| lease.ack().is_ok()).is_ok());
        if let Some(letter) = self.queue.producer().ok().zip(Event::new().ok()) {
            black_box(self.tasks.put_timeout(letter, SHORT).is_ok());
        }
        if let Ok((producer, event)) = self.tasks.get_timeout(SHORT) {
            event.set();
            drop(producer);
        }
        black_box((self.tasks.task_done().is_ok(), self.tasks.join_timeout(SHORT).is_ok()));
        let all: [&dyn Waitable; 4] = [&self.stack, &self.jobs, &self.tasks, &self.leased];
        black_box(wait(&all, Deadline::after(SHORT)));
    }

    fn use_frames(&self) {
        for length in [1, 10] {
            if let Ok(mut loan) = self.frames.loan_timeout(SHORT) {
                loan.fill(7);
                black_box(loan.send(length).is_ok());
            }
        }
        black_box((self.frames.len(), self.frames.slots(), self.frames.try_loan().is_ok()));
        for _ in 0..3 {
            black_box(self.frames.try_get().map(|frame| frame.to_vec()).is_ok());
        }
        black_box(self.frames.get_timeout(SHORT).is_ok());
        black_box(wait(&[&self.frames], Deadline::after(SHORT)));
    }

    fn use_broadcasts(&self) {
        for length in [3, 100, 3_000] {
            black_box(self.news.put_timeout(vec![1; length], SHORT).is_ok());
            black_box(self.late.try_put(vec![1; length]).is_ok());
        }
        for reader in &self.readers {
            black_box((reader.len(), reader.missed(), reader.get_timeout(SHORT).is_ok()));
            black_box((reader.try_get().is_ok(), reader.try_get().is_ok()));
        }
        black_box((self.news.subscribers(), self.late.subscribe().is_ok()));
        black_box(self.news.publisher().is_ok());
    }

    fn use_letters(&self) {
        let letter = || Some((self.queue.producer().ok()?, Event::new().ok()?));
        if let Some(letter) = letter() {
            black_box(self.letters.put_timeout(letter, SHORT).is_ok());
        }
        black_box(self.letters.try_put_all((0..3).filter_map(|_| letter())).is_ok());
        black_box(self.queue.get_timeout(SHORT).is_ok());
        if let Ok((producer, event)) = self.letters.try_get() {
            event.set();
            black_box(producer.try_put(vec![1]).is_ok());
        }
        black_box(self.letters.try_get_many(2).is_ok());
        if let Ok(destroyed) = Queue::<Letter>::bounded(2) {
            black_box(destroyed.try_put_all(letter()).is_ok());
            destroyed.shutdown_now();
            black_box(destroyed.try_get().is_ok());
        }
    }

    fn use_channels(&self) {
        let queue = &self.queue;
        black_box((queue.len(), queue.is_full(), queue.is_closed()));
        for length in [3, 100, 5_000] {
            black_box(queue.put_timeout(vec![1; length], SHORT).is_ok());
            black_box(queue.try_put(vec![1; length]).is_ok());
        }
        for _ in 0..4 {
            black_box(queue.try_get().is_ok());
        }
        black_box(queue.get_timeout(SHORT).is_ok());
        let producer = queue.producer();
        black_box(wait(&[queue, &self.event], Deadline::after(SHORT)));
        drop(producer);
        let (one, two) = &self.pipe;
        black_box(one.send_timeout("text".into(), SHORT).is_ok());
        black_box((two.poll(SHORT), two.recv_timeout(SHORT).is_ok()));
    }
}

/// Another handle of the same object, as a process gets it that is sent one.
fn arrived<T: Message>(object: &T) -> Option<T> {
    decode(&encode(object).ok()?).ok()
}

/// Every way to change several elements, with few enough for a note and with more.
fn use_array<T: Plain + Ord>(array: &Array<T>, value: T) {
    black_box((array.swap(1, 2).is_ok(), array.update(2, |element| *element = value).is_ok()));
    black_box(array.update_all(|values| values[3] = value).is_ok());
    black_box(array.update_all(|values| values.reverse()).is_ok());
    black_box((array.sort().is_ok(), array.copy_from_slice(1, &[value; 5]).is_ok()));
    black_box((array.range(2..9).is_ok(), array.contains(&value), array.to_vec()));
}

fn use_list<T: Plain + Ord>(list: &List<T>, value: T) {
    black_box((list.push(value).is_ok(), list.push(value).is_ok(), list.pop()));
    black_box((list.extend([value; 20]).is_ok(), list.insert(1, value).is_ok()));
    black_box((list.set(0, value).is_ok(), list.update(1, |it| *it = value).is_ok()));
    black_box((list.swap(0, 1).is_ok(), list.swap_remove(0).is_ok(), list.remove(0).is_ok()));
    black_box(list.update_all(|values| values.truncate(30)).is_ok());
    black_box((list.sort().is_ok(), list.fill(value).is_ok(), list.retain(|_| true).is_ok()));
    black_box((list.copy_from_slice(0, &[value; 3]).is_ok(), list.range(..2).is_ok()));
    black_box((list.get(0), list.len(), list.to_vec().is_ok(), list.iter().take(1_000).count()));
}
