//! Locks on files: flock, and the locks of open file descriptions.

use crate::Result;
use crate::companion::{self, Companion, Job, Joint};
use crate::posix::page::Page;
use crate::turns::Turns;
use nix::fcntl::{FcntlArg, fcntl};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use tempfile::{NamedTempFile, TempPath};

pub(crate) const FLOCK: &str = "flock";
pub(crate) const DESCRIPTION: &str = "open-file-description";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Flock,
    Description,
}

/// A lock on a file, and a number in shared memory that it protects.
#[derive(Debug)]
pub(crate) struct FileLock {
    kind: Kind,
    locked: File,
    counter: &'static AtomicU64,
    page: Page,
    /// The process that made the file removes it.
    path: Option<TempPath>,
}

impl FileLock {
    pub(crate) fn flock() -> Result<Self> {
        Self::create(Kind::Flock)
    }

    pub(crate) fn description() -> Result<Self> {
        Self::create(Kind::Description)
    }

    fn create(kind: Kind) -> Result<Self> {
        let (locked, path) = NamedTempFile::new()?.into_parts();
        Self::open(kind, locked, Some(path), Page::create()?)
    }

    fn open(kind: Kind, locked: File, path: Option<TempPath>, page: Page) -> Result<Self> {
        Ok(Self { kind, locked, counter: page.word(0)?, page, path })
    }

    /// In the partner: the one it was started with.
    pub(crate) fn inherited(kind: &str, path: &str) -> Result<Self> {
        let kind = if kind == FLOCK { Kind::Flock } else { Kind::Description };
        let locked = File::options().read(true).write(true).open(path)?;
        Self::open(kind, locked, None, Page::inherited()?)
    }

    fn lock(&self) -> Result<()> {
        match self.kind {
            Kind::Flock => Ok(self.locked.lock()?),
            Kind::Description => self.control(libc::F_WRLCK),
        }
    }

    fn unlock(&self) -> Result<()> {
        match self.kind {
            Kind::Flock => Ok(self.locked.unlock()?),
            Kind::Description => self.control(libc::F_UNLCK),
        }
    }

    fn control(&self, kind: libc::c_int) -> Result<()> {
        let whole_file = libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        fcntl(&self.locked, FcntlArg::F_OFD_SETLKW(&whole_file))?;
        Ok(())
    }
}

impl Joint for FileLock {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        let kind = match self.kind {
            Kind::Flock => FLOCK,
            Kind::Description => DESCRIPTION,
        };
        let path = self.path.as_deref().and_then(|path| path.to_str());
        let path = path.ok_or("the lock file's path is no text")?;
        companion::partner(kind, path, job, self.page.for_partner()?)
    }
}

impl Turns for FileLock {
    fn turn(&self, within: impl FnOnce() -> Result<()>) -> Result<()> {
        self.lock()?;
        within()?;
        self.counter.store(self.counter.load(Relaxed) + 1, Relaxed);
        self.unlock()
    }

    fn total(&self) -> Result<u64> {
        Ok(self.counter.load(Relaxed))
    }
}
