//! What the server knows: the objects, and the shared memory behind those that have some.
//!
//! A value is in its cell or here, and the cell says where. Whoever holds the state's lock is the
//! only one to turn a far cell into a near one or back, so the two agree.

use std::collections::HashMap;

use brigade_codec::Bytes;
use brigade_shm as shm;

use crate::cell::{self, Cell, Content};
use crate::memory::{Memory, cell_of};
use crate::protocol::{
    CounterRequest, Datum, Initial, Kind, ObjectId, Refusal, Reply, Request, ValueRequest,
};
use crate::store::{Body, ClientId, Moment, Store};

#[derive(Debug)]
pub(crate) struct State {
    store: Store,
    memory: HashMap<ObjectId, Memory>,
}

impl State {
    pub(crate) fn new() -> Self {
        Self { store: Store::new(), memory: HashMap::new() }
    }

    pub(crate) fn connect(&mut self, client: ClientId) {
        self.store.connect(client);
    }

    pub(crate) fn disconnect(&mut self, client: ClientId, now: Moment) {
        self.store.disconnect(client, now);
        self.sweep();
    }

    /// Does what `client` asks for. No reply means that none is expected.
    pub(crate) fn handle(
        &mut self,
        client: ClientId,
        request: Request,
        now: Moment,
    ) -> Option<Reply> {
        self.store.expire(now);
        if let Request::Release { object } = request {
            self.store.release(client, object);
            self.sweep();
            return None;
        }
        let reply = self.answer(client, request);
        self.sweep();
        Some(reply.unwrap_or_else(Reply::Refused))
    }

    /// The lock behind an object.
    pub(crate) fn lock(&self, object: ObjectId) -> Result<shm::Lock, Refusal> {
        match self.memory(object, Kind::Lock)? {
            Memory::Lock(lock) => Ok(lock.clone()),
            _ => Err(Refusal::WrongKind { expected: Kind::Lock }),
        }
    }

    fn answer(&mut self, client: ClientId, request: Request) -> Result<Reply, Refusal> {
        match request {
            Request::Create(initial) => self.create(client, initial),
            Request::Claim { object, kind, pledge } => {
                self.store.claim(client, object, kind, pledge)
            }
            Request::Pledge { object, pledge } => self.store.pledge(client, object, pledge),
            Request::Memory { object } => Ok(Reply::Memory(self.memory.get(&object).cloned())),
            Request::Census => Ok(Reply::Length(self.store.len() as u64)),
            Request::Counter { object, request } => self.counter(object, &request),
            Request::Value { object, request } => self.value(client, object, request),
            Request::List { object, request } => self.store.list(client, object, request),
            Request::Map { object, request } => self.store.map(client, object, request),
            Request::Hello { .. } | Request::Release { .. } | Request::Lock { .. } => {
                Err(Refusal::Malformed("the request makes no sense here".into()))
            }
        }
    }

    fn create(&mut self, client: ClientId, initial: Initial) -> Result<Reply, Refusal> {
        let memory = Memory::create(&initial).map_err(|it| Refusal::Failed(it.to_string()))?;
        let body = match (initial, &memory) {
            (Initial::Value(datum), Some(Memory::Value(place))) => {
                Body::Value(cell::is_far(&place.get()).then_some((0, datum)))
            }
            (Initial::Value(datum), _) => Body::Value(Some((0, datum))),
            (Initial::Counter(_), _) => Body::Counter,
            (Initial::Lock, _) => Body::Lock,
            (Initial::List, _) => Body::List(Default::default()),
            (Initial::Map, _) => Body::Map(Default::default()),
        };
        let object = self.store.create(client, body)?;
        if let Some(memory) = memory {
            self.memory.insert(object, memory);
        }
        Ok(Reply::Created(object))
    }

    fn counter(&self, object: ObjectId, request: &CounterRequest) -> Result<Reply, Refusal> {
        let Memory::Counter(counter) = self.memory(object, Kind::Counter)? else {
            return Err(Refusal::WrongKind { expected: Kind::Counter });
        };
        Ok(match *request {
            CounterRequest::Get => Reply::Number(counter.get()),
            CounterRequest::Set(number) => {
                counter.set(number);
                Reply::Done
            }
            CounterRequest::Add(amount) => {
                Reply::Number(counter.fetch_add(amount).wrapping_add(amount))
            }
        })
    }

    fn value(
        &mut self,
        client: ClientId,
        object: ObjectId,
        request: ValueRequest,
    ) -> Result<Reply, Refusal> {
        let Memory::Value(place) = self.memory(object, Kind::Value)? else {
            return Err(Refusal::WrongKind { expected: Kind::Value });
        };
        let place = place.clone();
        match request {
            ValueRequest::Get => self.get(client, object, &place.get()),
            ValueRequest::Set(datum) => self.replace(object, &place, datum, None),
            ValueRequest::Exchange { version, datum } => {
                self.replace(object, &place, datum, Some(version))
            }
        }
    }

    fn get(&mut self, client: ClientId, object: ObjectId, cell: &Cell) -> Result<Reply, Refusal> {
        const CORRUPT: &str = "the value's memory was overwritten by a faulty process";
        match cell::read(cell) {
            Ok(Content::Near(near)) => {
                let bytes = Bytes(near.as_slice().to_vec());
                let datum = Datum { bytes, references: Vec::new() };
                Ok(Reply::Version(cell::version(cell), datum))
            }
            Ok(Content::Far) => {
                let far = self.store.far(client, object);
                let (version, datum) = far.ok_or_else(|| Refusal::Failed(CORRUPT.into()))?;
                Ok(Reply::Version(version, datum))
            }
            Err(cell::Corrupt) => Err(Refusal::Failed(CORRUPT.into())),
        }
    }

    fn replace(
        &mut self,
        object: ObjectId,
        place: &shm::Value<Cell>,
        datum: Datum,
        expected: Option<u64>,
    ) -> Result<Reply, Refusal> {
        self.store.check(&datum.references)?;
        let written = place.update(|cell| {
            let version = cell::version(cell);
            if expected.is_some_and(|expected| expected != version) {
                return None;
            }
            *cell = cell_of(version.wrapping_add(1), &datum);
            Some(*cell)
        });
        let Some(cell) = written else { return Ok(Reply::Conflict) };
        let far = cell::is_far(&cell).then(|| (cell::version(&cell), datum));
        self.store.set_far(object, far);
        Ok(Reply::Done)
    }

    fn memory(&self, object: ObjectId, kind: Kind) -> Result<&Memory, Refusal> {
        self.store.kind(object, kind)?;
        self.memory.get(&object).ok_or(Refusal::NoObject)
    }

    /// Lets go of the memory of objects that are no more.
    fn sweep(&mut self) {
        for object in self.store.take_dropped() {
            self.memory.remove(&object);
        }
    }
}
