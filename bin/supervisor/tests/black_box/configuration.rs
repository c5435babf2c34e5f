//! `brigaded check`, and starts that fail.

use crate::harness::brigaded;

const GOOD: &str = r#"
[supervisor]
reload = "changed"
[socket.http]
listen = "127.0.0.1:8080"
backlog = 16
[program.web]
command = "sh"
arguments = ["-c", "exec sleep 1"]
count = 4
sockets = ["http"]
restart = "on-failure"
backoff = { initial = "1ms", max = "2s", jitter = 0.5 }
stop_signal = "QUIT"
stop_timeout = "1.5s"
ready = "notify"
"#;

#[test]
fn a_hundred_broken_files_are_reported_with_their_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("brigade.toml");
    let name = path.display().to_string();
    std::fs::write(&path, GOOD).unwrap();
    assert_eq!(brigaded(&["check", &name]).status.code(), Some(0));
    let breaks: [fn(&str) -> String; 6] = [
        |line| format!("{line} ="),
        |line| format!("x{line}"),
        |line| line.replace('=', ":"),
        |line| line.replace(['"', '1', '4'], "{"),
        |line| format!("{line}\n{line}"),
        |line| format!("\"{line}"),
    ];
    let lines: Vec<&str> = GOOD.lines().collect();
    let mut broken = 0;
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        for change in breaks {
            let mut changed: Vec<String> = lines.iter().map(|it| (*it).to_owned()).collect();
            changed[number] = change(line);
            if changed[number] == *line {
                continue;
            }
            std::fs::write(&path, changed.join("\n")).unwrap();
            let output = brigaded(&["check", &name]);
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(6), "{}: {text}", changed[number]);
            let place = text.strip_prefix(&format!("{name}:")).expect(&text);
            let at: usize = place.split(':').next().unwrap().parse().expect(&text);
            // An error may show only where the next line begins, but never before its cause.
            assert!(at >= 1 && at <= lines.len() + 2, "{text}");
            assert!(!text.contains("panicked"), "{text}");
            broken += 1;
        }
    }
    assert!(broken >= 80, "{broken}");
}

#[test]
fn a_start_that_fails_says_why_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let start = || brigaded(&["run", &path("brigade.toml"), "--control", &path("control.sock")]);
    let check = |config: &str, code: i32, words: &[&str]| {
        std::fs::write(path("brigade.toml"), config).unwrap();
        let output = start();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{text}");
        for word in words {
            assert!(text.contains(word), "`{word}` is missing in: {text}");
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "{config}");
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (taken, address)).unwrap();
    let in_use = format!("[socket.s]\nlisten = \"{}\"", taken.1);
    check("[program.a]\ncommand = '/no/such'", 6, &["brigade.toml:2:11", "does not exist"]);
    check(&in_use, 6, &["brigade.toml:2:10", "address already in use"]);
    check("[socket.s]\nlisten = '/no/such/dir/s'", 6, &["brigade.toml:2:10", "no such file"]);
    check("[socket.s]\nlisten = '1.2.3.4:80'", 6, &["brigade.toml:2:10", "cannot assign"]);
    let missing = brigaded(&["run", "/no/such.toml"]);
    assert_eq!(missing.status.code(), Some(6));
}

#[test]
fn help_has_the_signal_table() {
    let output = brigaded(&["--help"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for word in ["HUP", "TERM, INT", "USR1", "TTIN", "Exit codes"] {
        assert!(text.contains(word), "{text}");
    }
    assert_eq!(brigaded(&["run"]).status.code(), Some(2));
}
