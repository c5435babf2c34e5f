//! From what stands in the file to what is to run.

use std::collections::{BTreeMap, HashMap};
use std::net::ToSocketAddrs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use brigade_sys::signals::Signal;
use toml::Spanned;

use super::diagnostic::ConfigError;
use super::document::{Document, suggestion};
use super::lookup;
use super::raw::{Named, RawBackoff, RawConfig, RawProgram, RawSettings, RawSocket};
use super::types::{
    Address, Config, MAX_COUNT, Output, Owner, Program, Readiness, ReloadScope, Settings, Socket,
};
use super::values::{Choice, Length, parse_length};
use crate::machine::{Replacement, Role};
use crate::policy::{Backoff, Restart};

/// The longest path that a unix socket's address holds.
const LONGEST_SOCKET_PATH: usize = 107;

/// Names that mean something else to an operator's command.
const RESERVED: &[&str] = &["all"];

pub(super) fn resolve(document: &Document<'_>) -> Result<Config, ConfigError> {
    let raw: RawConfig = match toml::from_str(document.text) {
        Ok(raw) => raw,
        Err(error) => {
            report_shape(document, &error);
            return Err(document.conclude(()).expect_err("a problem was just reported"));
        }
    };
    let sockets: Vec<Socket> = in_order(raw.socket)
        .filter_map(|(name, socket)| resolve_socket(document, &name, socket))
        .collect();
    refuse_shared_addresses(document, &sockets);
    let programs: Vec<Program> = in_order(raw.program)
        .filter_map(|(name, program)| resolve_program(document, &name, program, &sockets))
        .collect();
    refuse_second_main(document, &programs);
    let supervisor = resolve_settings(document, raw.supervisor);
    document.conclude(Config { supervisor, sockets, programs })
}

/// What the parser says, with its place, and the key that was probably meant.
fn report_shape(document: &Document<'_>, error: &toml::de::Error) {
    let message = error.message().trim().replace('\n', "; ");
    let mut words = message.split('`').skip(1).step_by(2);
    let help = match (message.starts_with("unknown field"), words.next()) {
        (true, Some(unknown)) => {
            suggestion(unknown, words).map(|known| format!("did you mean `{known}`?"))
        }
        _ => None,
    };
    document.report(error.span().unwrap_or(0..0), message.clone(), help);
}

fn in_order<T>(tables: Named<T>) -> impl Iterator<Item = (Spanned<String>, T)> {
    let mut tables: Vec<_> = tables.into_iter().collect();
    tables.sort_by_key(|(name, _)| name.span().start);
    tables.into_iter()
}

fn resolve_settings(document: &Document<'_>, raw: RawSettings) -> Settings {
    let reload = choose(
        document,
        raw.reload,
        &[("all", ReloadScope::All), ("changed", ReloadScope::Changed)],
    );
    Settings {
        control: raw.control.map(|path| document.resolve(&path)),
        log: raw.log.map(|path| document.resolve(&path)),
        reload: reload.unwrap_or_default(),
    }
}

fn resolve_socket(
    document: &Document<'_>,
    name: &Spanned<String>,
    raw: RawSocket,
) -> Option<Socket> {
    check_name(document, name);
    let owner = Owner {
        uid: raw.user.as_ref().and_then(|name| lookup::user(document, name)).map(|user| user.uid),
        gid: raw.group.as_ref().and_then(|name| lookup::group(document, name)),
    };
    let backlog = raw.backlog.as_ref().map_or(1024, |backlog| *backlog.get_ref());
    if !(1..=65_535).contains(&backlog) {
        let span = raw.backlog.as_ref().map_or(0..0, Spanned::span);
        document.report(span, format!("backlog {backlog} is not between 1 and 65535"), None);
    }
    let address = resolve_address(document, &raw.listen)?;
    let of_a_file = raw.mode.as_ref().map(Spanned::span);
    let of_a_file = of_a_file.or_else(|| Some(raw.user.as_ref().or(raw.group.as_ref())?.span()));
    if let (Address::Tcp(_), Some(span)) = (&address, of_a_file) {
        let message = "mode, user and group are those of a file, and this socket has none";
        document.report(span, message.into(), None);
    }
    Some(Socket {
        name: name.get_ref().clone(),
        address,
        backlog,
        mode: raw.mode.map(|mode| mode.get_ref().0),
        owner: (owner.uid.is_some() || owner.gid.is_some()).then_some(owner),
        origin: document.origin(raw.listen.span()),
    })
}

