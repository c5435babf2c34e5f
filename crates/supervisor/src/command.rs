//! What an operator can ask for, and how that is written in a request.
//!
//! | request | asks for |
//! |---|---|
//! | `GET /status` | the state of everything; `?program=NAME` of one |
//! | `GET /logs/NAME` | the last lines of a program; `?lines=N` |
//! | `GET /check` | whether the configuration file is of use |
//! | `POST /reload` | read the file again and exchange the workers; `?scope=all` or `changed` |
//! | `POST /programs/NAME/start`, `/stop`, `/restart` | just that |
//! | `POST /programs/NAME/scale` | `?count=4`, `+1`, `-1` or `configured` |
//! | `POST /reopen` | open the log files anew |
//! | `POST /shutdown` | end the supervisor; `?pace=graceful` or `fast` |
//!
//! Each parameter can also stand in a JSON object in the request's body. With `wait=no` the answer
//! comes when the work has begun, without it when it is done.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::ReloadScope;

/// A wish, and when it is to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The wish.
    pub command: Command,
    /// When it is answered.
    pub wait: Wait,
}

/// When a wish is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// When it has been fulfilled.
    #[default]
    Done,
    /// When it has been understood.
    Begun,
}

/// A wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The state of everything, or of one program.
    Status(Option<String>),
    /// The last lines of a program, at most so many.
    Logs(String, usize),
    /// Whether the configuration file is of use.
    Check,
    /// Read the configuration again and exchange the workers.
    Reload(Option<ReloadScope>),
    /// Run a program that was stopped or has finished.
    Start(String),
    /// Do not run a program.
    Stop(String),
    /// Exchange the workers of one program.
    Restart(String),
    /// Change how many processes a program has.
    Scale(String, Scale),
    /// Open the log files anew.
    Reopen,
    /// End the supervisor.
    Shutdown(Pace),
}

/// How many processes are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// So many.
    To(u32),
    /// So many more or fewer.
    By(i64),
    /// As many as the configuration says.
    Configured,
}

/// How the supervisor ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Each process may take its time, up to its program's limit.
    #[default]
    Graceful,
    /// Everything is killed.
    Fast,
}

/// Why a request asks for nothing that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadOrder {
    /// There is nothing of that name.
    NoSuchPath,
    /// It is there, but takes this method.
    Method(&'static str),
    /// A parameter is unknown, missing or makes no sense.
    Parameter(String),
}

impl fmt::Display for BadOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadOrder::NoSuchPath => f.write_str("there is nothing of that name to ask for"),
            BadOrder::Method(method) => write!(f, "this takes {method}"),
            BadOrder::Parameter(problem) => f.write_str(problem),
        }
    }
}

impl Scale {
    /// Reads `4`, `+1`, `-1` or `configured`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        if text == "configured" {
            return Some(Scale::Configured);
        }
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        if digits.len() < text.len() {
            text.parse::<i32>().ok().map(|by| Scale::By(i64::from(by)))
        } else {
            text.parse().ok().map(Scale::To)
        }
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scale::To(count) => count.fmt(f),
            Scale::By(by) => write!(f, "{by:+}"),
            Scale::Configured => f.write_str("configured"),
        }
    }
}

impl Order {
    /// The method and target of the request that asks for it.
    pub fn request(&self) -> (&'static str, String) {
        let mut query: Vec<(&str, String)> = Vec::new();
        let (method, path) = match &self.command {
            Command::Status(program) => {
                query.extend(program.iter().map(|name| ("program", name.clone())));
                ("GET", "/status".to_owned())
            }
            Command::Logs(name, lines) => {
                query.push(("lines", lines.to_string()));
                ("GET", format!("/logs/{}", escape(name)))
            }
            Command::Check => ("GET", "/check".into()),
            Command::Reload(scope) => {
                query.extend(scope.map(|scope| ("scope", scope_name(scope).to_owned())));
                ("POST", "/reload".into())
            }
            Command::Start(name) => ("POST", format!("/programs/{}/start", escape(name))),
            Command::Stop(name) => ("POST", format!("/programs/{}/stop", escape(name))),
            Command::Restart(name) => ("POST", format!("/programs/{}/restart", escape(name))),
            Command::Scale(name, scale) => {
                query.push(("count", scale.to_string()));
                ("POST", format!("/programs/{}/scale", escape(name)))
            }
            Command::Reopen => ("POST", "/reopen".into()),
            Command::Shutdown(pace) => {
                let pace = if *pace == Pace::Fast { "fast" } else { "graceful" };
                query.push(("pace", pace.into()));
                ("POST", "/shutdown".into())
            }
        };
        if self.wait == Wait::Begun {
            query.push(("wait", "no".into()));
        }
        let query: Vec<String> =
            query.iter().map(|(key, value)| format!("{key}={}", escape(value))).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        (method, format!("{path}{mark}{}", query.join("&")))
    }

