//! The stage on which a scenario plays: its parties, as threads or as processes, and what must not
//! be left when it is over.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a failed step fails the test")]

use std::fs;
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use brigade::codec::Message;
use brigade::{ExitStatus, Process, StartMethod, active_children, fork_server};
use serde::{Deserialize, Serialize};

/// Longer than anything here takes, also on a machine that is busy with other things.
pub const LONG: Duration = Duration::from_secs(60);

/// For waits that are to end without success.
pub const SHORT: Duration = Duration::from_millis(20);

/// What the parties of a scenario are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Threads of the process that tells the scenario.
    Threads,
    /// Processes of their own.
    Processes(StartMethod),
}

impl Mode {
    const ALL: [Self; 3] = [
        Self::Threads,
        Self::Processes(StartMethod::Spawn),
        Self::Processes(StartMethod::ForkServer),
    ];

    /// How often to repeat what depends on timing: threads start faster.
    pub fn rounds(self) -> usize {
        if self == Self::Threads { 40 } else { 6 }
    }

    /// Starts a party that runs `function` with `argument`.
    pub fn start<F, A>(self, function: F, argument: A) -> Party
    where
        F: Fn(A) + Copy + Send + 'static,
        A: Message + Send + 'static,
    {
        match self {
            Self::Threads => Party::Thread(std::thread::spawn(move || function(argument))),
            Self::Processes(method) => {
                let builder = Process::builder().method(method).dies_with_parent();
                Party::Process(builder.start(function, argument).unwrap())
            }
        }
    }

    /// Starts `count` parties that run `function` with clones of `argument`.
    pub fn start_many<F, A>(self, count: usize, function: F, argument: &A) -> Vec<Party>
    where
        F: Fn(A) + Copy + Send + 'static,
        A: Message + Clone + Send + 'static,
    {
        (0..count).map(|_| self.start(function, argument.clone())).collect()
    }
}

/// One who takes part in a scenario.
#[derive(Debug)]
#[must_use = "a party is joined, so that its failure is noticed"]
pub enum Party {
    /// A thread.
    Thread(JoinHandle<()>),
    /// A process.
    Process(Process),
}

impl Party {
    /// Waits for its end, which must be a success.
    pub fn join(self) {
        assert!(self.ended_well(), "a party has failed");
    }

    /// Waits for its end, and says whether it came through.
    pub fn ended_well(self) -> bool {
        match self {
            Self::Thread(thread) => thread.join().is_ok(),
            Self::Process(process) => process.join_timeout(LONG) == Some(ExitStatus::Code(0)),
        }
    }
}

/// Waits for the end of all, which must be a success.
pub fn join_all(parties: Vec<Party>) {
    parties.into_iter().for_each(Party::join);
}

/// Plays `scenario` in every mode, each time in a process of its own, and sees to it that no
/// child, descriptor or segment is left.
pub fn in_every_mode<F>(scenario: F)
where
    F: Fn(Mode) + Copy + Send + 'static,
{
    for mode in Mode::ALL {
        play(mode, scenario);
    }
}

/// As [`in_every_mode`], for what cannot happen to a thread alone.
pub fn in_processes<F>(scenario: F)
where
    F: Fn(StartMethod) + Copy + Send + 'static,
{
    for mode in Mode::ALL {
        if let Mode::Processes(_) = mode {
            play(mode, move |mode| {
                let Mode::Processes(method) = mode else { unreachable!("as was asked for") };
                scenario(method);
            });
        }
    }
}

fn play<F>(mode: Mode, scenario: F)
where
    F: Fn(Mode) + Copy + Send + 'static,
{
    let name = format!("{mode:?}");
    let observer = Process::builder()
        .name(&name)
        .method(StartMethod::Spawn)
        .dies_with_parent()
        .start(move |mode: Mode| observe(scenario, mode), mode)
        .unwrap();
    let status = observer.join_timeout(LONG * 2);
    if status.is_none() {
        observer.kill().unwrap();
    }
    assert_eq!(status, Some(ExitStatus::Code(0)), "{name}");
}

fn observe(scenario: impl Fn(Mode), mode: Mode) {
    // What a process opens once and keeps is opened before the count.
    mode.start(|()| (), ()).join();
    fork_server::stop();
    assert_eq!(active_children().len(), 0);
    let before = open_descriptors();
    scenario(mode);
    fork_server::stop();
    assert_eq!(active_children().len(), 0, "children run on");
    assert_eq!(children(), Vec::<i32>::new(), "zombies are left");
    assert_eq!(open_descriptors(), before, "descriptors are left");
    assert_eq!(segments(), Vec::<String>::new(), "segments are left");
}

/// A name for a segment or a socket that no other scenario has, and that is missed if it is left.
pub fn unique(name: &str) -> String {
    format!("{}{name}", own_prefix())
}

fn own_prefix() -> String {
    format!("scenario-{}-", std::process::id())
}

fn segments() -> Vec<String> {
    let files = fs::read_dir("/dev/shm").unwrap();
    let names = files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.contains(&own_prefix())).collect()
}

/// The descriptors of this process and what they are, but for the one that lists them.
fn open_descriptors() -> Vec<(String, String)> {
    let mut list: Vec<_> = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let target = fs::read_link(entry.path()).ok()?.display().to_string();
            let number = entry.file_name().to_string_lossy().into_owned();
            (!target.ends_with("/fd")).then_some((number, target))
        })
        .collect();
    list.sort();
    list
}

/// The children of this process, dead or alive.
fn children() -> Vec<i32> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    // A thread may end while the list is read.
    let list = |task: fs::DirEntry| fs::read_to_string(task.path().join("children"));
    let texts: Vec<_> = tasks.filter_map(|task| list(task.unwrap()).ok()).collect();
    texts.iter().flat_map(|text| text.split_whitespace()).map(|pid| pid.parse().unwrap()).collect()
}

/// Where the state of the calling thread is to be read, by any process.
pub fn here() -> String {
    format!("/proc/{}/stat", fs::read_link("/proc/thread-self").unwrap().display())
}

/// Waits until the thread that said where it is sleeps, so that what comes next finds it waiting.
/// No scenario depends on that: it would hold as well for one that comes late.
pub fn until_asleep(thread: &str) {
    let begin = Instant::now();
    let sleeps = || {
        let state = fs::read_to_string(thread).unwrap_or_default();
        state.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
    };
    while !sleeps() {
        assert!(begin.elapsed() < LONG, "the party never waits");
        std::thread::yield_now();
    }
}

/// Runs `wait`, which is to end without success, and sees that it took its time, or none.
pub fn takes<T>(least: Duration, wait: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = wait();
    assert!(begin.elapsed() >= least, "{:?} is too early", begin.elapsed());
    result
}

/// Runs the calling test again, in a program of its own that `prepare` has described, and returns
/// what it said; `None` in that program, which is to do the work.
///
/// For what changes the whole process, or is measured where nothing else happens.
pub fn alone(test: &str, prepare: impl FnOnce(&mut Command)) -> Option<Output> {
    const MARK: &str = "BRIGADE_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return None;
    }
    // A shell in between can limit what the program may do: `$LIMITS` is a script.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "eval \"$LIMITS\"; exec \"$0\" \"$@\""]);
    command.arg(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--test-threads=1", "--nocapture"]);
    command.env(MARK, "1").env("LIMITS", ":").env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    prepare(&mut command);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && said.contains("1 passed");
    assert!(passed, "{}: {said}{complaint}", output.status);
    Some(output)
}
