//! Listeners, and connections between processes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use brigade_codec::Descriptor;
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Waitable, wait};
use brigade_wire::{Address, Connection, Listener, RecvError, SendError, connect, connect_timeout};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(20);

/// One fresh address of each kind, and the directory that one of them needs.
fn addresses(name: &str) -> (TempDir, [Address; 3]) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let name = format!("brigade-{name}-{}", std::process::id());
    let tcp = Address::Tcp { host: "localhost".into(), port: 0 };
    (directory, [Address::Unix(path), Address::Abstract(name), tcp])
}

const ROLE: &str = "BRIGADE_TEST_ROLE";
const ADDRESS: &str = "BRIGADE_TEST_ADDRESS";

/// Runs this test program again, in a role of [`child`].
fn start(role: &str, address: &Address) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact"])
        .env(ROLE, role)
        .env(ADDRESS, address.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// What the other process does; as a test of its own it does nothing.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let address: Address = std::env::var(ADDRESS).unwrap().parse().unwrap();
    match role.as_str() {
        "greet" => {
            let server: Connection<String> = connect_timeout(&address, SOON).unwrap();
            server.send(&"hello".to_owned()).unwrap();
        }
        "echo" => {
            let server: Connection<Vec<u8>> = connect_timeout(&address, SOON).unwrap();
            while let Ok(message) = server.recv() {
                server.send(&message).unwrap();
            }
        }
        "write" => {
            let server: Connection<(), Descriptor> = connect_timeout(&address, SOON).unwrap();
            let mut file = File::from(server.recv().unwrap());
            file.write_all(b"written elsewhere").unwrap();
        }
        "serve" => {
            type Handed = (Connection<u32>, Connection<u32>, Listener);
            let server: Connection<u32, Handed> = connect_timeout(&address, SOON).unwrap();
            let (one, two, listener) = server.recv().unwrap();
            let number = one.recv().unwrap();
            two.send(&(number + 1)).unwrap();
            let client: Connection<u32> = listener.accept().unwrap();
            client.send(&(client.recv().unwrap() * 2)).unwrap();
        }
        "die in a message" => {
            let server: Connection<Vec<u8>> = connect_timeout(&address, SOON).unwrap();
            server.send(&vec![1; 10]).unwrap();
            server.try_send(&vec![2; 16 << 20]).unwrap_err();
            std::process::abort();
        }
        "listen and die" => {
            std::mem::forget(Listener::bind(&address).unwrap());
            std::process::abort();
        }
        other => panic!("no role {other}"),
    }
}

fn finish(mut child: Child) {
    assert!(child.wait().unwrap().success());
}

/// LSN-01: a second bind, for every kind of address.
#[test]
fn an_address_has_one_listener() {
    let (_directory, addresses) = addresses("one");
    for address in &addresses {
        let listener = Listener::bind(address).unwrap();
        let error = Listener::bind(listener.address()).unwrap_err();
        assert_eq!(error.source.kind(), std::io::ErrorKind::AddrInUse, "{error}");
        assert!(error.to_string().contains("listen on"), "{error}");
    }
}

