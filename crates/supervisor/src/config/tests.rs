#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::machine::{Replacement, Role};
use crate::policy::Restart;

const WHOLE: &str = r#"
[supervisor]
control = "run/control.sock"
reload = "changed"

[socket.http]
listen = "127.0.0.1:8080"

[socket.local]
listen = "unix:/tmp/brigade-local.sock"
mode = "0660"
backlog = 16

[program.web]
command = "/bin/sh"
arguments = ["-c", "exec sleep 1"]
count = 4
env = { COLOR = "red" }
cwd = "/"
sockets = ["http", "local"]
restart = "on-failure"
backoff = { initial = "1ms", max = "2s", jitter = 0.5, reset_after = 10 }
stop_signal = "QUIT"
stop_timeout = "1.5s"
ready = "notify"
ready_timeout = "2m"
watchdog = "10s"
replacement = "surge"
surge = 2
log = "web.log"

[program.report]
command = "sh"
ready = "500ms"
output = "inherit"
role = "main"
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/brigade.toml"))
}

/// What is wrong with `text`: line, column, and words that the message must have.
fn check(text: &str, line: usize, column: usize, words: &[&str]) {
    let error = parse(text).expect_err(text);
    let first = &error.diagnostics[0];
    assert_eq!((first.line, first.column), (line, column), "{text}\n{error}");
    for word in words {
        assert!(first.to_string().contains(word), "`{word}` is missing in: {first}");
    }
}

#[test]
fn every_setting_is_read() {
    let config = parse(WHOLE).unwrap();
    assert_eq!(config.supervisor.control.as_deref(), Some(Path::new("/etc/run/control.sock")));
    assert_eq!(config.supervisor.reload, ReloadScope::Changed);
    assert_eq!(config.socket("local").unwrap().mode, Some(0o660));
    assert_eq!(config.socket("http").unwrap().address.to_string(), "127.0.0.1:8080");
    let web = config.program("web").unwrap();
    assert_eq!((web.count, web.replacement), (4, Replacement::Surge(2)));
    assert_eq!((web.restart, web.ready), (Restart::OnFailure, Readiness::Notify));
    assert_eq!(web.backoff.initial, Duration::from_millis(1));
    assert_eq!(web.backoff.reset_after, Duration::from_secs(10));
    assert_eq!(web.stop_signal, brigade_sys::signals::Signal::QUIT);
    assert_eq!(web.stop_timeout, Duration::from_millis(1500));
    assert_eq!(web.ready_timeout, Duration::from_secs(120));
    assert_eq!(web.output, Output::File("/etc/web.log".into()));
    assert_eq!(web.sockets, ["http", "local"]);
    let report = config.program("report").unwrap();
    assert_eq!((report.role, report.restart), (Role::Main, Restart::Never));
    assert_eq!(report.output, Output::Inherit);
    assert_eq!(report.ready, Readiness::After(Duration::from_millis(500)));
    assert!(report.command.is_absolute(), "{}", report.command.display());
}

#[test]
fn programs_keep_the_order_of_the_file() {
    let text = "[program.z]\ncommand='sh'\n[program.a]\ncommand='sh'\n[program.m]\ncommand='sh'";
    let names: Vec<_> = parse(text).unwrap().programs.into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["z", "a", "m"]);
}

