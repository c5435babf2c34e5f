//! Starting real programs, and looking at what they find.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::pidfd::{self, Exit};
use crate::signals::{self, Signal, Signals};
use crate::time::Deadline;

/// Runs `body` in a process of its own, so that the descriptors and children of other tests are not
/// counted.
fn alone(test: &str, body: impl FnOnce()) {
    const MARK: &str = "BRIGADE_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return body();
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn exit_of(child: &Child) -> Exit {
    let limit = Deadline::after(Duration::from_secs(20));
    pidfd::wait_exit(child.pidfd.as_fd(), limit).unwrap().expect("the child should have ended")
}

fn shell(script: &str) -> Launch {
    Launch::new(Program::Path("/bin/sh".into())).arg("-c").arg(script)
}

/// A running `cat`, seen to be in its main loop, and what it says.
struct Cat {
    child: Child,
    input: PipeWriter,
    output: PipeReader,
}

impl Cat {
    fn start(change: impl FnOnce(Launch) -> Launch) -> Self {
        let (their_input, input) = std::io::pipe().unwrap();
        let (output, their_output) = std::io::pipe().unwrap();
        let launch = Launch::new(Program::Path("/bin/cat".into()))
            .stdin(Stream::Descriptor(their_input.into()))
            .stdout(Stream::Descriptor(their_output.into()));
        let child = change(launch).start().unwrap();
        let mut cat = Self { child, input, output };
        cat.input.write_all(b"?").unwrap();
        let mut answer = [0];
        cat.output.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"?");
        cat
    }

    /// The open descriptors and what each is.
    fn descriptors(&self) -> Vec<(i32, PathBuf)> {
        let directory = format!("/proc/{}/fd", self.child.pid);
        let mut list: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let number = entry.file_name().to_str().unwrap().parse().unwrap();
                (number, fs::read_link(entry.path()).unwrap())
            })
            .collect();
        list.sort();
        list
    }

    fn status(&self, field: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim_start_matches(':').trim().to_owned()
    }

    fn finish(self) {
        drop(self.input);
        assert_eq!(exit_of(&self.child), Exit::Code(0));
    }
}

fn output_of(launch: Launch) -> String {
    let (mut output, theirs) = std::io::pipe().unwrap();
    let child = launch.stdout(Stream::Descriptor(theirs.into())).start().unwrap();
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert_eq!(exit_of(&child), Exit::Code(0), "{text}");
    text
}

fn own_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A copy of `file` under a number of at least `number`.
fn at_least(file: &File, number: i32) -> OwnedFd {
    rustix::io::fcntl_dupfd_cloexec(file, number).unwrap()
}

#[test]
fn the_child_has_its_standard_streams_and_the_named_descriptors_and_no_others() {
    // One that an exec would keep, to show that it is closed all the same.
    let leak = File::open("/dev/full").unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let zero = File::open("/dev/zero").unwrap();
    let cat = Cat::start(|launch| {
        launch
            .stderr(Stream::Null)
            .descriptor(at_least(&zero, 40), 7)
            .descriptor(at_least(&leak, 3), 3)
    });
    let found = cat.descriptors();
    let numbers: Vec<_> = found.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 7], "{found:?}");
    assert_eq!(found[2].1, Path::new("/dev/null"));
    assert_eq!(found[3].1, Path::new("/dev/full"));
    assert_eq!(found[4].1, Path::new("/dev/zero"));
    drop(leak);
    cat.finish();
}

#[test]
fn descriptors_may_swap_numbers_with_each_other() {
    let one = at_least(&File::open("/dev/zero").unwrap(), 50);
    let two = at_least(&File::open("/dev/full").unwrap(), 50);
    let three = at_least(&File::open("/dev/null").unwrap(), 50);
    let numbers = [one.as_raw_fd(), two.as_raw_fd(), three.as_raw_fd()];
    let cat = Cat::start(|launch| {
        launch.descriptor(one, numbers[1]).descriptor(two, numbers[2]).descriptor(three, numbers[0])
    });
    let found: Vec<_> = cat.descriptors().into_iter().filter(|(number, _)| *number > 2).collect();
    let mut expected = vec![
        (numbers[1], PathBuf::from("/dev/zero")),
        (numbers[2], PathBuf::from("/dev/full")),
        (numbers[0], PathBuf::from("/dev/null")),
    ];
    expected.sort();
    assert_eq!(found, expected);
    cat.finish();
}

