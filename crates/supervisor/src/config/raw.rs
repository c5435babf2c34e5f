//! The configuration as it stands in the file: every value with its place.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::values::{Choice, Length, Mode, SignalName};

/// Tables by name; the order of the file is that of the names' spans.
pub(super) type Named<T> = BTreeMap<Spanned<String>, T>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(default)]
    pub(super) supervisor: RawSettings,
    #[serde(default)]
    pub(super) socket: Named<RawSocket>,
    #[serde(default)]
    pub(super) program: Named<RawProgram>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSettings {
    pub(super) control: Option<PathBuf>,
    pub(super) log: Option<PathBuf>,
    pub(super) reload: Option<Spanned<Choice>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSocket {
    pub(super) listen: Spanned<String>,
    pub(super) backlog: Option<Spanned<u32>>,
    pub(super) mode: Option<Spanned<Mode>>,
    pub(super) user: Option<Spanned<String>>,
    pub(super) group: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProgram {
    pub(super) command: Spanned<String>,
    #[serde(default)]
    pub(super) arguments: Vec<Spanned<String>>,
    pub(super) count: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) env: BTreeMap<Spanned<String>, Spanned<String>>,
    pub(super) cwd: Option<Spanned<PathBuf>>,
    pub(super) user: Option<Spanned<String>>,
    pub(super) group: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) sockets: Vec<Spanned<String>>,
    pub(super) restart: Option<Spanned<Choice>>,
    pub(super) backoff: Option<RawBackoff>,
    pub(super) stop_signal: Option<SignalName>,
    pub(super) stop_timeout: Option<Length>,
    pub(super) ready: Option<Spanned<Choice>>,
    pub(super) ready_timeout: Option<Length>,
    pub(super) watchdog: Option<Spanned<Length>>,
    pub(super) replacement: Option<Spanned<Choice>>,
    pub(super) surge: Option<Spanned<u32>>,
    pub(super) output: Option<Spanned<Choice>>,
    pub(super) log: Option<PathBuf>,
    pub(super) role: Option<Spanned<Choice>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBackoff {
    pub(super) initial: Option<Length>,
    pub(super) max: Option<Length>,
    pub(super) jitter: Option<Spanned<f64>>,
    pub(super) reset_after: Option<Length>,
}
