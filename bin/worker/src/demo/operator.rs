//! Operating the supervisor from below: its signals, and its control socket.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use brigade::supervisor::command::{Command, Order, Wait};
use brigade::supervisor::control::Client;
use brigade::supervisor::status::{DaemonState, InstanceState, InstanceStatus, Status};
use brigade_sys::pidfd;
use brigade_sys::signals::Signal;

use super::Outcome;
use super::pause::pause;
use super::service::Operator;

/// The program that serves.
pub(crate) const WEB: &str = "web";

/// How long a reload or a replacement may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(1);

/// The supervisor that runs the demonstration.
#[derive(Debug)]
pub(crate) struct Supervisor {
    client: Client,
}

impl Supervisor {
    /// The supervisor that has started this process.
    pub(crate) fn of_this_process() -> Outcome<Self> {
        let path = std::env::var_os("BRIGADE_CONTROL_SOCKET")
            .ok_or("BRIGADE_CONTROL_SOCKET is not set: the role runs under brigaded only")?;
        Ok(Self { client: Client::new(path).patience(PATIENCE) })
    }

    /// Where the web workers can be reached: the socket's port was chosen by the system.
    pub(crate) fn web_address(&self) -> Outcome<SocketAddr> {
        let status = self.status()?;
        let socket = status.sockets.iter().find(|socket| socket.name == WEB);
        Ok(socket.ok_or("the supervisor has no socket for web workers")?.address.parse()?)
    }

    fn status(&self) -> Outcome<Status> {
        let order = Order { command: Command::Status(None), wait: Wait::Done };
        let reply = self.client.ask(&order)?;
        Ok(reply.status.ok_or_else(|| format!("no status: {}", reply.message))?)
    }

    /// Asks for the status until `look` finds in it what it looks for.
    fn await_status<R>(&self, mut look: impl FnMut(&Status) -> Option<R>) -> Outcome<R> {
        let began = Instant::now();
        loop {
            let status = self.status()?;
            if let Some(found) = look(&status) {
                return Ok(found);
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("the supervisor did not get on: {status:?}").into());
            }
            pause(PAUSE);
        }
    }
}

/// The web workers.
fn web(status: &Status) -> &[InstanceStatus] {
    let program = status.programs.iter().find(|program| program.name == WEB);
    program.map_or(&[], |program| &program.instances)
}

impl Operator for Supervisor {
    /// Sends `SIGHUP`, as an operator would.
    fn reload(&mut self) -> Outcome<()> {
        let before = self.status()?;
        signal(i32::try_from(before.pid)?, Signal::HUP)?;
        self.await_status(|status| {
            let up = |it: &InstanceStatus| {
                it.state != InstanceState::Up || it.generation > before.generation
            };
            let renewed = status.generation > before.generation
                && status.state == DaemonState::Running
                && web(status).iter().all(up);
            renewed.then_some(())
        })
    }

    fn kill_worker(&mut self) -> Outcome<Duration> {
        let up = |it: &&InstanceStatus| it.state == InstanceState::Up;
        let victim = |status: &Status| {
            let victim = web(status).iter().find(up)?;
            Some((victim.instance, victim.pid?))
        };
        let (place, pid) = self.await_status(victim)?;
        let began = Instant::now();
        signal(pid, Signal::KILL)?;
        self.await_status(|status| {
            let successor = web(status).iter().filter(up).find(|it| it.instance == place)?;
            (successor.pid? != pid).then_some(())
        })?;
        Ok(began.elapsed())
    }
}

fn signal(pid: i32, signal: Signal) -> Outcome<()> {
    use std::os::fd::AsFd;

    let process = pidfd::open(pid)?;
    Ok(pidfd::signal(process.as_fd(), signal)?)
}
