//! What one run of an operation did, instruction by instruction.

use std::collections::HashMap;

use crate::random::Random;

/// One instruction of the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instruction {
    /// Where it stands; zero where that cannot be told.
    pub(super) address: u64,
    pub(super) is_system_call: bool,
    /// Whether shared memory was another after it.
    pub(super) changed_memory: bool,
    /// Whether it was a system call that waited.
    pub(super) slept: bool,
}

/// A place to be killed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// After so many instructions.
    pub(super) position: usize,
    /// Not there, but in the system call that comes next, while it waits.
    pub(super) asleep: bool,
}

/// The run.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) instructions: Vec<Instruction>,
    /// Whether the run was recorded to its end.
    pub(super) is_complete: bool,
    /// Where each address comes first.
    first: HashMap<u64, usize>,
}

/// The places to be killed at, the important ones first.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Around each change of shared memory and each system call, at the first time of each
    /// instruction.
    pub(super) marked: Vec<Place>,
    /// The rest, in random order.
    pub(super) others: Vec<Place>,
}

impl Trace {
    pub(super) fn add(&mut self, instruction: Instruction) {
        self.first.entry(instruction.address).or_insert(self.instructions.len());
        self.instructions.push(instruction);
    }

    pub(super) fn len(&self) -> usize {
        self.instructions.len()
    }

    pub(super) fn address(&self, position: usize) -> Option<u64> {
        self.instructions.get(position).map(|instruction| instruction.address)
    }

    /// The last position up to `position` whose instruction comes there for the first time: a child
    /// that runs until it meets that instruction is there. And that instruction's address.
    pub(super) fn landmark(&self, position: usize) -> Option<(usize, u64)> {
        let upto = position.min(self.len().checked_sub(1)?);
        let is_first = |&at: &usize| self.first.get(&self.instructions[at].address) == Some(&at);
        let at = (1..=upto).rev().find(is_first)?;
        Some((at, self.instructions[at].address))
    }

    /// All the places of this run, without the middle of instructions that repeat themselves.
    pub(super) fn places(&self, random: &mut Random) -> Places {
        let mut places = Places::default();
        let end = if self.is_complete { self.len() } else { self.len().saturating_sub(1) };
        for position in 0..=end {
            let place = Place { position, asleep: false };
            if self.is_marked(position) {
                places.marked.push(place);
            } else if !self.is_repetition(position) {
                places.others.push(place);
            }
            if self.instructions.get(position).is_some_and(|instruction| instruction.slept) {
                places.marked.push(Place { position, asleep: true });
            }
        }
        random.shuffle(&mut places.others);
        places
    }

    fn is_marked(&self, position: usize) -> bool {
        let next = self.instructions.get(position);
        let last = position.checked_sub(1).and_then(|last| self.instructions.get(last));
        let is_first = next.is_none_or(|it| self.first.get(&it.address) == Some(&position));
        is_first
            || next.is_some_and(|it| it.is_system_call)
            || last.is_some_and(|it| it.is_system_call)
            || !self.is_repetition(position)
                && (next.is_some_and(|it| it.changed_memory)
                    || last.is_some_and(|it| it.changed_memory))
    }

    /// Whether the instruction before, the one that comes next and the one behind that are one that
    /// repeats itself, as those that copy bytes do.
    fn is_repetition(&self, position: usize) -> bool {
        let around = position.checked_sub(1).map(|before| before..before + 3);
        let around = around.and_then(|around| self.instructions.get(around));
        around.is_some_and(|around| {
            around[0].address != 0 && around.iter().all(|it| it.address == around[0].address)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(addresses: &[u64]) -> Trace {
        let mut trace = Trace { is_complete: true, ..Trace::default() };
        for &address in addresses {
            let plain =
                Instruction { address, is_system_call: false, changed_memory: false, slept: false };
            trace.add(plain);
        }
        trace
    }

    #[test]
    fn a_landmark_is_met_for_the_first_time_where_it_stands() {
        let trace = trace(&[10, 20, 30, 20, 30, 40]);
        assert_eq!(trace.landmark(0), None);
        assert_eq!(trace.landmark(1), Some((1, 20)));
        assert_eq!(trace.landmark(4), Some((2, 30)));
        assert_eq!(trace.landmark(5), Some((5, 40)));
        assert_eq!(trace.landmark(6), Some((5, 40)));
    }

    #[test]
    fn every_place_is_marked_or_another_and_none_is_both() {
        let mut trace = trace(&[10, 20, 30, 20, 30, 20, 30, 40]);
        trace.instructions[4].changed_memory = true;
        trace.instructions[7].slept = true;
        let Places { marked, mut others } = trace.places(&mut Random::new(1));
        let positions: Vec<_> =
            marked.iter().filter(|it| !it.asleep).map(|it| it.position).collect();
        assert_eq!(positions, [0, 1, 2, 4, 5, 7, 8]);
        assert_eq!(marked.iter().filter(|it| it.asleep).count(), 1);
        others.sort_unstable();
        assert_eq!(others.iter().map(|it| it.position).collect::<Vec<_>>(), [3, 6]);
    }

    #[test]
    fn an_instruction_that_repeats_itself_is_killed_at_its_ends() {
        let trace = trace(&[10, 20, 20, 20, 20, 20, 30]);
        let Places { marked, others } = trace.places(&mut Random::new(1));
        let mut positions: Vec<_> =
            marked.iter().chain(&others).map(|place| place.position).collect();
        positions.sort_unstable();
        assert_eq!(positions, [0, 1, 5, 6, 7]);
    }
}
