//! Listening sockets: bound once, kept, and never taken from anybody.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};

use brigade_supervisor::status::Verdict;

use crate::harness::{Daemon, brigaded};

const LOCAL: &str = r#"
[socket.local]
listen = "unix:DIR/local.sock"
mode = "0660"
[program.web]
command = "WORKER"
arguments = ["web"]
sockets = ["local"]
ready = "notify"
"#;

#[test]
fn a_unix_socket_keeps_its_file_and_its_mode_through_reloads() {
    let daemon = Daemon::start(LOCAL);
    daemon.wait_ready("web", 1);
    let look = || {
        let metadata = fs::symlink_metadata(daemon.path("local.sock")).unwrap();
        (metadata.ino(), metadata.mode() & 0o777)
    };
    let before = look();
    assert_eq!(before.1, 0o660);
    for _ in 0..10 {
        assert_eq!(daemon.reload().verdict, Verdict::Ok);
        assert_eq!(look(), before);
        drop(UnixStream::connect(daemon.path("local.sock")).unwrap());
    }
    // Another mode is applied to the same file.
    daemon.configure(&LOCAL.replace("0660", "0600"));
    assert_eq!(daemon.reload().verdict, Verdict::Ok);
    assert_eq!(look(), (before.0, 0o600));
    daemon.stop();
}

#[test]
fn only_a_stale_socket_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("local.sock");
    let config = directory.path().join("brigade.toml");
    let control = directory.path().join("control.sock");
    let text = format!(
        "[socket.local]\nlisten = \"{}\"\n[program.it]\ncommand = \"true\"\nrole = \"main\"\n",
        path.display()
    );
    fs::write(&config, text).unwrap();
    let start = || {
        let paths = [&config, &control].map(|path| path.display().to_string());
        brigaded(&["run", &paths[0], "--control", &paths[1]])
    };
    let refused = |words: &str| {
        let output = start();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(6), "{text}");
        assert!(text.contains("brigade.toml:2:10") && text.contains(words), "{text}");
        assert!(!control.exists(), "a start that failed leaves nothing");
    };
    fs::write(&path, "precious").unwrap();
    refused("is not a socket");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();

    symlink("/no/such/thing", &path).unwrap();
    refused("is a symbolic link");
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    fs::remove_file(&path).unwrap();

    let alive = UnixListener::bind(&path).unwrap();
    refused("another process listens on it");
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
    drop(alive);
    // Nobody listens any more, and the file is still there: now it is stale.
    assert!(path.exists());
    let output = start();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!path.exists() && !control.exists());
}

#[test]
fn a_socket_file_that_somebody_else_put_there_stays() {
    let daemon = Daemon::start(LOCAL);
    daemon.wait_ready("web", 1);
    fs::remove_file(daemon.path("local.sock")).unwrap();
    fs::write(daemon.path("local.sock"), "not ours").unwrap();
    let path = daemon.path("local.sock");
    daemon.configure("[program.it]\ncommand = \"sleep\"\narguments = [\"1000\"]\n");
    assert_eq!(daemon.reload().verdict, Verdict::Ok);
    assert_eq!(fs::read_to_string(path).unwrap(), "not ours");
    daemon.stop();
}

#[test]
fn a_socket_that_leaves_the_file_is_closed_and_a_new_one_is_bound() {
    let daemon = Daemon::start(LOCAL);
    daemon.wait_ready("web", 1);
    daemon.configure(&LOCAL.replace("local.sock", "other.sock"));
    assert_eq!(daemon.reload().verdict, Verdict::Ok);
    assert!(!daemon.path("local.sock").exists());
    drop(UnixStream::connect(daemon.path("other.sock")).unwrap());
    daemon.stop();
}