fn resolve_address(document: &Document<'_>, listen: &Spanned<String>) -> Option<Address> {
    let text = listen.get_ref();
    let refuse = |message: String| {
        let help = "expected an address and port such as 127.0.0.1:8080, or unix:/path/of.sock";
        document.report(listen.span(), message, Some(help.into()));
        None
    };
    if let Some(path) = text.strip_prefix("unix:").or_else(|| text.starts_with('/').then_some(text))
    {
        if path.is_empty() || path.contains('\0') {
            return refuse(format!("`{text}` is not the address of a socket"));
        }
        let path = document.resolve(Path::new(path));
        let len = path.as_os_str().len();
        if len > LONGEST_SOCKET_PATH {
            return refuse(format!(
                "a unix socket's path has at most {LONGEST_SOCKET_PATH} bytes, this one {len}"
            ));
        }
        return Some(Address::Unix(path));
    }
    if let Ok(address) = text.parse() {
        return Some(Address::Tcp(address));
    }
    // Of names, only the one that needs no server to answer: a check must not wait for one.
    match text.strip_prefix("localhost:").map(|_| text.to_socket_addrs()) {
        Some(Ok(mut addresses)) => addresses.next().map(Address::Tcp),
        _ => refuse(format!("`{text}` is not the address of a socket")),
    }
}

fn refuse_shared_addresses(document: &Document<'_>, sockets: &[Socket]) {
    let mut taken: HashMap<&Address, &str> = HashMap::new();
    for socket in sockets {
        let any_port = matches!(socket.address, Address::Tcp(address) if address.port() == 0);
        match taken.insert(&socket.address, &socket.name) {
            Some(other) if !any_port => {
                let message = format!("socket `{other}` listens on {} already", socket.address);
                document.report_at(&socket.origin, message);
            }
            _ => {}
        }
    }
}

fn refuse_second_main(document: &Document<'_>, programs: &[Program]) {
    let mut mains = programs.iter().filter(|program| program.role == Role::Main);
    let first = mains.next();
    for second in mains {
        let first = first.map_or("", |program| &program.name);
        let message = format!("program `{first}` has the role main already");
        document.report_at(&second.origin, message);
    }
}

fn resolve_program(
    document: &Document<'_>,
    name: &Spanned<String>,
    raw: RawProgram,
    sockets: &[Socket],
) -> Option<Program> {
    check_name(document, name);
    check_sockets(document, &raw.sockets, sockets);
    check_texts(document, &raw);
    let role = choose(document, raw.role, &[("service", Role::Service), ("main", Role::Main)])
        .unwrap_or_default();
    let restart = choose(
        document,
        raw.restart,
        &[
            ("always", Restart::Always),
            ("on-failure", Restart::OnFailure),
            ("never", Restart::Never),
        ],
    );
    let by_role = if role == Role::Main { Restart::Never } else { Restart::Always };
    let ready = resolve_ready(document, raw.ready);
    let count = within(document, raw.count, 1, 0..=MAX_COUNT, "count");
    let identity = lookup::identity(document, raw.user.as_ref(), raw.group.as_ref());
    let replacement = resolve_replacement(document, raw.replacement, raw.surge);
    let output = resolve_output(document, raw.output, raw.log);
    let cwd = raw.cwd.and_then(|cwd| lookup::directory(document, &cwd));
    let time = |length: Option<Length>, default: Duration| length.map_or(default, |it| it.0);
    let search = raw.env.iter().find(|(key, _)| key.get_ref() == "PATH");
    let search = search.map(|(_, path)| path.get_ref().as_str());
    let command = lookup::command(document, &raw.command, search);
    let mut program = Program::new(name.get_ref().as_str(), command?);
    program.arguments = raw.arguments.into_iter().map(Spanned::into_inner).collect();
    program.count = count;
    program.env =
        raw.env.into_iter().map(|(key, it)| (key.into_inner(), it.into_inner())).collect();
    program.cwd = cwd;
    program.identity = identity;
    program.sockets = raw.sockets.into_iter().map(Spanned::into_inner).collect();
    program.restart = restart.unwrap_or(by_role);
    program.backoff = resolve_backoff(document, raw.backoff);
    program.stop_signal = raw.stop_signal.map_or(Signal::TERM, |it| it.0);
    program.stop_timeout = time(raw.stop_timeout, program.stop_timeout);
    program.ready = ready;
    program.ready_timeout = time(raw.ready_timeout, program.ready_timeout);
    program.watchdog = raw.watchdog.and_then(|it| positive(document, &it));
    program.replacement = replacement;
    program.output = output;
    program.role = role;
    program.origin = document.origin(name.span());
    Some(program)
}

fn resolve_replacement(
    document: &Document<'_>,
    replacement: Option<Spanned<Choice>>,
    surge: Option<Spanned<u32>>,
) -> Replacement {
    let given = surge.as_ref().map(Spanned::span);
    let surge = within(document, surge, 1, 1..=MAX_COUNT, "surge");
    let known = [("surge", Replacement::Surge(surge)), ("one-for-one", Replacement::OneForOne)];
    let replacement = choose(document, replacement, &known).unwrap_or(known[0].1);
    if let (Replacement::OneForOne, Some(span)) = (replacement, given) {
        let message = "surge has no meaning when places are exchanged one for one";
        document.report(span, message.into(), None);
    }
    replacement
}

fn resolve_ready(document: &Document<'_>, word: Option<Spanned<Choice>>) -> Readiness {
    if let Some(length) = word.as_ref().and_then(|word| parse_length(&word.get_ref().0)) {
        return Readiness::After(length);
    }
    let known = [("notify", Readiness::Notify), ("immediately", Readiness::Immediately)];
    choose(document, word, &known).unwrap_or(Readiness::Immediately)
}

