//! What can be said of one item, and what happens to it next.
//!
//! The word of an item is its whole truth: every operation on an item is one store of this word.
//! Which word comes next is decided here, by a function that reads nothing and writes nothing.

use crate::arena::census::Tag;

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No item.
    Vacant,
    /// An item that waits for a taker, and how often one has taken it before.
    Ready { deliveries: u16 },
    /// An item that a process has taken and not yet answered for.
    Taken { by: Tag, deliveries: u16 },
    /// An item that was given up: rejected, or taken as often as was allowed.
    Failed { deliveries: u16 },
}

/// What happens to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Put,
    /// Somebody takes it for good.
    Get,
    /// A process takes it and will answer for it.
    Borrow {
        by: Tag,
    },
    /// Its taker has done with it.
    Acknowledge {
        by: Tag,
    },
    /// Its taker cannot do anything with it now; or has died.
    GiveBack {
        by: Tag,
    },
    /// Its taker never wants to see it again.
    Reject {
        by: Tag,
    },
    /// Somebody takes an item that was given up.
    Collect,
    /// All items that wait are thrown away.
    Discard,
}

/// How a shelf treats its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// After how many deliveries an item that comes back is given up.
    pub(super) most_deliveries: u16,
    pub(super) end: End,
}

/// How far a shelf's end has come. The numbers are part of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum End {
    /// Items are put and taken.
    Open = 0,
    /// No more items are put.
    Closed = 1,
    /// No more items are put, and those that wait are thrown away.
    Discarded = 2,
}

impl End {
    pub(super) fn from_word(word: u64) -> Self {
        match word {
            0 => Self::Open,
            1 => Self::Closed,
            _ => Self::Discarded,
        }
    }
}

/// What an item becomes; `None` when the event cannot happen to it, and changes nothing.
pub(super) fn next(state: State, event: Event, rules: Rules) -> Option<State> {
    use Event::*;
    use State::*;
    match (state, event) {
        (Vacant, Put) if rules.end == End::Open => Some(Ready { deliveries: 0 }),
        (Ready { .. }, Get) if rules.end != End::Discarded => Some(Vacant),
        (Ready { deliveries }, Borrow { by }) if rules.end != End::Discarded => {
            Some(Taken { by, deliveries: deliveries.saturating_add(1) })
        }
        (Taken { by: holder, .. }, Acknowledge { by }) if holder == by => Some(Vacant),
        (Taken { by: holder, deliveries }, GiveBack { by }) if holder == by => {
            Some(match rules.end {
                _ if deliveries >= rules.most_deliveries => Failed { deliveries },
                End::Discarded => Vacant,
                _ => Ready { deliveries },
            })
        }
        (Taken { by: holder, deliveries }, Reject { by }) if holder == by => {
            Some(Failed { deliveries })
        }
        (Failed { .. }, Collect) => Some(Vacant),
        (Ready { .. }, Discard) if rules.end == End::Discarded => Some(Vacant),
        _ => None,
    }
}

/// The word's fields, from the lowest bit: the taker, the deliveries, the status.
const DELIVERIES_AT: u32 = 44;
const STATUS_AT: u32 = 60;
const TAKER: u64 = (1 << DELIVERIES_AT) - 1;

impl State {
    /// Zero for a vacant slot, so that fresh memory is a shelf without items.
    pub(super) fn to_word(self) -> u64 {
        let (status, deliveries, taker) = match self {
            Self::Vacant => (0, 0, 0),
            Self::Ready { deliveries } => (1, deliveries, 0),
            Self::Taken { by, deliveries } => (2, deliveries, by.to_word()),
            Self::Failed { deliveries } => (3, deliveries, 0),
        };
        status << STATUS_AT | u64::from(deliveries) << DELIVERIES_AT | taker
    }

