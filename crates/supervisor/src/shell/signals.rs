//! What each signal means to the supervisor.

use brigade_sys::signals::{Signal, Signals};
use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use super::looping::Shell;
use crate::config::MAX_COUNT;
use crate::machine::{Event, ProgramId, Role, Wanted};
use crate::poller::Poller;

/// What each signal does, and the command that does the same with an answer.
pub const SIGNAL_TABLE: &str = "\
signal      what the supervisor does                                    brigadectl
TERM, INT   stop: each worker may finish what it holds; the second time shutdown
            everything is killed                                        shutdown --now
QUIT        kill everything and end                                     shutdown --now
HUP         read the configuration again and exchange the workers,      reload
            each new one ready before its predecessor leaves
USR1        open the log files anew                                     reopen
TTIN        one worker more of the first scalable program               scale NAME +1
TTOU        one worker less of it                                       scale NAME -1
CHLD        take note of processes that have ended
USR2        nothing yet: kept for the upgrade in place";

/// The signals that are handled. Unlike the nginx family and like systemd's, TERM is gentle.
pub(super) const HANDLED: Signals = Signals::of(&[
    Signal::TERM,
    Signal::INT,
    Signal::QUIT,
    Signal::HUP,
    Signal::USR1,
    Signal::USR2,
    Signal::TTIN,
    Signal::TTOU,
    Signal::CHLD,
]);

impl Shell {
    /// Takes every signal that has arrived.
    pub(super) fn take_signals(&mut self, poller: &Poller) {
        while let Ok(Some(received)) = self.signals.try_read() {
            let signal = received.signal;
            if signal == Signal::CHLD {
                self.reap_strangers(poller);
                continue;
            }
            let sender =
                received.sender.map_or(String::new(), |pid| format!(" from process {pid}"));
            self.log(&format!("received {signal}{sender}"));
            match signal {
                Signal::TERM | Signal::INT if self.fleet.stopping => {
                    self.happen(Event::Halt, poller);
                }
                Signal::TERM | Signal::INT => self.happen(Event::Shutdown, poller),
                Signal::QUIT => self.happen(Event::Halt, poller),
                Signal::HUP => self.ask_reload(None, poller),
                Signal::USR1 => self.sink.reopen(),
                Signal::TTIN => self.nudge(1, poller),
                Signal::TTOU => self.nudge(-1, poller),
                _ => self.log(&format!("{signal} has no meaning here yet")),
            }
        }
    }

    /// One worker more or less of the first program that can have several.
    fn nudge(&mut self, by: i64, poller: &Poller) {
        let Some(id) = self.scalable() else { return self.log("there is no program to scale") };
        let count = self.fleet.programs.get(&id).map_or(0, |program| program.desired());
        let count = scaled(count, by);
        self.log(&format!("{} is scaled to {count}", self.catalog.name(id)));
        self.happen(Event::Scale(id, Some(count)), poller);
    }

    fn scalable(&self) -> Option<ProgramId> {
        let ids = self.config.programs.iter().filter_map(|it| self.catalog.id(&it.name));
        ids.filter_map(|id| self.fleet.programs.get(&id))
            .find(|it| it.edition.role == Role::Service && it.wanted == Wanted::Running)
            .map(|program| program.id)
    }

    /// Reaps children that the supervisor did not start. Its own are found too, and are handled
    /// as if their descriptor had told.
    fn reap_strangers(&mut self, poller: &Poller) {
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        loop {
            let ended = match waitid(Id::All, look) {
                Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) => pid,
                Err(Errno::EINTR) => continue,
                _ => return,
            };
            match self.processes.birth_of(ended.as_raw()) {
                Some(birth) => self.process_ended(birth, poller),
                None => {
                    let reap = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
                    if waitid(Id::Pid(ended), reap).is_err() {
                        return;
                    }
                    self.strangers_reaped += 1;
                }
            }
        }
    }
}

/// So many and so many more, within what a program may have.
pub(super) fn scaled(count: u32, by: i64) -> u32 {
    let sum = i64::from(count).saturating_add(by).clamp(0, i64::from(MAX_COUNT));
    u32::try_from(sum).unwrap_or(MAX_COUNT)
}
