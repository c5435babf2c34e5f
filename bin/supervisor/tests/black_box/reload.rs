//! Reload: nothing is lost, nothing that serves is touched by what fails.

use std::time::{Duration, Instant};

use brigade_supervisor::command::{Command, Scale};
use brigade_supervisor::config::ReloadScope;
use brigade_supervisor::status::{
    DaemonState, InstanceState, InstanceStatus, ProgramState, Verdict,
};
use brigade_sys::signals::Signal;

use crate::harness::{Daemon, eventually, signal, up};
use crate::load::{Fate, Load, failures};

pub(crate) const WEB: &str = r#"
[socket.http]
listen = "127.0.0.1:0"
[program.web]
command = "WORKER"
arguments = ["web"]
count = 3
sockets = ["http"]
ready = "notify"
"#;

/// A service that is easily changed: `ARGUMENTS` stands for what its worker is.
fn service(arguments: &str) -> String {
    format!(
        "[program.it]\ncommand = \"WORKER\"\narguments = [{arguments}]\ncount = 2\n\
         ready = \"notify\"\nready_timeout = \"2s\"\n"
    )
}

#[test]
fn reloads_under_load_lose_no_request_and_exchange_every_worker() {
    let daemon = Daemon::start(WEB);
    let mut before = daemon.wait_ready("web", 3);
    let load = Load::begin(&daemon.address("http"), 300);
    eventually("requests to be answered", || (load.done() > 50).then_some(()));
    for round in 2..=6 {
        let answered = load.done();
        if round % 2 == 0 {
            let reply = daemon.reload();
            assert_eq!((reply.verdict, reply.generation), (Verdict::Ok, Some(round)), "{reply:?}");
        } else {
            daemon.signal(Signal::HUP);
        }
        let web = daemon.wait_for("web", |web| web.generation == round && web.ready == 3);
        let after = up(&web);
        assert!(after.iter().all(|pid| !before.contains(pid)), "{before:?} {after:?}");
        before = after;
        eventually("requests to be answered", || (load.done() > answered + 50).then_some(()));
    }
    let fates = load.finish();
    assert!(failures(&fates).is_empty(), "{:?}", failures(&fates));
    let generations: std::collections::BTreeSet<i64> = fates
        .iter()
        .map(|(_, fate)| match fate {
            Fate::Answered { generation, .. } => *generation,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(generations.len(), 6, "{generations:?}");
    daemon.stop();
}

#[test]
fn there_are_never_fewer_ready_workers_than_before_while_new_ones_boot_slowly() {
    let daemon = Daemon::start(&service("'sleep'"));
    daemon.wait_ready("it", 2);
    daemon.configure(&service("'sleep', '--ready-after', '300'"));
    daemon.ask_to_begin(Command::Reload(None));
    let mut looks = 0;
    loop {
        let status = daemon.status();
        assert!(status.programs[0].ready >= 2, "{status:#?}");
        looks += 1;
        if status.state == DaemonState::Running {
            break;
        }
    }
    assert!(looks > 10, "the reload was over before it could be watched");
    assert_eq!(daemon.program("it").generation, 2);
    daemon.stop();
}

#[test]
fn new_code_that_fails_at_boot_leaves_the_old_one_untouched() {
    let daemon = Daemon::start(&service("'sleep'"));
    let before = daemon.wait_ready("it", 2);
    daemon.configure(&service("'crash', '--code', '7'"));
    let reply = daemon.reload();
    assert_eq!(reply.verdict, Verdict::Failed);
    assert!(reply.message.contains("rolled back"), "{reply:?}");
    let [failure] = &reply.failures[..] else { panic!("one attempt, not {:?}", reply.failures) };
    assert_eq!(failure.reason, "exited with code 7");
    assert_eq!(failure.lines, ["this is the end"]);
    let it = daemon.program("it");
    assert_eq!((up(&it), it.generation, it.state), (before, 1, ProgramState::Running));
    // The way back was no dead end: the next good file is taken.
    daemon.configure(&service("'sleep', '--code', '0'"));
    assert_eq!(daemon.reload().verdict, Verdict::Ok);
    daemon.stop();
}

#[test]
fn a_worker_that_never_gets_ready_is_given_up_in_time() {
    let daemon = Daemon::start(&service("'sleep'"));
    let before = daemon.wait_ready("it", 2);
    daemon.configure(&service("'never-ready'"));
    let start = Instant::now();
    let reply = daemon.reload();
    let took = start.elapsed();
    assert_eq!(reply.verdict, Verdict::Failed);
    assert!(reply.failures[0].reason.contains("not ready in time"), "{reply:?}");
    assert!((2000..4000).contains(&took.as_millis()), "{took:?}");
    assert_eq!(up(&daemon.program("it")), before);
    let gone = daemon.wait_for("it", |it| it.instances.len() == 2);
    assert!(gone.instances.iter().all(|it| it.state == InstanceState::Up));
    daemon.stop();
}

#[test]
fn a_failure_in_the_second_place_brings_the_first_place_back() {
    let config = r#"
[program.it]
command = "sh"
arguments = ["-c", "[ $BRIGADE_INSTANCE = 0 ] || exit 3; exec WORKER sleep"]
count = 2
ready = "notify"
"#;
    let daemon = Daemon::start(&service("'sleep'"));
    daemon.wait_ready("it", 2);
    daemon.configure(config);
    let reply = daemon.reload();
    assert_eq!(reply.verdict, Verdict::Failed, "{reply:?}");
    assert_eq!(reply.failures[0].instance, 1);
    let it = daemon.program("it");
    assert_eq!((it.generation, it.ready), (1, 2));
    assert!(
        it.instances.iter().filter(|it| it.state == InstanceState::Up).all(|it| it.generation == 1)
    );
    daemon.stop();
}

#[test]
fn a_file_of_no_use_changes_nothing_and_says_where() {
    let daemon = Daemon::start(WEB);
    let before = daemon.wait_ready("web", 3);
    let foreign = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("{WEB}\n[socket.other]\nlisten = \"{}\"", foreign.local_addr().unwrap());
    let broken = [
        (WEB.replace("count = 3", "count = 3 3"), 7, "brigade.toml:7:"),
        (WEB.replace("count", "cuont"), 7, "did you mean `count`"),
        (WEB.replace("\"WORKER\"", "\"/no/such/binary\""), 5, "does not exist"),
        (format!("{WEB}user = \"nosuchuser\""), 10, "no user `nosuchuser`"),
        (taken, 12, "address already in use"),
    ];
    let load = Load::begin(&daemon.address("http"), 100);
    for (config, line, words) in &broken {
        daemon.configure(config);
        let reply = daemon.reload();
        assert_eq!(
            (reply.verdict, reply.diagnostics[0].line),
            (Verdict::Invalid, *line),
            "{reply:?}"
        );
        assert!(reply.diagnostics[0].to_string().contains(words), "{reply:?}");
        let output = daemon.ctl(&["reload"]);
        assert_eq!(output.status.code(), Some(6));
        assert!(String::from_utf8_lossy(&output.stderr).contains(words), "{output:?}");
        let told = daemon.log().matches(words).count();
        daemon.signal(Signal::HUP);
        eventually("the log to say so", || {
            (daemon.log().matches(words).count() > told).then_some(())
        });
        assert_eq!(up(&daemon.program("web")), before);
    }
    daemon.configure(WEB);
    assert_eq!(daemon.reload().verdict, Verdict::Ok);
    let fates = load.finish();
    assert!(failures(&fates).is_empty(), "{:?}", failures(&fates));
    daemon.stop();
}

#[test]
fn of_many_programs_only_the_changed_one_is_touched() {
    let program = |number: u32, more: &str| {
        format!("[program.p{number}]\ncommand = \"sleep\"\narguments = [\"1000\"]\n{more}")
    };
    let all: String = (0..40).map(|it| program(it, "")).collect();
    let daemon = Daemon::start(&all);
    let pids = |daemon: &Daemon| {
        let programs = daemon.status().programs;
        programs.iter().map(|it| (it.name.clone(), up(it))).collect::<Vec<_>>()
    };
    let before = pids(&daemon);
    daemon.configure(&all.replace(&program(17, ""), &program(17, "env = { A = \"1\" }\n")));
    let reply = daemon.ask(Command::Reload(Some(ReloadScope::Changed)));
    assert_eq!(reply.verdict, Verdict::Ok);
    let after = pids(&daemon);
    let changed: Vec<_> = before.iter().zip(&after).filter(|(old, new)| old != new).collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].0.0, "p17");
    // What is as it was asked for is not touched again.
    daemon.ask(Command::Reload(Some(ReloadScope::Changed)));
    assert_eq!(pids(&daemon), after);
    daemon.stop();
}

