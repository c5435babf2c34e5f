//! Stopping: gracefully, at the deadline, at once, and in the middle of something.

use std::time::{Duration, Instant};

use brigade_supervisor::command::Command;
use brigade_supervisor::status::{DaemonState, InstanceState, ProgramState, Verdict};
use brigade_sys::signals::Signal;

use crate::harness::{Daemon, eventually, is_alive};

fn sleepers(count: u32, arguments: &str, more: &str) -> String {
    format!(
        "[program.it]\ncommand = \"WORKER\"\narguments = ['sleep'{arguments}]\ncount = {count}\n\
         ready = \"notify\"\n{more}\n"
    )
}

#[test]
fn a_stop_takes_as_long_as_the_workers_need_and_not_as_long_as_they_may() {
    let mut daemon = Daemon::start(&sleepers(10, "", "stop_timeout = \"30s\""));
    daemon.wait_ready("it", 10);
    let start = Instant::now();
    daemon.signal(Signal::TERM);
    assert!(daemon.wait_end().success());
    let took = start.elapsed();
    println!("ten workers stopped in {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_stubborn_worker_is_killed_at_its_deadline() {
    let daemon = Daemon::start(&sleepers(2, ", '--stubborn'", "stop_timeout = \"300ms\""));
    let pids = daemon.wait_ready("it", 2);
    let start = Instant::now();
    let reply = daemon.ask(Command::Stop("it".into()));
    assert_eq!(reply.verdict, Verdict::Ok);
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
    assert_eq!(daemon.program("it").state, ProgramState::Stopped);
    daemon.stop();
}

#[test]
fn a_second_term_and_a_quit_kill_at_once() {
    let signals: [&[Signal]; 3] =
        [&[Signal::TERM, Signal::TERM], &[Signal::QUIT], &[Signal::INT, Signal::INT]];
    for sent in signals {
        let mut daemon = Daemon::start(&sleepers(2, ", '--stubborn'", "stop_timeout = \"60s\""));
        daemon.wait_ready("it", 2);
        for (index, &signal) in sent.iter().enumerate() {
            if index > 0 {
                eventually("the stop to begin", || {
                    (daemon.status().state == DaemonState::Stopping).then_some(())
                });
            }
            daemon.signal(signal);
        }
        assert!(daemon.wait_end().success());
    }
}

#[test]
fn a_stop_in_every_phase_of_a_reload_leaves_nothing() {
    let config = sleepers(3, ", '--ready-after', '60'", "");
    for wait in [0, 20, 50, 80, 120, 200] {
        let mut daemon = Daemon::start(&config);
        daemon.wait_ready("it", 3);
        daemon.ask_to_begin(Command::Reload(None));
        std::thread::park_timeout(Duration::from_millis(wait));
        daemon.signal(Signal::TERM);
        assert!(daemon.wait_end().success());
    }
}

#[test]
fn children_of_a_worker_go_with_it() {
    let daemon = Daemon::start(
        r#"
[program.it]
command = "sh"
arguments = ["-c", "trap '' TERM; sleep 1000 & echo $! > DIR/child; exec WORKER sleep"]
ready = "notify"
"#,
    );
    daemon.wait_ready("it", 1);
    let child: i32 = std::fs::read_to_string(daemon.path("child")).unwrap().trim().parse().unwrap();
    assert!(is_alive(child));
    daemon.ask(Command::Stop("it".into()));
    eventually("the child to be gone", || (!is_alive(child)).then_some(()));
    daemon.stop();
}

#[test]
fn orphans_are_reaped_and_mean_nothing() {
    let daemon = Daemon::start(
        r#"
[program.it]
command = "sh"
arguments = ["-c", "for i in 1 2 3 4 5 6 7 8 9 10; do (sh -c 'sleep 0.05; exit 3' &) ; done; exec sleep 1000"]
[program.main]
command = "sleep"
arguments = ["1000"]
role = "main"
"#,
    );
    eventually("the orphans to be reaped", || {
        (daemon.status().strangers_reaped >= 10).then_some(())
    });
    assert_eq!(daemon.wait_ready("it", 1).len(), 1);
    daemon.stop();
}

#[test]
fn the_end_of_the_main_program_is_the_end_of_everything() {
    for (arguments, code) in [
        ("['crash', '--code', '0']", 0),
        ("['crash', '--code', '42']", 42),
        ("['crash', '--signal', '15']", 143),
    ] {
        let mut daemon = Daemon::start(&format!(
            "{}[program.report]\ncommand = \"WORKER\"\narguments = {arguments}\nrole = \"main\"\n\
             env = {{ X = \"1\" }}\n",
            sleepers(2, "", "")
        )
        .replace("'crash'", "'crash', '--after', '300'"));
        assert_eq!(daemon.wait_end().code(), Some(code));
    }
}

#[test]
fn a_client_that_goes_away_does_not_stop_what_it_asked_for() {
    let daemon = Daemon::start(&sleepers(1, ", '--stubborn'", "stop_timeout = \"500ms\""));
    daemon.wait_ready("it", 1);
    let impatient = daemon.client().patience(Duration::from_millis(50));
    let order = crate::harness::order(Command::Stop("it".into()));
    assert!(impatient.ask(&order).is_err());
    let it = daemon.program("it");
    assert_eq!(
        (it.state, it.instances[0].state),
        (ProgramState::Stopping, InstanceState::Draining)
    );
    assert!(it.instances[0].due_ms.is_some());
    daemon.wait_for("it", |it| it.state == ProgramState::Stopped);
    daemon.stop();
}

#[test]
fn a_stopped_program_starts_again_when_it_is_told_to() {
    let daemon = Daemon::start(&sleepers(2, "", ""));
    let before = daemon.wait_ready("it", 2);
    daemon.ask(Command::Stop("it".into()));
    // A reload does not start what an operator has stopped.
    assert_eq!(daemon.reload().verdict, Verdict::Ok);
    assert_eq!(daemon.program("it").state, ProgramState::Stopped);
    assert_eq!(daemon.ask(Command::Start("it".into())).verdict, Verdict::Ok);
    let after = daemon.wait_ready("it", 2);
    assert!(before.iter().all(|pid| !after.contains(pid)));
    assert_eq!(daemon.ask(Command::Restart("it".into())).verdict, Verdict::Ok);
    let restarted = daemon.wait_ready("it", 2);
    assert!(restarted.iter().all(|pid| !after.contains(pid)));
    daemon.stop();
}
