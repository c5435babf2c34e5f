//! The service: requests at a fixed rate while the workers are reloaded five times and one of them
//! is killed.
//!
//! The load is open-loop: each request has its moment, whether the one before was answered or not.
//! Each is a connection of its own, so that every reload meets requests that have just come.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Outcome;
use super::duration::duration;
use super::pause::pause;

/// Requests per second.
const RATE: u32 = 400;

/// How long a request may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many threads send: enough that a slow answer delays no other request.
const SENDERS: u32 = 8;

/// How one request ended.
#[derive(Clone, Debug)]
struct Request {
    sent: Instant,
    took: Duration,
    /// Who answered: the process and its generation; `None` when nobody did.
    answer: Option<(i32, u32)>,
}

/// What the load came to.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) sent: usize,
    pub(crate) answered: usize,
    pub(crate) lost_in_reloads: usize,
    pub(crate) lost_with_worker: usize,
    pub(crate) reloads: usize,
    pub(crate) generations: usize,
    pub(crate) restart: Duration,
    pub(crate) slowest_percent: Duration,
}

impl Served {
    /// The result as JSON.
    pub(crate) fn json(&self) -> Value {
        json!({
            "sent": self.sent,
            "answered": self.answered,
            "lost_in_reloads": self.lost_in_reloads,
            "lost_with_killed_worker": self.lost_with_worker,
            "reloads": self.reloads,
            "generations": self.generations,
            "restart_milliseconds": self.restart.as_secs_f64() * 1e3,
            "p99_milliseconds": self.slowest_percent.as_secs_f64() * 1e3,
        })
    }

    /// The result as a table.
    pub(crate) fn table(&self) -> String {
        format!(
            "  requests sent {}, answered {}, lost in {} reloads {}, lost with the killed worker {}\n  \
             generations seen {}, killed worker replaced in {}, p99 of all answers {}\n",
            self.sent,
            self.answered,
            self.reloads,
            self.lost_in_reloads,
            self.lost_with_worker,
            self.generations,
            duration(self.restart),
            duration(self.slowest_percent),
        )
    }
}

/// What the load does to the service, from outside.
pub(crate) trait Operator {
    /// Has all workers replaced, and returns when the new ones serve.
    fn reload(&mut self) -> Outcome<()>;

    /// Kills one worker that serves, and returns how long its replacement took to be ready.
    fn kill_worker(&mut self) -> Outcome<Duration>;
}

/// Sends requests to `address` while `operator` reloads `reloads` times and kills one worker.
pub(crate) fn run(
    address: SocketAddr,
    operator: &mut dyn Operator,
    reloads: usize,
) -> Outcome<Served> {
    let stop = AtomicBool::new(false);
    let (ended, requests) = mpsc::channel();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (ended, stop) = (ended.clone(), &stop);
            scope.spawn(move || send_at_rate(address, sender, began, stop, &ended));
        }
        drop(ended);
        let operated = operate(operator, reloads);
        stop.store(true, Relaxed);
        let requests: Vec<Request> = requests.iter().collect();
        let (kill, restart) = operated?;
        sum_up(&requests, kill, restart, reloads)
    })
}

/// Reloads, then kills; returns when the worker was killed, and how long its replacement took.
fn operate(operator: &mut dyn Operator, reloads: usize) -> Outcome<(Instant, Duration)> {
    for _ in 0..reloads {
        operator.reload()?;
        // A while of ordinary service between two reloads.
        pause(Duration::from_millis(200));
    }
    let kill = Instant::now();
    let restart = operator.kill_worker()?;
    pause(Duration::from_millis(300));
    Ok((kill, restart))
}

fn sum_up(
    requests: &[Request],
    kill: Instant,
    restart: Duration,
    reloads: usize,
) -> Outcome<Served> {
    // What the killed worker was holding had been sent before it was killed, or just then.
    let near_kill = |request: &&Request| request.sent + Duration::from_millis(50) > kill;
    let lost: Vec<_> = requests.iter().filter(|request| request.answer.is_none()).collect();
    let lost_with_worker = lost.iter().filter(|request| near_kill(request)).count();
    let generations: BTreeSet<_> =
        requests.iter().filter_map(|request| Some(request.answer?.1)).collect();
    let mut took: Vec<_> = requests.iter().map(|request| request.took).collect();
    took.sort_unstable();
    let served = Served {
        sent: requests.len(),
        answered: requests.len() - lost.len(),
        lost_in_reloads: lost.len() - lost_with_worker,
        lost_with_worker,
        reloads,
        generations: generations.len(),
        restart,
        slowest_percent: took.get(took.len() * 99 / 100).copied().unwrap_or_default(),
    };
    if served.lost_in_reloads > 0 {
        return Err(format!("{} requests were lost in reloads", served.lost_in_reloads).into());
    }
    if served.generations <= reloads {
        return Err(format!("only {} generations answered", served.generations).into());
    }
    Ok(served)
}

fn send_at_rate(
    address: SocketAddr,
    sender: u32,
    began: Instant,
    stop: &AtomicBool,
    ended: &mpsc::Sender<Request>,
) {
    let interval = Duration::from_secs(1) * SENDERS / RATE;
    let mut moment = began + interval * sender / SENDERS;
    while !stop.load(Relaxed) {
        pause(moment.saturating_duration_since(Instant::now()));
        let sent = Instant::now();
        let answer = request(address).ok();
        if ended.send(Request { sent, took: sent.elapsed(), answer }).is_err() {
            return;
        }
        moment += interval;
    }
}

/// Asks once, and returns who answered.
fn request(address: SocketAddr) -> Outcome<(i32, u32)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /demo HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer without an end")?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!("the answer {head:?}").into());
    }
    let body: Value = serde_json::from_str(body)?;
    let number = |field: &str| body[field].as_i64().ok_or("an answer without its sender");
    Ok((i32::try_from(number("pid")?)?, u32::try_from(number("generation")?)?))
}
