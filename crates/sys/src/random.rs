//! Numbers that nobody can guess.

use rustix::rand::{GetRandomFlags, getrandom};

use crate::Error;

/// Fills `bytes` with random ones.
///
/// # Errors
///
/// Fails only where the kernel has no random numbers at all.
pub fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    let mut filled = 0;
    while filled < bytes.len() {
        match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(Error::new("read", "random numbers", errno)),
        }
    }
    Ok(())
}
