//! Values that are answered for: each is done by somebody, whoever dies on the way.

use std::time::Duration;

use brigade_shm::queue::{GetTimeoutError, PutTimeoutError};
use brigade_shm::{GetError, LeasedQueue, LoanQueue, OwnerDied, PutError, RwLock};

use super::Make;
use crate::storm::board::Seat;
use crate::storm::game::{Deaths, Game, Player, Turn, driver, follower};
use crate::storm::ledger::Ledger;

pub(super) const GAMES: &[(&str, Make)] = &[
    ("leased queue", |ledger| Box::new(Leases::new(ledger))),
    ("lending queue", |ledger| Box::new(Loans::new(ledger))),
    ("read-write lock", |_| Box::new(Books(RwLock::new([0; 2]).unwrap()))),
];

/// How many slots or places there are.
const PLACES: usize = 3;

/// At most one item is lost with one who was killed: who had done it could not say so any more.
fn check_lost(ledger: &Ledger, deaths: Option<&usize>) {
    let (lost, deaths) = (ledger.lost(), deaths.copied().unwrap_or(0));
    assert!(lost <= deaths, "{lost} items are lost, and {deaths} workers were killed");
}

struct Leases {
    queue: LeasedQueue<u64>,
    ledger: Ledger,
}

impl Leases {
    fn new(ledger: Ledger) -> Self {
        Self { queue: LeasedQueue::bounded(PLACES).unwrap(), ledger }
    }

    fn producer(&self) -> Player {
        let (queue, ledger) = (self.queue.clone(), self.ledger);
        driver("producer", move |seat| {
            let Some(item) = ledger.new_item() else { return };
            let done = if seat.turns().is_multiple_of(2) {
                queue.put(item).map_err(|error| match error {
                    PutError::Closed(item) => item,
                    other => panic!("{other}"),
                })
            } else {
                queue.put_timeout(item, Duration::from_millis(3)).map_err(|error| match error {
                    PutTimeoutError::TimedOut(item) => item,
                    other => panic!("{other}"),
                })
            };
            match done {
                Ok(()) => ledger.note_put(item),
                Err(refused) => assert_eq!(refused, item, "another value came back"),
            }
        })
    }

    /// Answers for an item in one of three ways.
    fn worker(&self) -> Player {
        let (queue, ledger) = (self.queue.clone(), self.ledger);
        follower("worker", move |seat| {
            let waits = seat.board().is_finishing() || seat.turns().is_multiple_of(2);
            let lease = if waits {
                match queue.lease() {
                    Ok(lease) => lease,
                    Err(GetError::Closed) => return Turn::Done,
                    Err(error) => panic!("{error}"),
                }
            } else {
                match queue.lease_timeout(Duration::from_millis(2)) {
                    Ok(lease) => lease,
                    Err(GetTimeoutError::TimedOut) => return Turn::Again,
                    Err(GetTimeoutError::Closed) => return Turn::Done,
                    Err(error) => panic!("{error}"),
                }
            };
            match seat.turns() % 5 {
                0 => lease.requeue().unwrap(),
                1 => drop(lease),
                _ => {
                    let item = *lease;
                    lease.ack().unwrap();
                    ledger.note_taken(item);
                }
            }
            Turn::Again
        })
    }
}

impl Game for Leases {
    fn players(&self) -> Vec<Player> {
        vec![self.producer(), self.producer(), self.worker(), self.worker()]
    }

    fn relieve(&self) {
        while let Ok(item) = self.queue.try_get() {
            self.ledger.note_taken(item);
        }
    }

    fn is_settled(&self) -> bool {
        self.queue.is_empty()
    }

    fn close(&self) {
        self.queue.close();
    }

    fn check(&self, deaths: &Deaths) {
        self.relieve();
        check_lost(&self.ledger, deaths.get("worker"));
    }

    fn describe(&self) -> String {
        format!("{:?}", self.queue)
    }
}

struct Loans {
    queue: LoanQueue<u64>,
    ledger: Ledger,
}

/// How many numbers a message has, all the same.
const LENGTH: usize = 200;

impl Loans {
    fn new(ledger: Ledger) -> Self {
        Self { queue: LoanQueue::new(PLACES, LENGTH).unwrap(), ledger }
    }

    fn producer(&self) -> Player {
        let (queue, ledger) = (self.queue.clone(), self.ledger);
        driver("producer", move |seat| {
            let Some(item) = ledger.new_item() else { return };
            let Ok(mut loan) = queue.loan() else { return };
            loan.fill(item);
            if seat.turns().is_multiple_of(4) {
                return drop(loan);
            }
            if loan.send(LENGTH).is_ok() {
                ledger.note_put(item);
            }
        })
    }

    fn consumer(&self) -> Player {
        let (queue, ledger) = (self.queue.clone(), self.ledger);
        follower("consumer", move |_| match queue.get() {
            Ok(message) => {
                take(&message, ledger);
                Turn::Again
            }
            Err(GetError::Closed) => Turn::Done,
            Err(error) => panic!("{error}"),
        })
    }
}

fn take(message: &[u64], ledger: Ledger) {
    assert_eq!(message.len(), LENGTH);
    assert!(message.iter().all(|number| *number == message[0]), "a mixture");
    ledger.note_taken(message[0]);
}

impl Game for Loans {
    fn players(&self) -> Vec<Player> {
        vec![self.producer(), self.producer(), self.consumer()]
    }

    fn relieve(&self) {
        while let Ok(message) = self.queue.try_get() {
            take(&message, self.ledger);
        }
    }

    fn is_settled(&self) -> bool {
        self.queue.is_empty()
    }

    fn close(&self) {
        self.queue.close();
    }

    fn check(&self, deaths: &Deaths) {
        self.relieve();
        check_lost(&self.ledger, deaths.get("consumer"));
    }

    fn describe(&self) -> String {
        format!("{:?}", self.queue)
    }
}

struct Books(RwLock<[u64; 2]>);

impl Books {
    fn reader(&self) -> Player {
        let lock = self.0.clone();
        driver("reader", move |_: &Seat| {
            if let Ok(guard) = lock.read() {
                assert_eq!(guard[0], guard[1], "nobody has died amid the writing");
            }
        })
    }

    fn writer(&self) -> Player {
        let lock = self.0.clone();
        driver("writer", move |_: &Seat| {
            let mut guard = lock.write().unwrap_or_else(|mut died| {
                let larger = died.guard_mut()[0];
                died.guard_mut()[1] = larger;
                died.recover()
            });
            assert_eq!(guard[0], guard[1], "nobody has died amid the writing");
            guard[0] += 1;
            guard[1] += 1;
        })
    }
}

impl Game for Books {
    fn players(&self) -> Vec<Player> {
        vec![self.reader(), self.reader(), self.writer(), self.writer()]
    }

    fn check(&self, _: &Deaths) {
        let guard = self.0.write().unwrap_or_else(OwnerDied::recover);
        drop(guard);
        drop((self.0.try_read().unwrap(), self.0.try_read().unwrap()));
    }

    fn describe(&self) -> String {
        format!("{:?}", self.0)
    }
}
