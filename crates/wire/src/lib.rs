//! Floor 1: messages between processes over sockets.
//!
//! A [`Connection`] carries typed messages both ways, whole or not at all. A [`Listener`] accepts
//! connections at an [`Address`]: a path, an abstract name, or a TCP host and port; [`connect`]
//! makes them. Over unix sockets a message may hold descriptors
//! ([`brigade_codec::Descriptor`]), and a connection itself may be a part of a message.
//!
//! Every wait has a form that does not wait and one that waits at most so long, and the time-out
//! bounds the whole operation: a message that comes byte by byte does not stretch it, and a
//! time-out in the middle of a message loses nothing.
//!
//! | Python | here |
//! |---|---|
//! | `Client(address)` | [`connect`] |
//! | `Listener(address)`, `accept()` | [`Listener::bind`], [`Listener::accept`] |
//! | `Pipe()` | [`Connection::pair`] |
//! | `send`, `recv`, `poll(t)` | [`Connection::send`], [`Connection::recv`], [`Connection::poll`] |
//! | `send_bytes`, `recv_bytes`, `recv_bytes_into` | the same names |
//! | `BufferTooShort` | [`RecvIntoError::BufferTooShort`] |
//!
//! # Process death
//!
//! When the process at the other end dies, at any instruction, what it had sent whole is still
//! received. Then comes [`RecvError::EndOfStream`], or [`RecvError::Truncated`] if it died within
//! a message.
//!
//! # Examples
//!
//! ```
//! use brigade_wire::{Address, Connection, Listener, connect};
//!
//! let listener = Listener::bind(&"tcp:127.0.0.1:0".parse()?)?;
//! let address: Address = listener.address().clone();
//! let client = std::thread::spawn(move || -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
//!     let server: Connection<String, u64> = connect(&address)?;
//!     server.send(&"how long is this?".to_owned())?;
//!     Ok(server.recv()?)
//! });
//!
//! let connection: Connection<u64, String> = listener.accept()?;
//! let question = connection.recv()?;
//! connection.send(&(question.len() as u64))?;
//! assert_eq!(client.join().expect("the client does not panic").map_err(|it| it.to_string())?, 17);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod address;
mod bytes;
mod connection;
mod error;
mod frame;
mod inbox;
#[cfg(feature = "ipc-channel")]
pub mod ipc;
mod listener;
mod outbox;
mod receiver;
mod resolve;
mod sender;
mod travel;

pub use address::{Address, AddressError};
pub use connection::Connection;
pub use error::{
    RecvError, RecvIntoError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError,
    TrySendError,
};
pub use listener::{Listener, connect, connect_timeout};
pub use receiver::Receiver;
pub use sender::Sender;