#[test]
fn a_hup_during_a_reload_leads_to_one_that_reads_the_file_after_it() {
    for _ in 0..3 {
        let daemon = Daemon::start(&service("'sleep'"));
        daemon.wait_ready("it", 2);
        daemon.configure(&service("'sleep', '--ready-after', '100'"));
        daemon.signal(Signal::HUP);
        eventually("the reload to begin", || {
            (daemon.status().state == DaemonState::Reloading).then_some(())
        });
        daemon.configure(&format!("{}env = {{ LAST = \"1\" }}", service("'sleep'")));
        for _ in 0..5 {
            daemon.signal(Signal::HUP);
        }
        let it = daemon.wait_for("it", |it| it.generation >= 3 && it.ready == 2);
        for pid in up(&it) {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
            assert!(String::from_utf8_lossy(&environment).contains("LAST=1"));
        }
        daemon.stop();
    }
}

#[test]
fn programs_come_and_go_with_the_file() {
    let program =
        |name: &str| format!("[program.{name}]\ncommand = \"WORKER\"\narguments = [\"sleep\"]\n");
    let daemon = Daemon::start(&(program("a") + &program("b")));
    let kept = daemon.wait_ready("b", 1);
    daemon.configure(&(program("b") + &program("c")));
    assert_eq!(daemon.ask(Command::Reload(Some(ReloadScope::Changed))).verdict, Verdict::Ok);
    assert_eq!(daemon.wait_ready("c", 1).len(), 1);
    assert_eq!(up(&daemon.program("b")), kept);
    eventually("a to be gone", || {
        daemon.status().programs.iter().all(|it| it.name != "a").then_some(())
    });
    // A program that comes with a file that fails goes with it.
    daemon.configure(&format!(
        "{}{}[program.bad]\ncommand = \"WORKER\"\narguments = [\"crash\"]\nready = \"notify\"\n",
        program("b"),
        program("c")
    ));
    assert_eq!(daemon.reload().verdict, Verdict::Failed);
    eventually("bad to be gone", || (daemon.status().programs.len() == 2).then_some(()));
    daemon.stop();
}

