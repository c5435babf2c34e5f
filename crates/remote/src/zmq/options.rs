//! How a socket behaves.

use std::time::Duration;

use brigade_codec::LIMIT;

/// How a socket behaves. Every field has a bound by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long messages that were not sent may outlive their socket: the most that dropping the
    /// last socket of a process waits.
    pub linger: Duration,
    /// How many messages may wait to be sent, for each peer. 0 counts as 1.
    pub send_high_water_mark: u32,
    /// How many messages may wait to be received, from each peer. 0 counts as 1.
    pub receive_high_water_mark: u32,
    /// How long to wait before a broken connection is made again the first time. Each further
    /// attempt waits twice as long.
    pub reconnect_interval: Duration,
    /// How long to wait at most before a broken connection is made again.
    pub reconnect_interval_max: Duration,
    /// The name by which a router knows this socket; without one it gives a name itself.
    pub identity: Option<Vec<u8>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            linger: Duration::from_secs(1),
            send_high_water_mark: 1000,
            receive_high_water_mark: 1000,
            reconnect_interval: Duration::from_millis(20),
            reconnect_interval_max: Duration::from_secs(2),
            identity: None,
        }
    }
}

impl Options {
    pub(crate) fn apply(&self, socket: &::zmq::Socket) -> ::zmq::Result<()> {
        socket.set_linger(millis(self.linger))?;
        socket.set_sndhwm(count(self.send_high_water_mark))?;
        socket.set_rcvhwm(count(self.receive_high_water_mark))?;
        socket.set_reconnect_ivl(millis(self.reconnect_interval).max(1))?;
        socket.set_reconnect_ivl_max(millis(self.reconnect_interval_max))?;
        // A message waits for a real connection, not for an address where nobody may be.
        socket.set_immediate(true)?;
        socket.set_maxmsgsize(i64::try_from(LIMIT).unwrap_or(i64::MAX))?;
        // Nothing here calls a blocking form; should one slip in, it does not block for ever.
        socket.set_sndtimeo(0)?;
        socket.set_rcvtimeo(0)?;
        match &self.identity {
            Some(identity) => socket.set_identity(identity),
            None => Ok(()),
        }
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn count(messages: u32) -> i32 {
    i32::try_from(messages.max(1)).unwrap_or(i32::MAX)
}
