//! Where a listener is to be found.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use brigade_sys::socket::UnixName;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The address of a [`Listener`](crate::Listener).
///
/// Its text form is `unix:/path`, `abstract:name` or `tcp:host:port`; an IPv6 host stands in
/// brackets, and port 0 lets the kernel choose one.
///
/// # Examples
///
/// ```
/// use brigade_wire::Address;
///
/// let address: Address = "unix:/run/web.sock".parse()?;
/// assert_eq!(address, Address::Unix("/run/web.sock".into()));
/// assert_eq!(address.to_string(), "unix:/run/web.sock");
///
/// let address: Address = "tcp:[::1]:8080".parse()?;
/// assert_eq!(address, Address::Tcp { host: "::1".into(), port: 8080 });
/// # Ok::<(), brigade_wire::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Address {
    /// A socket in the file system, for this machine. Its file has mode 0600.
    Unix(PathBuf),
    /// A name without a file, for this machine. Every process in the same network namespace may
    /// connect to it.
    Abstract(String),
    /// A host and port. Messages over TCP are neither authenticated nor encrypted.
    Tcp {
        /// A name or an IP address.
        host: String,
        /// The port; 0 lets the kernel choose one for a listener.
        port: u16,
    },
}

/// A text that is not an [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("cannot read address {text:?}: expected unix:/path, abstract:name or tcp:host:port")]
pub struct AddressError {
    /// The text.
    pub text: String,
}

impl Address {
    /// The name of the unix socket, if it is one.
    pub(crate) fn unix_name(&self) -> Option<UnixName> {
        match self {
            Self::Unix(path) => Some(UnixName::Path(path.clone())),
            Self::Abstract(name) => Some(UnixName::Abstract(name.clone())),
            Self::Tcp { .. } => None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("unix", path) if !path.is_empty() && !path.contains('\0') => {
                Some(Self::Unix(path.into()))
            }
            ("abstract", name) if !name.is_empty() => Some(Self::Abstract(name.into())),
            ("tcp", rest) => {
                let (host, port) = match rest.strip_prefix('[') {
                    Some(rest) => rest.split_once("]:")?,
                    None => rest.rsplit_once(':').filter(|(host, _)| !host.contains(':'))?,
                };
                let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.parse().ok().filter(|_| digits)?;
                (!host.is_empty()).then(|| Self::Tcp { host: host.into(), port })
            }
            _ => None,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text).ok_or_else(|| AddressError { text: text.into() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Abstract(name) => write!(f, "abstract:{name}"),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp:[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_back_from_its_text() {
        for text in
            ["unix:/run/a.sock", "unix:relative", "abstract:a:b", "tcp:localhost:0", "tcp:[::]:1"]
        {
            assert_eq!(text.parse::<Address>().map(|it| it.to_string()).as_deref(), Ok(text));
        }
    }

    /// LSN-11: a malformed address.
    #[test]
    fn a_malformed_address_is_an_error_that_shows_it() {
        for text in [
            "",
            "unix",
            "unix:",
            "/run/a.sock",
            "abstract:",
            "tcp:",
            "tcp:host",
            "tcp::80",
            "tcp:host:",
            "tcp:host:70000",
            "tcp:host:+1",
            "tcp:host:-1",
            "tcp:::1:80",
            "tcp:[]:1",
            "tcp:[::1]80",
            "udp:host:1",
            "unix:a\0b",
        ] {
            let error = AddressError { text: text.into() };
            assert_eq!(text.parse::<Address>(), Err(error), "{text:?}");
        }
    }
}