    /// Any word is some state: one that makes no sense was written by a faulty process.
    pub(super) fn from_word(word: u64) -> Self {
        // The lower sixteen bits of what is left.
        let deliveries = (word >> DELIVERIES_AT) as u16;
        match word >> STATUS_AT {
            1 => Self::Ready { deliveries },
            2 => match Tag::from_word(word & TAKER) {
                Some(by) => Self::Taken { by, deliveries },
                // Taken by nobody: whoever asks next gets it.
                None => Self::Ready { deliveries },
            },
            3 => Self::Failed { deliveries },
            _ => Self::Vacant,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Tag = Tag { slot: 0, generation: 1 };
    const TWO: Tag = Tag { slot: 511, generation: (1 << 24) - 1 };

    fn states() -> impl Iterator<Item = State> {
        [0, 1, 2, 3, u16::MAX - 1, u16::MAX].into_iter().flat_map(|deliveries| {
            [
                State::Vacant,
                State::Ready { deliveries },
                State::Taken { by: ONE, deliveries },
                State::Taken { by: TWO, deliveries },
                State::Failed { deliveries },
            ]
        })
    }

    fn events() -> impl Iterator<Item = Event> {
        use Event::*;
        let of = |by| [Borrow { by }, Acknowledge { by }, GiveBack { by }, Reject { by }];
        [Put, Get, Collect, Discard].into_iter().chain(of(ONE)).chain(of(TWO))
    }

    fn rules() -> impl Iterator<Item = Rules> {
        [1, 2, 3, u16::MAX].into_iter().flat_map(|most_deliveries| {
            [End::Open, End::Closed, End::Discarded].map(|end| Rules { most_deliveries, end })
        })
    }

    /// Every state, event and rule there is, but for the numbers between.
    fn every_step(mut check: impl FnMut(State, Event, Rules, Option<State>)) {
        for state in states() {
            for event in events() {
                for rules in rules() {
                    check(state, event, rules, next(state, event, rules));
                }
            }
        }
    }

    #[test]
    fn a_state_comes_back_from_its_word_and_every_word_is_some_state() {
        for state in states() {
            assert_eq!(State::from_word(state.to_word()), state);
        }
        assert_eq!(State::Vacant.to_word(), 0);
        for word in [u64::MAX, 1, 2 << 60, 7 << 60, 3 << 60 | 1, 2 << 60 | TAKER] {
            let state = State::from_word(word);
            assert_eq!(State::from_word(state.to_word()), state);
        }
    }

    #[test]
    fn only_the_taker_answers_for_what_it_has_taken() {
        every_step(|state, event, _, after| {
            let (State::Taken { by: holder, .. }, Some(_)) = (state, after) else { return };
            use Event::*;
            let (Acknowledge { by } | GiveBack { by } | Reject { by }) = event else {
                panic!("{event:?} happened to an item that was taken");
            };
            assert_eq!(by, holder);
        });
    }

    #[test]
    fn a_taker_can_always_answer() {
        every_step(|state, event, _, after| {
            use Event::*;
            let State::Taken { by: holder, .. } = state else { return };
            if let Acknowledge { by } | GiveBack { by } | Reject { by } = event {
                assert_eq!(after.is_some(), by == holder);
            }
        });
    }

    #[test]
    fn an_item_goes_only_by_being_taken_for_good_acknowledged_or_thrown_away() {
        every_step(|state, event, rules, after| {
            if state == State::Vacant || after != Some(State::Vacant) {
                return;
            }
            let given_back_too_late =
                matches!(event, Event::GiveBack { .. }) && rules.end == End::Discarded;
            let is_an_end = matches!(
                event,
                Event::Get | Event::Acknowledge { .. } | Event::Collect | Event::Discard
            );
            assert!(is_an_end || given_back_too_late, "{state:?} {event:?} {rules:?}");
        });
    }

    #[test]
    fn nothing_comes_in_after_the_end_and_nothing_waits_after_an_immediate_one() {
        every_step(|state, _, rules, after| {
            let Some(after) = after else { return };
            if state == State::Vacant {
                assert_eq!((after, rules.end), (State::Ready { deliveries: 0 }, End::Open));
            }
            if rules.end == End::Discarded {
                assert!(!matches!(after, State::Ready { .. } | State::Taken { .. }));
            }
        });
    }

    #[test]
    fn deliveries_are_counted_and_bounded() {
        let deliveries = |state| match state {
            State::Vacant => None,
            State::Ready { deliveries }
            | State::Taken { deliveries, .. }
            | State::Failed { deliveries } => Some(deliveries),
        };
        every_step(|state, event, rules, after| {
            let (Some(before), Some(now)) = (deliveries(state), after.and_then(deliveries)) else {
                return;
            };
            let more = matches!(event, Event::Borrow { .. });
            assert_eq!(now, if more { before.saturating_add(1) } else { before });
            if let (Event::GiveBack { .. }, Some(State::Ready { .. })) = (event, after) {
                assert!(now < rules.most_deliveries, "given once too often");
            }
        });
    }
}
