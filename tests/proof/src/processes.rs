//! Processes of the proof: forked ones that share its objects, and programs with a limit.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, io, thread};

use brigade_shm::testing::{self, Child};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::shared::{Waiting, doze};

/// Runs `body` in a forked child that holds all objects of this process, and does not outlive it.
///
/// # Panics
///
/// Panics when the system gives no process.
pub fn start(body: impl FnOnce()) -> Child {
    testing::start(|| {
        // Fails for no signal that exists.
        let _ = set_pdeathsig(Signal::SIGKILL);
        body();
    })
}

/// What a program said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Its standard output.
    pub output: String,
    /// Why it is no success: how it ended, and its standard error.
    pub failure: Option<String>,
}

/// Runs a program that ends within `limit`. If it does not, it and its children are killed, and
/// what they were doing is the failure.
///
/// # Errors
///
/// Fails when the program cannot be started.
pub fn run(command: &mut Command, limit: Duration) -> io::Result<Said> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut waiting = Waiting::begin();
    let mut child = command.spawn()?;
    let (output, complaint) = (read_all(child.stdout.take()), read_all(child.stderr.take()));
    let mut hung = None;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if waiting.so_far() > limit && hung.is_none() {
            hung = Some(whereabouts(child.id()));
            // Its number is its group's, and it is not reaped.
            let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
        }
        doze(Duration::from_millis(5));
    };
    let text = |reader: thread::JoinHandle<String>| reader.join().unwrap_or_default();
    let (output, complaint) = (text(output), text(complaint));
    let failure = match (hung, status.success()) {
        (Some(hung), _) => Some(format!("not done after {limit:?}: {hung}\n{complaint}")),
        (None, true) => None,
        (None, false) => {
            let how =
                status.signal().map_or_else(|| status.to_string(), |it| format!("signal {it}"));
            Some(format!("ended with {how}: {complaint}"))
        }
    };
    Ok(Said { output, failure })
}

/// This program.
///
/// # Panics
///
/// Panics when the system does not say where it lies.
pub fn this_program() -> PathBuf {
    std::env::current_exe().expect("/proc is there")
}

fn read_all(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read until an error is better than nothing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// What the processes of a group are doing.
fn whereabouts(group: u32) -> String {
    let Ok(processes) = fs::read_dir("/proc") else { return String::new() };
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let about = pids.filter_map(|pid| {
        let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let stat = read("stat");
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let (state, its_group) = (fields.next()?, fields.nth(1)?);
        (its_group.parse() == Ok(group)).then(|| {
            let [channel, call] = ["wchan", "syscall"].map(read);
            format!("{pid} {state} in {} ({})", channel.trim(), call.trim())
        })
    });
    about.collect::<Vec<_>>().join("; ")
}
