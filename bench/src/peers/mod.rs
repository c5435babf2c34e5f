//! What brigade is measured against.

pub(crate) mod ipc_channel;
pub(crate) mod lock;
pub(crate) mod passwords;
pub(crate) mod pipe;
pub(crate) mod python;
pub(crate) mod socket;
pub(crate) mod zmq;

use crate::Result;

/// The partner's side of every peer that is started by executing this program again.
pub(crate) fn take_part(kind: &str, address: &str, plan: &str) -> Result<()> {
    match kind {
        pipe::KIND => pipe::take_part(serde_json::from_str(plan)?),
        socket::KIND => socket::take_part(serde_json::from_str(plan)?),
        ipc_channel::BYTES | ipc_channel::TYPED => {
            ipc_channel::take_part(kind, address, serde_json::from_str(plan)?)
        }
        zmq::KIND => zmq::take_part(address, serde_json::from_str(plan)?),
        lock::MUTEX | lock::WORD => lock::take_part(kind, serde_json::from_str(plan)?),
        _ => Err(format!("there is no partner called {kind}").into()),
    }
}
