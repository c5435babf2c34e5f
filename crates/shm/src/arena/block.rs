//! The head of a block: what stands before every object in an arena.
//!
//! | status      | meaning                                                                     |
//! |-------------|-----------------------------------------------------------------------------|
//! | `Free`      | no object; on the list of its class, or about to be put there               |
//! | `Allocated` | an object of `kind`; lives while someone holds it, or while its parent does |
//!
//! The state word holds the generation too, so that one store turns a free block into a new object
//! and a handle of the old one is told apart.

use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::atomic::{AtomicU32, AtomicU64};
use brigade_sys::memory::Shareable;

use super::layout::{CLASSES, SLOT_WORDS};

/// The head of a block. The object follows it.
#[repr(C, align(64))]
pub(crate) struct Block {
    /// Status, kind, class and generation. See [`BlockState`].
    state: AtomicU64,
    /// The next free block of the class, while this one is free.
    pub(crate) next_free: AtomicU64,
    /// For a part of another object: where that object lies.
    pub(crate) parent: AtomicU64,
    pub(crate) parent_generation: AtomicU32,
    /// For a part of another object: which of the parent's words must hold this block's offset.
    pub(crate) part_index: AtomicU32,
    /// How many messages that no process can be asked about carry a handle of the object: those
    /// that go over sockets.
    pub(crate) transit: AtomicU32,
    /// How many blocks of [`Kind::Cargo`] name the object. Counted anew after a death: the truth
    /// is in those blocks.
    pub(crate) carried: AtomicU32,
    /// What the object's type looks like, so that a handle is not read as another type.
    pub(crate) shape: AtomicU32,
    /// How many words at the start of the object hold the offsets of its parts, or zero.
    pub(crate) parts: AtomicU32,
    /// The object's size in bytes.
    pub(crate) length: AtomicU64,
    /// Where the bell lies that rings when the last holder lets go; zero for none.
    pub(crate) abandoned_bell: AtomicU64,
    /// A bit for each process slot whose process holds the object.
    pub(crate) holders: [AtomicU64; SLOT_WORDS],
}

/// The bytes of a block before its object.
pub(crate) const HEAD: usize = size_of::<Block>();

const _: () = assert!(HEAD == 128);

// SAFETY: atomics throughout; all zeros is a free block.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Block {}

/// What lives in a block. The numbers are part of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Bytes of another object: a long message, a chunk of a list.
    Bytes = 1,
    Lock = 2,
    Semaphore = 3,
    Event = 4,
    Value = 5,
    Array = 6,
    List = 7,
    Channel = 8,
    /// One side of a channel: its holders are the processes that send, or that receive.
    Endpoint = 9,
    /// The objects whose handles a message carries.
    Cargo = 10,
    RLock = 11,
    Condition = 12,
    Barrier = 13,
    RwLock = 14,
    Map = 15,
    /// Messages in another order than that of a channel, or that are acknowledged.
    Shelf = 16,
    Broadcast = 17,
    /// Messages that are written and read in place.
    Loans = 18,
}

impl Kind {
    fn from_number(number: u8) -> Option<Self> {
        use Kind::*;
        [
            Bytes, Lock, Semaphore, Event, Value, Array, List, Channel, Endpoint, Cargo, RLock,
            Condition, Barrier, RwLock, Map, Shelf, Broadcast, Loans,
        ]
        .into_iter()
        .find(|&kind| kind as u8 == number)
    }

    /// The name users know it by.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "block of bytes",
            Self::Lock => "lock",
            Self::Semaphore => "semaphore",
            Self::Event => "event",
            Self::Value => "value",
            Self::Array => "array",
            Self::List => "list",
            Self::Channel => "queue",
            Self::Endpoint => "queue endpoint",
            Self::Cargo => "list of carried objects",
            Self::RLock => "re-entrant lock",
            Self::Condition => "condition",
            Self::Barrier => "barrier",
            Self::RwLock => "read-write lock",
            Self::Map => "map",
            Self::Shelf => "queue",
            Self::Broadcast => "broadcast",
            Self::Loans => "queue",
        }
    }
}

/// What a block's state word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockState {
    /// What lives here; `None` when the block is free.
    pub(crate) kind: Option<Kind>,
    pub(crate) class: u8,
    pub(crate) generation: u32,
}

impl Block {
    pub(crate) fn state(&self) -> BlockState {
        // PAIR state: the object was made before the state that shows it.
        let [g0, g1, g2, g3, class, kind, ..] = self.state.load(Acquire).to_le_bytes();
        BlockState {
            kind: Kind::from_number(kind),
            class,
            generation: u32::from_le_bytes([g0, g1, g2, g3]),
        }
    }

