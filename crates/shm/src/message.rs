//! A message as objects keep it that messages are put into: its bytes, and what it carries.
//!
//! Such an object (a store) has slots. For each slot it keeps a [`Form`] word and two part words
//! that follow one another; the first is part number `index` of the store:
//!
//! | part word   | names                                                                    |
//! |-------------|--------------------------------------------------------------------------|
//! | `index`     | the block with the bytes, if the form says that the message is long      |
//! | `index + 1` | the cargo, if the form says that the message carries handles             |
//!
//! *To put*: [`Payload::prepare`] before any lock is taken. Then, under the store's lock and with a
//! slot in which no message is: [`clear`] its part words, [`Payload::hand_over`], note the
//! [`Payload::form`] (and the bytes, unless it is long), commit, and call [`Payload::sent`]. A
//! payload that is dropped before it was handed over leaves nothing.
//!
//! *To take*: under the store's lock [`Parts::hold`], then commit. Then, without the lock,
//! [`Parts::taken`] gives the [`Message`], whose [`read`](Message::read) lets the cargo go when the
//! handles in it have been adopted. Parts that are dropped before the commit leave the message
//! where it is.
//!
//! # What a dead process leaves
//!
//! Before it is handed over, and after it was held, a part is held by the process and is freed at
//! its burial. In between it is the store's, and two questions are for the store: what of its parts
//! was handed over by a process that died before it committed, and which of them was taken by a
//! process that died after it committed. A burial asks them: see [`bury`].

use brigade_sys::kill_point::kill_point;

use crate::arena::Arena;
use crate::arena::block::Kind;
use crate::arena::census::Tag;
use crate::arena::heap::{self, Estate, Place, Plan, body};
use crate::broadcast;
use crate::channel;
use crate::error::Error;
use crate::handle::Handle;
use crate::shelf;
use crate::transit::{self, Cargo, Contents};

/// How many part words a slot has.
pub(crate) const PARTS: usize = 2;

const CORRUPT: Error = Error::Corrupt("a message's bookkeeping makes no sense");

/// How long a message is and what belongs to it, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form(u64);

const LONG: u64 = 1 << 63;
const CARRIES: u64 = 1 << 62;

impl Form {
    /// The form of a message of so many bytes to which nothing belongs.
    #[inline]
    pub(crate) fn plain(length: usize) -> Self {
        // No object has 2^62 bytes.
        Self(length as u64)
    }

    #[inline]
    pub(crate) fn from_word(word: u64) -> Self {
        Self(word)
    }

    pub(crate) fn to_word(self) -> u64 {
        self.0
    }

    /// How many bytes the message has.
    pub(crate) fn length(self) -> u64 {
        self.0 & !(LONG | CARRIES)
    }

    /// Whether the bytes lie in a block of their own.
    pub(crate) fn is_long(self) -> bool {
        self.0 & LONG != 0
    }

    /// Whether the slot's part words name anything.
    pub(crate) fn has_parts(self) -> bool {
        self.0 & (LONG | CARRIES) != 0
    }
}

/// A message on its way in.
#[derive(Debug)]
pub(crate) struct Payload<'a> {
    arena: &'static Arena,
    bytes: &'a [u8],
    long: Option<Part>,
    cargo: Option<Part>,
    /// What the message carries of other arenas: no block of this one can keep it.
    abroad: Cargo,
}

/// A block that this process holds until it is a store's.
#[derive(Debug)]
struct Part {
    arena: &'static Arena,
    slot: u16,
    place: Place,
    /// Whether it is the store's: a hold of this process would be one of its takers'.
    is_handed_over: bool,
}

impl<'a> Payload<'a> {
    /// Makes the parts of a message for a store in `arena`, whose slots have room for `most` bytes.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory.
    pub(crate) fn prepare(
        arena: &'static Arena,
        bytes: &'a [u8],
        contents: &Contents,
        most: usize,
    ) -> Result<Self, Error> {
        let abroad = Cargo::default();
        let mut payload = Self { arena, bytes, long: None, cargo: None, abroad };
        if bytes.len() > most {
            payload.lengthen()?;
        }
        if !contents.is_empty() {
            payload.load(contents)?;
        }
        Ok(payload)
    }

