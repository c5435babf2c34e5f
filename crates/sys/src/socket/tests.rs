#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::{IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::*;
use crate::error::Error;
use crate::time::Deadline;

const SOON: Duration = Duration::from_secs(20);

fn soon() -> Deadline {
    Deadline::after(SOON)
}

/// A directory of its own, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("brigade-socket-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[track_caller]
fn assert_errno<T: std::fmt::Debug>(result: Result<T, Error>, expected: Errno) {
    let error = result.unwrap_err();
    assert_eq!(error.source.raw_os_error(), Some(expected.raw_os_error()), "{error}");
}

fn recv_all(socket: &OwnedFd, len: usize) -> (Vec<u8>, Vec<OwnedFd>) {
    let (mut bytes, mut descriptors) = (vec![0; len], Vec::new());
    assert!(recv_exact(socket.as_fd(), &mut bytes, &mut descriptors, soon()).unwrap());
    (bytes, descriptors)
}

#[test]
fn bytes_and_the_end_of_the_stream_arrive() {
    let (one, two) = pair().unwrap();
    let mut descriptors = Vec::new();
    let mut bytes = [0; 8];
    let nothing = recv(two.as_fd(), &mut bytes, &mut descriptors).unwrap();
    assert_eq!(nothing, Received::Nothing);
    assert_eq!(send(one.as_fd(), &[IoSlice::new(b"ab"), IoSlice::new(b"c")], &[]).unwrap(), 3);
    assert_eq!(recv(two.as_fd(), &mut bytes, &mut descriptors).unwrap(), Received::Bytes(3));
    assert_eq!(&bytes[..3], b"abc");
    drop(one);
    assert_eq!(recv(two.as_fd(), &mut bytes, &mut descriptors).unwrap(), Received::End);
    assert_errno(send(two.as_fd(), &[IoSlice::new(b"x")], &[]), Errno::PIPE);
}

#[test]
fn descriptors_arrive_with_the_first_byte_and_are_closed_on_exec() {
    let (one, two) = pair().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    send_all(one.as_fd(), b"abc", &[writer.as_fd()], soon()).unwrap();
    send_all(one.as_fd(), b"def", &[], soon()).unwrap();
    drop(writer);
    let (bytes, mut arrived) = recv_all(&two, 1);
    assert_eq!((bytes.as_slice(), arrived.len()), (b"a".as_slice(), 1));
    let flags = rustix::io::fcntl_getfd(&arrived[0]).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    File::from(arrived.remove(0)).write_all(b"through").unwrap();
    let (bytes, arrived) = recv_all(&two, 5);
    assert_eq!((bytes.as_slice(), arrived.len()), (b"bcdef".as_slice(), 0));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "through");
}

/// CON-10: many descriptors, and some with high numbers.
#[test]
fn a_full_batch_of_descriptors_arrives_and_a_larger_one_is_refused() {
    let (one, two) = pair().unwrap();
    let file = File::open("/dev/null").unwrap();
    let many: Vec<BorrowedFd<'_>> = (0..DESCRIPTORS).map(|_| file.as_fd()).collect();
    send_all(one.as_fd(), b"1", &many, soon()).unwrap();
    send_all(one.as_fd(), b"2", &many[..2], soon()).unwrap();
    let mut bytes = [0; 8];
    let mut arrived = Vec::new();
    // Two sends with descriptors are never read as one.
    assert_eq!(recv(two.as_fd(), &mut bytes, &mut arrived).unwrap(), Received::Bytes(1));
    assert_eq!(arrived.len(), DESCRIPTORS);
    assert!(arrived.iter().any(|it| it.as_raw_fd() > 255));
    assert_eq!(recv(two.as_fd(), &mut bytes, &mut arrived).unwrap(), Received::Bytes(1));
    assert_eq!(arrived.len(), DESCRIPTORS + 2);

    let over: Vec<BorrowedFd<'_>> = (0..=DESCRIPTORS).map(|_| file.as_fd()).collect();
    assert_errno(send(one.as_fd(), &[IoSlice::new(b"3")], &over), Errno::TOOBIG);
}

