//! Waiting for a message, and for room.
//!
//! | word      | of each side's line means                                                    |
//! |-----------|------------------------------------------------------------------------------|
//! | `idle_at` | the side's number when it last found nothing to do                           |
//! | `run`     | how many messages it had moved until then, since the time before             |
//!
//! Who finds nothing to do looks for a microsecond or two before it sleeps. Where messages come one
//! by one and each is answered, it looks as often as it can. Where they come in a stream it looks
//! the less often the more came at a time, since each look takes the line with the mark away from
//! the one who writes it: the run says which it is.
//!
//! # Why no wake-up is lost
//!
//! The bells see to it; here are only the looks that they are given. See [`super`].
//!
//! # What a dead process leaves
//!
//! A hint.

use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::spin;
use brigade_sys::time::Deadline;
use brigade_sys::wait::Sleep;

use super::Channel;
use super::layout::Progress;
use crate::sides::{ROUND, Side};

/// How often who has nothing to do looks before it sleeps, or would if it always looked.
const LOOKS: u32 = 200;

/// How often it looks at least.
const LEAST_LOOKS: u32 = 4;

/// How many looks there are in the time that a message takes, roughly, and at most in a pause.
const LOOKS_IN_MESSAGE: u32 = 4;
const LONGEST_PACE: u32 = 256;

impl Progress {
    /// Notes that the side has nothing to do. Under the side's lock.
    pub(super) fn idle(&self) {
        let number = self.own().number;
        self.run.store(number.wrapping_sub(self.idle_at.load(Relaxed)), Relaxed);
        self.idle_at.store(number, Relaxed);
    }

    /// How seldom to look for something to do.
    fn pace(&self) -> u32 {
        match self.run.load(Relaxed) {
            0..=2 => 1,
            // As long as the run took: so runs become longer, up to a length that is worth it.
            run => run.saturating_mul(LOOKS_IN_MESSAGE).min(LONGEST_PACE),
        }
    }

    /// Looks now and then for what `look` finds, and not for long.
    fn linger(&self, look: impl FnMut() -> Option<bool>) -> bool {
        let pace = self.pace();
        spin::linger(LOOKS.max(LEAST_LOOKS * pace), pace, look).unwrap_or(false)
    }
}

impl Channel {
    /// Whether a put would not block: there is room, or nobody to take.
    pub(crate) fn may_put(&self) -> bool {
        self.len() < self.capacity()
            || self.is_closed()
            || self.sides().is_deserted(Side::Receiving)
    }

    /// Whether a get would not block: there is a message, or nobody to put one.
    pub(crate) fn may_get(&self) -> bool {
        self.len() > 0 || self.is_closed() || self.sides().is_deserted(Side::Sending)
    }

    /// Looks for a moment whether there is room.
    pub(super) fn linger_for_room(&self) -> bool {
        let tail = &self.shared.tail;
        let look = || {
            let used = tail.read().messages_since(self.shared.head.read());
            let has_room = used < self.layout.capacity();
            (has_room || self.is_closed()).then_some(has_room)
        };
        tail.linger(look)
    }

    /// Waits until there may be room, or `deadline`.
    pub(super) fn wait_for_room(&self, deadline: Deadline) {
        if self.linger_for_room() {
            return;
        }
        self.handle.before_sleep();
        let round = self.sides().look_after(Side::Receiving);
        let watch = |sleep: &mut Sleep<'static>| self.sides().watch(Side::Receiving, sleep);
        let look =
            || (self.may_put() || self.sides().needs_round(Side::Receiving, round)).then_some(());
        let _ = self.shared.not_full.sleep(deadline.min(round), look, watch);
    }

    /// Looks for a moment whether there is a message.
    pub(super) fn linger_for_message(&self) -> bool {
        let head = &self.shared.head;
        let look = || {
            let has_message = head.read().number != self.shared.tail.read().number;
            (has_message || self.is_closed()).then_some(has_message)
        };
        head.linger(look)
    }

    /// Waits until there may be a message, or `deadline`.
    pub(super) fn wait_for_message(&self, deadline: Deadline) {
        if self.linger_for_message() {
            return;
        }
        self.handle.before_sleep();
        let round = self.sides().look_after(Side::Sending);
        let watch = |sleep: &mut Sleep<'static>| self.sides().watch(Side::Sending, sleep);
        let look =
            || (self.may_get() || self.sides().needs_round(Side::Sending, round)).then_some(());
        let _ = self.shared.not_empty.sleep(deadline.min(round), look, watch);
    }

    /// Adds what will change when a get would not block to `sleep`.
    pub(crate) fn prepare_get<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.handle.before_sleep();
        self.shared.not_empty.prepare(sleep);
        self.sides().watch(Side::Sending, sleep);
        if self.sides().look_after(Side::Sending) != Deadline::NEVER {
            sleep.nap(ROUND);
        }
    }

    /// Adds what will change when a put would not block to `sleep`.
    pub(crate) fn prepare_put<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.handle.before_sleep();
        self.shared.not_full.prepare(sleep);
        self.sides().watch(Side::Receiving, sleep);
        if self.sides().look_after(Side::Receiving) != Deadline::NEVER {
            sleep.nap(ROUND);
        }
    }
}
