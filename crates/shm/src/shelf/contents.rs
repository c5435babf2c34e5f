//! How a message gets into a slot and out of it.
//!
//! A short message lies in its slot. Of a long one a short key lies there, to be compared, and the
//! whole in a block of its own. That block, and the cargo of what a message carries, are parts of
//! the slot's chunk: see [`crate::message`].

use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::kill_point::kill_point;

use super::layout::INLINE;
use super::slots::Numbered;
use super::{CORRUPT, Draft};
use crate::arena::Arena;
use crate::arena::heap::{self, body};
use crate::error::Error;
use crate::message::{self, Form, Message, Parts, Payload};

/// Makes the parts of a message, before any lock is taken.
pub(super) fn prepare<'a>(arena: &'static Arena, draft: &Draft<'a>) -> Result<Payload<'a>, Error> {
    Payload::prepare(arena, draft.bytes, draft.contents, INLINE)
}

/// Writes a message into a vacant slot. Under the lock; commits nothing.
pub(super) fn write(
    arena: &'static Arena,
    item: Numbered,
    draft: &Draft<'_>,
    payload: &mut Payload<'_>,
) -> Result<(), Error> {
    clear(arena, item)?;
    let (slot, form) = (item.slot, payload.form());
    slot.due.store(draft.due, Relaxed);
    slot.key.store(draft.key as u64, Relaxed);
    slot.form.store(form.to_word(), Relaxed);
    let inline = match form.is_long() {
        false => draft.bytes,
        true if draft.key <= INLINE => &draft.bytes[..draft.key],
        true => &[],
    };
    let at = arena.mapping().offset_of(&slot.bytes).ok_or(CORRUPT)?;
    arena.mapping().write(at, inline).ok_or(CORRUPT)?;
    payload.hand_over(item.parent, item.part)
}

/// Frees what a slot without an item has still attached.
pub(super) fn clear(arena: &'static Arena, item: Numbered) -> Result<(), Error> {
    message::clear(arena, item.parent, item.part)?;
    kill_point("shelf.cleared");
    Ok(())
}

/// The message of an item that is about to be taken for good: the parts, and what lies in the slot.
/// Under the lock, before the commit; [`Parts::taken`] puts them together.
pub(super) fn hold(arena: &'static Arena, item: Numbered) -> Result<(Parts, Vec<u8>), Error> {
    let (form, short) = short(arena, item)?;
    Ok((Parts::hold(arena, item.parent, item.part, form)?, short))
}

/// A copy of the message of an item that this process has taken on trust.
///
/// # Errors
///
/// [`Error::Corrupt`], also when the process has answered for the item meanwhile.
pub(super) fn copy(arena: &'static Arena, item: Numbered) -> Result<Message, Error> {
    let (state, arrival) = (item.state(), item.arrival());
    let (form, short) = short(arena, item)?;
    let message = message::copy(arena, item.parent, item.part, form, short)?;
    // As long as the item is ours, nobody changes what belongs to it.
    if item.state() != state || item.arrival() != arrival {
        return Err(Error::Corrupt("a value was called done before it was read"));
    }
    Ok(message)
}

/// The form of an item's message, and its bytes if they lie in the slot.
fn short(arena: &'static Arena, item: Numbered) -> Result<(Form, Vec<u8>), Error> {
    let form = Form::from_word(item.slot.form.load(Relaxed));
    if form.is_long() {
        return Ok((form, Vec::new()));
    }
    let length = usize::try_from(form.length()).map_err(|_| CORRUPT)?;
    if length > INLINE {
        return Err(CORRUPT);
    }
    let mut bytes = vec![0; length];
    let at = arena.mapping().offset_of(&item.slot.bytes).ok_or(CORRUPT)?;
    arena.mapping().read(at, &mut bytes).ok_or(CORRUPT)?;
    Ok((form, bytes))
}

/// How many bytes of an item's message are its key. No more than there are, unless a faulty process
/// wrote it.
pub(super) fn key_of(item: Numbered) -> usize {
    usize::try_from(item.slot.key.load(Relaxed)).unwrap_or(usize::MAX)
}

/// Shows the key of an item that waits to `look`. Under the lock.
pub(super) fn with_key<R>(
    arena: &'static Arena,
    item: Numbered,
    look: impl FnOnce(&[u8]) -> R,
) -> Result<R, Error> {
    let key = key_of(item);
    if key <= INLINE {
        let mut bytes = [0; INLINE];
        let at = arena.mapping().offset_of(&item.slot.bytes).ok_or(CORRUPT)?;
        arena.mapping().read(at, &mut bytes[..key]).ok_or(CORRUPT)?;
        return Ok(look(&bytes[..key]));
    }
    // It begins the block.
    let place = heap::part(arena, item.parent, item.part).ok_or(CORRUPT)?;
    if heap::length_of(arena, place).is_none_or(|length| length < key) {
        return Err(CORRUPT);
    }
    arena.mapping().bytes(body(place.offset), key).ok_or(CORRUPT)?;
    let mut bytes = vec![0; key];
    arena.mapping().read(body(place.offset), &mut bytes).ok_or(CORRUPT)?;
    Ok(look(&bytes))
}