    /// Commits a state: the one store that makes or ends an object.
    pub(crate) fn set_state(&self, state: BlockState) {
        let [g0, g1, g2, g3] = state.generation.to_le_bytes();
        let kind = state.kind.map_or(0, |kind| kind as u8);
        let word = u64::from_le_bytes([g0, g1, g2, g3, state.class, kind, 0, 0]);
        // PAIR state: with the load in `state`.
        self.state.store(word, Release);
    }

    /// Whether the block holds the object that had `generation`.
    pub(crate) fn is(&self, generation: u32) -> bool {
        let state = self.state();
        state.kind.is_some() && state.generation == generation
    }

    pub(crate) fn hold(&self, slot: u16) {
        let (word, bit) = place(slot);
        self.holders[word].fetch_or(bit, Relaxed);
    }

    /// Says that the process in `slot` no longer holds the object, and whether it did.
    pub(crate) fn unhold(&self, slot: u16) -> bool {
        let (word, bit) = place(slot);
        // PAIR holders: what the process did before it let go is visible to who sees it gone.
        self.holders[word].fetch_and(!bit, Release) & bit != 0
    }

    pub(crate) fn is_held_by(&self, slot: u16) -> bool {
        let (word, bit) = place(slot);
        self.holders[word].load(Relaxed) & bit != 0
    }

    /// Whether no process holds the object and no message carries a handle of it.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.is_in_no_message() && self.holders.iter().all(|word| word.load(Relaxed) == 0)
    }

    /// Whether no message carries a handle of the object.
    pub(crate) fn is_in_no_message(&self) -> bool {
        // PAIR transit: with `arrive`.
        self.transit.load(Acquire) == 0 && !self.is_carried()
    }

    /// Whether a cargo names the object.
    pub(crate) fn is_carried(&self) -> bool {
        self.carried.load(Acquire) != 0 // PAIR carried: with `set_carried`.
    }

    /// Says how many cargoes name the object. Under the heap's lock.
    pub(crate) fn set_carried(&self, count: u32) {
        // PAIR carried: the bit of a holder that came by the cargo is there before the cargo's
        // count is not.
        self.carried.store(count, Release);
    }

    /// Says that one more message carries a handle of the object, over a socket. Needs no lock:
    /// the sender holds the object.
    pub(crate) fn depart(&self) {
        self.transit.fetch_add(1, Relaxed);
    }

    /// Says that a message that carried a handle over a socket has arrived, or will not leave.
    pub(crate) fn arrive(&self) {
        // PAIR transit: the new holder's bit is there before the message's count is not.
        let _ = self.transit.fetch_update(Release, Relaxed, |transit| transit.checked_sub(1));
    }

    /// The slots of the processes that hold the object.
    pub(crate) fn holding_slots(&self) -> impl Iterator<Item = u16> {
        (0_u16..).zip(&self.holders).flat_map(|(index, word)| {
            let bits = word.load(Acquire); // PAIR holders: with `unhold`.
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| index * 64 + bit)
        })
    }

    pub(crate) fn clear_holders(&self) {
        for word in &self.holders {
            word.store(0, Relaxed);
        }
    }
}

fn place(slot: u16) -> (usize, u64) {
    (usize::from(slot / 64), 1 << (slot % 64))
}

/// The bytes of a block of `class`, its head included; `None` for a class that does not exist.
///
/// Four sizes to each power of two, so that at most a fifth of a block is wasted: 256, 320, 384,
/// 448, 512, 640 and so on.
pub(crate) fn size_of_class(class: u8) -> Option<usize> {
    if usize::from(class) >= CLASSES {
        return None;
    }
    Some((4 + usize::from(class % 4)) << (6 + class / 4))
}

/// The smallest class whose blocks hold an object of `length` bytes.
pub(crate) fn class_for(length: usize) -> Option<u8> {
    let size = length.checked_add(HEAD)?;
    (0..u8::try_from(CLASSES).ok()?).find(|&class| size_of_class(class) >= Some(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_grow_and_keep_blocks_aligned() {
        let sizes: Vec<_> = (0..128).map(|class| size_of_class(class).expect("a class")).collect();
        assert_eq!(&sizes[..6], [256, 320, 384, 448, 512, 640]);
        assert!(sizes.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(sizes.iter().all(|size| size % 64 == 0));
        assert_eq!(size_of_class(128), None);
    }

    #[test]
    fn an_object_gets_the_smallest_class_that_holds_it() {
        for length in (0..5_000).chain([1 << 20, (1 << 30) + 1]) {
            let class = class_for(length).expect("a class");
            assert!(size_of_class(class).expect("a class") >= length + HEAD);
            if class > 0 {
                assert!(size_of_class(class - 1).expect("a class") < length + HEAD);
            }
        }
        assert_eq!(class_for(usize::MAX), None);
    }
}
