//! What a dead process leaves in a channel's part words, and what an immediate end does.
//!
//! | word     | written by                                      | means                              |
//! |----------|-------------------------------------------------|------------------------------------|
//! | `sender` | who holds `producer`, before it hands parts over| whose the parts in slot `tail` are |
//!
//! A part in the slot of a message that is there is the message's. Another is garbage, unless a
//! living producer has just handed it over and is about to commit: that one has said so in `sender`.
//! So whoever is left by a process that is known to be dead can be told without a lock of the
//! channel's, under the heap's lock alone: parts come and go only under that.
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here. Who waits for what a message carried is rung for when the cargo is freed.
//!
//! # What a dead process leaves
//!
//! Nothing that is not freed by the next who comes: each step here may be repeated.

use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::kill_point::kill_point;

use super::layout::Layout;
use super::{CORRUPT, Channel, EMPTIED, SHUT, View};
use crate::arena::Arena;
use crate::arena::census::Tag;
use crate::arena::heap::{self, Place, body};
use crate::error::Error;
use crate::message::PARTS;

impl View {
    fn of(arena: &'static Arena, place: Place) -> Result<Self, Error> {
        let layout = Layout::read(arena, place).ok_or(CORRUPT)?;
        let shared = arena.mapping().get(body(place.offset) + layout.shared_at());
        Ok(Self { shared: shared.ok_or(CORRUPT)?, layout })
    }

    /// Whether a message is in slot `index` that somebody may take.
    fn is_used(self, index: usize) -> bool {
        let (head, tail) = self.marks();
        let after = self.layout.slots_between(self.layout.slot_of(head.number), index);
        self.end() < SHUT && after < tail.messages_since(head) as usize
    }
}

impl Channel {
    /// Says whose the parts are that are about to be handed over to the slot of number `tail`.
    /// Under the producers' lock.
    pub(super) fn announce_sender(&self) -> Result<(), Error> {
        let tag = self.handle.arena().tag()?;
        // The heap's lock, under which the parts are handed over, shows it to who looks for them.
        self.shared.sender.0.store(tag.to_word(), Relaxed);
        kill_point("channel.put.announced");
        Ok(())
    }

    /// Frees what the messages carry that an immediate end has destroyed, unless it is done.
    pub(super) fn empty(&self) {
        if self.view().end() == SHUT {
            self.empty_again();
        }
    }

    /// Frees what a message carries that was put when an immediate end was there already.
    pub(super) fn empty_again(&self) {
        // A corrupt arena is reported to whoever uses it next.
        let _ = empty(self.handle.arena(), self.handle.place(), self.view());
    }
}

fn empty(arena: &'static Arena, place: Place, view: View) -> Result<(), Error> {
    let parts = view.layout.parts_of_slots();
    let is_there = |part: &usize| heap::part(arena, place, *part).is_some();
    heap::detach_chosen(arena, place, || parts.filter(is_there))?;
    kill_point("channel.emptied");
    // Nothing has to be seen with it: the heap's lock shows what is gone. A producer that is late
    // looks again.
    view.shared.closed.fetch_max(EMPTIED, Relaxed);
    Ok(())
}

/// Frees what the process with `tag`, which has died, left in the channel at `place`.
pub(crate) fn bury(arena: &'static Arena, place: Place, tag: Tag) -> Result<(), Error> {
    let view = View::of(arena, place)?;
    let is_sender = || view.shared.sender.0.load(Relaxed) == tag.to_word();
    if view.end() == SHUT || view.end() > SHUT && is_sender() {
        return empty(arena, place, view);
    }
    if !is_sender() {
        return Ok(());
    }
    heap::detach_chosen(arena, place, || {
        let index = view.layout.slot_of(view.marks().1.number);
        let first = view.layout.part_of_slot(index);
        // Looked at again under the lock: another may have become the sender.
        let is_left = is_sender() && !view.is_used(index);
        if is_left { first..first + PARTS } else { 0..0 }
    })
}

/// Frees the block at `part`, which a process that has died was about to take, if it has taken it:
/// part number `index` of the channel at `place`.
pub(crate) fn bury_message(
    arena: &'static Arena,
    place: Place,
    index: usize,
    part: Place,
) -> Result<(), Error> {
    let view = View::of(arena, place)?;
    heap::detach_chosen(arena, place, || {
        let slot = view.layout.slot_of_part(index);
        let is_taken = heap::part(arena, place, index) == Some(part)
            && slot.is_some_and(|slot| !view.is_used(slot));
        if is_taken { index..index + 1 } else { 0..0 }
    })
}
