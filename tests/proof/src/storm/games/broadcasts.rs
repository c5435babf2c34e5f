//! A broadcast: whatever was put comes to each subscriber once, in its maker's order.

use std::cell::RefCell;
use std::collections::BTreeMap;

use brigade_shm::{Broadcast, GetError, Subscriber};
use serde::{Deserialize, Serialize};

use super::Make;
use crate::storm::game::{Deaths, Game, Player, Turn, driver, follower};
use crate::storm::ledger::Ledger;

pub(super) const GAMES: &[(&str, Make)] = &[
    ("broadcast of one", |ledger| Box::new(Broadcasts::new(1, ledger))),
    ("broadcast of ten", |ledger| Box::new(Broadcasts::new(10, ledger))),
];

/// How many subscribers there are.
const SUBSCRIBERS: usize = 2;

/// A value: for each subscriber an item, and who made it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct News {
    items: [u64; SUBSCRIBERS],
    maker: usize,
    text: String,
}

fn text(items: [u64; SUBSCRIBERS]) -> String {
    "news ".repeat((items[0] % 100) as usize)
}

struct Broadcasts {
    broadcast: Broadcast<News>,
    subscribers: Vec<Subscriber<News>>,
    ledger: Ledger,
}

impl Broadcasts {
    fn new(capacity: usize, ledger: Ledger) -> Self {
        let broadcast = Broadcast::new(capacity).unwrap();
        let subscribers = (0..SUBSCRIBERS).map(|_| broadcast.subscribe().unwrap()).collect();
        Self { broadcast, subscribers, ledger }
    }

    fn publisher(&self) -> Player {
        let (broadcast, ledger) = (self.broadcast.clone(), self.ledger);
        driver("publisher", move |seat| {
            let items = [0; SUBSCRIBERS].map(|_| ledger.new_item());
            let [Some(one), Some(two)] = items else { return };
            let items = [one, two];
            broadcast.put(News { items, maker: seat.number(), text: text(items) }).unwrap();
            items.into_iter().for_each(|item| ledger.note_put(item));
        })
    }

    fn reader(&self, number: usize) -> Player {
        let (subscriber, ledger) = (self.subscribers[number].clone(), self.ledger);
        let last = RefCell::new(BTreeMap::new());
        follower("reader", move |_| {
            match subscriber.get() {
                Ok(news) => {
                    take(&ledger, number, &news);
                    let before = last.borrow_mut().insert(news.maker, news.items[0]);
                    assert!(before.is_none_or(|before| before < news.items[0]), "out of order");
                }
                Err(GetError::Closed) => return Turn::Done,
                Err(error) => panic!("{error}"),
            }
            Turn::Again
        })
    }
}

fn take(ledger: &Ledger, number: usize, news: &News) {
    assert_eq!(news.text, text(news.items), "half a message");
    ledger.note_taken(news.items[number]);
}

impl Game for Broadcasts {
    fn players(&self) -> Vec<Player> {
        let readers = (0..SUBSCRIBERS).map(|number| self.reader(number));
        readers.chain([self.publisher(), self.publisher()]).collect()
    }

    fn relieve(&self) {
        for (number, subscriber) in self.subscribers.iter().enumerate() {
            while let Ok(news) = subscriber.try_get() {
                take(&self.ledger, number, &news);
            }
        }
    }

    /// A value waits for all of them.
    fn needs_relief(&self, followers: usize) -> bool {
        followers < SUBSCRIBERS
    }

    fn is_settled(&self) -> bool {
        self.subscribers.iter().all(Subscriber::is_empty)
    }

    fn close(&self) {
        self.broadcast.close();
    }

    fn check(&self, deaths: &Deaths) {
        self.relieve();
        let (lost, deaths) = (self.ledger.lost(), deaths.get("reader").copied().unwrap_or(0));
        assert!(lost <= deaths, "{lost} values are lost, and {deaths} readers were killed");
    }

    fn describe(&self) -> String {
        format!("{:?} {:?}", self.broadcast, self.subscribers)
    }
}
