//! What workers write.

use std::collections::HashSet;

use brigade_supervisor::command::Command;
use brigade_sys::signals::Signal;

use crate::harness::{Daemon, eventually};

/// Numbered lines of very different lengths, the last one without an end.
const WRITER: &str = r#"
[program.it]
command = "sh"
arguments = ["-c", "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; head -c 70000 /dev/zero | tr '\\0' x; echo; echo to stderr >&2; printf end"]
restart = "never"
log = "DIR/it.log"
"#;

#[test]
fn every_line_arrives_once_and_whole() {
    let daemon = Daemon::start(WRITER);
    let text = eventually("the last line", || {
        let text = std::fs::read_to_string(daemon.path("it.log")).unwrap_or_default();
        (text.contains("] end\n") && text.contains("to stderr")).then_some(text)
    });
    let mut lines = HashSet::new();
    for line in text.lines() {
        let (prefix, line) = line.split_once("] ").expect(line);
        assert!(prefix.starts_with("it/0["), "{prefix}");
        assert!(lines.insert(line), "twice: {line}");
    }
    assert!((0..3000).all(|number| lines.contains(format!("line {number}").as_str())));
    assert!(lines.iter().any(|line| line.len() == 70_000));
    assert_eq!(lines.len(), 3003);
    let reply = daemon.ask(Command::Logs("it".into(), 1));
    assert_eq!(reply.lines.unwrap().len(), 1);
    assert_eq!(daemon.status().lines_dropped, 0);
    daemon.stop();
}

#[test]
fn a_moved_log_is_opened_anew() {
    let config = r#"
[supervisor]
log = "DIR/own.log"
[program.it]
command = "sh"
arguments = ["-c", "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.005; done"]
log = "DIR/it.log"
"#;
    let daemon = Daemon::start(config);
    let read = |name: &str| std::fs::read_to_string(daemon.path(name)).unwrap_or_default();
    eventually("some lines", || (read("it.log").lines().count() > 5).then_some(()));
    std::fs::rename(daemon.path("it.log"), daemon.path("it.log.1")).unwrap();
    daemon.signal(Signal::USR1);
    eventually("lines in the new file", || (read("it.log").lines().count() > 5).then_some(()));
    daemon.ask(Command::Stop("it".into()));
    let (old, new) = (read("it.log.1"), read("it.log"));
    let numbers: Vec<usize> = old
        .lines()
        .chain(new.lines())
        .map(|line| line.rsplit(' ').next().unwrap().parse().expect(line))
        .collect();
    assert!(numbers.iter().copied().eq(0..numbers.len()), "{numbers:?}");
    assert!(read("own.log").contains("received SIGUSR1"));
    daemon.stop();
}

#[test]
fn output_that_others_hold_open_delays_no_restart() {
    let daemon = Daemon::start(
        r#"
[program.it]
command = "sh"
arguments = ["-c", "setsid sleep 1000 & echo $! > DIR/child; exit 1"]
backoff = { initial = "1ms", max = "1ms" }
"#,
    );
    daemon.wait_for("it", |it| it.restarts > 10);
    let mut daemon = daemon;
    daemon.signal(Signal::TERM);
    assert!(daemon.wait_end().success());
}

#[test]
fn the_main_program_writes_straight_to_the_standard_output() {
    let mut daemon = Daemon::start(
        r#"
[program.report]
command = "sh"
arguments = ["-c", "sleep 0.3; echo plain; echo captured >&2"]
role = "main"
"#,
    );
    assert!(daemon.wait_end().success());
    let log = daemon.log();
    assert!(log.lines().any(|line| line == "plain"), "{log}");
    assert!(log.lines().any(|line| line.starts_with("report/0[") && line.ends_with("captured")));
}
