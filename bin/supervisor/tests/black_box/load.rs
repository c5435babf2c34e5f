//! An open-loop client: requests at fixed times, whether or not the ones before were answered.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The worker with this pid answered with the id that was asked for.
    Answered {
        pid: i64,
        generation: i64,
    },
    Refused,
    /// The connection ended before the first byte of an answer.
    Lost,
    /// The connection ended in the middle of an answer.
    Torn,
    TimedOut,
    Wrong(String),
}

/// A load that goes on until it is finished.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    senders: Vec<JoinHandle<()>>,
    fates: Arc<Mutex<Vec<(u64, Fate)>>>,
}

const SENDERS: u64 = 8;

impl Load {
    /// Begins to send so many requests a second.
    pub(crate) fn begin(address: &str, rate: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let fates: Arc<Mutex<Vec<(u64, Fate)>>> = Arc::default();
        let start = Instant::now();
        let senders = (0..SENDERS).map(|sender| {
            let (stop, fates) = (Arc::clone(&stop), Arc::clone(&fates));
            let address = address.to_owned();
            std::thread::spawn(move || {
                for id in (sender..).step_by(usize::try_from(SENDERS).unwrap()) {
                    let at = start + Duration::from_secs(id) / u32::try_from(rate).unwrap();
                    while let Some(left) = at.checked_duration_since(Instant::now()) {
                        std::thread::park_timeout(left);
                    }
                    if stop.load(Relaxed) {
                        return;
                    }
                    let fate = request(&address, &id.to_string());
                    fates.lock().unwrap().push((id, fate));
                }
            })
        });
        let senders = senders.collect();
        Self { stop, senders, fates }
    }

    /// How many requests have met their fate.
    pub(crate) fn done(&self) -> usize {
        self.fates.lock().unwrap().len()
    }

    /// Sends no more, and returns every request and what became of it.
    pub(crate) fn finish(self) -> Vec<(u64, Fate)> {
        self.stop.store(true, Relaxed);
        for sender in self.senders {
            sender.join().unwrap();
        }
        std::mem::take(&mut *self.fates.lock().unwrap())
    }
}

/// Those that were not answered.
pub(crate) fn failures(fates: &[(u64, Fate)]) -> Vec<&(u64, Fate)> {
    fates.iter().filter(|(_, fate)| !matches!(fate, Fate::Answered { .. })).collect()
}

/// One request on a connection of its own.
pub(crate) fn request(address: &str, id: &str) -> Fate {
    let Ok(mut stream) = TcpStream::connect(address) else { return Fate::Refused };
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = format!("GET /{id} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    if stream.write_all(request.as_bytes()).is_err() {
        return Fate::Lost;
    }
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            return Fate::TimedOut;
        }
        Err(_) if answer.is_empty() => return Fate::Lost,
        Err(_) => return Fate::Torn,
        Ok(0) => return Fate::Lost,
        Ok(_) => {}
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let Ok(body) = serde_json::from_str::<serde_json::Value>(body) else { return Fate::Torn };
    let path = id.split('?').next().unwrap();
    match (body["id"].as_str(), body["pid"].as_i64(), body["generation"].as_i64()) {
        (Some(found), Some(pid), Some(generation)) if found == path => {
            Fate::Answered { pid, generation }
        }
        _ => Fate::Wrong(text),
    }
}
