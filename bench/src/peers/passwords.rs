//! The program of the notes, by threads: six passwords, hashed over and over.

use crate::Result;
use crate::case::{Case, Effort, Sample, Side};
use crate::machine::Placement;
use brigade_sys::time::now;
use sha2::{Digest, Sha512};
use std::iter;
use std::sync::Mutex;
use std::thread;

pub(crate) const PASSWORDS: [&str; 6] = ["pass", "passwd", "MyPassw", "MyPasswd123", "p", "a"];

/// Hashes the password, then the hexadecimal digits of the hash, `rounds` times.
pub(crate) fn stretch(password: &str, rounds: u64) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = password.as_bytes().to_vec();
    for _ in 0..rounds {
        let digest = Sha512::digest(&text);
        text.clear();
        for byte in digest {
            text.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
    text.iter().copied().map(char::from).collect()
}

/// The bound: the same work by threads of one process.
pub(crate) struct Passwords {
    pub(crate) name: &'static str,
    pub(crate) threads: usize,
    pub(crate) rounds: u64,
}

impl Case for Passwords {
    fn name(&self) -> &str {
        self.name
    }

    fn side(&self) -> Side {
        Side::Bound
    }

    fn measure(&self, _placement: Placement, effort: Effort) -> Result<Sample> {
        let rounds = effort.repetitions(self.rounds);
        let waiting = Mutex::new(PASSWORDS.to_vec());
        let next = || waiting.lock().ok().and_then(|mut waiting| waiting.pop());
        let start = now();
        let lengths = thread::scope(|scope| {
            let work = || iter::from_fn(next).map(|it| stretch(it, rounds).len()).sum::<usize>();
            let threads: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).sum::<usize>()
        });
        let taken = now() - start;
        if lengths != PASSWORDS.len() * 128 {
            return Err("a digest is missing".into());
        }
        Ok(Sample::of(taken.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashing_twice_hashes_the_digits_of_the_first() {
        let once = stretch("pass", 1);
        assert!(once.starts_with("5b722b307fce6c944905d132691d5e4a"), "{once}");
        assert_eq!(stretch("pass", 2), stretch(&once, 1));
    }
}
