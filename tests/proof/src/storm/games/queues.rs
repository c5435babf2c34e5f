//! Messages: whatever was put is taken once, or gone with one who had taken it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use brigade_codec::Bytes;
use brigade_shm::pipe::RecvError;
use brigade_shm::queue::{GetTimeoutError, PutTimeoutError, TryPutError};
use brigade_shm::{Connection, GetError, PutError, Queue, pipe};
use serde::{Deserialize, Serialize};

use super::Make;
use crate::storm::board::Seat;
use crate::storm::game::{Deaths, Game, Player, Turn, driver, follower};
use crate::storm::ledger::Ledger;

pub(super) const GAMES: &[(&str, Make)] = &[
    ("queue for one", |ledger| Box::new(Queues::new(1, ledger))),
    ("queue for three", |ledger| Box::new(Queues::new(3, ledger))),
    ("queue for a hundred", |ledger| Box::new(Queues::new(100, ledger))),
    ("pipe", |ledger| Box::new(Pipe::new(ledger))),
];

/// A message: its item, who made it, and bytes that follow from it, few or many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Message {
    item: u64,
    maker: usize,
    bytes: Bytes,
}

impl Message {
    fn new(item: u64, maker: usize) -> Self {
        let length = [3, 40, 200, 2_000][(item % 4) as usize];
        Self { item, maker, bytes: Bytes(vec![item as u8; length]) }
    }
}

/// One who takes messages, which come whole and in the order in which each maker made them.
#[derive(Clone, Debug)]
struct Taker {
    ledger: Ledger,
    last: RefCell<BTreeMap<usize, u64>>,
}

impl Taker {
    fn new(ledger: Ledger) -> Self {
        Self { ledger, last: RefCell::default() }
    }

    fn take(&self, message: Message) {
        let (item, maker) = (message.item, message.maker);
        assert_eq!(message, Message::new(item, maker), "half a message");
        self.ledger.note_taken(item);
        if let Some(last) = self.last.borrow_mut().insert(maker, item) {
            assert!(last < item, "{item} of maker {maker} came after {last}");
        }
    }
}

/// Nothing is lost but with one who was killed, and with each no more than one message.
fn check_lost(ledger: &Ledger, deaths: Option<&usize>) {
    let (lost, deaths) = (ledger.lost(), deaths.copied().unwrap_or(0));
    assert!(lost <= deaths, "{lost} messages are lost, and {deaths} takers were killed");
}

struct Queues {
    queue: Queue<Message>,
    ledger: Ledger,
}

impl Queues {
    fn new(capacity: usize, ledger: Ledger) -> Self {
        Self { queue: Queue::with_ring(capacity, 1_024).unwrap(), ledger }
    }

    fn producer(&self) -> Player {
        let (queue, ledger) = (self.queue.clone(), self.ledger);
        driver("producer", move |seat| {
            let Some(item) = ledger.new_item() else { return };
            match put(&queue, Message::new(item, seat.number()), seat.turns()) {
                Ok(()) => ledger.note_put(item),
                Err(refused) => assert_eq!(refused.item, item, "another value came back"),
            }
        })
    }

    fn consumer(&self) -> Player {
        let (queue, taker) = (self.queue.clone(), Taker::new(self.ledger));
        follower("consumer", move |seat| {
            let waits = seat.board().is_finishing() || seat.turns().is_multiple_of(2);
            match get(&queue, waits) {
                Got::End => return Turn::Done,
                Got::Nothing => {}
                Got::Message(message) => taker.take(message),
            }
            Turn::Again
        })
    }
}

/// Puts in one of three ways.
fn put(queue: &Queue<Message>, message: Message, way: u64) -> Result<(), Message> {
    match way % 3 {
        0 => queue.put(message).map_err(|error| match error {
            PutError::Closed(message) => message,
            other => panic!("{other}"),
        }),
        1 => queue.put_timeout(message, Duration::from_millis(3)).map_err(|error| match error {
            PutTimeoutError::TimedOut(message) => message,
            other => panic!("{other}"),
        }),
        _ => queue.try_put(message).map_err(|error| match error {
            TryPutError::Full(message) => message,
            other => panic!("{other}"),
        }),
    }
}

enum Got {
    Message(Message),
    Nothing,
    End,
}

fn get(queue: &Queue<Message>, waits: bool) -> Got {
    if waits {
        return match queue.get() {
            Ok(message) => Got::Message(message),
            Err(GetError::Closed) => Got::End,
            Err(error) => panic!("{error}"),
        };
    }
    match queue.get_timeout(Duration::from_millis(2)) {
        Ok(message) => Got::Message(message),
        Err(GetTimeoutError::TimedOut) => Got::Nothing,
        Err(GetTimeoutError::Closed) => Got::End,
        Err(error) => panic!("{error}"),
    }
}

impl Game for Queues {
    fn players(&self) -> Vec<Player> {
        vec![self.producer(), self.producer(), self.consumer(), self.consumer()]
    }

    fn relieve(&self) {
        while let Ok(message) = self.queue.try_get() {
            Taker::new(self.ledger).take(message);
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

/// An end that its process can drop, with all clones that it has.
type End = Rc<RefCell<Option<Connection<Message>>>>;

struct Pipe {
    here: End,
    there: End,
    ledger: Ledger,
}

impl Pipe {
    fn new(ledger: Ledger) -> Self {
        let (here, there) = pipe().unwrap();
        let end = |connection| Rc::new(RefCell::new(Some(connection)));
        Self { here: end(here), there: end(there), ledger }
    }

    fn sender(&self) -> Player {
        let (here, ledger) = (self.here.clone(), self.ledger);
        driver("sender", move |seat: &Seat| {
            let Some(item) = ledger.new_item() else { return };
            let here = here.borrow();
            here.as_ref().unwrap().send(Message::new(item, seat.number())).unwrap();
            ledger.note_put(item);
        })
    }

    fn receiver(&self) -> Player {
        let (here, there, taker) = (self.here.clone(), self.there.clone(), Taker::new(self.ledger));
        follower("receiver", move |_| {
            // A receiver that kept the other end would wait for itself.
            here.borrow_mut().take();
            match there.borrow().as_ref().unwrap().recv() {
                Ok(message) => taker.take(message),
                Err(RecvError::Ended) => return Turn::Done,
                Err(error) => panic!("{error}"),
            }
            Turn::Again
        })
    }
}

impl Game for Pipe {
    fn players(&self) -> Vec<Player> {
        vec![self.sender(), self.sender(), self.receiver(), self.receiver()]
    }

    fn relieve(&self) {
        while let Ok(message) = self.there.borrow().as_ref().unwrap().try_recv() {
            Taker::new(self.ledger).take(message);
        }
    }

    /// The receivers end when all senders are gone, of which this process is one.
    fn close(&self) {
        self.here.borrow_mut().take();
    }

    fn check(&self, deaths: &Deaths) {
        self.relieve();
        check_lost(&self.ledger, deaths.get("receiver"));
    }
}
