//! Files in a directory, looked for again and again: the slowest way, for comparison.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::super::Outcome;
use super::super::line::Line;
use super::super::pause::pause;
use super::Opening;

/// How long one who has found nothing waits before looking again. Files tell nobody that they are
/// there: that is what this mechanism shows.
const PAUSE: Duration = Duration::from_micros(200);

/// The directories of one worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Invitation {
    tasks: PathBuf,
    replies: PathBuf,
}

impl Invitation {
    pub(super) fn accept(self) -> Box<dyn Line> {
        Box::new(End::new(self.replies, self.tasks, None))
    }
}

struct End {
    to: PathBuf,
    from: PathBuf,
    sent: u64,
    received: u64,
    /// Removes all of it when both sides are done.
    _directory: Option<Arc<TempDir>>,
}

impl End {
    fn new(to: PathBuf, from: PathBuf, directory: Option<Arc<TempDir>>) -> Self {
        Self { to, from, sent: 0, received: 0, _directory: directory }
    }
}

impl Line for End {
    fn send(&mut self, message: &[u8]) -> Outcome<()> {
        // Renamed when complete, so that nobody reads a part of it.
        let unfinished = self.to.join("unfinished");
        fs::write(&unfinished, message)?;
        fs::rename(unfinished, numbered(&self.to, self.sent))?;
        self.sent += 1;
        Ok(())
    }

    fn recv(&mut self) -> Outcome<Vec<u8>> {
        let path = numbered(&self.from, self.received);
        loop {
            match fs::read(&path) {
                Ok(message) => {
                    fs::remove_file(&path)?;
                    self.received += 1;
                    return Ok(message);
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => pause(PAUSE),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn numbered(directory: &Path, number: u64) -> PathBuf {
    directory.join(number.to_string())
}

/// Two directories for each worker.
pub(super) fn open(workers: usize) -> Outcome<Opening> {
    let root = tempfile::Builder::new().prefix("brigade-demo-").tempdir()?;
    let root = Arc::new(root);
    let (mut invitations, mut lines) = (Vec::new(), Vec::<Box<dyn Line>>::new());
    for worker in 0..workers {
        let tasks = root.path().join(format!("{worker}-tasks"));
        let replies = root.path().join(format!("{worker}-replies"));
        fs::create_dir(&tasks)?;
        fs::create_dir(&replies)?;
        lines.push(Box::new(End::new(tasks.clone(), replies.clone(), Some(root.clone()))));
        invitations.push(super::Invitation::Files(Invitation { tasks, replies }));
    }
    Ok(Opening::ready(invitations, lines))
}