    #[cold]
    fn load(&mut self, contents: &Contents) -> Result<(), Error> {
        let home = contents.places_in(self.arena);
        if !home.is_empty() {
            let slot = self.arena.tag()?.slot;
            let place = heap::pack(self.arena, slot, &home)?;
            kill_point("message.packed");
            self.cargo = Some(Part { arena: self.arena, slot, place, is_handed_over: false });
        }
        self.abroad = contents.count_abroad(self.arena);
        Ok(())
    }

    /// Copies the bytes into a block of their own.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory.
    pub(crate) fn lengthen(&mut self) -> Result<(), Error> {
        if self.long.is_some() {
            return Ok(());
        }
        let slot = self.arena.tag()?.slot;
        let plan = Plan { kind: Kind::Bytes, shape: 0, length: self.bytes.len(), parts: 0 };
        let place = heap::allocate(self.arena, slot, plan)?;
        let part = Part { arena: self.arena, slot, place, is_handed_over: false };
        kill_point("message.allocated");
        self.arena.mapping().write(body(place.offset), self.bytes).ok_or(CORRUPT)?;
        self.long = Some(part);
        Ok(())
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn form(&self) -> Form {
        let long = if self.long.is_some() { LONG } else { 0 };
        let carries = if self.cargo.is_some() { CARRIES } else { 0 };
        // No object has 2^62 bytes.
        Form(self.bytes.len() as u64 | long | carries)
    }

    /// Gives the parts to `store`, whose part words `index` and `index + 1` then name them.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`]; then the message is not to be committed.
    pub(crate) fn hand_over(&mut self, store: Place, index: usize) -> Result<(), Error> {
        for (number, part) in [&mut self.long, &mut self.cargo].into_iter().enumerate() {
            if let Some(part) = part {
                heap::attach(part.arena, part.slot, part.place, store, index + number)?;
                part.is_handed_over = true;
                kill_point("message.attached");
            }
        }
        Ok(())
    }

    /// Says that the message is committed.
    pub(crate) fn sent(&mut self) {
        std::mem::take(&mut self.abroad).sent();
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_handed_over {
            // A corrupt arena is reported to whoever uses it next.
            let _ = heap::release(self.arena, self.slot, self.place);
        }
    }
}

/// Frees what the part words of a slot name in which no message is: parts that were taken, or that
/// a dead process handed over and did not commit.
///
/// # Errors
///
/// [`Error::Corrupt`].
pub(crate) fn clear(arena: &'static Arena, store: Place, index: usize) -> Result<(), Error> {
    for index in index..index + PARTS {
        if heap::part(arena, store, index).is_some() {
            heap::detach(arena, store, index)?;
        }
    }
    Ok(())
}

/// The parts of a message on its way out, which this process holds.
#[derive(Debug)]
pub(crate) struct Parts {
    arena: &'static Arena,
    slot: u16,
    long: Option<Place>,
    cargo: Option<Place>,
}

impl Parts {
    /// Holds the parts of the message of this form whose part words begin at `index` of `store`.
    /// Under the store's lock, before the taking is committed.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when they are not what the form says.
    pub(crate) fn hold(
        arena: &'static Arena,
        store: Place,
        index: usize,
        form: Form,
    ) -> Result<Self, Error> {
        let mut parts = Self { arena, slot: arena.tag()?.slot, long: None, cargo: None };
        if form.is_long() {
            let length = usize::try_from(form.length()).map_err(|_| CORRUPT)?;
            let place = heap::part(arena, store, index).ok_or(CORRUPT)?;
            if heap::length_of(arena, place) != Some(length) {
                return Err(CORRUPT);
            }
            // A copy of that many bytes is about to be made.
            arena.mapping().bytes(body(place.offset), length).ok_or(CORRUPT)?;
            heap::hold_for(arena, parts.slot, place)?;
            parts.long = Some(place);
            kill_point("message.held");
        }
        if form.0 & CARRIES != 0 {
            let place = heap::part(arena, store, index + 1).ok_or(CORRUPT)?;
            heap::hold_for(arena, parts.slot, place)?;
            parts.cargo = Some(place);
            kill_point("message.held");
        }
        Ok(parts)
    }

