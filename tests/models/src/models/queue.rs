//! The queue: what was put is taken once, in order, whoever dies.
//!
//! The messages are of eight bytes: those are what the model takes for one when it looks whether
//! two use the same bytes.

use std::time::Duration;

use crate::Model;
use crate::explore::Pace;
use crate::queue::Queue;
use crate::stage::Stage;
use crate::world::Clock;

/// How long a watcher sleeps when it watches a process whose death it may not be told of.
const NAP: Duration = Duration::from_millis(5);

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "queue/put-get",
        about: "what one puts another takes, through a queue for one message",
        mortals: &[],
        preemptions: 2,
        pace: Pace::Quick,
        build: put_get,
    },
    Model {
        name: "queue/dead-producer",
        about: "a producer dies: the consumer takes what was put and learns of the end",
        mortals: &["producer"],
        preemptions: 1,
        pace: Pace::Slow,
        build: |stage| {
            stage.clock(Clock::Naps(NAP));
            dead_producer(stage);
        },
    },
    Model {
        name: "queue/dead-consumer",
        about: "one of two consumers dies: the other takes every message that the dead one had not",
        mortals: &["mortal"],
        preemptions: 1,
        pace: Pace::Drawn,
        build: |stage| {
            stage.clock(Clock::Naps(NAP));
            dead_consumer(stage);
        },
    },
];

fn put_get(stage: &mut Stage) {
    let queue = stage.keep(Queue::<u64>::bounded(1).expect("there is memory"));
    stage.cast("producer");
    stage.cast("consumer");
    let producer = stage.send(&queue, "producer");
    stage.acts("producer", move || {
        for number in 1..=2 {
            producer.put(number).expect("the queue is open");
        }
    });
    let consumer = stage.send(&queue, "consumer");
    stage.acts("consumer", move || {
        for number in 1..=2 {
            assert_eq!(consumer.get().expect("the queue is open"), number);
        }
    });
    stage.finally(move |_| assert!(queue.is_empty()));
}

fn dead_producer(stage: &mut Stage) {
    let queue = stage.keep(Queue::<u64>::bounded(1).expect("there is memory"));
    stage.cast("producer");
    stage.cast("consumer");
    let producer = queue.producer().expect("there is memory");
    let sent = stage.give(&producer, "producer");
    drop(producer);
    let put = stage.note(0_u64);
    let noted = put.clone();
    stage.acts("producer", move || {
        for number in 1..=2 {
            sent.put(number).expect("the queue is open");
            *noted.write() = number;
        }
        drop(sent);
    });
    let consumer = stage.send(&queue, "consumer");
    let taken = stage.note(Vec::new());
    let noted = taken.clone();
    stage.acts("consumer", move || {
        while let Ok(number) = consumer.get() {
            noted.write().push(number);
        }
    });
    stage.finally(move |_| {
        let (taken, put) = (taken.read(), *put.read());
        assert!(taken.len() >= put as usize, "{put} were put, {taken:?} were taken");
        assert!(taken.iter().copied().eq(1..=taken.len() as u64), "in order, each once: {taken:?}");
    });
}

fn dead_consumer(stage: &mut Stage) {
    let queue = stage.keep(Queue::<u64>::bounded(2).expect("there is memory"));
    for name in ["mortal", "other", "producer"] {
        stage.cast(name);
    }
    let producer = stage.send(&queue, "producer");
    stage.acts("producer", move || {
        producer.put(1).expect("the queue is open");
        producer.put(2).expect("the queue is open");
        producer.close();
    });
    let taken = stage.note(Vec::new());
    for name in ["mortal", "other"] {
        let (queue, taken) = (stage.send(&queue, name), taken.clone());
        stage.acts(name, move || {
            while let Ok(number) = queue.get() {
                taken.write().push(number);
            }
        });
    }
    stage.finally(move |ending| {
        let mut taken = taken.read().clone();
        taken.sort_unstable();
        let lost = 2 - taken.len();
        assert!(lost <= usize::from(ending.has_died("mortal")), "{taken:?} were taken");
        taken.dedup();
        assert_eq!(taken.len(), 2 - lost, "each once");
    });
}
