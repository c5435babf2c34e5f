//! A web worker: answers each request with who answered it.
//!
//! `GET /ANYTHING?delay=MS` is answered after the delay with a JSON object: the path as `id`, and
//! program, instance, process id and generation of the worker. One thread serves all connections.
//!
//! Asked to leave (`SIGTERM`), it takes the connections that wait to be accepted, lets its listening
//! socket go, answers every request that has begun, and tells its clients that the connection ends.
//! Asked to reload (`SIGHUP`), it reads its message file again and goes on.

use std::collections::BTreeMap;
use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use brigade_sys::activation;
use brigade_sys::socket::{accept, adopt_listener};
use brigade_sys::time::Deadline;
use serde_json::json;

use crate::station::{Readable, Station, Told};

/// The longest request that is read.
const LONGEST_REQUEST: usize = 16 * 1024;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A file whose text every answer has; read again on SIGHUP
    #[arg(long)]
    message: Option<PathBuf>,
    /// A file to which a line is added for each answer before it is sent
    #[arg(long)]
    ledger: Option<PathBuf>,
    /// Be ready only after so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    ready_after: u64,
    /// How long a silent connection is kept after the request to leave, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 200)]
    linger: u64,
}

/// The worker.
struct Web {
    listener: Option<OwnedFd>,
    connections: BTreeMap<u64, Connection>,
    accepted: u64,
    answered: u64,
    reloads: u64,
    message: Option<String>,
    ledger: Option<File>,
    leaving: Option<Deadline>,
}

struct Connection {
    stream: File,
    input: Vec<u8>,
    /// An answer that waits for its time.
    pending: Option<(Deadline, Vec<u8>)>,
    close: bool,
}

pub(crate) fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let mut station = Station::take()?;
    let mut inherited = activation::take().map_err(io::Error::other)?.into_iter();
    let listener = inherited.next().ok_or_else(|| io::Error::other("there is no LISTEN_FDS"))?;
    let listener = adopt_listener(listener.descriptor).map_err(io::Error::other)?;
    let ledger = arguments.ledger.as_ref();
    let mut web = Web {
        listener: Some(listener),
        connections: BTreeMap::new(),
        accepted: 0,
        answered: 0,
        reloads: 0,
        message: read_message(arguments)?,
        ledger: ledger
            .map(|path| OpenOptions::new().create(true).append(true).open(path))
            .transpose()?,
        leaving: None,
    };
    let boot = Deadline::after(Duration::from_millis(arguments.ready_after));
    while !boot.is_past() {
        if station.wait(&[], boot)?.0 == Some(Told::Leave) {
            return Ok(ExitCode::SUCCESS);
        }
    }
    station.ready("serving")?;
    while !web.is_done() {
        let (told, ready) = web.wait(&mut station)?;
        match told {
            Some(Told::Leave) => web.leave(Duration::from_millis(arguments.linger))?,
            Some(Told::Reload) => {
                web.message = read_message(arguments)?;
                web.reloads += 1;
                station.status(&format!("serving, reloaded {} times", web.reloads))?;
            }
            None => {}
        }
        web.attend(&ready)?;
    }
    println!("answered {} requests", web.answered);
    Ok(ExitCode::SUCCESS)
}

fn read_message(arguments: &Arguments) -> io::Result<Option<String>> {
    arguments.message.as_ref().map(std::fs::read_to_string).transpose()
}

/// What became ready: the listening socket, or a connection.
#[derive(Clone, Copy)]
enum Ready {
    Listener,
    Connection(u64),
}

impl Web {
    /// Waits for the supervisor, a connection, or an answer's time.
    fn wait(&self, station: &mut Station) -> io::Result<(Option<Told>, Vec<Ready>)> {
        let mut sources = Vec::new();
        let mut readables: Vec<Readable<'_>> = Vec::new();
        if let Some(listener) = &self.listener {
            sources.push(Ready::Listener);
            readables.push(Readable(listener.as_fd()));
        }
        for (&number, connection) in &self.connections {
            // One whose answer is pending is not listened to meanwhile.
            if connection.pending.is_none() {
                sources.push(Ready::Connection(number));
                readables.push(Readable(connection.as_fd()));
            }
        }
        let pending = self.connections.values().filter_map(|it| it.pending.as_ref());
        let due = pending.fold(Deadline::NEVER, |due, (at, _)| due.min(*at));
        let deadline = self.leaving.map_or(due, |leaving| {
            // Silent connections end then; those with a pending answer have their own time.
            if leaving.is_past() { due } else { due.min(leaving) }
        });
        let (told, ready) = station.wait(&readables, deadline)?;
        Ok((told, ready.into_iter().map(|index| sources[index]).collect()))
    }

