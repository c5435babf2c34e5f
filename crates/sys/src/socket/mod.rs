//! Stream sockets of one machine and between machines, and descriptors that travel over them.
//!
//! Nothing here blocks without saying so: [`send`] and [`recv`] never wait, whatever the mode of
//! the socket, and what waits takes a [`Deadline`](crate::time::Deadline) for the operation as a
//! whole. Every descriptor that is made or received is closed on exec.

mod accept;
mod peer;
mod ready;
mod tcp;
#[cfg(test)]
mod tests;
mod transfer;
mod unix;

pub use accept::{accept, adopt_listener, adopt_stream, finish_sending};
pub use peer::{Credentials, Family, peer_credentials, peer_pidfd};
pub use ready::{Interest, ready};
pub use tcp::{connect_tcp, listen_tcp, local_tcp_address};
pub use transfer::{DESCRIPTORS, Received, recv, recv_exact, send, send_all};
pub use unix::{BACKLOG, Binding, UnixName, connect_unix, listen_unix, pair};
