//! What is to run: the configuration, from a file or built in.
//!
//! ```toml
//! [supervisor]                    # all of it may be left out
//! control = "/run/brigade/control.sock"
//! log = "/var/log/brigaded.log"   # the default is the daemon's standard error
//! reload = "all"                  # or "changed": what SIGHUP exchanges
//!
//! [socket.http]                   # bound by the supervisor, kept for as long as it stands here
//! listen = "127.0.0.1:8080"       # or "unix:/run/web.sock"
//! backlog = 1024
//! mode = "0660"                   # unix sockets only, as are user and group
//!
//! [program.web]
//! command = "/usr/bin/web"        # or a name that PATH leads to
//! arguments = ["--verbose"]
//! count = 4
//! env = { RUST_LOG = "info" }
//! cwd = "/srv/web"
//! user = "www-data"
//! group = "www-data"
//! sockets = ["http"]              # arrive as LISTEN_FDS
//! restart = "always"              # "on-failure", "never"
//! backoff = { initial = "100ms", max = "30s", jitter = 0.1, reset_after = "5s" }
//! stop_signal = "TERM"
//! stop_timeout = "30s"
//! ready = "notify"                # or "immediately", or "500ms": when it has run for so long
//! ready_timeout = "30s"
//! watchdog = "10s"                # asks the workers for a heartbeat
//! replacement = "surge"           # or "one-for-one"
//! surge = 1
//! output = "capture"              # line by line, or "inherit": straight to the daemon's own
//! log = "/var/log/web.log"        # where captured lines go; the default is the standard output
//! role = "service"                # "main": when it ends, the supervisor ends with its code
//! ```
//!
//! A [`Config`] is complete: names are resolved, files were looked for, and every default is
//! filled in. What is wrong with a file is a [`ConfigError`] that says where.

mod diagnostic;
mod document;
mod lookup;
mod raw;
mod resolve;
#[cfg(test)]
mod tests;
mod types;
mod values;

pub use diagnostic::{ConfigError, Diagnostic, Origin};
pub(crate) use document::suggestion;
pub use types::{
    Address, Config, MAX_COUNT, Output, Owner, Program, Readiness, ReloadScope, Settings, Socket,
};
