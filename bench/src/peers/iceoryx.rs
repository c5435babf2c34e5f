//! iceoryx2: publish and subscribe, one service for each direction.
//!
//! Copied messages are written and read as from any other queue. Loaned messages are made in the
//! shared memory and checked there. A receiver polls, as its makers recommend for speed, or sleeps
//! until an event comes with each message.

use crate::Result;
use crate::message;
use crate::partner::{Ending, Partner};
use crate::stream::{Connected, Plan, Receiving, Sending, Transport, capacity};
use brigade_sys::time::Deadline;
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use iceoryx2::sample::Sample;
use iceoryx2::service::ipc::Service;
use iceoryx2::service::port_factory::{event, publish_subscribe};
use std::fmt::Debug;
use std::hint::spin_loop;
use std::marker::PhantomData;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const COPIED: &str = "iceoryx2-copied";
pub(crate) const LOANED: &str = "iceoryx2-loaned";

/// How long a partner may take to begin.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a receiver sleeps at most before it looks by itself. Version 0.10 has been seen to
/// sleep on over the last message; a case that hangs would end the run.
const LOOK: Duration = Duration::from_secs(1);

/// How often a receiver that polls looks before it lets others run.
const POLLS: u32 = 1_000;

/// How a receiver waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    Polling,
    Events,
}

/// What a message is made of: bytes that are copied, or words that are written in place.
pub(crate) trait Element: Debug + Copy + ZeroCopySend + 'static {
    const KIND: &'static str;
    const POLLING: &'static str;
    const EVENTS: &'static str;
}

impl Element for u8 {
    const KIND: &'static str = COPIED;
    const POLLING: &'static str = "iceoryx2, copied, polling";
    const EVENTS: &'static str = "iceoryx2, copied, events";
}

impl Element for u64 {
    const KIND: &'static str = LOANED;
    const POLLING: &'static str = "iceoryx2, loaned, polling";
    const EVENTS: &'static str = "iceoryx2, loaned, events";
}

pub(crate) struct PublishSubscribe<E> {
    waiting: Waiting,
    element: PhantomData<E>,
}

/// Messages that are copied in and out.
pub(crate) fn copied(waiting: Waiting) -> PublishSubscribe<u8> {
    PublishSubscribe { waiting, element: PhantomData }
}

/// Messages that are made and read in place.
pub(crate) fn loaned(waiting: Waiting) -> PublishSubscribe<u64> {
    PublishSubscribe { waiting, element: PhantomData }
}

impl<E: Element> Transport for PublishSubscribe<E>
where
    Sender<E>: Sending,
    Receiver<E>: Receiving,
{
    type Sender = Sender<E>;
    type Receiver = Receiver<E>;

    fn name(&self) -> &'static str {
        match self.waiting {
            Waiting::Polling => E::POLLING,
            Waiting::Events => E::EVENTS,
        }
    }

    fn start(&self, plan: Plan) -> Result<Connected<Sender<E>, Receiver<E>>> {
        let folder = tempfile::tempdir()?;
        let root = folder.path().to_str().ok_or("the temporary folder's path is no text")?;
        let node = node(root)?;
        let there = Direction::open(&node, "there", plan.size, self.waiting)?;
        let back = Direction::open(&node, "back", plan.size, self.waiting)?;
        let (sender, receiver) = (there.sender(plan.size)?, back.receiver()?);
        let waiting = if self.waiting == Waiting::Polling { "polling" } else { "events" };
        let address = format!("{waiting} {root}");
        let partner = Box::new(Partner::start(E::KIND, &address, &plan, None, None)?);
        there.wait_for_subscriber()?;
        let partner = Box::new(Subscribed { partner: Some(partner), node, _folder: folder });
        Ok(Connected { sender, receiver, partner })
    }
}

/// The partner, the node, and the folder with the node's files, which is removed after it.
struct Subscribed {
    partner: Option<Box<Partner>>,
    node: Node<Service>,
    _folder: TempDir,
}

impl Ending for Subscribed {
    fn finish(mut self: Box<Self>) -> Result<()> {
        self.partner.take().map_or(Ok(()), |partner| partner.finish())
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        // A partner that was killed has left its memory.
        if let Some(partner) = self.partner.take() {
            drop(partner);
            let _best_effort = self.node.try_cleanup_dead_nodes();
        }
    }
}

pub(crate) fn take_part(kind: &str, address: &str, plan: Plan) -> Result<()> {
    let (waiting, root) = address.split_once(' ').ok_or("the partner has no address")?;
    let waiting = if waiting == "polling" { Waiting::Polling } else { Waiting::Events };
    let node = node(root)?;
    if kind == COPIED {
        carry_out::<u8>(&node, waiting, plan)
    } else {
        carry_out::<u64>(&node, waiting, plan)
    }
}

fn carry_out<E: Element>(node: &Node<Service>, waiting: Waiting, plan: Plan) -> Result<()>
where
    Sender<E>: Sending,
    Receiver<E>: Receiving,
{
    let mut sender = Direction::<E>::open(node, "back", plan.size, waiting)?.sender(plan.size)?;
    let mut receiver = Direction::<E>::open(node, "there", plan.size, waiting)?.receiver()?;
    plan.carry_out(&mut sender, &mut receiver)
}