#[test]
fn a_scaled_program_stays_scaled_through_a_reload() {
    let daemon = Daemon::start(&service("'sleep'"));
    daemon.wait_ready("it", 2);
    assert_eq!(daemon.ask(Command::Scale("it".into(), Scale::To(4))).verdict, Verdict::Ok);
    assert_eq!(daemon.reload().verdict, Verdict::Ok);
    let it = daemon.program("it");
    assert_eq!((it.ready, it.scaled, it.configured), (4, Some(4), 2));
    let text = String::from_utf8(daemon.ctl(&["status"]).stdout).unwrap();
    assert!(text.contains("4 (config 2)"), "{text}");
    daemon.ask(Command::Scale("it".into(), Scale::Configured));
    let it = daemon.wait_for("it", |it| it.instances.len() == 2);
    assert_eq!((it.ready, it.scaled), (2, None));
    for (sent, count) in [(Signal::TTIN, 3), (Signal::TTOU, 2), (Signal::TTOU, 1)] {
        daemon.signal(sent);
        daemon.wait_for("it", |it| it.instances.len() == count && up(it).len() == count);
    }
    daemon.stop();
}

#[test]
fn one_for_one_replacement_never_runs_two_in_a_place() {
    let config = service("'sleep'") + "replacement = \"one-for-one\"\n";
    let daemon = Daemon::start(&config);
    let before = daemon.wait_ready("it", 2);
    daemon.ask_to_begin(Command::Reload(None));
    loop {
        let status = daemon.status();
        let alive = status.programs[0].instances.iter().filter(|it| it.pid.is_some()).count();
        assert!(alive <= 2, "{status:#?}");
        if status.state == DaemonState::Running {
            break;
        }
    }
    let after = daemon.wait_ready("it", 2);
    assert!(after.iter().all(|pid| !before.contains(pid)));
    daemon.stop();
}

