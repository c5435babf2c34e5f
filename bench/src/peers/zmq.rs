//! ZeroMQ: PUSH and PULL over ipc://, one pair for each direction.
//!
//! Each process makes its context before it is pinned, so that the library's own thread may run on
//! both CPUs.

use crate::Result;
use crate::partner::{Ending, Partner};
use crate::stream::{Connected, Plan, Receiving, Sending, Transport, capacity};
use tempfile::TempDir;
use zmq::{Context, Socket, SocketType};

pub(crate) const KIND: &str = "zmq";

/// How long a socket waits for a partner that has gone, in milliseconds.
const PATIENCE: i32 = 10_000;

pub(crate) struct PushPull;

impl Transport for PushPull {
    type Sender = Socket;
    type Receiver = Socket;

    fn name(&self) -> &'static str {
        "ZeroMQ PUSH/PULL, ipc://"
    }

    fn start(&self, plan: Plan) -> Result<Connected<Socket, Socket>> {
        let folder = tempfile::tempdir()?;
        let address = format!("ipc://{}", folder.path().display());
        let context = Context::new();
        let sender = open(&context, zmq::PUSH, plan.size)?;
        sender.bind(&format!("{address}/there"))?;
        let receiver = open(&context, zmq::PULL, plan.size)?;
        receiver.bind(&format!("{address}/back"))?;
        let partner = Box::new(Partner::start(KIND, &address, &plan, None, None)?);
        Ok(Connected { sender, receiver, partner: Box::new(Zmq { partner, _folder: folder }) })
    }
}

/// The partner, and the folder with the sockets, which is removed after it.
struct Zmq {
    partner: Box<Partner>,
    _folder: TempDir,
}

impl Ending for Zmq {
    fn finish(self: Box<Self>) -> Result<()> {
        self.partner.finish()
    }
}

pub(crate) fn take_part(address: &str, plan: Plan) -> Result<()> {
    let context = Context::new();
    let mut receiver = open(&context, zmq::PULL, plan.size)?;
    receiver.connect(&format!("{address}/there"))?;
    let mut sender = open(&context, zmq::PUSH, plan.size)?;
    sender.connect(&format!("{address}/back"))?;
    plan.carry_out(&mut sender, &mut receiver)
}

fn open(context: &Context, kind: SocketType, size: usize) -> Result<Socket> {
    let socket = context.socket(kind)?;
    let high_water = i32::try_from(capacity(size))?;
    socket.set_sndhwm(high_water)?;
    socket.set_rcvhwm(high_water)?;
    socket.set_linger(PATIENCE)?;
    socket.set_sndtimeo(PATIENCE)?;
    socket.set_rcvtimeo(PATIENCE)?;
    Ok(socket)
}

impl Sending for Socket {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(Socket::send(self, message, 0)?)
    }
}

impl Receiving for Socket {
    fn receive(&mut self, message: &mut Vec<u8>, _size: usize) -> Result<()> {
        let received = self.recv_msg(0)?;
        message.clear();
        message.extend_from_slice(&received);
        Ok(())
    }
}