#[test]
fn a_full_socket_takes_nothing_and_the_deadline_bounds_the_rest() {
    let (one, two) = pair().unwrap();
    let block = vec![7; 1 << 16];
    let mut sent = 0;
    loop {
        match send(one.as_fd(), &[IoSlice::new(&block)], &[]).unwrap() {
            0 => break,
            taken => sent += taken,
        }
    }
    let start = Instant::now();
    let deadline = Deadline::after(Duration::from_millis(30));
    assert_errno(send_all(one.as_fd(), b"more", &[], deadline), Errno::TIMEDOUT);
    assert!(start.elapsed() >= Duration::from_millis(30));
    assert!(recv_all(&two, sent).0.iter().all(|&byte| byte == 7));
    send_all(one.as_fd(), b"more", &[], soon()).unwrap();
    assert_eq!(recv_all(&two, 4).0, b"more");
}

/// W5: a message that comes byte by byte does not stretch the deadline.
#[test]
fn a_slow_sender_does_not_stretch_the_deadline() {
    let (one, two) = pair().unwrap();
    let stop = AtomicU32::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while stop.load(Relaxed) == 0 {
                send_all(one.as_fd(), b".", &[], soon()).unwrap();
                // Nothing comes back: this paces the sender.
                let pause = Deadline::after(Duration::from_millis(5));
                assert!(!ready(one.as_fd(), Interest::Readable, pause).unwrap());
            }
        });
        let mut bytes = vec![0; 1 << 20];
        let start = Instant::now();
        let deadline = Deadline::after(Duration::from_millis(50));
        let outcome = recv_exact(two.as_fd(), &mut bytes, &mut Vec::new(), deadline);
        assert_errno(outcome, Errno::TIMEDOUT);
        assert!(start.elapsed() < SOON);
        stop.store(1, Relaxed);
    });
}

#[test]
fn a_stream_that_ends_in_between_is_not_a_stream_that_ended() {
    let (one, two) = pair().unwrap();
    send_all(one.as_fd(), b"ab", &[], soon()).unwrap();
    drop(one);
    let outcome = recv_exact(two.as_fd(), &mut [0; 3], &mut Vec::new(), soon());
    assert_errno(outcome, Errno::CONNABORTED);
    assert!(!recv_exact(two.as_fd(), &mut [0; 3], &mut Vec::new(), soon()).unwrap());
}

#[test]
fn a_path_is_private_and_removed_only_by_its_maker() {
    let directory = Directory::new();
    let path = directory.path("socket");
    let name = UnixName::Path(path.clone());
    let (listener, binding) = listen_unix(&name).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let client = connect_unix(&name, soon()).unwrap();
    let server = accept(listener.as_fd(), soon()).unwrap().unwrap();
    let peer = peer_credentials(server.as_fd()).unwrap();
    assert_eq!(peer.pid, i32::try_from(std::process::id()).unwrap());
    assert_eq!(peer.uid, rustix::process::getuid().as_raw());
    assert_eq!(Family::of(client.as_fd()).unwrap(), Family::Unix);

    fs::remove_file(&path).unwrap();
    fs::write(&path, "someone else's").unwrap();
    let binding = binding.unwrap();
    binding.remove().unwrap();
    assert!(path.exists());
    fs::remove_file(&path).unwrap();
    binding.remove().unwrap();
}

#[test]
fn the_process_behind_a_socket_can_be_opened() {
    let (one, _two) = pair().unwrap();
    match peer_pidfd(one.as_fd()) {
        // Our own process is alive, so its pidfd is not readable.
        Ok(process) => {
            let deadline = Deadline::after(Duration::ZERO);
            assert!(!ready(process.as_fd(), Interest::Readable, deadline).unwrap());
        }
        Err(error) => {
            assert_eq!(error.source.raw_os_error(), Some(Errno::NOPROTOOPT.raw_os_error()))
        }
    }
}

/// LSN-01: a second bind to the same address, for every family.
#[test]
fn a_second_listener_on_one_address_is_refused() {
    let directory = Directory::new();
    let path = UnixName::Path(directory.path("socket"));
    let abstract_name = UnixName::Abstract(format!("brigade-second-{}", std::process::id()));
    for name in [path, abstract_name] {
        let _first = listen_unix(&name).unwrap();
        assert_errno(listen_unix(&name), Errno::ADDRINUSE);
        connect_unix(&name, soon()).unwrap();
    }
    let first = listen_tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = local_tcp_address(first.as_fd()).unwrap();
    assert_errno(listen_tcp(address), Errno::ADDRINUSE);
}

