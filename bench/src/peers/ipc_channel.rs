//! ipc-channel: its channels of bytes, and its typed channels.

use crate::Result;
use crate::partner::Partner;
use crate::stream::{Connected, Plan, Receiving, Sending, Transport};
use ipc_channel::ipc::{
    IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcReceiver, IpcSender, bytes_channel,
    channel,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) const BYTES: &str = "ipc-channel-bytes";
pub(crate) const TYPED: &str = "ipc-channel-typed";

pub(crate) struct Bytes;
pub(crate) struct Typed;

impl Transport for Bytes {
    type Sender = IpcBytesSender;
    type Receiver = IpcBytesReceiver;

    fn name(&self) -> &'static str {
        "ipc-channel, bytes"
    }

    fn start(&self, plan: Plan) -> Result<Connected<IpcBytesSender, IpcBytesReceiver>> {
        start(BYTES, plan)
    }
}

impl Transport for Typed {
    type Sender = IpcSender<Vec<u8>>;
    type Receiver = IpcReceiver<Vec<u8>>;

    fn name(&self) -> &'static str {
        "ipc-channel, typed"
    }

    fn start(&self, plan: Plan) -> Result<Connected<IpcSender<Vec<u8>>, IpcReceiver<Vec<u8>>>> {
        start(TYPED, plan)
    }
}

fn start<S, R>(kind: &str, plan: Plan) -> Result<Connected<S, R>>
where
    S: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    let (server, address) = IpcOneShotServer::<(S, R)>::new()?;
    let partner = Box::new(Partner::start(kind, &address, &plan, None, None)?);
    let (_server, (sender, receiver)) = server.accept()?;
    Ok(Connected { sender, receiver, partner })
}

pub(crate) fn take_part(kind: &str, address: &str, plan: Plan) -> Result<()> {
    if kind == BYTES {
        let (to_here, mut receiver) = bytes_channel()?;
        let (mut sender, from_here) = bytes_channel()?;
        IpcSender::connect(address.to_owned())?.send((to_here, from_here))?;
        plan.carry_out(&mut sender, &mut receiver)
    } else {
        let (to_here, mut receiver) = channel::<Vec<u8>>()?;
        let (mut sender, from_here) = channel::<Vec<u8>>()?;
        IpcSender::connect(address.to_owned())?.send((to_here, from_here))?;
        plan.carry_out(&mut sender, &mut receiver)
    }
}

impl Sending for IpcBytesSender {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(IpcBytesSender::send(self, message)?)
    }
}

impl Receiving for IpcBytesReceiver {
    fn receive(&mut self, message: &mut Vec<u8>, _size: usize) -> Result<()> {
        *message = self.recv()?;
        Ok(())
    }
}

impl Sending for IpcSender<Vec<u8>> {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(IpcSender::send(self, message.to_vec())?)
    }
}

impl Receiving for IpcReceiver<Vec<u8>> {
    fn receive(&mut self, message: &mut Vec<u8>, _size: usize) -> Result<()> {
        *message = self.recv()?;
        Ok(())
    }
}
