//! What a worker finds, whatever its supervisor was started with.

use std::process::Command;

use crate::harness::Daemon;

/// A worker that shows what it finds and stays.
const SHOW: &str = r#"
[socket.one]
listen = "127.0.0.1:0"
[socket.two]
listen = "unix:DIR/two.sock"
[program.it]
command = "sh"
arguments = ["-c", "for fd in /proc/$$/fd/*; do echo fd ${fd##*/}; done; grep -E 'Sig(Blk|Ign)' /proc/self/status; env; echo pid $$; echo done; exec sleep 1000"]
sockets = ["one", "two"]
env = { COLOR = "red", HOME = "/elsewhere" }
cwd = "/"
"#;

fn lines(daemon: &Daemon) -> Vec<String> {
    let pid = daemon.wait_ready("it", 1)[0];
    let prefix = format!("it/0[{pid}] ");
    let log = crate::harness::eventually("the worker to show itself", || {
        let log = daemon.log();
        log.contains(&format!("{prefix}done")).then_some(log)
    });
    log.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
}

fn has(lines: &[String], line: &str) {
    assert!(lines.iter().any(|it| it == line), "`{line}` is missing in {lines:#?}");
}

#[test]
fn a_worker_has_the_standard_streams_and_its_sockets_and_nothing_else() {
    // The supervisor itself has inherited a descriptor that is open across exec.
    let daemon = Daemon::start_by(SHOW, |program| {
        let mut command = Command::new("sh");
        command.args(["-c", "exec 9</dev/null; exec \"$0\" \"$@\"", program]);
        command.env("LISTEN_FDS", "7").env("NOTIFY_SOCKET", "/no/such").env("BRIGADE_X", "1");
        command
    });
    let lines = lines(&daemon);
    // The shell has one more open while it lists them: the directory, under the next number.
    let found: Vec<&str> = lines.iter().filter_map(|it| it.strip_prefix("fd ")).collect();
    let open: Vec<&str> = found.iter().copied().filter(|it| *it != "5" && *it != "10").collect();
    assert_eq!(open, ["0", "1", "2", "3", "4"]);
    let pid = lines.iter().find_map(|it| it.strip_prefix("pid ")).unwrap();
    has(&lines, &format!("LISTEN_PID={pid}"));
    for line in [
        "LISTEN_FDS=2",
        "LISTEN_FDNAMES=one:two",
        "COLOR=red",
        "HOME=/elsewhere",
        "PWD=/",
        "BRIGADE_PROGRAM=it",
        "BRIGADE_INSTANCE=0",
        "BRIGADE_GENERATION=1",
        "BRIGADE_RESTART_COUNT=0",
    ] {
        has(&lines, line);
    }
    assert!(lines.iter().any(|it| it.starts_with("NOTIFY_SOCKET=@")));
    assert!(!lines.iter().any(|it| it.starts_with("BRIGADE_X")));
    daemon.stop();
}

#[test]
fn ignored_signals_of_the_caller_reach_neither_the_supervisor_nor_its_workers() {
    let daemon = Daemon::start_by(SHOW, |program| {
        let mut command = Command::new("sh");
        let script = "trap '' HUP TERM INT QUIT PIPE USR1 CHLD; exec \"$0\" \"$@\"";
        command.args(["-c", script, program]);
        command
    });
    let lines = lines(&daemon);
    has(&lines, "SigBlk:\t0000000000000000");
    has(&lines, "SigIgn:\t0000000000000000");
    // That it reaps its children and hears TERM shows at the stop.
    daemon.stop();
}

#[test]
fn a_worker_runs_as_the_user_that_is_asked_for() {
    if !is_root() {
        return;
    }
    let daemon = Daemon::start(
        r#"
[program.it]
command = "sh"
arguments = ["-c", "grep -E '^(Uid|Gid|Groups)' /proc/$$/status; echo done; exec sleep 1000"]
user = "nobody"
"#,
    );
    let lines = lines(&daemon);
    has(&lines, "Uid:\t65534\t65534\t65534\t65534");
    has(&lines, "Gid:\t65534\t65534\t65534\t65534");
    daemon.stop();
}

/// Whether the tests run as root, who alone can start others as somebody else.
pub(crate) fn is_root() -> bool {
    let own = std::fs::metadata("/proc/self").unwrap();
    std::os::unix::fs::MetadataExt::uid(&own) == 0
}
