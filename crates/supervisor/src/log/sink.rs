//! Where lines end up: files, and the daemon's own streams.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use brigade_sys::time::Deadline;

/// So many bytes wait to be written at most.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// Where a line goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// The daemon's standard output.
    Stdout,
    /// The daemon's standard error.
    Stderr,
    /// A file, which is made if it is not there, and appended to.
    File(Arc<Path>),
}

/// The writing end of all logs. What is pushed is written in its order.
#[derive(Debug)]
pub(crate) struct Sink {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    closed: bool,
}

#[derive(Debug)]
enum Item {
    Write { target: Target, text: Vec<u8>, lines: u64 },
    Reopen,
}

impl Sink {
    /// Starts the writer. The signals that this thread blocks are blocked for it too.
    pub(crate) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = std::thread::Builder::new().name("log".into()).spawn({
            let shared = Arc::clone(&shared);
            move || write_all(&shared)
        })?;
        Ok(Self { shared, writer: Some(writer) })
    }

    /// Hands over `text`, which holds `lines` whole lines. Never waits: what there is no room for
    /// is dropped and counted.
    pub(crate) fn push(&self, target: &Target, text: Vec<u8>, lines: u64) {
        let mut queue = self.shared.lock();
        if queue.bytes + text.len() > MOST_BYTES {
            self.shared.dropped.fetch_add(lines, Relaxed);
            return;
        }
        queue.bytes += text.len();
        queue.items.push_back(Item::Write { target: target.clone(), text, lines });
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// Has every file opened anew after what was pushed so far, so that moved files can be rotated.
    pub(crate) fn reopen(&self) {
        self.shared.lock().items.push_back(Item::Reopen);
        self.shared.changed.notify_all();
    }

    /// How many lines were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Relaxed)
    }

    /// Waits until everything is written, at most for `patience`.
    pub(crate) fn close(mut self, patience: Duration) {
        let deadline = Deadline::after(patience);
        let mut queue = self.shared.lock();
        queue.closed = true;
        self.shared.changed.notify_all();
        while !(queue.items.is_empty() && queue.bytes == 0) {
            let Some(left) = deadline.remaining().filter(|left| !left.is_zero()) else { return };
            let waited = self.shared.changed.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(queue);
        if let Some(writer) = self.writer.take() {
            // The queue is empty and closed, so it is on its way out.
            let _ = writer.join();
        }
    }
}

impl Shared {
    /// A panic elsewhere leaves the queue whole: every change to it is a single step.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer's life.
fn write_all(shared: &Shared) {
    let mut files: HashMap<PathBuf, File> = HashMap::new();
    loop {
        let mut queue = shared.lock();
        let item = loop {
            match queue.items.pop_front() {
                Some(item) => break item,
                None if queue.closed => return,
                None => {
                    queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
            }
        };
        drop(queue);
        match item {
            Item::Reopen => files.clear(),
            Item::Write { target, text, lines } => {
                if write(&mut files, &target, &text).is_err() {
                    shared.dropped.fetch_add(lines, Relaxed);
                }
                // Only now: whoever waits for an empty queue waits for what is being written too.
                shared.lock().bytes -= text.len();
            }
        }
        shared.changed.notify_all();
    }
}

fn write(files: &mut HashMap<PathBuf, File>, target: &Target, text: &[u8]) -> io::Result<()> {
    let path = match target {
        Target::Stdout => return io::stdout().write_all(text).and_then(|()| io::stdout().flush()),
        Target::Stderr => return io::stderr().write_all(text),
        Target::File(path) => path,
    };
    if !files.contains_key(&**path) {
        let file = OpenOptions::new().create(true).append(true).mode(0o640).open(path)?;
        files.insert(path.to_path_buf(), file);
    }
    let result = match files.get_mut(&**path) {
        Some(file) => file.write_all(text),
        None => Ok(()),
    };
    if result.is_err() {
        // The next line tries again with what the path means then.
        files.remove(&**path);
    }
    result
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn a_reopened_log_goes_on_in_a_new_file_without_a_gap() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("log"), directory.path().join("log.1"));
        let target = Target::File(Arc::from(path.as_path()));
        let sink = Sink::start().unwrap();
        sink.push(&target, b"one\n".to_vec(), 1);
        while std::fs::read(&path).unwrap_or_default().is_empty() {
            std::thread::yield_now();
        }
        std::fs::rename(&path, &moved).unwrap();
        sink.push(&target, b"two\n".to_vec(), 1);
        sink.reopen();
        sink.push(&target, b"three\n".to_vec(), 1);
        sink.close(PATIENCE);
        assert_eq!(std::fs::read(&moved).unwrap(), b"one\ntwo\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"three\n");
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        let sink = Sink::start().unwrap();
        let target = Target::File(Arc::from(Path::new("/no/such/directory/log")));
        sink.push(&target, b"lost\n".to_vec(), 1);
        sink.push(&Target::Stdout, vec![b'x'; MOST_BYTES + 1], 7);
        let shared = Arc::clone(&sink.shared);
        sink.close(PATIENCE);
        assert_eq!(shared.dropped.load(Relaxed), 8);
    }
}
