//! What brigade is measured against.

pub(crate) mod boost;
pub(crate) mod crossbeam;
pub(crate) mod iceoryx;
pub(crate) mod ipc_channel;
pub(crate) mod passwords;
pub(crate) mod pipe;
pub(crate) mod program;
pub(crate) mod python;
pub(crate) mod ring;
pub(crate) mod socket;
pub(crate) mod threads;
pub(crate) mod zmq;

use crate::{Result, posix};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

/// The partner's side of every peer that is started by executing this program again.
pub(crate) fn take_part(kind: &str, address: &str, plan: &str) -> Result<()> {
    // One that spins for a message would never notice that nobody is left to send it.
    set_pdeathsig(Signal::SIGKILL)?;
    match kind {
        pipe::KIND => pipe::take_part(serde_json::from_str(plan)?),
        pipe::BOTH => pipe::take_part_in_both(plan),
        ring::KIND => ring::take_part(serde_json::from_str(plan)?),
        socket::KIND => socket::take_part(serde_json::from_str(plan)?),
        iceoryx::COPIED | iceoryx::LOANED => {
            iceoryx::take_part(kind, address, serde_json::from_str(plan)?)
        }
        ipc_channel::BYTES | ipc_channel::TYPED => {
            ipc_channel::take_part(kind, address, serde_json::from_str(plan)?)
        }
        zmq::KIND => zmq::take_part(address, serde_json::from_str(plan)?),
        _ => posix::take_part(kind, address, plan),
    }
}