    /// What a request asks for.
    ///
    /// # Errors
    ///
    /// [`BadOrder`] for everything but the requests of the table above.
    pub fn read(
        method: &str,
        path: &str,
        mut parameters: BTreeMap<String, String>,
    ) -> Result<Self, BadOrder> {
        let parts: Vec<String> = path
            .split('/')
            .skip(1)
            .map(unescape)
            .collect::<Option<_>>()
            .ok_or(BadOrder::NoSuchPath)?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (command, expected) = match parts[..] {
            ["status"] => (Command::Status(parameters.remove("program")), "GET"),
            ["logs", name] => (Command::Logs(name.into(), lines(&mut parameters)?), "GET"),
            ["check"] => (Command::Check, "GET"),
            ["reload"] => (Command::Reload(scope(&mut parameters)?), "POST"),
            ["programs", name, "start"] => (Command::Start(name.into()), "POST"),
            ["programs", name, "stop"] => (Command::Stop(name.into()), "POST"),
            ["programs", name, "restart"] => (Command::Restart(name.into()), "POST"),
            ["programs", name, "scale"] => {
                (Command::Scale(name.into(), count(&mut parameters)?), "POST")
            }
            ["reopen"] => (Command::Reopen, "POST"),
            ["shutdown"] => (Command::Shutdown(pace(&mut parameters)?), "POST"),
            _ => return Err(BadOrder::NoSuchPath),
        };
        if method != expected {
            return Err(BadOrder::Method(expected));
        }
        let wait = match parameters.remove("wait").as_deref() {
            None | Some("yes" | "true") => Wait::Done,
            Some("no" | "false") => Wait::Begun,
            Some(other) => return Err(bad("wait", other, "yes or no")),
        };
        match parameters.keys().next() {
            Some(unknown) => Err(BadOrder::Parameter(format!("unknown parameter `{unknown}`"))),
            None => Ok(Self { command, wait }),
        }
    }
}

fn bad(name: &str, value: &str, expected: &str) -> BadOrder {
    BadOrder::Parameter(format!("`{name}` is `{value}`, expected {expected}"))
}

fn lines(parameters: &mut BTreeMap<String, String>) -> Result<usize, BadOrder> {
    let Some(text) = parameters.remove("lines") else { return Ok(50) };
    text.parse().map_err(|_| bad("lines", &text, "a number"))
}

fn scope_name(scope: ReloadScope) -> &'static str {
    match scope {
        ReloadScope::All => "all",
        ReloadScope::Changed => "changed",
    }
}

fn scope(parameters: &mut BTreeMap<String, String>) -> Result<Option<ReloadScope>, BadOrder> {
    match parameters.remove("scope").as_deref() {
        None => Ok(None),
        Some("all") => Ok(Some(ReloadScope::All)),
        Some("changed") => Ok(Some(ReloadScope::Changed)),
        Some(other) => Err(bad("scope", other, "all or changed")),
    }
}

fn count(parameters: &mut BTreeMap<String, String>) -> Result<Scale, BadOrder> {
    let expected = "a number, +N, -N or configured";
    let text = parameters.remove("count");
    let text =
        text.ok_or_else(|| BadOrder::Parameter(format!("`count` is missing: {expected}")))?;
    Scale::parse(&text).ok_or_else(|| bad("count", &text, expected))
}

fn pace(parameters: &mut BTreeMap<String, String>) -> Result<Pace, BadOrder> {
    match parameters.remove("pace").as_deref() {
        None | Some("graceful") => Ok(Pace::Graceful),
        Some("fast") => Ok(Pace::Fast),
        Some(other) => Err(bad("pace", other, "graceful or fast")),
    }
}

fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let letter = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

/// Takes the escapes out of a part of a target; `None` when they make no sense.
pub(crate) fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use super::*;

    fn read(method: &str, target: &str) -> Result<Order, BadOrder> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let parameters = pairs.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap();
            (key.to_owned(), unescape(value).unwrap())
        });
        Order::read(method, path, parameters.collect())
    }

    #[test]
    fn every_order_survives_its_request() {
        let name = || "we b/%ä".to_owned();
        let commands = [
            Command::Status(None),
            Command::Status(Some(name())),
            Command::Logs(name(), 7),
            Command::Check,
            Command::Reload(None),
            Command::Reload(Some(ReloadScope::All)),
            Command::Reload(Some(ReloadScope::Changed)),
            Command::Start(name()),
            Command::Stop(name()),
            Command::Restart(name()),
            Command::Scale(name(), Scale::To(4)),
            Command::Scale(name(), Scale::By(-2)),
            Command::Scale(name(), Scale::By(2)),
            Command::Scale(name(), Scale::Configured),
            Command::Reopen,
            Command::Shutdown(Pace::Graceful),
            Command::Shutdown(Pace::Fast),
        ];
        for command in commands {
            for wait in [Wait::Done, Wait::Begun] {
                let order = Order { command: command.clone(), wait };
                let (method, target) = order.request();
                assert_eq!(read(method, &target), Ok(order), "{method} {target}");
            }
        }
    }

    #[test]
    fn a_request_that_makes_no_sense_is_refused_with_the_reason() {
        assert_eq!(read("GET", "/"), Err(BadOrder::NoSuchPath));
        assert_eq!(read("GET", "/programs/web"), Err(BadOrder::NoSuchPath));
        assert_eq!(read("GET", "/%zz"), Err(BadOrder::NoSuchPath));
        assert_eq!(read("GET", "/reload"), Err(BadOrder::Method("POST")));
        for target in [
            "/programs/web/scale",
            "/programs/web/scale?count=x",
            "/reload?scope=some",
            "/reload?x=1",
        ] {
            let Err(BadOrder::Parameter(problem)) = read("POST", target) else {
                panic!("{target} was taken")
            };
            assert!(problem.contains('`'), "{problem}");
        }
    }

    #[test]
    fn a_scale_is_a_number_a_change_or_a_word() {
        assert_eq!(Scale::parse("4"), Some(Scale::To(4)));
        assert_eq!(Scale::parse("+1"), Some(Scale::By(1)));
        assert_eq!(Scale::parse("-3"), Some(Scale::By(-3)));
        for text in ["", "+", "-", "1.5", "--1", "4x", "99999999999", "+99999999999", " 1"] {
            assert_eq!(Scale::parse(text), None, "{text}");
        }
    }
}