    /// The message, now that its taking is committed. `short` are its bytes if it is not long.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`]; the message is lost then.
    pub(crate) fn taken(mut self, short: Vec<u8>) -> Result<Message, Error> {
        let cargo = self.cargo.take().map(|place| Handle::held(self.arena, place, Kind::Cargo));
        let Some(place) = self.long.take() else { return Ok(Message { bytes: short, cargo }) };
        let mut bytes = vec![0; heap::length_of(self.arena, place).unwrap_or(0)];
        let read = self.arena.mapping().read(body(place.offset), &mut bytes);
        kill_point("message.copied");
        heap::release_part(self.arena, self.slot, place)?;
        kill_point("message.freed");
        read.ok_or(CORRUPT)?;
        Ok(Message { bytes, cargo })
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        for place in [self.long, self.cargo].into_iter().flatten() {
            let _ = heap::release(self.arena, self.slot, place);
        }
    }
}

/// A copy of the message of this form whose part words begin at `index` of `store`, where it stays
/// for others. The store must keep it there meanwhile. `short` are its bytes if it is not long.
///
/// # Errors
///
/// [`Error::Corrupt`] when the parts are not what the form says.
pub(crate) fn copy(
    arena: &'static Arena,
    store: Place,
    index: usize,
    form: Form,
    short: Vec<u8>,
) -> Result<Message, Error> {
    let mut message = Message::plain(short);
    if form.is_long() {
        let place = heap::part(arena, store, index).ok_or(CORRUPT)?;
        let length = usize::try_from(form.length()).map_err(|_| CORRUPT)?;
        if heap::length_of(arena, place) != Some(length) {
            return Err(CORRUPT);
        }
        // Looked at first: a copy of that many bytes is about to be made.
        arena.mapping().bytes(body(place.offset), length).ok_or(CORRUPT)?;
        message.bytes.resize(length, 0);
        arena.mapping().read(body(place.offset), &mut message.bytes).ok_or(CORRUPT)?;
    }
    if form.0 & CARRIES != 0 {
        let place = heap::part(arena, store, index + 1).ok_or(CORRUPT)?;
        message.cargo = Some(Handle::shared(arena, place, Kind::Cargo)?);
        kill_point("message.shared");
    }
    Ok(message)
}

/// A message that was taken. Dropped, it lets go of what it carries.
#[derive(Debug)]
pub(crate) struct Message {
    bytes: Vec<u8>,
    cargo: Option<Handle>,
}

impl Message {
    /// A message that carries nothing.
    pub(crate) fn plain(bytes: Vec<u8>) -> Self {
        Self { bytes, cargo: None }
    }

    /// Gives the bytes to `decode`, and lets go of what the message carries after that: by then the
    /// handles in it have been adopted.
    pub(crate) fn read<R>(self, decode: impl FnOnce(&[u8]) -> R) -> R {
        let opened = Opened { length: self.bytes.len(), cargo: self.cargo };
        opened.read(&self.bytes, decode)
    }

    /// Puts the bytes in the place of `bytes`.
    pub(crate) fn open(self, bytes: &mut Vec<u8>) -> Opened {
        *bytes = self.bytes;
        Opened { length: bytes.len(), cargo: self.cargo }
    }
}

/// A message that was taken, and whose bytes are the first in somebody's buffer.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) length: usize,
    pub(crate) cargo: Option<Handle>,
}

impl Opened {
    /// As [`Message::read`].
    #[inline]
    pub(crate) fn read<R>(self, bytes: &[u8], decode: impl FnOnce(&[u8]) -> R) -> R {
        let bytes = bytes.get(..self.length).unwrap_or_default();
        match self.cargo {
            None => decode(bytes),
            Some(cargo) => transit::read_carried(cargo, || decode(bytes)),
        }
    }
}

/// Frees what the process with `tag`, which has died, left half put or half taken. Before its holds
/// end; may be repeated.
pub(crate) fn bury(arena: &'static Arena, tag: Tag) {
    for left in heap::estate_of(arena, tag.slot) {
        // A corrupt store is reported to whoever uses it next.
        let _ = match left {
            Estate::Store { place, kind: Kind::Channel } => channel::bury(arena, place, tag),
            Estate::Store { place, kind: Kind::Broadcast } => broadcast::bury(arena, place, tag),
            Estate::Message { place, store, kind: Kind::Channel, index } => {
                channel::bury_message(arena, store, index, place)
            }
            Estate::Store { place, kind: Kind::Shelf } => shelf::bury(arena, place),
            // The slots of a shelf lie in blocks that are its parts.
            Estate::Message { place, store, kind: Kind::Bytes, index } => {
                shelf::bury_message(arena, store, index, place)
            }
            Estate::Store { .. } | Estate::Message { .. } => Ok(()),
        };
    }
}
