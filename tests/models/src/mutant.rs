//! Mutants: the code under test with one operation left out or one ordering weakened.

use std::cmp::Ordering;
use std::fmt;
use std::panic::Location;
use std::sync::atomic;

/// A place in the code under test.
#[derive(Clone, Copy)]
pub struct Site {
    /// Counted from one.
    pub line: u32,
    /// Counted from one.
    pub column: u32,
    /// As the compiler was told it.
    path: &'static str,
}

impl PartialEq for Site {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Site {}

impl PartialOrd for Site {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Site {
    fn cmp(&self, other: &Self) -> Ordering {
        // Numbers first: they differ in most cases, and cost less to compare.
        let places = (self.line, self.column).cmp(&(other.line, other.column));
        places.then_with(|| self.file().cmp(other.file()))
    }
}

impl Site {
    pub(crate) fn of(location: &'static Location<'static>) -> Self {
        Self { line: location.line(), column: location.column(), path: location.file() }
    }

    /// The place that [`Display`](fmt::Display) wrote as `text`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(3, ':');
        let column = parts.next()?.parse().ok()?;
        let line = parts.next()?.parse().ok()?;
        let path = parts.next()?.to_owned();
        Some(Self { line, column, path: path.leak() })
    }

    /// The file, from the root of the repository.
    pub fn file(&self) -> &'static str {
        self.path.find("crates/").map_or(self.path, |at| &self.path[at..])
    }

    /// Whether the place is in a file of the library, and not in a model.
    pub fn is_under_test(&self) -> bool {
        self.file().starts_with("crates/")
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file(), self.line, self.column)
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is done at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A load of an atomic.
    Load,
    /// A store to an atomic.
    Store,
    /// A change of an atomic in one step.
    Change,
    /// A compare-and-exchange.
    Exchange,
    /// A fence.
    Fence,
    /// What is written to the `pending` field of the thread's robust list.
    Pending,
    /// What is written to a link of the thread's robust list.
    Link,
    /// A wake-up of sleepers on a word.
    Wake,
    /// A sleep on a word.
    Sleep,
    /// A copy of bytes out of the memory.
    Read,
    /// A copy of bytes into the memory.
    Write,
    /// The end of a process.
    Death,
}

impl Kind {
    /// Whether others can notice it: a thread that dies before it differs from one that does after.
    pub(crate) fn is_effect(self) -> bool {
        !matches!(self, Self::Load | Self::Fence | Self::Read | Self::Death)
    }

    /// Whether it may change the memory.
    pub(crate) fn is_change(self) -> bool {
        !matches!(self, Self::Load | Self::Read)
    }

    /// Whether a mutant without it makes sense.
    pub(crate) fn can_be_left_out(self) -> bool {
        !matches!(self, Self::Load | Self::Sleep | Self::Read | Self::Death)
    }
}

/// What can be done wrongly at a place.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) order: Option<atomic::Ordering>,
}

impl Fault {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, order: None }
    }

    pub(crate) fn ordered(kind: Kind, order: atomic::Ordering) -> Self {
        Self { kind, order: Some(order) }
    }
}

/// One change of the code under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// What is done there is not done.
    Omit(Site),
    /// The ordering there is `Relaxed`; a fence is none.
    Relax(Site),
    /// Instead of everyone, one is woken there.
    WakeOne(Site),
}

impl Mutant {
    /// Where it differs from the code.
    pub fn site(self) -> Site {
        match self {
            Self::Omit(site) | Self::Relax(site) | Self::WakeOne(site) => site,
        }
    }

    /// The mutant that [`Display`](fmt::Display) wrote as `text`.
    pub fn parse(text: &str) -> Option<Self> {
        let (what, site) = text.split_once('@')?;
        let site = Site::parse(site)?;
        match what {
            "omit" => Some(Self::Omit(site)),
            "relax" => Some(Self::Relax(site)),
            "wake-one" => Some(Self::WakeOne(site)),
            _ => None,
        }
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Omit(_) => "omit",
            Self::Relax(_) => "relax",
            Self::WakeOne(_) => "wake-one",
        };
        write!(f, "{what}@{}", self.site())
    }
}
