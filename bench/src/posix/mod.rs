//! What the C library and the kernel have for processes that share memory.

pub(crate) mod barrier;
pub(crate) mod condition;
pub(crate) mod file_lock;
pub(crate) mod mutex;
mod page;
pub(crate) mod segment;
pub(crate) mod semaphore;
pub(crate) mod word;

use crate::Result;
use crate::companion::take_part as join;
use crate::relay::HandBack;
use crate::turns::Turn;
use std::io;

/// The partner's side of each.
pub(crate) fn take_part(kind: &str, address: &str, job: &str) -> Result<()> {
    match kind {
        barrier::KIND => join::<_, HandBack>(&barrier::Barrier::inherited()?, job),
        condition::KIND => join::<_, HandBack>(&condition::Condition::inherited()?, job),
        file_lock::FLOCK | file_lock::DESCRIPTION => {
            join::<_, Turn>(&file_lock::FileLock::inherited(kind, address)?, job)
        }
        mutex::KIND => join::<_, Turn>(&mutex::Mutex::inherited()?, job),
        semaphore::MUTEX => join::<_, Turn>(&semaphore::Mutex::inherited()?, job),
        semaphore::PAIR => join::<_, HandBack>(&semaphore::Pair::inherited()?, job),
        word::COUNTER => join::<_, Turn>(&word::Counter::inherited()?, job),
        word::FUTEX | word::SPINNING => join::<_, HandBack>(&word::Baton::inherited(kind)?, job),
        _ => Err(format!("there is no partner called {kind}").into()),
    }
}

/// The C library's functions return the number of the error.
fn check(code: libc::c_int) -> Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code).into()) }
}
