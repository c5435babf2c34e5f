//! The control socket: hostile, slow and many clients, and other people.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use brigade_supervisor::status::Verdict;

use crate::environment::is_root;
use crate::harness::{Daemon, PATIENCE, brigaded, eventually};

const SLEEP: &str = "[program.it]\ncommand = \"sleep\"\narguments = [\"1000\"]\n";

fn connect(daemon: &Daemon) -> UnixStream {
    let stream = UnixStream::connect(daemon.path("control.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn curl_gets_an_answer() {
    let daemon = Daemon::start(SLEEP);
    let socket = daemon.path("control.sock");
    let curl = |arguments: &[&str]| {
        let output = Command::new("curl")
            .arg("-sS")
            .arg("--unix-socket")
            .arg(&socket)
            .args(arguments)
            .output();
        output.ok().map(|output| String::from_utf8(output.stdout).unwrap())
    };
    // Where there is no curl there is nothing to show.
    if let Some(text) = curl(&["http://brigade/status"]) {
        let reply: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(reply["status"]["programs"][0]["name"], "it");
        let text = curl(&["-d", "{\"count\": 3}", "http://brigade/programs/it/scale"]).unwrap();
        let reply: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(reply["verdict"], "ok", "{text}");
        assert_eq!(daemon.wait_ready("it", 3).len(), 3);
    }
    daemon.stop();
}

#[test]
fn a_connection_takes_one_request_after_the_other() {
    let daemon = Daemon::start(SLEEP);
    let mut stream = connect(&daemon);
    // The second and third arrive with the first; the third has to wait for its answer.
    stream
        .write_all(
            b"GET /status HTTP/1.1\r\n\r\nPOST /programs/it/restart HTTP/1.1\r\n\r\n\
              GET /status?program=it HTTP/1.1\r\nconnection: close\r\n\r\n",
        )
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3, "{text}");
    assert!(text.contains("generation 2 serves"), "{text}");
    daemon.stop();
}

#[test]
fn nonsense_is_answered_once_and_cut_off() {
    let daemon = Daemon::start(SLEEP);
    let hostile: [&[u8]; 7] = [
        b"\x00\x01\x02\x03 binary\r\n\r\n",
        b"GET /status HTTP/1.1\r\ncontent-length: 1000000000\r\n\r\n",
        b"POST /reload HTTP/1.1\r\ncontent-length: 3\r\n\r\n{{{",
        b"DELETE /status HTTP/1.1\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[b'a'; 20_000],
    ];
    for bytes in hostile {
        let mut stream = connect(&daemon);
        let _ = stream.write_all(bytes);
        let mut chunk = [0; 1024];
        let len = stream.read(&mut chunk).unwrap_or(0);
        assert!(chunk[..len].starts_with(b"HTTP/1.1 4"), "{bytes:?}: {:?}", &chunk[..len]);
    }
    // Half a request, and nobody at the other end any more.
    connect(&daemon).write_all(b"GET /sta").unwrap();
    assert_eq!(daemon.status().programs.len(), 1);
    daemon.stop();
}

#[test]
fn slow_and_many_clients_hurt_nobody() {
    let daemon = Daemon::start(SLEEP);
    let idle: Vec<UnixStream> = (0..700)
        .map(|number| {
            let mut stream = connect(&daemon);
            if number % 2 == 0 {
                let _ = stream.write_all(b"GET /status HT");
            }
            stream
        })
        .collect();
    let mut times: Vec<Duration> = (0..100)
        .map(|_| {
            let start = Instant::now();
            daemon.status();
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("status with 700 idle clients: p50 {:?}, p99 {:?}", times[50], times[98]);
    assert!(times[50] < Duration::from_millis(50), "{times:?}");
    drop(idle);
    daemon.stop();
}

#[test]
fn other_users_are_refused() {
    if !is_root() {
        return;
    }
    let daemon = Daemon::start(SLEEP);
    let socket = daemon.path("control.sock");
    let curl = |url: &str| {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "curl",
            "-sS",
            "--unix-socket",
        ]);
        command.arg(&socket).arg(url).stderr(Stdio::null()).output().unwrap()
    };
    // The file alone keeps them out ...
    assert_ne!(curl("http://brigade/status").status.code(), Some(0));
    // ... and if somebody opens it, the supervisor still looks who it is.
    let open = |path: &std::path::Path, mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(path, mode).unwrap();
    };
    open(&socket, 0o666);
    open(socket.parent().unwrap(), 0o755);
    let output = curl("http://brigade/status");
    let text = String::from_utf8(output.stdout).unwrap();
    if output.status.success() {
        assert!(text.contains("\"verdict\":\"refused\""), "{text}");
        assert!(!text.contains("programs"), "{text}");
    }
    daemon.stop();
}

