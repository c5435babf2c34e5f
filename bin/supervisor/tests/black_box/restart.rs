//! Workers that end, and what becomes of it.

use std::time::{Duration, Instant};

use brigade_supervisor::command::Command;
use brigade_supervisor::control::Client;
use brigade_supervisor::status::{InstanceState, ProgramState};
use brigade_sys::signals::Signal;

use crate::harness::{Daemon, PATIENCE, eventually, is_alive, order, signal, up};
use crate::load::{Fate, Load, failures};

const TWO: &str = r#"
[program.good]
command = "WORKER"
arguments = ["sleep"]
ready = "notify"
backoff = { reset_after = "0s" }

[program.bad]
command = "WORKER"
arguments = ["crash"]
backoff = { initial = "1ms", max = "5ms" }
"#;

#[test]
fn a_killed_worker_is_back_within_milliseconds_while_another_program_crashes_in_a_loop() {
    let daemon = Daemon::start(TWO);
    let mut pid = daemon.wait_ready("good", 1)[0];
    daemon.wait_for("bad", |bad| bad.restarts > 5);
    let mut times = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        signal(pid, Signal::KILL);
        pid = eventually("a new process", || {
            up(&daemon.program("good")).into_iter().find(|&it| it != pid)
        });
        times.push(start.elapsed());
    }
    times.sort();
    println!("killed to ready again: median {:?}, longest {:?}", times[10], times[19]);
    assert!(times[10] < Duration::from_millis(100), "{times:?}");
    assert_eq!(daemon.program("good").restarts, 20);
    daemon.stop();
}

#[test]
fn a_crash_loop_slows_down_and_costs_nobody_else_anything() {
    let daemon = Daemon::start(
        r#"
[program.bad]
command = "WORKER"
arguments = ["crash"]
backoff = { initial = "40ms", max = "10s", jitter = 0.0 }
[program.missing]
command = "DIR/there"
[program.good]
command = "sleep"
arguments = ["1000"]
"#
        .replace("DIR/there", "/bin/false")
        .as_str(),
    );
    let good = daemon.wait_ready("good", 1);
    let start = Instant::now();
    // 0 + 40 + 80 + 160 + 320 ms of rest lie before the sixth failure.
    daemon.wait_for("bad", |bad| bad.restarts >= 6);
    assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
    let mut slowest = Duration::ZERO;
    for _ in 0..100 {
        let start = Instant::now();
        daemon.status();
        slowest = slowest.max(start.elapsed());
    }
    println!("slowest of 100 answers: {slowest:?}");
    let bad = daemon.wait_for("bad", |bad| bad.instances[0].state == InstanceState::Resting);
    assert_eq!(bad.state, ProgramState::Failing);
    assert!(bad.instances[0].due_ms.is_some());
    assert_eq!(up(&daemon.program("good")), good);
    daemon.stop();
}

#[test]
fn every_policy_answers_every_end() {
    // The signals that end a process; 9 cannot be sent by the worker to itself as a default.
    let signals =
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 25, 26, 27, 29, 30, 31];
    let mut ends: Vec<(String, String, bool)> = vec![
        ("code0".into(), "'--code', '0'".into(), true),
        ("code1".into(), "'--code', '1'".into(), false),
    ];
    ends.extend(signals.map(|it| (format!("signal{it}"), format!("'--signal', '{it}'"), false)));
    let mut config = String::new();
    for (name, arguments, _) in &ends {
        for policy in ["always", "on-failure", "never"] {
            config += &format!(
                "[program.{name}-{policy}]\ncommand = \"WORKER\"\narguments = ['crash', {arguments}]\n\
                 restart = \"{policy}\"\nbackoff = {{ initial = \"5s\" }}\n"
            );
        }
    }
    let daemon = Daemon::start(&config);
    for (name, _, success) in &ends {
        let check = |policy: &str, expected: ProgramState| {
            let full = format!("{name}-{policy}");
            let restarted = expected == ProgramState::Failing;
            let program = daemon.wait_for(&full, |program| program.state == expected);
            assert_eq!(program.restarts > 0, restarted, "{full}: {program:?}");
        };
        check("always", ProgramState::Failing);
        check("on-failure", if *success { ProgramState::Exited } else { ProgramState::Failing });
        check("never", if *success { ProgramState::Exited } else { ProgramState::Failed });
    }
    let last = daemon.program("signal11-never").instances[0].last_exit.clone();
    assert_eq!(last.as_deref(), Some("was killed by SIGSEGV"));
    daemon.stop();
}

