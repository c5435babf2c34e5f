//! What messages carry: the handles that are written into them and read out of them, and who keeps
//! their objects meanwhile.
//!
//! | a message                          | keeps its objects by            | when it is destroyed unread |
//! |------------------------------------|---------------------------------|-----------------------------|
//! | in a queue or a pipe               | a cargo: a block that lists them| they are let go             |
//! | to a child that starts             | the child's holds               | they are let go             |
//! | on a socket, or in bytes of others'| a count in each of them         | they stay with the arena    |
//!
//! In the first two ways it can be seen in the arena which process or which queue a message
//! belongs to, so nothing is left behind wherever somebody dies. A count tells nobody whose it is. A
//! queue keeps what is in another arena, of another program, in the third way: no block of its own
//! arena can keep it.
//!
//! [`gather`] lists what is written, and counts nothing: for queues and children. [`collect`]
//! counts: for whoever sends messages by a way of its own. A handle that is written outside of both
//! is counted too.

use std::cell::{Cell, RefCell};

use brigade_codec::{Bytes, EncodeError, Message, encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arena::Arena;
use crate::arena::heap::{self, Arrival, Place};
use crate::handle::Handle;

/// How the message that is being written keeps its objects.
#[derive(Clone, Copy)]
enum Way {
    Gathered,
    Collected,
}

thread_local! {
    /// The way of the message that this thread is writing, the innermost.
    static WAY: Cell<Option<Way>> = const { Cell::new(None) };
    /// How many objects are in the messages that this thread is writing. Kept apart from them, since
    /// most messages have none.
    static GATHERED_COUNT: Cell<usize> = const { Cell::new(0) };
    static COLLECTED_COUNT: Cell<usize> = const { Cell::new(0) };
    /// These objects, those of the innermost message last.
    static GATHERED: RefCell<Vec<Carried>> = const { RefCell::new(Vec::new()) };
    static COLLECTED: RefCell<Vec<Counted>> = const { RefCell::new(Vec::new()) };
    /// Who keeps the objects of the message that this thread is reading.
    static READING: RefCell<Keeper> = const { RefCell::new(Keeper::Counts) };
}

/// An object that is counted as being under way.
type Counted = (&'static Arena, Place);

/// The objects whose handles are in a message. As long as it is there, so are they.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    objects: Vec<Carried>,
}

#[derive(Clone, Debug)]
struct Carried {
    arena: &'static Arena,
    place: Place,
    /// A handle of the object, or of a cargo that has it.
    keeper: Handle,
}

impl Contents {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = (&'static Arena, Place)> {
        self.objects.iter().map(|object| (object.arena, object.place))
    }

    /// The objects in `arena`, each once.
    pub(crate) fn places_in(&self, arena: &Arena) -> Vec<Place> {
        let here = self.objects().filter(|(other, _)| other.id() == arena.id());
        let mut places: Vec<_> = here.map(|(_, place)| place).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Counts the handles of objects that are in other arenas than `arena` as being under way.
    pub(crate) fn count_abroad(&self, arena: &Arena) -> Cargo {
        let mut cargo = Cargo::default();
        for (other, place) in self.objects().filter(|(other, _)| other.id() != arena.id()) {
            cargo.count(other, place);
        }
        cargo
    }
}

/// The objects that a message carries, counted as being under way. Dropped before
/// [`sent`](Self::sent), they stay home.
#[derive(Debug, Default)]
#[must_use = "a message whose cargo is dropped was not sent"]
pub struct Cargo {
    objects: Vec<Counted>,
}

impl Cargo {
    /// Says that the message is on its way: whoever reads it takes the objects over.
    pub fn sent(mut self) {
        self.objects.clear();
    }

    fn count(&mut self, arena: &'static Arena, place: Place) {
        heap::send(arena, place);
        self.objects.push((arena, place));
    }
}

impl Drop for Cargo {
    fn drop(&mut self) {
        for (arena, place) in self.objects.drain(..) {
            // A corrupt arena is reported to whoever uses it next.
            let _ = heap::unsend(arena, place);
        }
    }
}

/// Runs `write`, which serializes a message, and returns with its result the handles that it
/// serialized. They are not counted as being under way.
///
/// For messages that keep their objects by themselves: in queues, and to children.
///
/// # Process death
///
/// The objects are kept by this process's holds, and let go with it.
#[inline]
pub fn gather<R>(write: impl FnOnce() -> R) -> (R, Contents) {
    let around = Around::begin(Way::Gathered);
    let result = write();
    (result, around.gathered())
}

/// Runs `write`, which serializes a message, and returns with its result the handles that it
/// serialized, counted as being under way.
///
/// For whoever sends messages by a way of its own, over a socket for example.
///
/// # Process death
///
/// If this process dies before the message is sent, or the message is destroyed unread, the objects
/// stay for as long as the arena lives.
pub fn collect<R>(write: impl FnOnce() -> R) -> (R, Cargo) {
    let around = Around::begin(Way::Collected);
    let result = write();
    (result, around.collected())
}

/// What was being written when a message was begun. Dropped, it is again, also when `write` panics.
struct Around {
    way: Option<Way>,
    gathered: usize,
    collected: usize,
}

impl Around {
    #[inline]
    fn begin(way: Way) -> Self {
        Self {
            way: WAY.replace(Some(way)),
            gathered: GATHERED_COUNT.get(),
            collected: COLLECTED_COUNT.get(),
        }
    }

    /// What was gathered since.
    #[inline]
    fn gathered(&self) -> Contents {
        if GATHERED_COUNT.get() <= self.gathered {
            return Contents::default();
        }
        GATHERED_COUNT.set(self.gathered);
        Contents { objects: GATHERED.with_borrow_mut(|all| all.split_off(self.gathered)) }
    }

    /// What was collected since.
    #[inline]
    fn collected(&self) -> Cargo {
        if COLLECTED_COUNT.get() <= self.collected {
            return Cargo::default();
        }
        COLLECTED_COUNT.set(self.collected);
        Cargo { objects: COLLECTED.with_borrow_mut(|all| all.split_off(self.collected)) }
    }
}

impl Drop for Around {
    #[inline]
    fn drop(&mut self) {
        WAY.set(self.way);
        // Nothing, unless `write` has panicked.
        drop(self.gathered());
        drop(self.collected());
    }
}

/// Sees to it that the message being written keeps the object of `handle`.
pub(crate) fn note(handle: &Handle) {
    note_kept(handle.arena(), handle.place(), handle);
}

/// As [`note`], for an object that `keeper` keeps.
fn note_kept(arena: &'static Arena, place: Place, keeper: &Handle) {
    match WAY.get() {
        Some(Way::Gathered) => {
            let carried = Carried { arena, place, keeper: keeper.clone() };
            GATHERED.with_borrow_mut(|objects| objects.push(carried));
            GATHERED_COUNT.set(GATHERED_COUNT.get() + 1);
        }
        Some(Way::Collected) => {
            heap::send(arena, place);
            COLLECTED.with_borrow_mut(|objects| objects.push((arena, place)));
            COLLECTED_COUNT.set(COLLECTED_COUNT.get() + 1);
        }
        None => heap::send(arena, place),
    }
}

/// Who keeps the objects whose handles are read, until they are adopted.
#[derive(Clone, Debug)]
enum Keeper {
    /// Their counts, each of which is for one reading.
    Counts,
    /// This process, by handles.
    Handles(Contents),
    /// A cargo that this process holds; what is not in its arena is counted.
    Cargo(Handle),
    /// This process, by holds that its parent took in its name.
    Parent,
}

impl Keeper {
    /// Runs `read`, which reads a message whose objects are kept in this way.
    fn read<R>(self, read: impl FnOnce() -> R) -> R {
        /// Ends the reading also when `read` panics.
        struct Ending(Option<Keeper>);

        impl Drop for Ending {
            fn drop(&mut self) {
                let ended = READING.replace(self.0.take().unwrap_or(Keeper::Counts));
                // May let a cargo go, so it comes when the reading is over.
                drop(ended);
            }
        }

        let _ending = Ending(Some(READING.replace(self)));
        read()
    }
}

/// Runs `read`, which reads a message that carries what `cargo` keeps.
pub(crate) fn read_carried<R>(cargo: Handle, read: impl FnOnce() -> R) -> R {
    Keeper::Cargo(cargo).read(read)
}

/// Runs `read`: the handles that it reads are held in this process's name already.
pub(crate) fn inherit<R>(read: impl FnOnce() -> R) -> R {
    Keeper::Parent.read(read)
}

/// How the handles of objects in `arena` that this thread reads come to it.
pub(crate) fn arrival(arena: &Arena) -> Arrival {
    READING.with_borrow(|keeper| match keeper {
        Keeper::Counts => Arrival::Message,
        Keeper::Cargo(cargo) if cargo.arena().id() != arena.id() => Arrival::Message,
        Keeper::Cargo(_) | Keeper::Handles(_) | Keeper::Parent => Arrival::Kept,
    })
}

/// A value that is encoded already, with what it carries: a message within a message.
///
/// It keeps the objects whose handles are in the value: where it was made, in a queue that it is
/// put into, and where it is taken out. [`read`](Self::read) it with the decoder that fits.
///
/// # Process death
///
/// Its objects are let go with the process that has it, or with the queue that it is in.
///
/// # Examples
///
/// ```
/// use brigade_shm::transit::Packed;
/// use brigade_shm::{Event, Queue};
///
/// let queue = Queue::bounded(1)?;
/// queue.put(Packed::of(&Event::new()?)?)?;
/// let event: Event = queue.get()?.read(brigade_codec::decode)?;
/// assert!(!event.is_set());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Packed {
    bytes: Bytes,
    keeper: Keeper,
}

impl Packed {
    /// Encodes `value`.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] when it cannot be.
    pub fn of<T: Message>(value: &T) -> Result<Self, EncodeError> {
        let (bytes, contents) = gather(|| encode(value));
        Ok(Self { bytes: Bytes(bytes?), keeper: Keeper::Handles(contents) })
    }

    /// Gives the bytes to `decode`. The handles in them may be read again as long as this value is
    /// there, unless it came over a socket.
    pub fn read<R>(&self, decode: impl FnOnce(&[u8]) -> R) -> R {
        self.keeper.clone().read(|| decode(&self.bytes.0))
    }
}

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = self.bytes.serialize(serializer)?;
        match &self.keeper {
            Keeper::Handles(contents) => {
                let objects = contents.objects.iter();
                objects.for_each(|it| note_kept(it.arena, it.place, &it.keeper));
            }
            Keeper::Cargo(cargo) => {
                for place in heap::carried_by(cargo.arena(), cargo.place()) {
                    note_kept(cargo.arena(), place, cargo);
                }
            }
            // What is counted stays counted until the value is read.
            Keeper::Counts | Keeper::Parent => {}
        }
        Ok(written)
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Bytes::deserialize(deserializer)?;
        Ok(Self { bytes, keeper: READING.with_borrow(Keeper::clone) })
    }
}
