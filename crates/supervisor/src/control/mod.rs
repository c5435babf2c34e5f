//! The control socket: HTTP/1.1 with JSON on a unix socket that only its owner may use.
//!
//! Nothing here waits. A client that sends or takes slowly costs one bounded buffer until its time
//! is up; one that sends nonsense is told so and cut off.

mod client;
mod http;
mod lock;
mod server;

pub use client::{Client, ClientError};
pub(crate) use server::{Asked, Server};

use std::path::PathBuf;

use nix::unistd::Uid;

pub use lock::ControlError;

/// Where the control socket is unless someone says otherwise: `/run/brigade/control.sock` for root,
/// `brigade/control.sock` in the user's runtime directory, or in a directory of `/tmp` with the
/// user's number.
pub fn default_path() -> PathBuf {
    let uid = Uid::effective();
    if uid.is_root() {
        return "/run/brigade/control.sock".into();
    }
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(directory) => PathBuf::from(directory).join("brigade/control.sock"),
        None => format!("/tmp/brigade-{uid}/control.sock").into(),
    }
}
