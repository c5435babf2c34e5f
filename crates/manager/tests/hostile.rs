//! What a server makes of clients that do not speak its language.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod scenario;

use std::io::{Read, Write};
use std::net::TcpStream;

use brigade_manager::{Address, Manager};
use brigade_wire::{Connection, RecvTimeoutError, connect};

use scenario::{LONG, Site, alone, each_side};

brigade_process::test_binary!();

/// Numbers without a pattern.
fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
}

/// A connection whose messages are bytes that the test makes up.
fn raw(manager: &Manager) -> Connection<()> {
    connect(manager.addresses().first().unwrap()).unwrap()
}

/// Whether the server still serves others.
fn works(manager: &Site) {
    let list = manager.list::<u32>().unwrap();
    list.push(&7).unwrap();
    assert_eq!(list.pop().unwrap(), Some(7));
}

/// The greeting of a client: the request's number, and the client's.
fn hello(client: u128) -> Vec<u8> {
    [&0_u32.to_le_bytes()[..], &client.to_le_bytes()].concat()
}

#[test]
fn noise_instead_of_a_greeting_ends_the_connection() {
    alone(
        |()| {
            let site = scenario::Side::Remote.manager();
            let Address::Tcp { host, port } = site.address() else { panic!() };
            for seed in 0..50 {
                let mut stream = TcpStream::connect((host.as_str(), *port)).unwrap();
                let bytes: Vec<u8> = noise(seed).take(100).collect();
                // The server may hang up before all is said.
                let _ = stream.write_all(&bytes);
                stream.set_read_timeout(Some(LONG)).unwrap();
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer);
                assert!(answer.len() < 200, "the server has no conversation with noise");
            }
            works(&site);
        },
        (),
    );
}

#[test]
fn a_request_before_the_greeting_ends_the_connection() {
    each_side(|side| {
        let site = side.manager();
        let connection = raw(&site);
        // Request number 6 asks how many objects there are.
        connection.send_bytes(&6_u32.to_le_bytes()).unwrap();
        let end = connection.recv_bytes_timeout(LONG);
        assert!(matches!(end, Err(RecvTimeoutError::Recv(_))), "{end:?}");
        works(&site);
    });
}

#[test]
fn requests_of_noise_are_refused_and_the_server_lives() {
    each_side(|side| {
        let site = side.manager();
        for seed in 0..40 {
            let connection = raw(&site);
            connection.send_bytes(&hello(u128::from(seed) + 1)).unwrap();
            assert!(connection.recv_bytes_timeout(LONG).is_ok(), "it is welcome");
            for round in 0..20 {
                let mut bytes: Vec<u8> = noise(seed * 100 + round).take(40).collect();
                // Most of the time a request that there is, with arguments that make no sense.
                bytes[0] %= 13;
                bytes[1..4].fill(0);
                if round % 2 == 0 {
                    // And an object that there may be.
                    bytes[4] %= 3;
                    bytes[5..12].fill(0);
                }
                if connection.send_bytes(&bytes).is_err() {
                    break;
                }
                // A request without a reply is among them, so the answer is not waited for.
                let _ = connection.try_recv_bytes();
            }
        }
        works(&site);
    });
}

#[test]
fn truncated_requests_are_refused_one_by_one() {
    each_side(|side| {
        let site = side.manager();
        let connection = raw(&site);
        connection.send_bytes(&hello(99)).unwrap();
        assert!(connection.recv_bytes_timeout(LONG).is_ok());
        // Request number 1 makes an object; its kind is missing, or is none.
        for bytes in [&[1, 0, 0, 0][..], &[1, 0, 0, 0, 99, 0, 0, 0], &[], &[1, 0], &[0xFF; 64]] {
            connection.send_bytes(bytes).unwrap();
            assert!(connection.recv_bytes_timeout(LONG).is_ok(), "{bytes:?} is answered");
        }
        works(&site);
    });
}

#[test]
fn a_silent_client_keeps_nobody_waiting() {
    each_side(|side| {
        let site = side.manager();
        let silent: Vec<_> = (0..20).map(|_| raw(&site)).collect();
        works(&site);
        drop(silent);
        works(&site);
    });
}

#[test]
fn something_else_than_a_manager_is_not_taken_for_one() {
    alone(
        |()| {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("socket");
            let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let (mut stream, _) = listener.accept().unwrap();
                    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
                });
                let error = Manager::connect(&Address::Unix(path.clone())).unwrap_err();
                assert!(error.to_string().contains("does not speak"), "{error}");
            });
        },
        (),
    );
}
