//! Objects and segments that come and go.

use brigade_codec::Bytes;
use brigade_shm::{Event, List, Lock, Queue, Semaphore, SharedMemory, SharedMemoryError};

use super::Make;
use crate::storm::game::{Deaths, Game, Player, driver};

pub(super) const GAMES: &[(&str, Make)] = &[
    ("objects that come and go", |_| Box::new(Objects)),
    ("segments that come and go", |_| Box::new(Segments(std::process::id()))),
];

struct Objects;

fn make_and_drop() {
    let queue = Queue::<Bytes>::with_ring(2, 256).unwrap();
    let producer = queue.producer().unwrap();
    producer.put(Bytes(vec![1; 1_000])).unwrap();
    let list = List::new().unwrap();
    list.extend(0..60_u64).unwrap();
    let others = (Lock::new(0_u64).unwrap(), Event::new().unwrap(), Semaphore::new(1).unwrap());
    assert_eq!(queue.get().unwrap(), Bytes(vec![1; 1_000]));
    *others.0.lock().unwrap() += 1;
    drop((others, list));
}

impl Game for Objects {
    fn players(&self) -> Vec<Player> {
        let maker = || driver("maker", |_| make_and_drop());
        vec![maker(), maker()]
    }

    fn check(&self, _: &Deaths) {
        make_and_drop();
    }
}

/// Two names, for which the players compete. The number is that of the storm's process.
struct Segments(u32);

fn create_or_open(storm: u32, number: u64) {
    let name = format!("proof-{storm}-{}", number % 2);
    match SharedMemory::create(&name, 64) {
        Ok(memory) => {
            assert_eq!(memory.to_vec(), [0; 64]);
            if number.is_multiple_of(3) {
                memory.unlink().unwrap();
            }
        }
        Err(SharedMemoryError::Exists { .. }) => match SharedMemory::open(&name) {
            Ok(memory) => assert_eq!(memory.len(), 64),
            Err(SharedMemoryError::Missing { .. }) => {}
            Err(error) => panic!("{error}"),
        },
        Err(error) => panic!("{error}"),
    }
}

impl Game for Segments {
    fn players(&self) -> Vec<Player> {
        let storm = self.0;
        let maker = || driver("maker", move |seat| create_or_open(storm, seat.turns()));
        vec![maker(), maker()]
    }

    fn check(&self, _: &Deaths) {
        SharedMemory::clean().unwrap();
    }
}