#[test]
fn each_mistake_is_reported_with_its_place() {
    check("[program.a]\ncomand = 'sh'", 2, 1, &["unknown field `comand`", "mean `command`"]);
    check("[programm.a]\ncommand = 'sh'", 1, 2, &["unknown field", "did you mean `program`"]);
    check("[program:x]\n", 1, 9, &["/etc/brigade.toml:1:9"]);
    check("[program.a]\ncommand = 'sh'\ncount = 'two'", 3, 9, &["expected u32"]);
    check("[program.a]\ncommand = 'sh'\ncount = -1", 3, 9, &["-1"]);
    check("[program.a]\ncommand = 'sh'\ncount = 5000", 3, 9, &["between 0 and 4096"]);
    check("[program.a]\ncommand = 'sh'\n[program.a]\n", 3, 10, &["duplicate"]);
    check("[program.a]\ncommand = 'sh'\ncount = 1\ncount = 2", 4, 1, &["duplicate"]);
    check("[program.a]\ncount = 1", 1, 1, &["missing field `command`"]);
    check("[program.a]\ncommand = '/no/such'", 2, 11, &["/no/such does not exist"]);
    check("[program.a]\ncommand = '/etc'", 2, 11, &["is not a file"]);
    check("[program.a]\ncommand = '/etc/passwd'", 2, 11, &["is not executable"]);
    check("[program.a]\ncommand = 'no-such-thing'", 2, 11, &["in PATH"]);
    check("[program.a]\ncommand = 'sh -c x'", 2, 11, &["belongs into `arguments`"]);
    check("[program.a]\ncommand = 'sh'\ncwd = '/no/such'", 3, 7, &["no directory"]);
    check("[program.a]\ncommand = 'sh'\nuser = 'nosuchuser'", 3, 8, &["no user `nosuchuser`"]);
    check("[program.a]\ncommand = 'sh'\ngroup = 'nosuch'", 3, 9, &["no group `nosuch`"]);
    check("[program.a]\ncommand = 'sh'\nrestart = 'allways'", 3, 11, &["mean `always`"]);
    check("[program.a]\ncommand = 'sh'\nready = 'notfy'", 3, 9, &["did you mean `notify`"]);
    check("[program.a]\ncommand = 'sh'\nready = true", 3, 9, &["expected a string"]);
    check("[program.a]\ncommand = 'sh'\nstop_signal = 'TREM'", 3, 15, &["a signal such as"]);
    check("[program.a]\ncommand = 'sh'\nstop_timeout = '5 parsecs'", 3, 16, &["length of time"]);
    check("[program.a]\ncommand = 'sh'\nstop_timeout = -1", 3, 16, &["length of time"]);
    check("[program.a]\ncommand = 'sh'\nwatchdog = 0", 3, 12, &["more than no time"]);
    check("[program.a]\ncommand = 'sh'\nsockets = ['x']", 3, 12, &["no socket `x`", "[socket.x]"]);
    check("[program.a]\ncommand = 'sh'\nenv = { BRIGADE_X = '1' }", 3, 9, &["by the supervisor"]);
    check("[program.a]\ncommand = 'sh'\nbackoff = { jitter = 2.0 }", 3, 22, &["between 0 and 1"]);
    check(
        "[program.a]\ncommand = 'sh'\noutput = 'inherit'\nlog = 'x'",
        3,
        10,
        &["no lines for a log"],
    );
    check("[program.all]\ncommand = 'sh'", 1, 10, &["means every program"]);
    check("[program.'a b']\ncommand = 'sh'", 1, 10, &["other characters"]);
    check("[socket.s]\nlisten = 'somewhere'", 2, 10, &["not the address"]);
    check("[socket.s]\nlisten = '127.0.0.1:99999'", 2, 10, &["not the address"]);
    check("[socket.s]\nlisten = '127.0.0.1:1'\nmode = '0600'", 3, 8, &["of a file"]);
    check("[socket.s]\nlisten = 'unix:/x'\nmode = '0999'", 3, 8, &["permissions"]);
    check("[socket.s]\nlisten = 'unix:/x'\nbacklog = 0", 3, 11, &["between 1 and 65535"]);
    check("[socket.s]\nlisten = 'unix:/x'\n[socket.t]\nlisten = '/x'", 4, 10, &["already"]);
    check("[program.a]\ncommand = 'sh", 2, 14, &[]);
}

#[test]
fn every_mistake_of_a_file_is_reported_in_its_order() {
    let text = "[program.a]\ncommand = '/no/a'\n[program.b]\ncommand = '/no/b'\nrestart = 'no'";
    let error = parse(text).unwrap_err();
    let lines: Vec<_> = error.diagnostics.iter().map(|it| it.line).collect();
    assert_eq!(lines, [2, 4, 5], "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Config::load(Path::new("/no/such.toml")).unwrap_err();
    assert!(error.to_string().starts_with("/no/such.toml: cannot read it"), "{error}");
}

#[test]
fn no_mutation_of_a_file_makes_the_reader_panic() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).unwrap()
    };
    let mut refused = 0;
    for _ in 0..2000 {
        let mut bytes = WHOLE.as_bytes().to_vec();
        for _ in 0..=draw(4) {
            let at = draw(bytes.len());
            match draw(4) {
                0 => bytes[at] = b"\"'[]{}=#\n\\.-0aZ\0 ,"[draw(18)],
                1 if bytes.len() > 1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"[\"=\n"[draw(4)]),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Err(error) = parse(&text) {
            refused += 1;
            assert!(error.diagnostics.iter().all(|it| it.line > 0), "{text}\n{error}");
        }
    }
    assert!(refused > 1000, "only {refused} mutations were refused");
}

#[test]
fn a_program_that_moved_or_changed_its_count_runs_alike() {
    let web = parse(WHOLE).unwrap().program("web").unwrap().clone();
    let moved = parse(&format!("\n\n{WHOLE}")).unwrap().program("web").unwrap().clone();
    assert_eq!(web, moved);
    let more = Program { count: 9, ..web.clone() };
    assert!(web != more && web.runs_like(&more));
    let other = Program { stop_timeout: Duration::ZERO, ..web.clone() };
    assert!(!web.runs_like(&other));
}