#[test]
fn a_dead_socket_is_replaced_and_nothing_else_is() {
    let directory = Directory::new();
    let path = directory.path("socket");
    let name = UnixName::Path(path.clone());
    drop(listen_unix(&name).unwrap());
    assert!(path.exists(), "the listener was closed as by a kill, without removing its path");
    let (listener, binding) = listen_unix(&name).unwrap();
    connect_unix(&name, soon()).unwrap();
    assert!(accept(listener.as_fd(), soon()).unwrap().is_some());
    binding.unwrap().remove().unwrap();
    assert!(!path.exists());

    fs::write(&path, "precious").unwrap();
    assert_errno(listen_unix(&name), Errno::EXIST);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();

    let elsewhere = UnixName::Path(directory.path("elsewhere"));
    drop(listen_unix(&elsewhere).unwrap());
    std::os::unix::fs::symlink(directory.path("elsewhere"), &path).unwrap();
    assert_errno(listen_unix(&name), Errno::EXIST);
    assert!(directory.path("elsewhere").exists() && path.is_symlink());
}

/// Of many that find a dead socket at once, one gets the name and keeps it.
#[test]
fn many_who_replace_a_dead_socket_do_not_remove_each_other() {
    for _ in 0..20 {
        let directory = Directory::new();
        let name = UnixName::Path(directory.path("socket"));
        drop(listen_unix(&name).unwrap());
        let listeners: Vec<_> = thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| listen_unix(&name).ok())).collect();
            starts.into_iter().filter_map(|it| it.join().unwrap()).collect()
        });
        assert_eq!(listeners.len(), 1);
        connect_unix(&name, soon()).unwrap();
        assert!(accept(listeners[0].0.as_fd(), soon()).unwrap().is_some());
    }
}

#[test]
fn errors_name_the_address() {
    let missing = UnixName::Path("/nonexistent/brigade/socket".into());
    assert_errno(connect_unix(&missing, soon()), Errno::NOENT);
    assert_errno(listen_unix(&missing), Errno::NOENT);
    let error = connect_unix(&missing, soon()).unwrap_err();
    assert!(error.to_string().contains("unix:/nonexistent/brigade/socket"), "{error}");
    let long = UnixName::Path("x".repeat(200).into());
    assert_errno(listen_unix(&long), Errno::NAMETOOLONG);
}

#[test]
fn a_full_queue_bounds_a_connect_by_its_deadline() {
    let name = UnixName::Abstract(format!("brigade-full-{}", std::process::id()));
    let (listener, _) = listen_unix(&name).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let waiting = connect_unix(&name, soon()).unwrap();
    let deadline = Deadline::after(Duration::from_millis(30));
    assert_errno(connect_unix(&name, deadline), Errno::TIMEDOUT);
    assert!(deadline.is_past());
    drop(waiting);
}

#[test]
fn accept_gives_up_at_its_deadline_and_works_over_tcp() {
    let listener = listen_tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let deadline = Deadline::after(Duration::from_millis(20));
    assert!(accept(listener.as_fd(), deadline).unwrap().is_none());
    assert!(deadline.is_past());

    let address = local_tcp_address(listener.as_fd()).unwrap();
    let client = connect_tcp(address, soon()).unwrap();
    let server = accept(listener.as_fd(), soon()).unwrap().unwrap();
    assert_eq!(Family::of(server.as_fd()).unwrap(), Family::Tcp);
    assert_errno(peer_credentials(server.as_fd()), Errno::OPNOTSUPP);
    send_all(client.as_fd(), b"over tcp", &[], soon()).unwrap();
    assert_eq!(recv_all(&server, 8).0, b"over tcp");
    finish_sending(client.as_fd()).unwrap();
    assert!(!recv_exact(server.as_fd(), &mut [0], &mut Vec::new(), soon()).unwrap());

    drop(listener);
    assert_errno(connect_tcp(address, soon()), Errno::CONNREFUSED);
}

/// CON-19: a descriptor that is no socket.
#[test]
fn only_sockets_of_the_right_kind_are_adopted() {
    let file = || OwnedFd::from(File::open("/dev/null").unwrap());
    assert_errno(adopt_stream(file()), Errno::NOTSOCK);
    assert_errno(adopt_listener(file()), Errno::NOTSOCK);
    let (one, _two) = pair().unwrap();
    assert_errno(adopt_listener(one.try_clone().unwrap()), Errno::INVAL);
    adopt_stream(one).unwrap();
    let listener = listen_tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    assert_errno(adopt_stream(listener.try_clone().unwrap()), Errno::NOTCONN);
    adopt_listener(listener).unwrap();
}