/// LSN-02: after its scope nobody listens.
#[test]
fn a_dropped_listener_is_gone_and_leaves_nothing() {
    let (directory, addresses) = addresses("gone");
    for address in &addresses {
        let listener = Listener::bind(address).unwrap();
        let address = listener.address().clone();
        drop(connect::<u8, u8>(&address).unwrap());
        drop(listener);
        assert!(connect::<u8, u8>(&address).is_err());
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// LSN-04, LSN-05: every kind of address, the client in another process.
#[test]
fn a_client_in_another_process_is_heard() {
    let (_directory, addresses) = addresses("heard");
    for address in &addresses {
        let listener = Listener::bind(address).unwrap();
        let child = start("greet", listener.address());
        let client: Connection<String> = listener.accept().unwrap();
        assert_eq!(client.recv().unwrap(), "hello");
        assert!(matches!(client.recv(), Err(RecvError::EndOfStream)));
        if !matches!(address, Address::Tcp { .. }) {
            assert_eq!(u32::try_from(client.peer_credentials().unwrap().pid).unwrap(), child.id());
        }
        finish(child);
    }
}

/// LSN-07: a message of the server wakes a client that polls.
#[test]
fn a_client_polls_for_the_servers_message() {
    let (_directory, addresses) = addresses("poll");
    for address in &addresses {
        let listener = Listener::bind(address).unwrap();
        let client: Connection<u8> = connect(listener.address()).unwrap();
        let server: Connection<u8> = listener.accept_timeout(SOON).unwrap().unwrap();
        server.send(&1).unwrap();
        assert!(client.poll(SOON));
        assert_eq!(client.recv().unwrap(), 1);
    }
}

/// CON-01: an echo from another process, small and large.
#[test]
fn another_process_echoes_what_it_gets() {
    let (_directory, addresses) = addresses("echo");
    for address in &addresses {
        let listener = Listener::bind(address).unwrap();
        let child = start("echo", listener.address());
        let client: Connection<Vec<u8>> = listener.accept().unwrap();
        for len in [0, 1, 1000, 1 << 16, 3 << 20] {
            let message = vec![u8::try_from(len % 251).unwrap(); len];
            client.send(&message).unwrap();
            assert!(client.recv_timeout(SOON).unwrap() == message);
        }
        drop(client);
        finish(child);
    }
}

/// CON-10: a file, also one with a high number, is written by another process.
#[test]
fn a_file_is_handed_to_another_process() {
    let (directory, addresses) = addresses("file");
    // Occupies the low numbers.
    let _occupied: Vec<File> = (0..300).map(|_| File::open("/dev/null").unwrap()).collect();
    for address in &addresses[..2] {
        let path = directory.path().join("file");
        let mut file =
            File::options().read(true).write(true).create(true).truncate(true).open(path).unwrap();
        assert!(file.as_raw_fd() > 256);
        let listener = Listener::bind(address).unwrap();
        let child = start("write", listener.address());
        let client: Connection<Descriptor, ()> = listener.accept().unwrap();
        client.send(&Descriptor::from(file.try_clone().unwrap())).unwrap();
        finish(child);
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "written elsewhere");
    }
}

#[test]
fn a_descriptor_is_refused_over_tcp_and_the_connection_goes_on() {
    let listener = Listener::bind(&"tcp:127.0.0.1:0".parse().unwrap()).unwrap();
    let client: Connection<Option<Descriptor>> = connect(listener.address()).unwrap();
    let server: Connection<Option<Descriptor>> = listener.accept().unwrap();
    let descriptor = Descriptor::from(File::open("/dev/null").unwrap());
    let error = client.send(&Some(descriptor)).unwrap_err();
    assert!(matches!(error, SendError::DescriptorsOverTcp));
    client.send(&None).unwrap();
    assert!(server.recv().unwrap().is_none());
}

/// CON-08, CON-18: connections and a listener are handed on, and the local copies closed.
#[test]
fn connections_and_listeners_travel() {
    let (_directory, addresses) = addresses("travel");
    let meeting = Listener::bind(&addresses[0]).unwrap();
    let handed = Listener::bind(&addresses[1]).unwrap();
    let (near_one, far_one) = Connection::<u32>::pair().unwrap();
    let (near_two, far_two) = Connection::<u32>::pair().unwrap();
    // One has been used, so that both greetings are over in one direction.
    near_one.send(&1).unwrap();
    assert_eq!(far_one.recv().unwrap(), 1);

    let child = start("serve", meeting.address());
    let worker: Connection<(Connection<u32>, Connection<u32>, Listener), u32> =
        meeting.accept().unwrap();
    let bundle = (far_one, far_two, handed);
    worker.send(&bundle).unwrap();
    let address = bundle.2.address().clone();
    drop(bundle);
    near_one.send(&6).unwrap();
    assert_eq!(near_two.recv().unwrap(), 7);
    let client: Connection<u32> = connect(&address).unwrap();
    client.send(&21).unwrap();
    assert_eq!(client.recv().unwrap(), 42);
    finish(child);
    assert!(matches!(near_one.recv(), Err(RecvError::EndOfStream)));
}

#[test]
fn a_connection_in_the_middle_of_a_message_does_not_travel() {
    let (one, two) = Connection::<u8>::pair().unwrap();
    let (courier, _other) = Connection::<Connection<u8>>::pair().unwrap();
    one.send(&1).unwrap();
    assert!(two.poll(SOON));
    let error = courier.send(&two).unwrap_err();
    assert!(error.to_string().contains("middle of a message"), "{error}");
    assert_eq!(two.recv().unwrap(), 1);
    courier.send(&two).unwrap();
}

/// W15: the end comes although other processes were started meanwhile.
#[test]
fn children_do_not_keep_a_connection_open() {
    let (_directory, addresses) = addresses("inherit");
    let listener = Listener::bind(&addresses[0]).unwrap();
    let (one, two) = Connection::<u8>::pair().unwrap();
    let child = start("echo", listener.address());
    let client: Connection<Vec<u8>> = listener.accept().unwrap();
    drop(one);
    assert!(matches!(two.recv(), Err(RecvError::EndOfStream)));
    drop(client);
    finish(child);
}

#[test]
fn a_client_that_dies_within_a_message_leaves_the_whole_ones() {
    let (_directory, addresses) = addresses("die");
    for address in &addresses {
        let listener = Listener::bind(address).unwrap();
        let mut child = start("die in a message", listener.address());
        let client: Connection<Vec<u8>> = listener.accept().unwrap();
        assert_eq!(client.recv().unwrap(), [1; 10]);
        assert!(matches!(client.recv(), Err(RecvError::Truncated)));
        assert!(!child.wait().unwrap().success());
    }
}

#[test]
fn the_path_of_a_dead_listener_is_taken_over() {
    let (_directory, addresses) = addresses("dead");
    let Address::Unix(path) = &addresses[0] else { unreachable!("the first is a path") };
    assert!(!start("listen and die", &addresses[0]).wait().unwrap().success());
    assert!(path.exists());
    assert!(connect::<u8, u8>(&addresses[0]).is_err());
    let listener = Listener::bind(&addresses[0]).unwrap();
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    connect::<u8, u8>(&addresses[0]).unwrap();
    drop(listener);
    assert!(!path.exists());
}

#[test]
fn a_path_that_belongs_to_someone_else_stays() {
    let (_directory, addresses) = addresses("else");
    let Address::Unix(path) = &addresses[0] else { unreachable!("the first is a path") };
    let listener = Listener::bind(&addresses[0]).unwrap();
    fs::remove_file(path).unwrap();
    fs::write(path, "mine").unwrap();
    drop(listener);
    assert_eq!(fs::read_to_string(path).unwrap(), "mine");
    assert!(Listener::bind(&addresses[0]).is_err());
    assert_eq!(fs::read_to_string(path).unwrap(), "mine");
}

/// W63: accepting has a time-out, and a silent client keeps nobody waiting.
#[test]
fn a_silent_client_does_not_keep_others_waiting() {
    let (_directory, addresses) = addresses("silent");
    for address in &addresses {
        let listener = Listener::bind(address).unwrap();
        assert!(listener.try_accept::<u8, u8>().unwrap().is_none());
        let begin = Instant::now();
        assert!(listener.accept_timeout::<u8, u8>(SHORT).unwrap().is_none());
        assert!(begin.elapsed() >= SHORT);

        let _silent: Connection<u8> = connect(listener.address()).unwrap();
        let speaker: Connection<u8> = connect(listener.address()).unwrap();
        speaker.send(&1).unwrap();
        let clients: Vec<Connection<u8>> =
            (0..2).map(|_| listener.accept_timeout(SOON).unwrap().unwrap()).collect();
        assert!(clients[0].recv_timeout(SHORT).is_err());
        assert_eq!(clients[1].recv_timeout(SOON).unwrap(), 1);
    }
}

#[test]
fn listeners_and_connections_are_waited_for_together() {
    let (_directory, addresses) = addresses("together");
    let listeners: Vec<Listener> = addresses.iter().map(|it| Listener::bind(it).unwrap()).collect();
    let (one, two) = Connection::<u8>::pair().unwrap();
    let mut all: Vec<&dyn Waitable> = listeners.iter().map(|it| it as &dyn Waitable).collect();
    all.push(&two);
    assert!(wait(&all, Deadline::after(SHORT)).is_empty());
    let _client: Connection<u8> = connect(listeners[1].address()).unwrap();
    one.send(&1).unwrap();
    assert_eq!(wait(&all, Deadline::after(SOON)), [1, 3]);
}

/// CON-21: a signal in the middle of an accept.
#[test]
fn a_signal_does_not_end_an_accept() {
    let (_directory, addresses) = addresses("signal");
    let seen = Arc::new(AtomicBool::new(false));
    let signal = nix::sys::signal::Signal::SIGUSR1;
    signal_hook::flag::register(signal as i32, Arc::clone(&seen)).unwrap();
    let listener = Listener::bind(&addresses[0]).unwrap();
    let (told, tell) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let server = scope.spawn(|| {
            told.send(nix::sys::pthread::pthread_self()).unwrap();
            listener.accept::<u8, u8>().unwrap().recv().unwrap()
        });
        let thread = tell.recv().unwrap();
        // Several, because the first may come before the accept has begun to wait.
        for _ in 0..20 {
            nix::sys::pthread::pthread_kill(thread, signal).unwrap();
            assert!(!listener.address().to_string().is_empty());
            thread::yield_now();
        }
        while !seen.load(Relaxed) {
            thread::yield_now();
        }
        let client: Connection<u8> = connect(listener.address()).unwrap();
        client.send(&9).unwrap();
        assert_eq!(server.join().unwrap(), 9);
    });
}

