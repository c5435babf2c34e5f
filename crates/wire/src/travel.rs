//! Connections and listeners as parts of messages.

use std::os::fd::AsFd;

use brigade_codec::{Descriptor, carry};
use brigade_sys::socket::adopt_stream;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::address::Address;
use crate::connection::Connection;
use crate::inbox::Greeting;
use crate::listener::Listener;

/// A connection on its way to another process.
#[derive(Serialize, Deserialize)]
struct Traveler {
    socket: u32,
    sent: bool,
    received: bool,
    limit: usize,
}

fn greeting(done: bool) -> Greeting {
    if done { Greeting::Done } else { Greeting::Awaited }
}

impl<S: ?Sized, R> Serialize for Connection<S, R> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let (Some(sent), Some(received)) = (self.sender.at_rest(), self.receiver.at_rest()) else {
            return Err(Z::Error::custom("a connection cannot travel in the middle of a message"));
        };
        Traveler {
            socket: carry::attach(self.as_fd()).map_err(Z::Error::custom)?,
            sent: sent == Greeting::Done,
            received: received == Greeting::Done,
            limit: self.receiver.limit(),
        }
        .serialize(serializer)
    }
}

impl<'de, S: ?Sized, R> Deserialize<'de> for Connection<S, R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let it = Traveler::deserialize(deserializer)?;
        let socket = carry::take(it.socket).map_err(D::Error::custom)?;
        let socket = adopt_stream(socket).map_err(D::Error::custom)?;
        Self::over(socket, greeting(it.sent), greeting(it.received))
            .map(|connection| connection.with_limit(it.limit))
            .map_err(D::Error::custom)
    }
}

impl Serialize for Listener {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let socket = carry::attach(self.as_fd()).map_err(Z::Error::custom)?;
        (socket, self.address()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Listener {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (socket, address) = <(Descriptor, Address)>::deserialize(deserializer)?;
        Self::adopt(socket.into(), address).map_err(D::Error::custom)
    }
}
