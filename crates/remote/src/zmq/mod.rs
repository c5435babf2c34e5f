//! Typed ZeroMQ sockets.
//!
//! | pattern | sockets | what it is for |
//! |---|---|---|
//! | pipeline | [`Push`], [`Pull`] | work dealt out to many, results collected from many |
//! | request and reply | [`Request`], [`Reply`] | one question, one answer |
//! | publish and subscribe | [`Publish`], [`Subscribe`] | the same to everyone who listens; losses allowed |
//! | routed | [`Router`], [`Dealer`] | many conversations at once, each with an address |
//!
//! Every socket is [bound](Socket::bind) or [connected](Socket::connect), in any order, to one or
//! more endpoints: `tcp://host:port`, `ipc:///path`, `inproc://name`. Connections are made, and
//! made again when they break, in the background. Messages are encoded by brigade's codec, one
//! part each. Messages over ZeroMQ are neither authenticated nor encrypted.
//!
//! A socket is used by one thread at a time, and can be moved to another.
//!
//! # Process death
//!
//! A message that a killed process had sent and that had not left its machine is lost, and so is
//! what it had received and not answered: ZeroMQ keeps messages in the memory of both processes.
//! Nobody hangs on it: every wait has a form with a time-out, and a [`Request`] that got no answer
//! can ask again.
//!
//! Sockets do not survive `fork`: in the child every use of an inherited one is an error, and a new
//! one works.
//!
//! # Ending
//!
//! Dropping a socket hands what it has not sent yet to the background, and dropping the last one
//! of the process waits until that has left, at most [`Options::linger`].
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//!
//! use brigade_remote::zmq::{Pull, Push};
//!
//! let pull = Pull::<(String, u32)>::new()?;
//! let endpoint = pull.bind("tcp://127.0.0.1:*")?;
//! let push = Push::<(String, u32)>::new()?;
//! push.connect(&endpoint)?;
//!
//! push.send_timeout(&("six".to_owned(), 6), Duration::from_secs(10))?;
//! assert_eq!(pull.recv_timeout(Duration::from_secs(10))?, ("six".to_owned(), 6));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod context;
mod error;
mod options;
pub mod pattern;
mod pipeline;
mod publish;
mod request;
mod route;
mod socket;

pub use error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
pub use options::Options;
pub use pipeline::{Pull, Push};
pub use publish::{Publish, Subscribe};
pub use request::{Reply, Request};
pub use route::{Dealer, Route, Router};
pub use socket::Socket;