/// A node whose files are in a folder of its own.
fn node(root: &str) -> Result<Node<Service>> {
    set_log_level(LogLevel::Fatal);
    let mut config = Config::default();
    config.global.prefix = FileName::new(b"brigade_bench_")?;
    config.global.set_root_path(&Path::new(root.as_bytes())?);
    let node = NodeBuilder::new().config(&config);
    Ok(node.signal_handling_mode(SignalHandlingMode::Disabled).create()?)
}

/// One way, with its messages and the events that tell of them.
struct Direction<E: Element> {
    messages: publish_subscribe::PortFactory<Service, [E], ()>,
    events: Option<event::PortFactory<Service>>,
}

impl<E: Element> Direction<E> {
    fn open(node: &Node<Service>, name: &str, size: usize, waiting: Waiting) -> Result<Self> {
        let name: ServiceName = name.try_into()?;
        let messages = node
            .service_builder(&name)
            .publish_subscribe::<[E]>()
            .max_publishers(1)
            .max_subscribers(1)
            .subscriber_max_buffer_size(capacity(size))
            .enable_safe_overflow(false)
            .open_or_create()?;
        let events = match waiting {
            Waiting::Polling => None,
            Waiting::Events => Some(node.service_builder(&name).event().open_or_create()?),
        };
        Ok(Self { messages, events })
    }

    fn sender(&self, size: usize) -> Result<Sender<E>> {
        let publisher = self
            .messages
            .publisher_builder()
            .initial_max_slice_len(size / size_of::<E>())
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()?;
        let notifier = self.events.as_ref().map(|it| it.notifier_builder().create()).transpose()?;
        Ok(Sender { publisher, notifier })
    }

    fn receiver(&self) -> Result<Receiver<E>> {
        let subscriber = self.messages.subscriber_builder().create()?;
        let listener = self.events.as_ref().map(|it| it.listener_builder().create()).transpose()?;
        Ok(Receiver { subscriber, listener })
    }

    /// What is published before somebody has subscribed is lost.
    fn wait_for_subscriber(&self) -> Result<()> {
        let deadline = Deadline::after(PATIENCE);
        while self.messages.dynamic_config().number_of_subscribers() == 0 {
            if deadline.is_past() {
                return Err("the partner did not subscribe".into());
            }
            thread::yield_now();
        }
        Ok(())
    }
}

pub(crate) struct Sender<E: Element> {
    publisher: Publisher<Service, [E], ()>,
    notifier: Option<Notifier<Service>>,
}

impl<E: Element> Sender<E> {
    fn notify(&self) -> Result<()> {
        if let Some(notifier) = &self.notifier {
            notifier.notify()?;
        }
        Ok(())
    }
}

impl Sending for Sender<u8> {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        let sample = self.publisher.loan_slice_uninit(message.len())?;
        sample.write_from_slice(message).send()?;
        self.notify()
    }
}

impl Sending for Sender<u64> {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        let (words, _nothing) = message.as_chunks();
        let sample = self.publisher.loan_slice_uninit(words.len())?;
        sample.write_from_fn(|index| u64::from_ne_bytes(words[index])).send()?;
        self.notify()
    }

    fn produce(&mut self, _scratch: &mut Vec<u8>, size: usize, number: u64) -> Result<()> {
        let sample = self.publisher.loan_slice_uninit(size / size_of::<u64>())?;
        sample.write_from_fn(|index| message::word(number, index)).send()?;
        self.notify()
    }
}

pub(crate) struct Receiver<E: Element> {
    subscriber: Subscriber<Service, [E], ()>,
    listener: Option<Listener<Service>>,
}

impl<E: Element> Receiver<E> {
    fn next(&self) -> Result<Sample<Service, [E], ()>> {
        let mut polls = 0;
        loop {
            if let Some(sample) = self.subscriber.receive()? {
                return Ok(sample);
            }
            polls += 1;
            match &self.listener {
                Some(listener) => {
                    listener.timed_wait(|_event| {}, LOOK)?;
                }
                None if polls % POLLS == 0 => thread::yield_now(),
                None => spin_loop(),
            }
        }
    }
}

impl Receiving for Receiver<u8> {
    fn receive(&mut self, message: &mut Vec<u8>, _size: usize) -> Result<()> {
        let sample = self.next()?;
        message.clear();
        message.extend_from_slice(sample.payload());
        Ok(())
    }
}

impl Receiving for Receiver<u64> {
    fn receive(&mut self, message: &mut Vec<u8>, _size: usize) -> Result<()> {
        let sample = self.next()?;
        message.clear();
        sample.payload().iter().for_each(|word| message.extend_from_slice(&word.to_ne_bytes()));
        Ok(())
    }

    fn check(&mut self, _scratch: &mut Vec<u8>, size: usize, number: u64) -> Result<()> {
        message::check_words(self.next()?.payload(), size, number)
    }
}
