//! `brigadectl`: what it prints and how it exits.

use brigade_supervisor::status::ProgramState;
use brigade_sys::signals::Signal;

use crate::harness::{Daemon, program};

const CONFIG: &str = r#"
[program.web]
command = "WORKER"
arguments = ["sleep"]
count = 2
ready = "notify"

[program.bad]
command = "WORKER"
arguments = ["crash"]
ready = "notify"
restart = "never"
"#;

/// Runs it, and checks its exit code and that its output has the words.
fn check(daemon: &Daemon, arguments: &[&str], code: i32, words: &[&str]) {
    let output = daemon.ctl(arguments);
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{arguments:?}: `{word}` is missing in: {text}");
    }
}

#[test]
fn every_verb_does_what_it_says_and_exits_accordingly() {
    let daemon = Daemon::start(CONFIG);
    daemon.wait_ready("web", 2);
    daemon.wait_for("bad", |bad| bad.state == ProgramState::Failed);
    check(&daemon, &["status"], 0, &["● web: running, 2 of 2 ready", "× bad: failed"]);
    check(&daemon, &["status", "web"], 0, &["0 up, process"]);
    check(&daemon, &["status", "bad"], 3, &["bad does not run: failed"]);
    check(&daemon, &["status", "wbe"], 4, &["did you mean `web`"]);
    check(&daemon, &["--json", "status", "web"], 0, &["{\"verdict\":\"ok\"", "\"ready\":2"]);
    check(&daemon, &["restart", "web"], 0, &["generation 2 serves"]);
    check(&daemon, &["scale", "web", "+1"], 0, &["web runs with 3 (configured: 2)"]);
    check(&daemon, &["scale", "web", "-2"], 0, &["web runs with 1"]);
    check(&daemon, &["scale", "web", "99999"], 2, &["more than"]);
    check(&daemon, &["scale", "web", "many"], 2, &["`many` is not"]);
    check(&daemon, &["scale", "web", "configured"], 0, &["web runs with 2"]);
    check(&daemon, &["logs", "bad"], 0, &["this is the end"]);
    check(&daemon, &["logs", "nosuch"], 4, &["there is no program"]);
    check(
        &daemon,
        &["start", "bad"],
        1,
        &["does not come up", "exited with code 1", "this is the end"],
    );
    check(&daemon, &["stop", "web"], 0, &["web has stopped"]);
    check(&daemon, &["stop", "web"], 0, &["web has stopped"]);
    check(&daemon, &["status", "web"], 3, &["stopped"]);
    check(&daemon, &["start", "web"], 0, &["web runs with 2"]);
    check(&daemon, &["reload"], 0, &["serves"]);
    check(&daemon, &["reload", "--all", "--changed"], 2, &["cannot be used with"]);
    check(&daemon, &["check"], 0, &["fine"]);
    check(&daemon, &["signals"], 0, &["HUP", "reload"]);
    check(&daemon, &["doctor"], 0, &["robust list", "The promise is kept"]);
    check(&daemon, &["--json", "doctor"], 0, &["\"sound\":true", "\"outcome\":\"holds\""]);
    check(&daemon, &["reopen"], 0, &["anew"]);
    check(&daemon, &["nonsense"], 2, &["unrecognized"]);
    check(&daemon, &["stop", "all"], 0, &["web has stopped", "bad has stopped"]);
    check(&daemon, &["--timeout", "0.000001", "status"], 5, &["no answer"]);
    daemon.configure("[program.web]\ncommand = 7\n");
    check(&daemon, &["check"], 6, &["brigade.toml:2:11"]);
    let file = daemon.path("brigade.toml").display().to_string();
    check(&daemon, &["check", &file], 6, &["brigade.toml:2:11"]);
    check(&daemon, &["shutdown"], 0, &["everything has stopped"]);
    let mut daemon = daemon;
    assert!(daemon.wait_end().success());
    check_without_daemon();
}

fn check_without_daemon() {
    let output = std::process::Command::new(program("brigadectl"))
        .args(["--control", "/no/such/socket", "status"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
}

#[test]
fn what_cannot_be_done_now_is_refused() {
    let daemon =
        Daemon::start(&CONFIG.replace("\"sleep\"", "\"sleep\", \"--ready-after\", \"300\""));
    daemon.wait_ready("web", 2);
    check(&daemon, &["reload", "--no-wait"], 0, &["reload 2 has begun"]);
    check(&daemon, &["restart", "web"], 7, &["busy: reload 2"]);
    check(&daemon, &["status"], 0, &["reloading"]);
    daemon.signal(Signal::TERM);
    daemon_is_stopping(&daemon);
    let mut daemon = daemon;
    assert!(daemon.wait_end().success());
}

/// While everything stops, nothing new is begun; when it has stopped, nobody answers.
fn daemon_is_stopping(daemon: &Daemon) {
    let code = daemon.ctl(&["start", "web"]).status.code();
    assert!(matches!(code, Some(1 | 4 | 7)), "{code:?}");
}
