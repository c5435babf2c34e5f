//! What brigade is measured against.

pub(crate) mod ipc_channel;
pub(crate) mod passwords;
pub(crate) mod pipe;
pub(crate) mod python;
pub(crate) mod socket;
pub(crate) mod threads;
pub(crate) mod zmq;

use crate::Result;
use crate::companion::take_part as join;
use crate::posix::{file_lock, mutex};
use crate::turns::Turn;

/// The partner's side of every peer that is started by executing this program again.
pub(crate) fn take_part(kind: &str, address: &str, plan: &str) -> Result<()> {
    match kind {
        pipe::KIND => pipe::take_part(serde_json::from_str(plan)?),
        socket::KIND => socket::take_part(serde_json::from_str(plan)?),
        ipc_channel::BYTES | ipc_channel::TYPED => {
            ipc_channel::take_part(kind, address, serde_json::from_str(plan)?)
        }
        zmq::KIND => zmq::take_part(address, serde_json::from_str(plan)?),
        mutex::MUTEX => join::<_, Turn>(&mutex::Mutex::inherited()?, plan),
        mutex::WORD => join::<_, Turn>(&mutex::Word::inherited()?, plan),
        file_lock::FLOCK | file_lock::DESCRIPTION => {
            join::<_, Turn>(&file_lock::FileLock::inherited(kind, address)?, plan)
        }
        _ => Err(format!("there is no partner called {kind}").into()),
    }
}
