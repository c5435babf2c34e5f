//! The roles that a [`Socket`](super::Socket) can have. Users name them by the aliases in the
//! module above, such as [`Push`](super::Push).

use std::marker::PhantomData;

/// A role.
pub trait Pattern: sealed::Sealed {}

impl<P: sealed::Sealed> Pattern for P {}

pub(crate) mod sealed {
    use zmq::{PollEvents, SocketType};

    pub trait Sealed {
        const KIND: SocketType;
        const NAME: &'static str;
        /// When a socket of this role is ready: when it can receive, or send if it never receives.
        const READY: PollEvents;

        /// Sets what this role needs beyond the options.
        fn prepare(_socket: &zmq::Socket) -> zmq::Result<()> {
            Ok(())
        }
    }
}

/// Deals messages out.
#[derive(Debug)]
pub struct Push<T>(PhantomData<fn(&T)>);

/// Collects messages.
#[derive(Debug)]
pub struct Pull<T>(PhantomData<fn() -> T>);

/// Asks, and waits for the answer.
#[derive(Debug)]
pub struct Request<Q, R>(PhantomData<fn(&Q) -> R>);

/// Answers.
#[derive(Debug)]
pub struct Reply<Q, R>(PhantomData<fn(&R) -> Q>);

/// Tells everyone who listens.
#[derive(Debug)]
pub struct Publish<T>(PhantomData<fn(&T)>);

/// Listens.
#[derive(Debug)]
pub struct Subscribe<T>(PhantomData<fn() -> T>);

/// Holds many conversations.
#[derive(Debug)]
pub struct Router<S, R>(PhantomData<fn(&S) -> R>);

/// Holds one conversation, or deals messages out to many who answer.
#[derive(Debug)]
pub struct Dealer<S, R>(PhantomData<fn(&S) -> R>);

mod roles {
    use zmq::{POLLIN, POLLOUT, PollEvents, SocketType};

    use super::sealed::Sealed;
    use super::{Dealer, Publish, Pull, Push, Reply, Request, Router, Subscribe};

    impl<T> Sealed for Push<T> {
        const KIND: SocketType = SocketType::PUSH;
        const NAME: &'static str = "push socket";
        const READY: PollEvents = POLLOUT;
    }

    impl<T> Sealed for Pull<T> {
        const KIND: SocketType = SocketType::PULL;
        const NAME: &'static str = "pull socket";
        const READY: PollEvents = POLLIN;
    }

    impl<Q, R> Sealed for Request<Q, R> {
        const KIND: SocketType = SocketType::REQ;
        const NAME: &'static str = "request socket";
        const READY: PollEvents = POLLIN;

        fn prepare(socket: &zmq::Socket) -> zmq::Result<()> {
            // A request whose answer never came must not make the socket useless, and a late
            // answer must not be taken for the next one's.
            socket.set_req_relaxed(true)?;
            socket.set_req_correlate(true)
        }
    }

    impl<Q, R> Sealed for Reply<Q, R> {
        const KIND: SocketType = SocketType::REP;
        const NAME: &'static str = "reply socket";
        const READY: PollEvents = POLLIN;
    }

    impl<T> Sealed for Publish<T> {
        const KIND: SocketType = SocketType::PUB;
        const NAME: &'static str = "publish socket";
        const READY: PollEvents = POLLOUT;
    }

    impl<T> Sealed for Subscribe<T> {
        const KIND: SocketType = SocketType::SUB;
        const NAME: &'static str = "subscribe socket";
        const READY: PollEvents = POLLIN;
    }

    impl<S, R> Sealed for Router<S, R> {
        const KIND: SocketType = SocketType::ROUTER;
        const NAME: &'static str = "router socket";
        const READY: PollEvents = POLLIN;

        fn prepare(socket: &zmq::Socket) -> zmq::Result<()> {
            // A message to nobody is an error, not a silent loss.
            socket.set_router_mandatory(true)
        }
    }

    impl<S, R> Sealed for Dealer<S, R> {
        const KIND: SocketType = SocketType::DEALER;
        const NAME: &'static str = "dealer socket";
        const READY: PollEvents = POLLIN;
    }
}