    /// Takes who waits at the door, and shuts it.
    fn leave(&mut self, linger: Duration) -> io::Result<()> {
        self.accept_all()?;
        self.listener = None;
        self.leaving = Some(Deadline::after(linger));
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.leaving.is_some() && self.connections.is_empty()
    }

    fn attend(&mut self, ready: &[Ready]) -> io::Result<()> {
        for &source in ready {
            match source {
                Ready::Listener => self.accept_all()?,
                Ready::Connection(number) => self.hear(number)?,
            }
        }
        let due =
            |(_, it): &(&u64, &Connection)| it.pending.as_ref().is_some_and(|(at, _)| at.is_past());
        let due: Vec<u64> =
            self.connections.iter().filter(due).map(|(&number, _)| number).collect();
        for number in due {
            self.answer(number);
            self.proceed(number)?;
        }
        if self.leaving.is_some_and(Deadline::is_past) {
            self.connections.retain(|_, it| it.pending.is_some() || !it.input.is_empty());
        }
        Ok(())
    }

    /// Other workers accept from the same socket: there may be nobody left.
    fn accept_all(&mut self) -> io::Result<()> {
        let Some(listener) = &self.listener else { return Ok(()) };
        let at_once = Deadline::after(Duration::ZERO);
        while let Some(stream) = accept(listener.as_fd(), at_once).map_err(io::Error::other)? {
            self.accepted += 1;
            let (input, pending, close) = (Vec::new(), None, false);
            let connection = Connection { stream: stream.into(), input, pending, close };
            self.connections.insert(self.accepted, connection);
        }
        Ok(())
    }

    /// Reads from a connection that has something to say.
    fn hear(&mut self, number: u64) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(&number) else { return Ok(()) };
        let mut chunk = [0; 4096];
        match connection.stream.read(&mut chunk) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Ok(len) if len > 0 && connection.input.len() < LONGEST_REQUEST => {
                connection.input.extend_from_slice(&chunk[..len]);
            }
            _ => {
                self.connections.remove(&number);
                return Ok(());
            }
        }
        self.proceed(number)
    }

    /// Answers the requests that are complete, up to one whose answer has to wait.
    fn proceed(&mut self, number: u64) -> io::Result<()> {
        while self.take_request(number)? {}
        Ok(())
    }

    /// Takes a complete request from what has come, and answers it or prepares the answer.
    /// Returns whether there may be another.
    fn take_request(&mut self, number: u64) -> io::Result<bool> {
        let Some(connection) = self.connections.get_mut(&number) else { return Ok(false) };
        if connection.pending.is_some() {
            return Ok(false);
        }
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        let len = match request.parse(&connection.input) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) => return Ok(false),
            Err(_) => {
                self.connections.remove(&number);
                return Ok(false);
            }
        };
        let close = request.headers.iter().any(|header| {
            header.name.eq_ignore_ascii_case("connection")
                && header.value.eq_ignore_ascii_case(b"close")
        });
        let target = request.path.unwrap_or("/").to_owned();
        connection.input.drain(..len);
        connection.close = close || self.leaving.is_some();
        let close = connection.close;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let delay = query.strip_prefix("delay=").and_then(|ms| ms.parse().ok()).unwrap_or(0);
        let id = path.trim_start_matches('/');
        if let Some(ledger) = &mut self.ledger {
            // One write of one short line, so the lines of several workers do not mix.
            ledger.write_all(format!("{id} {}\n", std::process::id()).as_bytes())?;
        }
        let response = self.response(id, close);
        if let Some(connection) = self.connections.get_mut(&number) {
            let at = Deadline::after(Duration::from_millis(delay));
            connection.pending = Some((at, response));
        }
        if delay == 0 {
            self.answer(number);
        }
        Ok(delay == 0)
    }

    fn response(&self, id: &str, close: bool) -> Vec<u8> {
        let variable = |name| env::var(name).unwrap_or_default();
        let number = |name| variable(name).parse::<u32>().unwrap_or(0);
        let body = json!({
            "id": id,
            "program": variable("BRIGADE_PROGRAM"),
            "instance": number("BRIGADE_INSTANCE"),
            "generation": number("BRIGADE_GENERATION"),
            "pid": std::process::id(),
            "reloads": self.reloads,
            "message": self.message,
        });
        let body = format!("{body}\n");
        let connection = if close { "close" } else { "keep-alive" };
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: {connection}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    /// Sends the answer whose time has come. It fits into the socket's buffer.
    fn answer(&mut self, number: u64) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let Some((_, response)) = connection.pending.take() else { return };
        let sent = connection.stream.write_all(&response);
        self.answered += u64::from(sent.is_ok());
        // A worker that leaves says so with the answer; one that was asked meanwhile says it now.
        if sent.is_err() || connection.close {
            self.connections.remove(&number);
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