#[test]
fn of_supervisors_started_together_exactly_one_wins() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("brigade.toml");
    let control = directory.path().join("control.sock").display().to_string();
    std::fs::write(&config, SLEEP).unwrap();
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brigaded"));
        command.arg("run").arg(&config).args(["--control", &control]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    for round in 0..50 {
        let mut both = [start(), start()];
        let loser = eventually("one to give up", || {
            both.iter_mut().position(|it| it.try_wait().unwrap().is_some())
        });
        assert_eq!(both[loser].wait().unwrap().code(), Some(7), "round {round}");
        let winner = &mut both[1 - loser];
        let client = brigade_supervisor::control::Client::new(&control).patience(PATIENCE);
        let shutdown = brigade_supervisor::command::Command::Shutdown(Default::default());
        let order = crate::harness::order(shutdown);
        let reply = eventually("the winner to answer", || client.ask(&order).ok());
        assert_eq!(reply.verdict, Verdict::Ok);
        assert_eq!(winner.wait().unwrap().code(), Some(0));
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_lock_that_was_left_behind_holds_nobody_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(path("brigade.toml"), "[program.it]\ncommand = \"true\"\nrole = \"main\"")
        .unwrap();
    // As a supervisor leaves it that was killed: a socket, and a lock with somebody else's number.
    drop(std::os::unix::net::UnixListener::bind(path("control.sock")).unwrap());
    std::fs::write(path("control.sock.lock"), format!("{}\n", std::process::id())).unwrap();
    let output = brigaded(&["run", &path("brigade.toml"), "--control", &path("control.sock")]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn an_idle_supervisor_does_not_wake_up() {
    let daemon = Daemon::start(&SLEEP.replace("[program.it]", "[program.it]\ncount = 10"));
    daemon.wait_ready("it", 10);
    let switches = || {
        let text = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let line = text.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    // The client's own time-out is past before the measurement begins.
    let mut before = switches();
    eventually("the start to be over", || {
        std::thread::park_timeout(Duration::from_millis(200));
        let now = switches();
        std::mem::replace(&mut before, now).eq(&now).then_some(())
    });
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        std::thread::park_timeout(Duration::from_secs(2));
    }
    assert_eq!(switches() - before, 0);
    daemon.stop();
}

#[test]
fn without_descriptors_clients_are_turned_away_and_the_service_goes_on() {
    let daemon = Daemon::start_by(SLEEP, |program| {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 30; exec \"$0\" \"$@\"", program]);
        command
    });
    let pid = daemon.wait_ready("it", 1)[0];
    let crowd: Vec<_> = (0..100).map(|_| connect(&daemon)).collect();
    crowd.iter().for_each(|stream| stream.set_nonblocking(true).unwrap());
    // Whoever finds no place is cut off at once, so nobody waits and nothing spins.
    eventually("the others to be cut off", || {
        let cut = crowd.iter().filter(|stream| matches!((&**stream).read(&mut [0]), Ok(0)));
        (cut.count() >= 70).then_some(())
    });
    drop(crowd);
    let status = eventually("a place to be free", || {
        daemon
            .client()
            .ask(&crate::harness::order(brigade_supervisor::command::Command::Status(None)))
            .ok()
    });
    assert_eq!(status.status.unwrap().programs[0].instances[0].pid, Some(pid));
    daemon.stop();
}
