//! A descriptor that wakes the warden.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use brigade_sys::descriptor::is_readable;
use brigade_sys::wait::{Sleep, Waitable};

/// Rung by any thread, heard by one that waits for descriptors.
///
/// It is a level and not a count: rung twice, it is heard at least once, and ringing never waits.
#[derive(Debug)]
pub(crate) struct Alarm {
    heard: UnixStream,
    rung: UnixStream,
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        let (heard, rung) = UnixStream::pair()?;
        heard.set_nonblocking(true)?;
        rung.set_nonblocking(true)?;
        Ok(Self { heard, rung })
    }

    pub(crate) fn ring(&self) {
        // A buffer that is full wakes just as well.
        let _ = (&self.rung).write(&[1]);
    }

    /// Makes it silent until it is rung again.
    pub(crate) fn silence(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.heard).read(&mut bytes), Ok(count) if count == bytes.len()) {}
    }
}

impl Waitable for Alarm {
    fn is_ready(&self) -> bool {
        is_readable(self.heard.as_fd())
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.descriptor(self.heard.as_fd());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

    use super::*;

    #[test]
    fn it_is_heard_until_it_is_silenced_however_often_it_was_rung() {
        let alarm = Alarm::new().unwrap();
        assert!(!alarm.is_ready());
        for count in [1, 64, 1_000_000] {
            (0..count).for_each(|_| alarm.ring());
            assert!(alarm.is_ready());
            while alarm.is_ready() {
                alarm.silence();
            }
        }
    }
}
