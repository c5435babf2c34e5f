//! How a shelf is put in order after someone was stopped while changing it.
//!
//! The truth is in the items' words, and each changes by one store. All else is computed from them:
//! which items wait and in what order, who has taken which, which slots are vacant. It takes one
//! walk over the slots. One that is cut short by a death is begun anew by the next.

use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::kill_point::kill_point;

use super::chain::Slots;
use super::item::{Event, State, next};
use super::locked::Locked;
use super::slots::Numbered;
use super::{Discipline, contents};
use crate::arena::census::{self, Tag};
use crate::error::Error;

/// What a walk over the slots has found, but for what is noted at once.
#[derive(Default)]
struct Survey {
    slots: usize,
    ready: usize,
    arrivals: u64,
    vacant: Vec<Numbered>,
    taken: Vec<(Numbered, Tag)>,
    failed: Vec<Numbered>,
}

impl<D: Discipline> Locked<'_, D> {
    /// Computes anew what can be computed from the slots.
    pub(super) fn tidy_up(&self) -> Result<(), Error> {
        self.change(|| {
            self.forget();
            kill_point("shelf.tidy.forgotten");
            let survey = self.survey()?;
            self.arrange(survey.ready)?;
            kill_point("shelf.tidy.arranged");
            self.note(survey)
        })?;
        // Whoever was stopped may not have rung for all that it had done.
        let shared = self.shared();
        for bell in [&shared.not_empty, &shared.not_full, &shared.all_done, &shared.given_up] {
            bell.ring_all_after(|| ());
        }
        Ok(())
    }

    fn forget(&self) {
        let caches = self.caches();
        caches.vacant.clear();
        caches.failures.clear();
        caches.holding.iter().for_each(|word| word.store(0, Relaxed));
        caches.holders.iter().for_each(|holder| holder.chain.clear());
        caches.taken.set(0);
    }

    /// Looks at every slot there is.
    fn survey(&self) -> Result<Survey, Error> {
        let arena = self.shelf.handle.arena();
        let mut survey = Survey::default();
        while let Ok(item) = self.slot(survey.slots) {
            survey.slots += 1;
            match self.settled(item) {
                State::Vacant => {
                    contents::clear(arena, item)?;
                    survey.vacant.push(item);
                    continue;
                }
                State::Ready { .. } => {
                    self.set(survey.ready, item)?;
                    survey.ready += 1;
                }
                State::Taken { by, .. } => survey.taken.push((item, by)),
                State::Failed { .. } => survey.failed.push(item),
            }
            survey.arrivals = survey.arrivals.max(item.arrival().wrapping_add(1));
        }
        Ok(survey)
    }

    /// What has become of an item, if nobody lives who would have said so.
    fn settled(&self, item: Numbered) -> State {
        let state = item.state();
        let event = match state {
            State::Ready { .. } => Event::Discard,
            State::Taken { by, .. } if census::has_died(self.shelf.handle.arena(), by) => {
                Event::GiveBack { by }
            }
            _ => return state,
        };
        match next(state, event, self.rules()) {
            Some(state) => {
                item.set_state(state);
                state
            }
            None => state,
        }
    }

    fn note(&self, mut survey: Survey) -> Result<(), Error> {
        let caches = self.caches();
        // So that the first slots are used first.
        for item in survey.vacant.into_iter().rev() {
            caches.vacant.push_front(self, item)?;
        }
        survey.taken.sort_by_key(|(item, _)| item.arrival());
        for (item, by) in survey.taken {
            self.entrust(item, by)?;
        }
        survey.failed.sort_by_key(|item| item.arrival());
        caches.failed.set(survey.failed.len() as u64);
        for item in survey.failed {
            caches.failures.push_back(self, item)?;
        }
        caches.used.store(survey.slots as u64, Relaxed);
        caches.arrivals.store(survey.arrivals, Relaxed);
        self.set_ready(survey.ready, self.due_of_first(survey.ready)?);
        Ok(())
    }
}
