//! What processes report, what they write, and that they have ended.

use std::os::fd::AsFd;
use std::time::Duration;

use brigade_sys::pidfd::{self, Exit};
use nix::sys::signal::killpg;
use nix::unistd::Pid;

use super::looping::Shell;
use super::processes::{Running, describe};
use super::timers::Key;
use crate::config::Readiness;
use crate::log::{Progress, Sink, Target};
use crate::machine::{End, Event, Role};
use crate::notify::Message;
use crate::policy::Outcome;
use crate::poller::Poller;

/// So many datagrams are read before others have their turn.
const MOST_REPORTS: usize = 256;

/// How much of a dead process's output is read before its end is reported.
const LAST_CHUNKS: usize = 16;

/// How long others may write to a dead process's output.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(5);

impl Shell {
    pub(super) fn take_reports(&mut self, poller: &Poller) {
        for _ in 0..MOST_REPORTS {
            let (sender, messages) = match self.notify.receive() {
                Ok(Some(report)) => report,
                Ok(None) => return,
                Err(error) => return self.log(&format!("hearing reports failed: {error}")),
            };
            let birth = self.processes.birth_of(sender);
            let Some(running) = birth.and_then(|it| self.processes.running.get_mut(&it)) else {
                continue;
            };
            let process = running.process;
            let ready = running.spec.program.ready == Readiness::Notify
                && messages.contains(&Message::Ready);
            messages.into_iter().for_each(|message| running.hear(message));
            if ready {
                self.happen(Event::Ready(process), poller);
            }
        }
    }

    /// A process of ours has ended: reaps it, ends what is left of its group, and tells.
    pub(super) fn process_ended(&mut self, birth: u64, poller: &Poller) {
        let Some(running) = self.processes.running.get(&birth) else { return };
        if !pidfd::has_ended(running.pidfd.as_fd()) {
            return;
        }
        self.take_reports(poller);
        let Some(running) = self.processes.running.get(&birth) else { return };
        // Its number is its own until it is reaped, and so is the group's.
        let _ = killpg(Pid::from_raw(running.pid), nix::sys::signal::Signal::SIGKILL);
        let exit = match pidfd::try_reap(running.pidfd.as_fd()) {
            Ok(Some(exit)) => Some(exit),
            Ok(None) => return,
            Err(_) => None,
        };
        let Some(running) = self.processes.remove(birth) else { return };
        poller.remove(&running.pidfd);
        self.timers.disarm(Key::Ready(running.process));
        self.drain_outputs(&running, poller);
        let outcome = if exit == Some(Exit::Code(0)) { Outcome::Success } else { Outcome::Failure };
        let reason = exit.map_or_else(|| "ended in a way that is not known".into(), describe);
        self.log(&format!("{} {reason}", self.title(running.process)));
        self.note_main(&running, exit);
        self.processes.memory(running.process).last_exit = Some(reason.clone());
        self.reasons.insert(birth, reason);
        let end = End { outcome, lifetime: running.lifetime() };
        self.happen(Event::Exited(running.process, end), poller);
    }

    /// The exit code of the main program is that of the supervisor, if nobody stopped it before.
    fn note_main(&mut self, running: &Running, exit: Option<Exit>) {
        if running.spec.program.role != Role::Main || self.fleet.stopping {
            return;
        }
        let code = match exit {
            Some(Exit::Code(code)) => code,
            Some(Exit::Signal(number)) => 128 + number,
            None => 1,
        };
        self.exit_code = u8::try_from(code).unwrap_or(1);
    }

    /// Reads what a dead process has left behind, within bounds; the rest comes as it comes.
    fn drain_outputs(&mut self, running: &Running, poller: &Poller) {
        for &stream in &running.outputs {
            for _ in 0..LAST_CHUNKS {
                if self.take_output(stream, poller) != Some(Progress::More) {
                    break;
                }
            }
            if self.processes.streams.contains_key(&stream) {
                self.timers.arm(Key::Output(stream), OUTPUT_PATIENCE);
            }
        }
    }

    /// Takes a part of what a process has written.
    pub(super) fn take_output(&mut self, number: u64, poller: &Poller) -> Option<Progress> {
        let stream = self.processes.streams.get_mut(&number)?;
        let tail = self.tails.entry(stream.process.program).or_default();
        let mut passage = Passage::new(stream.prefix());
        let (process, pid, kind) = (stream.process, stream.pid, stream.output.stream);
        let progress = stream.output.read(|line| {
            tail.push(process.birth, process.slot, pid, kind, line);
            passage.push(line);
        });
        passage.deliver(&self.sink, &stream.spec.target);
        if progress == Progress::End {
            self.drop_stream(number, poller);
        }
        Some(progress)
    }

    /// Gives a stream up; the beginning of a line that it has left counts as a line.
    pub(super) fn drop_stream(&mut self, number: u64, poller: &Poller) {
        self.timers.disarm(Key::Output(number));
        let Some(mut stream) = self.processes.streams.remove(&number) else { return };
        poller.remove(&stream.output);
        let mut passage = Passage::new(stream.prefix());
        stream.output.finish(|line| passage.push(line));
        passage.deliver(&self.sink, &stream.spec.target);
    }
}

/// Lines of one process on their way to its log.
struct Passage {
    prefix: String,
    text: Vec<u8>,
    lines: u64,
}

impl Passage {
    fn new(prefix: String) -> Self {
        Self { prefix, text: Vec::new(), lines: 0 }
    }

    fn push(&mut self, line: &[u8]) {
        self.text.extend_from_slice(self.prefix.as_bytes());
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
        self.lines += 1;
    }

    fn deliver(self, sink: &Sink, target: &Target) {
        if self.lines > 0 {
            sink.push(target, self.text, self.lines);
        }
    }
}
