//! What clients and the server say to each other.
//!
//! A connection carries one request at a time. Every request but [`Request::Release`] has one
//! reply. The first request of a connection is [`Request::Hello`]: it says whose connection it is,
//! since a process has several.
//!
//! A value that lies in a container travels as a [`Datum`]: its bytes, which the server does not
//! look into, and the objects that proxies in it refer to, which the server counts. A reply that
//! holds a datum grants its reader one reference for each of them.

use std::time::Duration;

use brigade_codec::Bytes;
use brigade_wire::Address;
use serde::{Deserialize, Serialize};

use crate::memory::Memory;

/// The number of an object, unique in its manager and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ObjectId(pub(crate) u64);

/// The map of published values, which every manager has.
pub(crate) const NAMES: ObjectId = ObjectId(0);

/// The type of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Counter,
    Value,
    Lock,
    List,
    Map,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Value => "value",
            Self::Lock => "lock",
            Self::List => "list",
            Self::Map => "map",
        }
    }
}

/// A value in a container: its bytes, and the objects that it refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Datum {
    pub(crate) bytes: Bytes,
    pub(crate) references: Vec<ObjectId>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// The first of a connection: it belongs to this client.
    Hello {
        client: u128,
    },
    Create(Initial),
    /// Counts one reference more for the client: it has read a proxy from a message.
    Claim {
        object: ObjectId,
        kind: Kind,
        pledge: Option<u64>,
    },
    /// Keeps the object until a message with a proxy of it has been read.
    Pledge {
        object: ObjectId,
        pledge: u64,
    },
    /// Counts one reference less for the client. Has no reply.
    Release {
        object: ObjectId,
    },
    /// Asks for the shared memory behind the object.
    Memory {
        object: ObjectId,
    },
    /// Asks how many objects there are.
    Census,
    Counter {
        object: ObjectId,
        request: CounterRequest,
    },
    Value {
        object: ObjectId,
        request: ValueRequest,
    },
    Lock {
        object: ObjectId,
        request: LockRequest,
    },
    List {
        object: ObjectId,
        request: ListRequest,
    },
    Map {
        object: ObjectId,
        request: MapRequest,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Initial {
    Counter(i64),
    Value(Datum),
    Lock,
    List,
    Map,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum CounterRequest {
    Get,
    Set(i64),
    /// The reply is the sum.
    Add(i64),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ValueRequest {
    Get,
    Set(Datum),
    /// Replaces the value if it still is this version of it.
    Exchange {
        version: u64,
        datum: Datum,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum LockRequest {
    /// The connection holds the lock from the reply on, until it says `Release` or ends.
    Acquire {
        timeout: Option<Duration>,
    },
    /// The holder declares that what the lock protects is whole again.
    Recover,
    Release,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum ListRequest {
    Len,
    Get(u64),
    Set(u64, Datum),
    Extend(Vec<Datum>),
    Pop,
    Insert(u64, Datum),
    Remove(u64),
    Truncate(u64),
    /// The elements from the first index to before the second.
    Range(u64, u64),
    /// Replaces the element if its bytes still are these.
    Exchange {
        index: u64,
        expected: Bytes,
        datum: Datum,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum MapRequest {
    Len,
    Get(Bytes),
    Contains(Bytes),
    Insert(Bytes, Datum),
    Remove(Bytes),
    Clear,
    Keys,
    Values,
    Items,
    /// Replaces the entry if it still is as expected; `None` means that there is none.
    Exchange {
        key: Bytes,
        expected: Option<Bytes>,
        datum: Option<Datum>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Welcome(Welcome),
    Done,
    Created(ObjectId),
    Memory(Option<Memory>),
    Number(i64),
    Length(u64),
    Datum(Option<Datum>),
    Data(Vec<Datum>),
    Keys(Vec<Bytes>),
    Items(Vec<(Bytes, Datum)>),
    Version(u64, Datum),
    /// Somebody else was faster: the exchange has not happened.
    Conflict,
    Acquired(Acquired),
    Refused(Refusal),
}

/// Which manager it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Welcome {
    /// No other manager has this number.
    pub(crate) manager: u128,
    pub(crate) pid: u32,
    /// Wherever it listens.
    pub(crate) addresses: Vec<Address>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Acquired {
    Clean,
    OwnerDied,
    TimedOut,
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    NoObject,
    WrongKind {
        expected: Kind,
    },
    OutOfRange {
        length: u64,
    },
    /// The request makes no sense here, or was not understood.
    Malformed(String),
    /// The server could not do it.
    Failed(String),
}
