//! A worker's place below its supervisor: what it is told by signals, and what it reports.

use std::env;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::time::Duration;

use brigade_sys::socket::{Interest, ready};
use brigade_sys::time::{Deadline, now};
use brigade_sys::wait::{Sleep, Waitable, wait};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// Where a worker stands.
#[derive(Debug)]
pub(crate) struct Station {
    leave: Bell,
    reload: Bell,
    reports: Option<Reports>,
    heartbeat: Option<Duration>,
    last_heartbeat: Duration,
    asked_to_leave: bool,
}

/// What a worker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// To finish what it holds, and leave.
    Leave,
    /// To read its settings again.
    Reload,
}

/// Something that [`Station::wait`] can wait for beside what the supervisor says.
pub(crate) struct Readable<'a>(pub(crate) BorrowedFd<'a>);

/// Rings when one of its signals has arrived.
#[derive(Debug)]
struct Bell(UnixStream);

#[derive(Debug)]
struct Reports(UnixDatagram);

impl Station {
    /// Takes the place: from here on `SIGTERM`, `SIGINT` and `SIGHUP` are told by [`wait`].
    ///
    /// [`wait`]: Self::wait
    pub(crate) fn take() -> io::Result<Self> {
        let interval = env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        Ok(Self {
            leave: Bell::of(&[SIGTERM, SIGINT])?,
            reload: Bell::of(&[SIGHUP])?,
            reports: Reports::from_environment()?,
            // Twice as often as asked for, so that one late report is no missing one.
            heartbeat: interval.map(|interval| Duration::from_micros(interval) / 2),
            last_heartbeat: now(),
            asked_to_leave: false,
        })
    }

    /// Reports that the worker serves.
    pub(crate) fn ready(&self, status: &str) -> io::Result<()> {
        self.report(&format!("READY=1\nSTATUS={status}"))
    }

    /// Reports what the worker does.
    pub(crate) fn status(&self, status: &str) -> io::Result<()> {
        self.report(&format!("STATUS={status}"))
    }

    /// Waits until the worker is told something, one of `others` can be read, or the deadline has
    /// passed. Reports heartbeats meanwhile. Returns what it was told, and which are ready.
    pub(crate) fn wait(
        &mut self,
        others: &[Readable<'_>],
        deadline: Deadline,
    ) -> io::Result<(Option<Told>, Vec<usize>)> {
        let beat = self.beat()?;
        let mut waitables: Vec<&dyn Waitable> = Vec::with_capacity(others.len() + 2);
        waitables.push(&self.reload);
        // A closed ear hears nothing twice: who leaves needs not be told again.
        if !self.asked_to_leave {
            waitables.push(&self.leave);
        }
        let first = waitables.len();
        waitables.extend(others.iter().map(|it| it as &dyn Waitable));
        let woken = wait(&waitables, deadline.min(beat));
        let told = if self.reload.take() {
            Some(Told::Reload)
        } else if !self.asked_to_leave && self.leave.take() {
            self.asked_to_leave = true;
            self.report("STOPPING=1")?;
            Some(Told::Leave)
        } else {
            None
        };
        let ready = woken.into_iter().filter_map(|index| index.checked_sub(first)).collect();
        Ok((told, ready))
    }

    /// Reports a heartbeat if one is due, and says when the next one is.
    fn beat(&mut self) -> io::Result<Deadline> {
        let Some(interval) = self.heartbeat else { return Ok(Deadline::NEVER) };
        let since = now().saturating_sub(self.last_heartbeat);
        if since < interval {
            return Ok(Deadline::after(interval - since));
        }
        self.last_heartbeat = now();
        self.report("WATCHDOG=1")?;
        Ok(Deadline::after(interval))
    }

    fn report(&self, text: &str) -> io::Result<()> {
        match &self.reports {
            Some(reports) => reports.0.send(text.as_bytes()).map(drop),
            None => Ok(()),
        }
    }
}

impl Bell {
    fn of(signals: &[i32]) -> io::Result<Self> {
        let (ours, handlers) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        for &signal in signals {
            pipe::register(signal, handlers.try_clone()?)?;
        }
        Ok(Self(ours))
    }

    /// Whether it rang since it was last asked.
    fn take(&self) -> bool {
        let (mut bytes, mut rang) = ([0; 64], false);
        loop {
            match (&self.0).read(&mut bytes) {
                Ok(len) if len > 0 => rang = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return rang,
            }
        }
    }
}

impl Waitable for Bell {
    fn is_ready(&self) -> bool {
        Readable(self.0.as_fd()).is_ready()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.descriptor(self.0.as_fd());
    }
}

impl Waitable for Readable<'_> {
    fn is_ready(&self) -> bool {
        let at_once = Deadline::after(Duration::ZERO);
        // One that cannot be waited for is ready: using it tells what is wrong with it.
        ready(self.0, Interest::Readable, at_once).unwrap_or(true)
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.descriptor(self.0);
    }
}

impl Reports {
    /// Where `NOTIFY_SOCKET` says; nowhere if it says nothing.
    fn from_environment() -> io::Result<Option<Self>> {
        let Some(name) = env::var("NOTIFY_SOCKET").ok().filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(&name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        Ok(Some(Self(socket)))
    }
}