#[test]
fn a_program_that_cannot_be_executed_says_why_and_is_not_tried_at_full_speed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("script");
    std::fs::write(&path, "#!/no/such/interpreter\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).unwrap();
    let daemon = Daemon::start(&format!("[program.it]\ncommand = \"{}\"\n", path.display()));
    let it = daemon.wait_for("it", |it| it.restarts >= 2);
    let last = it.instances[0].last_exit.clone().unwrap();
    assert!(last.contains("could not be started") && last.contains("execute"), "{last}");
    assert!(daemon.program("it").restarts < 10);
    daemon.stop();
}

#[test]
fn only_a_process_of_its_own_is_heard() {
    // A child of the worker, and the test itself, claim that the worker is ready.
    let daemon = Daemon::start(
        r#"
[program.it]
command = "sh"
arguments = ["-c", "WORKER crash --ready --after 100; exec WORKER never-ready"]
ready = "notify"
"#,
    );
    daemon
        .wait_for("it", |it| it.instances[0].status.as_deref() == Some("has not made up its mind"));
    assert_eq!(daemon.program("it").ready, 0);
    daemon.stop();
}

#[test]
fn heartbeats_are_asked_for_and_recorded() {
    let daemon = Daemon::start(
        r#"
[program.it]
command = "WORKER"
arguments = ["sleep"]
ready = "notify"
watchdog = "20ms"
"#,
    );
    let it = daemon.wait_for("it", |it| it.instances[0].heartbeat_ms.is_some());
    assert_eq!(it.instances[0].status.as_deref(), Some("asleep"));
    daemon.stop();
}

#[test]
fn the_restart_count_is_told_to_the_worker() {
    let daemon = Daemon::start(
        r#"
[program.it]
command = "sh"
arguments = ["-c", "[ $BRIGADE_RESTART_COUNT = 2 ] && exec sleep 1000; exit 1"]
backoff = { initial = "1ms" }
"#,
    );
    daemon.wait_for("it", |it| it.restarts == 2 && it.ready == 1 && it.instances[0].restarts == 2);
    daemon.stop();
}

#[test]
fn a_killed_worker_loses_only_what_it_was_holding() {
    let config = crate::reload::WEB.replace("\"web\"]", "\"web\", \"--ledger\", \"DIR/ledger\"]");
    let daemon = Daemon::start(&config);
    let pids = daemon.wait_ready("web", 3);
    let load = Load::begin(&daemon.address("http"), 300);
    eventually("requests to be answered", || (load.done() > 100).then_some(()));
    signal(pids[0], Signal::KILL);
    daemon.wait_for("web", |web| web.ready == 3 && !up(web).contains(&pids[0]));
    let done = load.done();
    eventually("more requests to be answered", || (load.done() > done + 100).then_some(()));
    let fates = load.finish();
    let ledger = std::fs::read_to_string(daemon.path("ledger")).unwrap();
    let victim = format!(" {}", pids[0]);
    for (id, fate) in failures(&fates) {
        // Accepted by the victim, whether or not it had come to write that down.
        assert!(matches!(fate, Fate::Lost | Fate::Torn), "{id}: {fate:?}");
        let entry = ledger.lines().find(|line| line.starts_with(&format!("{id} ")));
        assert!(entry.is_none_or(|line| line.ends_with(&victim)), "{id}: {entry:?}");
    }
    // One thread serves all connections: it holds a handful at a time.
    assert!(failures(&fates).len() <= 8, "{:?}", failures(&fates));
    daemon.stop();
}

#[test]
fn a_supervisor_that_is_killed_takes_its_workers_along_and_leaves_nothing_in_the_way() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let config = format!(
        "[socket.s]\nlisten = \"{}\"\n[program.it]\ncommand = \"{}\"\narguments = ['sleep', '--stubborn']\n\
         sockets = ['s']\nready = \"notify\"\n",
        path("s.sock"),
        crate::harness::worker()
    );
    std::fs::write(path("brigade.toml"), config).unwrap();
    let client = Client::new(path("control.sock")).patience(PATIENCE);
    for _ in 0..5 {
        let mut daemon = std::process::Command::new(env!("CARGO_BIN_EXE_brigaded"))
            .args(["run", &path("brigade.toml"), "--control", &path("control.sock")])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let pid = eventually("the worker to be ready", || {
            let status = client.ask(&order(Command::Status(None))).ok()?.status?;
            up(&status.programs[0]).first().copied()
        });
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        eventually("the worker to be gone", || (!is_alive(pid)).then_some(()));
    }
}
