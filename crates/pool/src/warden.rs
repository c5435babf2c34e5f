//! The warden: the thread that starts workers, and buries the dead.

use brigade_process::{ExitStatus, Process};
use brigade_shm::Queue;
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Waitable, wait};

use crate::error::BuildError;
use crate::letter::Desk;
use crate::office::{Detail, Member, Office};
use crate::table::{Event, Stage, WorkerId};
use crate::worker;

/// The ring of a worker's queue has this many bytes: longer arguments get memory of their own.
const ORDER_BYTES: usize = 1 << 15;

/// Starts and buries workers until the pool is over.
pub(crate) fn serve(office: &Office) {
    loop {
        office.hire_due();
        let Some((watched, deadline)) = office.watched() else { return };
        let mut objects: Vec<&dyn Waitable> = vec![&office.alarm];
        objects.extend(watched.iter().map(|(_, process)| process as &dyn Waitable));
        let _ = wait(&objects, deadline);
        office.alarm.silence();
        for (worker, process) in &watched {
            if let Some(status) = process.exit_status() {
                office.bury(*worker, process.pid(), status);
            }
        }
        office.kill_late();
    }
}

impl Office {
    /// Starts the workers whose time has come. A start that fails counts as a worker that died.
    fn hire_due(&self) {
        while let Some(worker) = self.enter(|state| {
            let index = state.hires.iter().position(|(_, at)| at.is_past())?;
            Some(state.hires.swap_remove(index).0)
        }) {
            if let Err(error) = self.hire(worker) {
                self.enter(|state| {
                    state.members.remove(&worker);
                    state.trouble = error.to_string();
                    let left = Vec::new();
                    self.step(state, Event::Exited { worker, left }, Detail::Nothing);
                });
            }
        }
    }

    /// Starts all workers that are due now, or none.
    ///
    /// # Errors
    ///
    /// Why one could not be started. The others are being ended.
    pub(crate) fn hire_first(&self) -> Result<(), BuildError> {
        let due = self.enter(|state| std::mem::take(&mut state.hires));
        due.into_iter().try_for_each(|(worker, _)| self.hire(worker))
    }

    /// Starts a worker.
    fn hire(&self, worker: WorkerId) -> Result<(), BuildError> {
        // Its queue is known before it exists, since it may report before `start` returns.
        let orders = Queue::with_ring(self.hiring.window, ORDER_BYTES)?;
        let member = Member::new(orders.clone());
        self.enter(|state| state.members.insert(worker, member));
        let initializer = self.hiring.initializer.clone();
        let desk = Desk { worker, orders, reports: self.reports.clone(), initializer };
        let process = Process::builder()
            .name(format!("{}-{worker}", self.hiring.name))
            .method(self.hiring.method)
            .dies_with_parent()
            .start(worker::work, desk)?;
        self.enter(|state| {
            if let Some(member) = state.members.get_mut(&worker) {
                member.process = Some(process);
                if member.is_doomed {
                    member.kill();
                }
            }
        });
        Ok(())
    }

    /// The workers to watch, and when there is something to do at the latest; `None` when there
    /// is nothing to do any more.
    fn watched(&self) -> Option<(Vec<(WorkerId, Process)>, Deadline)> {
        self.enter(|state| {
            if state.table.stage() == Stage::Over {
                return None;
            }
            let next = state.hires.iter().map(|(_, at)| *at).chain(state.mercy);
            let deadline = next.fold(Deadline::NEVER, Deadline::min);
            let members = state.members.iter();
            let watched = members.filter_map(|(id, it)| Some((*id, it.process.clone()?)));
            Some((watched.collect(), deadline))
        })
    }

    /// Settles what a dead worker leaves.
    fn bury(&self, worker: WorkerId, pid: i32, status: ExitStatus) {
        self.enter(|state| {
            // All that it had reported is in the queue by now.
            self.take_reports(state, usize::MAX);
            let left = state.recall(worker, usize::MAX);
            if let Some(member) = state.members.remove(&worker) {
                state.trouble = match member.complaint {
                    Some(complaint) => format!("the initializer of a worker failed: {complaint}"),
                    None => format!("a worker died before it was ready: {status}"),
                };
            }
            self.step(state, Event::Exited { worker, left }, Detail::Death { pid, status });
        });
    }

    /// Kills the workers that were asked to end and have not, when their time is over.
    fn kill_late(&self) {
        self.enter(|state| {
            if state.mercy.is_some_and(Deadline::is_past) {
                state.mercy = None;
                state.members.values_mut().for_each(Member::kill);
            }
        });
    }
}
