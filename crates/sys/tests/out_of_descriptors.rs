//! A process that may open no more descriptors is told so, and leaks none.
//!
//! Alone in its program, because the limit is the whole process's.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};

use brigade_sys::socket::{pair, recv, send};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn descriptors_that_do_not_fit_are_an_error_and_none_stays_open() {
    let (one, two) = pair().unwrap();
    let file = File::open("/dev/null").unwrap();
    let many: Vec<BorrowedFd<'_>> = (0..20).map(|_| file.as_fd()).collect();
    assert_eq!(send(one.as_fd(), &[IoSlice::new(b"x")], &many).unwrap(), 1);

    let before = open_descriptors();
    let limit = getrlimit(Resource::Nofile);
    let tight = Rlimit { current: Some(before as u64 + 5), maximum: limit.maximum };
    setrlimit(Resource::Nofile, tight).unwrap();
    let mut arrived = Vec::new();
    let outcome = recv(two.as_fd(), &mut [0; 8], &mut arrived);
    setrlimit(Resource::Nofile, limit).unwrap();

    let error = outcome.unwrap_err();
    assert_eq!(error.source.raw_os_error(), Some(Errno::MSGSIZE.raw_os_error()), "{error}");
    assert_eq!((arrived.len(), open_descriptors()), (0, before));
}
