//! From a host's name to its addresses, within a deadline.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;

use brigade_sys::Error;
use brigade_sys::time::Deadline;

/// The addresses of `host`, at least one.
///
/// The system's resolver knows no deadline. So a name, unlike a number, is looked up in a thread
/// of its own, which is left to itself if the deadline passes first.
pub(crate) fn resolve(host: &str, port: u16, deadline: Deadline) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found = match deadline.remaining() {
        None => look_up(host, port),
        Some(left) => {
            let (sender, receiver) = mpsc::channel();
            let name = host.to_owned();
            std::thread::Builder::new()
                .name("brigade-resolve".into())
                .spawn(move || sender.send(look_up(&name, port)))
                .and_then(|_| {
                    receiver
                        .recv_timeout(left)
                        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                })
        }
    };
    found.map_err(|error| Error::new("find", format!("host {host}"), error))
}

fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
    }
    Ok(found)
}