#[test]
fn many_reloads_leave_no_descriptor_and_no_memory() {
    let daemon = Daemon::start(&(service("'sleep'") + "stop_timeout = \"5s\"\n"));
    daemon.wait_ready("it", 2);
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
    let quiet = || {
        daemon.wait_for("it", |it| it.instances.len() == 2 && it.ready == 2);
        descriptors()
    };
    let before = quiet();
    for _ in 0..40 {
        assert_eq!(daemon.reload().verdict, Verdict::Ok);
    }
    eventually("the descriptors to be as they were", || (quiet() == before).then_some(()));
    daemon.stop();
}

#[test]
fn a_long_drain_outlives_the_reload_that_began_it() {
    let daemon = Daemon::start(WEB);
    daemon.wait_ready("web", 3);
    let address = daemon.address("http");
    let request = std::thread::spawn(move || crate::load::request(&address, "slow?delay=700"));
    // The request is in the ledger of nobody: that a worker holds it shows when it drains.
    std::thread::park_timeout(Duration::from_millis(100));
    assert_eq!(daemon.reload().verdict, Verdict::Ok);
    daemon
        .wait_for("web", |web| web.instances.iter().any(|it| it.state == InstanceState::Draining));
    let fate = request.join().unwrap();
    assert!(matches!(fate, Fate::Answered { generation: 1, .. }), "{fate:?}");
    daemon.wait_for("web", |web| web.instances.len() == 3);
    daemon.stop();
}

#[test]
fn a_worker_reads_its_own_settings_again_on_a_hup_of_its_own() {
    let daemon = Daemon::start(&WEB.replace("\"web\"]", "\"web\", \"--message\", \"/dev/null\"]"));
    let pids = daemon.wait_ready("web", 3);
    for &pid in &pids {
        signal(pid, Signal::HUP);
    }
    let web = daemon.wait_for("web", |web| {
        let told = |it: &InstanceStatus| {
            it.status.as_deref().is_some_and(|status| status.contains("reloaded 1 times"))
        };
        web.instances.iter().all(told)
    });
    assert_eq!(up(&web), pids);
    daemon.stop();
}

#[test]
fn a_program_that_reports_nothing_is_ready_when_it_has_run_for_a_while() {
    let config = |arguments| service(arguments).replace("\"notify\"", "\"200ms\"");
    let daemon = Daemon::start(&config("'sleep'"));
    // What the worker reports does not make it ready any earlier.
    assert_eq!(daemon.program("it").ready, 0);
    let before = daemon.wait_ready("it", 2);
    daemon.configure(&config("'crash', '--ready', '--after', '100'"));
    let reply = daemon.reload();
    assert_eq!(reply.verdict, Verdict::Failed, "{reply:?}");
    assert_eq!(up(&daemon.program("it")), before);
    daemon.stop();
}
