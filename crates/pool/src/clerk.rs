//! The clerk: the thread that takes the workers' reports in.

use brigade_shm::queue::TryGetError;
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Waitable, wait};

use crate::letter::{News, Report};
use crate::office::{Detail, Office, State};
use crate::table::Event;

/// How often the clerk looks before it sleeps: one to two microseconds.
const SPINS: u32 = 150;

/// How many reports are taken in before those who wait for them are told.
const BATCH: usize = 64;

/// Takes reports in until the pool is over.
pub(crate) fn serve(office: &Office) {
    loop {
        await_reports(office);
        if office.reports.is_closed() && office.reports.is_empty() {
            return;
        }
        // Waiting and taking are apart, so that a report is never in a thread's hands while the
        // lock is free: who holds it has seen all that was taken.
        office.enter(|state| office.take_reports(state, BATCH));
    }
}

fn await_reports(office: &Office) {
    for _ in 0..SPINS {
        if office.reports.is_ready() {
            return;
        }
        std::hint::spin_loop();
    }
    let _ = wait(&[&office.reports], Deadline::NEVER);
}

impl Office {
    /// Tells the table what the workers have reported, at most `limit` times.
    pub(crate) fn take_reports(&self, state: &mut State, limit: usize) {
        for _ in 0..limit {
            match self.reports.try_get() {
                Ok(report) => self.hear(state, report),
                Err(TryGetError::Empty | TryGetError::Closed) => return,
                Err(error) => {
                    // Nobody can tell whose it was, and its task would wait for ever.
                    state.set_broken(format!("a worker's report makes no sense: {error}"));
                    self.step(state, Event::Break, Detail::Nothing);
                    return;
                }
            }
        }
    }

    fn hear(&self, state: &mut State, Report { worker, news }: Report) {
        match news {
            News::Ready => self.step(state, Event::Ready(worker), Detail::Nothing),
            News::NotReady(complaint) => {
                if let Some(member) = state.members.get_mut(&worker) {
                    member.complaint = Some(complaint);
                }
            }
            News::Done { task, reply } => {
                self.step(state, Event::Done { worker, task }, Detail::Reply(reply));
            }
        }
    }
}