#[test]
fn the_executable_may_sit_on_a_number_that_is_wanted() {
    let shell = at_least(&File::open("/bin/sh").unwrap(), 60);
    let number = shell.as_raw_fd();
    let zero = File::open("/dev/zero").unwrap();
    let text = output_of(
        Launch::new(Program::Descriptor(shell))
            .argument_zero("sh")
            .args(["-c", &format!("readlink /proc/$$/fd/{number}; echo $0")])
            .descriptor(zero.into(), number),
    );
    assert_eq!(text, "/dev/zero\nsh\n");
}

#[test]
fn a_number_below_three_or_given_twice_is_refused() {
    for targets in [[2, 5], [5, 5]] {
        let null = || OwnedFd::from(File::open("/dev/null").unwrap());
        let error = shell("true")
            .descriptor(null(), targets[0])
            .descriptor(null(), targets[1])
            .start()
            .unwrap_err();
        assert_eq!(error.stage, Stage::Prepare);
    }
}

#[test]
fn the_mask_is_empty_and_no_signal_is_ignored() {
    let before = signals::block(Signals::of(&[Signal::TERM, Signal::CHLD, Signal::HUP])).unwrap();
    signals::ignore(Signal::WINCH).unwrap();
    let cat = Cat::start(|launch| launch);
    signals::restore_default(Signal::WINCH).unwrap();
    for field in ["SigBlk", "SigIgn", "SigPnd", "ShdPnd"] {
        assert_eq!(cat.status(field), "0000000000000000", "{field}");
    }
    assert!(signals::mask().unwrap().contains(Signal::HUP), "the parent's mask is as before");
    signals::set_mask(before).unwrap();
    pidfd::signal(cat.child.pidfd.as_fd(), Signal::TERM).unwrap();
    assert_eq!(exit_of(&cat.child), Exit::Signal(libc::SIGTERM));
}