fn resolve_output(
    document: &Document<'_>,
    output: Option<Spanned<Choice>>,
    log: Option<PathBuf>,
) -> Output {
    let span = output.as_ref().map_or(0..0, Spanned::span);
    let output =
        choose(document, output, &[("capture", Output::Daemon), ("inherit", Output::Inherit)]);
    match (output, log) {
        (Some(Output::Inherit), Some(_)) => {
            let message = "there are no lines for a log when the output is inherited";
            document.report(span, message.into(), None);
            Output::Inherit
        }
        (_, Some(path)) => Output::File(document.resolve(&path)),
        (output, None) => output.unwrap_or_default(),
    }
}

fn resolve_backoff(document: &Document<'_>, raw: Option<RawBackoff>) -> Backoff {
    let default = Backoff::default();
    let Some(raw) = raw else { return default };
    let time = |length: Option<Length>, default| length.map_or(default, |it| it.0);
    let mut jitter = default.jitter;
    if let Some(given) = raw.jitter {
        jitter = *given.get_ref();
        if !(0.0..=1.0).contains(&jitter) {
            document.report(given.span(), format!("jitter {jitter} is not between 0 and 1"), None);
        }
    }
    let initial = time(raw.initial, default.initial);
    Backoff {
        initial,
        max: time(raw.max, default.max).max(initial),
        jitter,
        reset_after: time(raw.reset_after, default.reset_after),
    }
}

/// The value that the word stands for; an unknown word is reported with all that are known.
fn choose<T: Clone>(
    document: &Document<'_>,
    word: Option<Spanned<Choice>>,
    known: &[(&str, T)],
) -> Option<T> {
    let word = word?;
    let text = &word.get_ref().0;
    let found = known.iter().find(|(name, _)| name == text);
    if found.is_none() {
        let names: Vec<String> = known.iter().map(|(name, _)| format!("`{name}`")).collect();
        let message = format!("unknown value `{text}`, expected one of {}", names.join(", "));
        let help = suggestion(text, known.iter().map(|(name, _)| *name));
        document.report(word.span(), message, help.map(|it| format!("did you mean `{it}`?")));
    }
    found.map(|(_, value)| value.clone())
}

fn within(
    document: &Document<'_>,
    number: Option<Spanned<u32>>,
    default: u32,
    range: RangeInclusive<u32>,
    name: &str,
) -> u32 {
    let Some(number) = number else { return default };
    let value = *number.get_ref();
    if !range.contains(&value) {
        let (least, most) = (range.start(), range.end());
        let message = format!("{name} {value} is not between {least} and {most}");
        document.report(number.span(), message, None);
    }
    value
}

fn positive(document: &Document<'_>, length: &Spanned<Length>) -> Option<Duration> {
    let length_of = length.get_ref().0;
    if length_of.is_zero() {
        document.report(length.span(), "expected more than no time".into(), None);
    }
    Some(length_of)
}

fn check_name(document: &Document<'_>, name: &Spanned<String>) {
    let text = name.get_ref();
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
    let problem = if text.is_empty() || text.len() > 64 {
        format!("the name `{text}` does not have 1 to 64 characters")
    } else if !text.chars().all(plain) {
        format!("the name `{text}` has other characters than letters, digits, `-`, `_` and `.`")
    } else if RESERVED.contains(&text.as_str()) {
        format!("the name `{text}` means every program")
    } else {
        return;
    };
    document.report(name.span(), problem, None);
}

fn check_sockets(document: &Document<'_>, wanted: &[Spanned<String>], sockets: &[Socket]) {
    let mut seen: BTreeMap<&str, ()> = BTreeMap::new();
    for name in wanted {
        let text = name.get_ref().as_str();
        if seen.insert(text, ()).is_some() {
            document.report(name.span(), format!("socket `{text}` is named twice"), None);
        }
        if !sockets.iter().any(|socket| socket.name == text) {
            let known = sockets.iter().map(|socket| socket.name.as_str());
            let help = match suggestion(text, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("sockets are defined as [socket.{text}]"),
            };
            document.report(name.span(), format!("there is no socket `{text}`"), Some(help));
        }
    }
}

/// What the kernel takes for the end of a text cannot be part of one.
fn check_texts(document: &Document<'_>, raw: &RawProgram) {
    let values = raw.arguments.iter().chain(raw.env.values());
    for text in values.chain(raw.env.keys()).filter(|text| text.get_ref().contains('\0')) {
        document.report(text.span(), "a zero byte ends a text".into(), None);
    }
    for key in raw.env.keys() {
        let name = key.get_ref();
        if name.is_empty() || name.contains('=') {
            document.report(key.span(), format!("`{name}` is not the name of a variable"), None);
        }
        if ["LISTEN_", "BRIGADE_", "WATCHDOG_"].iter().any(|own| name.starts_with(own))
            || name == "NOTIFY_SOCKET"
        {
            document.report(key.span(), format!("`{name}` is set by the supervisor"), None);
        }
    }
}