#[test]
fn many_threads_accept_and_every_client_is_served_once() {
    let (_directory, addresses) = addresses("many");
    let listener = Listener::bind(&addresses[0]).unwrap();
    const CLIENTS: u32 = 60;
    thread::scope(|scope| {
        let servers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut served = Vec::new();
                    loop {
                        let client: Connection<u32> = listener.accept().unwrap();
                        match client.recv() {
                            Ok(u32::MAX) => break served,
                            Ok(number) => served.push(number),
                            Err(error) => panic!("{error}"),
                        }
                    }
                })
            })
            .collect();
        for number in (0..CLIENTS).chain([u32::MAX; 3]) {
            connect::<u32, u32>(&addresses[0]).unwrap().send(&number).unwrap();
        }
        let mut served: Vec<u32> =
            servers.into_iter().flat_map(|server| server.join().unwrap()).collect();
        served.sort_unstable();
        assert!(served.into_iter().eq(0..CLIENTS));
    });
}

#[test]
fn nobody_there_is_an_error_that_names_the_address() {
    let (directory, _) = addresses("nobody");
    for address in [
        Address::Unix(directory.path().join("nothing")),
        Address::Abstract("brigade-nobody-is-here".into()),
        Address::Tcp { host: "host.invalid".into(), port: 1 },
    ] {
        let begin = Instant::now();
        let error = connect_timeout::<u8, u8>(&address, Duration::from_millis(500)).unwrap_err();
        assert!(begin.elapsed() < SOON);
        assert!(!error.to_string().is_empty());
        if !matches!(address, Address::Tcp { .. }) {
            assert!(error.to_string().contains(&address.to_string()), "{error}");
        }
    }
}

#[test]
fn an_adopted_listener_accepts_and_its_file_is_left_to_its_owner() {
    let (_directory, addresses) = addresses("adopted");
    let Address::Unix(path) = &addresses[0] else { unreachable!("the first is a path") };
    let socket = std::os::unix::net::UnixListener::bind(path).unwrap();
    let listener = Listener::adopt(OwnedFd::from(socket), addresses[0].clone()).unwrap();
    let client: Connection<u8> = connect(&addresses[0]).unwrap();
    client.send(&1).unwrap();
    assert_eq!(listener.accept::<u8, u8>().unwrap().recv().unwrap(), 1);
    drop(listener);
    assert!(path.exists());
    assert!(
        Listener::adopt(File::open("/dev/null").unwrap().into(), addresses[1].clone()).is_err()
    );
}