#[test]
fn a_program_that_cannot_be_executed_is_an_error_with_its_stage() {
    let directory = std::env::temp_dir().join(format!("launch-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join("file");
    fs::write(&file, "no program").unwrap();
    let launch = |path: &Path| Launch::new(Program::Path(path.into())).start().unwrap_err();

    let missing = launch(Path::new("/no/such/program"));
    assert_eq!(missing.stage, Stage::Exec);
    assert_eq!(missing.source.raw_os_error(), Some(libc::ENOENT));
    assert!(missing.to_string().starts_with("cannot start /no/such/program: cannot execute it"));

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let forbidden = launch(&file);
    assert_eq!(
        (forbidden.stage, forbidden.source.raw_os_error()),
        (Stage::Exec, Some(libc::EACCES))
    );

    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let malformed = launch(&file);
    assert_eq!(malformed.source.raw_os_error(), Some(libc::ENOEXEC));

    let nowhere = shell("true").current_directory("/no/such".into()).start().unwrap_err();
    assert_eq!(
        (nowhere.stage, nowhere.source.raw_os_error()),
        (Stage::Directory, Some(libc::ENOENT))
    );

    let torn = shell("true").arg("a\0b").start().unwrap_err();
    assert_eq!(torn.stage, Stage::Prepare);
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_hundred_starts_and_failures_leave_no_descriptor_and_no_zombie() {
    let name = "a_hundred_starts_and_failures_leave_no_descriptor_and_no_zombie";
    alone(&format!("launch::tests::{name}"), || {
        let before = own_descriptors();
        for turn in 0..100 {
            let child = shell("exit 7").start().unwrap();
            let failed = Launch::new(Program::Path("/no/such/program".into())).start();
            assert_eq!(failed.unwrap_err().stage, Stage::Exec);
            assert_eq!(exit_of(&child), Exit::Code(7), "turn {turn}");
            assert!(!Path::new(&format!("/proc/{}", child.pid)).exists());
            assert!(pidfd::try_reap(child.pidfd.as_fd()).is_err(), "it is reaped once");
            pidfd::signal(child.pidfd.as_fd(), Signal::KILL).unwrap();
        }
        assert_eq!(own_descriptors(), before);
        let children = format!("/proc/self/task/{}/children", rustix::thread::gettid());
        assert_eq!(fs::read_to_string(children).unwrap(), "");
    });
}

#[test]
fn the_environment_is_exactly_what_was_given() {
    let pair = |name: &str, value: &str| (name.into(), value.into());
    let launch = Launch::new(Program::Path("/usr/bin/env".into())).env(vec![
        pair("ONE", "1"),
        pair("EMPTY", ""),
        pair("ASSIGN", "a=b"),
    ]);
    assert_eq!(output_of(launch), "ONE=1\nEMPTY=\nASSIGN=a=b\n");
    let refused = shell("true").env(vec![pair("A=B", "")]).start().unwrap_err();
    assert_eq!(refused.stage, Stage::Prepare);
}

#[test]
fn listen_pid_is_the_childs_own() {
    let (mut output, theirs) = std::io::pipe().unwrap();
    let child = Launch::new(Program::Path("/usr/bin/env".into()))
        .env(vec![("LISTEN_PID".into(), "1".into()), ("LISTEN_FDS".into(), "1".into())])
        .stdout(Stream::Descriptor(theirs.into()))
        .listen_pid()
        .start()
        .unwrap();
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert_eq!(text, format!("LISTEN_FDS=1\nLISTEN_PID={}\n", child.pid));
    assert_eq!(exit_of(&child), Exit::Code(0));
}

#[test]
fn settings_of_the_process_reach_the_program() {
    let limit = Limit { resource: Resource::OpenFiles, soft: Some(9), hard: Some(9) };
    let zero = File::open("/dev/zero").unwrap();
    let text = output_of(
        shell("umask; ulimit -n; pwd; nice; ps -o sid= -p $$ 2>/dev/null | wc -l")
            .umask(0o27)
            .nice(5)
            .resource_limit(limit)
            .descriptor(at_least(&zero, 30), 8)
            .current_directory("/usr".into()),
    );
    assert!(text.starts_with("0027\n9\n/usr\n5\n"), "{text}");

    let session = Cat::start(Launch::new_session);
    let stat = fs::read_to_string(format!("/proc/{}/stat", session.child.pid)).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let own = session.child.pid.to_string();
    assert_eq!((fields[2], fields[3]), (own.as_str(), own.as_str()), "group and session");
    session.finish();

    let group = Cat::start(Launch::process_group);
    assert_eq!(
        rustix::process::getpgid(rustix::process::Pid::from_raw(group.child.pid)).unwrap(),
        rustix::process::Pid::from_raw(group.child.pid).unwrap()
    );
    group.finish();
}

#[test]
fn the_child_can_be_another_user_and_the_parent_stays_inspectable() {
    let identity = Identity { uid: 65534, gid: 65534, groups: vec![65534, 1] };
    if !rustix::process::geteuid().is_root() {
        let error = shell("true").identity(identity).start().unwrap_err();
        assert_eq!(
            (error.stage, error.source.raw_os_error()),
            (Stage::Identity, Some(libc::EPERM))
        );
        return;
    }
    let cat = Cat::start(|launch| launch.identity(identity).parent_death_signal(Signal::KILL));
    assert_eq!(cat.status("Uid"), "65534\t65534\t65534\t65534");
    assert_eq!(cat.status("Gid"), "65534\t65534\t65534\t65534");
    assert_eq!(cat.status("Groups"), "1 65534");
    assert_eq!(
        rustix::process::dumpable_behavior().unwrap(),
        rustix::process::DumpableBehavior::Dumpable
    );
    cat.finish();
}

#[test]
fn the_child_ends_with_the_thread_that_started_it() {
    let cat = std::thread::spawn(|| Cat::start(|launch| launch.parent_death_signal(Signal::TERM)))
        .join()
        .unwrap();
    assert_eq!(exit_of(&cat.child), Exit::Signal(libc::SIGTERM));
}

#[test]
fn many_threads_start_programs_at_once() {
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for turn in 0..25 {
                    let code = thread * 25 + turn;
                    let child = shell(&format!("exit {code}")).start().unwrap();
                    assert_eq!(exit_of(&child), Exit::Code(code));
                }
            });
        }
    });
}

#[test]
fn waiting_ends_at_the_deadline_and_the_exit_is_remembered() {
    let cat = Cat::start(|launch| launch);
    let process = cat.child.pidfd.as_fd();
    let soon = Deadline::after(Duration::from_millis(20));
    assert_eq!(pidfd::wait_exit(process, soon).unwrap(), None);
    assert!(soon.is_past());
    assert!(!pidfd::has_ended(process));
    assert_eq!(pidfd::recall_exit(process), None);
    pidfd::signal(process, Signal::KILL).unwrap();
    assert_eq!(exit_of(&cat.child), Exit::Signal(libc::SIGKILL));
    assert!(pidfd::has_ended(process));
    // An older kernel has forgotten it.
    assert!(matches!(pidfd::recall_exit(process), None | Some(Exit::Signal(libc::SIGKILL))));
}
