//! The objects of a manager, and who refers to them. Pure: a request in, a reply out.
//!
//! An object lives as long as someone counts a reference to it:
//!
//! | reference | from                          | to                                        |
//! |-----------|-------------------------------|-------------------------------------------|
//! | a client's| it got a proxy                | it dropped it, or its last connection ended |
//! | a pledge  | a proxy was put into a message| the message was read                      |
//! | a value's | it was put into a container   | it left it, or the container went         |
//!
//! Containers that refer to each other in a ring keep each other alive; now and then the store
//! looks for objects that nobody outside can reach, and drops them.
//!
//! # What a dead client leaves
//!
//! Nothing: its references go with its last connection. Its pledges stay for [`GRACE`], since
//! somebody else may still read the message.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::containers::{Change, Incoming, List, Map};
use crate::protocol::{Datum, Kind, ListRequest, MapRequest, NAMES, ObjectId, Refusal, Reply};

/// How long a message of a client that has gone may wait to be read.
pub(crate) const GRACE: Duration = Duration::from_secs(600);

/// How many objects may lose their last reference from outside before rings are looked for.
const SUSPECTS: usize = 64;

/// How many pledges a client may have open.
const PLEDGES: usize = 1 << 16;

/// A process that uses the manager.
pub(crate) type ClientId = u128;

/// A moment, as the time since some beginning.
pub(crate) type Moment = Duration;

#[derive(Debug)]
pub(crate) struct Store {
    objects: HashMap<ObjectId, Object>,
    clients: HashMap<ClientId, Client>,
    pledges: HashMap<(ObjectId, u64), Pledge>,
    /// No pledge lapses before.
    next_lapse: Moment,
    next: u64,
    suspects: usize,
    dropped: Vec<ObjectId>,
}

#[derive(Debug)]
struct Object {
    body: Body,
    /// References of clients, and pledges.
    outside: u64,
    /// References of values in containers.
    inside: u64,
}

/// What an object is.
#[derive(Debug)]
pub(crate) enum Body {
    /// All of it is in shared memory.
    Counter,
    /// All of it is in shared memory.
    Lock,
    /// The value, with its version, while it is not in shared memory.
    Value(Option<(u64, Datum)>),
    List(List),
    Map(Map),
}

impl Body {
    fn kind(&self) -> Kind {
        match self {
            Self::Counter => Kind::Counter,
            Self::Lock => Kind::Lock,
            Self::Value(_) => Kind::Value,
            Self::List(_) => Kind::List,
            Self::Map(_) => Kind::Map,
        }
    }

    fn references(&self) -> Vec<ObjectId> {
        let of = |datum: &Datum| datum.references.clone();
        match self {
            Self::Counter | Self::Lock => Vec::new(),
            Self::Value(far) => far.iter().flat_map(|(_, datum)| of(datum)).collect(),
            Self::List(list) => list.data().flat_map(of).collect(),
            Self::Map(map) => map.data().flat_map(of).collect(),
        }
    }
}

#[derive(Debug, Default)]
struct Client {
    connections: u64,
    references: HashMap<ObjectId, u64>,
    pledges: usize,
}

#[derive(Debug)]
struct Pledge {
    maker: ClientId,
    /// When it lapses, once its maker has gone.
    lapses: Option<Moment>,
}

impl Store {
    pub(crate) fn new() -> Self {
        let names = Object { body: Body::Map(Map::default()), outside: 1, inside: 0 };
        Self {
            objects: HashMap::from([(NAMES, names)]),
            clients: HashMap::new(),
            pledges: HashMap::new(),
            next_lapse: Moment::MAX,
            next: NAMES.0 + 1,
            suspects: 0,
            dropped: Vec::new(),
        }
    }

    /// How many objects there are, without the map of names.
    pub(crate) fn len(&self) -> usize {
        self.objects.len() - 1
    }

    /// The objects that have been dropped since the last call.
    pub(crate) fn take_dropped(&mut self) -> Vec<ObjectId> {
        std::mem::take(&mut self.dropped)
    }

    /// A client has one connection more.
    pub(crate) fn connect(&mut self, client: ClientId) {
        self.clients.entry(client).or_default().connections += 1;
    }

    /// A client has one connection less. With the last one it is gone.
    pub(crate) fn disconnect(&mut self, client: ClientId, now: Moment) {
        let Some(known) = self.clients.get_mut(&client) else { return };
        known.connections = known.connections.saturating_sub(1);
        if known.connections > 0 {
            return;
        }
        let references = std::mem::take(&mut known.references);
        self.clients.remove(&client);
        for pledge in self.pledges.values_mut().filter(|pledge| pledge.maker == client) {
            pledge.lapses = Some(now + GRACE);
            self.next_lapse = self.next_lapse.min(now + GRACE);
        }
        for (object, count) in references {
            self.leave(object, count);
        }
    }

    /// Drops the pledges whose time has come.
    pub(crate) fn expire(&mut self, now: Moment) {
        if now < self.next_lapse {
            return;
        }
        let late = |pledge: &Pledge| pledge.lapses.is_some_and(|lapses| lapses <= now);
        let lapsed: Vec<_> =
            self.pledges.iter().filter(|(_, it)| late(it)).map(|(key, _)| *key).collect();
        for key in lapsed {
            self.pledges.remove(&key);
            self.leave(key.0, 1);
        }
        let left = self.pledges.values().filter_map(|pledge| pledge.lapses).min();
        self.next_lapse = left.unwrap_or(Moment::MAX);
    }

    /// Makes an object, with a reference of the client.
    pub(crate) fn create(&mut self, client: ClientId, body: Body) -> Result<ObjectId, Refusal> {
        self.check(&body.references())?;
        let object = ObjectId(self.next);
        self.next += 1;
        self.retain(&body.references());
        self.objects.insert(object, Object { body, outside: 0, inside: 0 });
        self.grant(client, &[object]);
        Ok(object)
    }

    /// Counts one reference more for a client that has read a proxy from a message.
    pub(crate) fn claim(
        &mut self,
        client: ClientId,
        object: ObjectId,
        kind: Kind,
        pledge: Option<u64>,
    ) -> Result<Reply, Refusal> {
        self.kind(object, kind)?;
        self.grant(client, &[object]);
        let kept = pledge.and_then(|pledge| self.pledges.remove(&(object, pledge)));
        if let Some(pledge) = kept {
            if let Some(maker) = self.clients.get_mut(&pledge.maker) {
                maker.pledges = maker.pledges.saturating_sub(1);
            }
            self.leave(object, 1);
        }
        Ok(Reply::Done)
    }

    /// Keeps the object until a message has been read.
    pub(crate) fn pledge(
        &mut self,
        client: ClientId,
        object: ObjectId,
        pledge: u64,
    ) -> Result<Reply, Refusal> {
        let maker = self.clients.entry(client).or_default();
        if maker.pledges >= PLEDGES {
            return Err(Refusal::Failed(
                "too many proxies are in messages that nobody reads".into(),
            ));
        }
        let target = self.objects.get_mut(&object).ok_or(Refusal::NoObject)?;
        if self.pledges.insert((object, pledge), Pledge { maker: client, lapses: None }).is_none() {
            target.outside += 1;
            maker.pledges += 1;
        }
        Ok(Reply::Done)
    }

    /// Counts one reference less for the client, if it has one.
    pub(crate) fn release(&mut self, client: ClientId, object: ObjectId) {
        let Some(known) = self.clients.get_mut(&client) else { return };
        let Some(count) = known.references.get_mut(&object) else { return };
        *count -= 1;
        if *count == 0 {
            known.references.remove(&object);
        }
        self.leave(object, 1);
    }

    /// Checks that there is such an object.
    pub(crate) fn kind(&self, object: ObjectId, expected: Kind) -> Result<(), Refusal> {
        let found = self.objects.get(&object).ok_or(Refusal::NoObject)?;
        if found.body.kind() == expected { Ok(()) } else { Err(Refusal::WrongKind { expected }) }
    }

    /// What a value is and its version, while it is not in shared memory.
    pub(crate) fn far(&mut self, client: ClientId, object: ObjectId) -> Option<(u64, Datum)> {
        let far = match &self.objects.get(&object)?.body {
            Body::Value(far) => far.clone()?,
            _ => return None,
        };
        self.grant(client, &far.1.references);
        Some(far)
    }

    /// Checks that every object that a value refers to is there.
    pub(crate) fn check(&self, references: &[ObjectId]) -> Result<(), Refusal> {
        let known = references.iter().all(|object| self.objects.contains_key(object));
        if known { Ok(()) } else { Err(Refusal::NoObject) }
    }

    /// Keeps a value that is not in shared memory, in place of the one before.
    pub(crate) fn set_far(&mut self, object: ObjectId, far: Option<(u64, Datum)>) {
        if let Some((_, datum)) = &far {
            self.retain(&datum.references);
        }
        let not_kept = match self.objects.get_mut(&object).map(|it| &mut it.body) {
            Some(Body::Value(place)) => std::mem::replace(place, far),
            _ => far,
        };
        if let Some((_, datum)) = not_kept {
            self.forget(&datum.references);
        }
    }

    pub(crate) fn list(
        &mut self,
        client: ClientId,
        object: ObjectId,
        request: ListRequest,
    ) -> Result<Reply, Refusal> {
        self.change(client, (object, Kind::List), request, |body, request| match body {
            Body::List(list) => Some(list.apply(request)),
            _ => None,
        })
    }

    pub(crate) fn map(
        &mut self,
        client: ClientId,
        object: ObjectId,
        request: MapRequest,
    ) -> Result<Reply, Refusal> {
        self.change(client, (object, Kind::Map), request, |body, request| match body {
            Body::Map(map) => Some(map.apply(request)),
            _ => None,
        })
    }

    /// Changes a container: counts what comes in, what goes out to the client, and what is removed.
    fn change<R: Incoming>(
        &mut self,
        client: ClientId,
        (object, kind): (ObjectId, Kind),
        request: R,
        apply: impl FnOnce(&mut Body, R) -> Option<Change>,
    ) -> Result<Reply, Refusal> {
        self.kind(object, kind)?;
        let incoming: Vec<_> =
            request.incoming().iter().flat_map(|datum| datum.references.clone()).collect();
        self.check(&incoming)?;
        self.retain(&incoming);
        let container = self.objects.get_mut(&object).ok_or(Refusal::NoObject)?;
        let change =
            apply(&mut container.body, request).ok_or(Refusal::WrongKind { expected: kind })?;
        if let Ok(reply) = &change.reply {
            self.grant_all(client, reply);
        }
        for datum in &change.removed {
            self.forget(&datum.references);
        }
        change.reply
    }

    fn grant_all(&mut self, client: ClientId, reply: &Reply) {
        match reply {
            Reply::Datum(Some(datum)) => self.grant(client, &datum.references),
            Reply::Data(data) => data.iter().for_each(|it| self.grant(client, &it.references)),
            Reply::Items(items) => {
                items.iter().for_each(|(_, it)| self.grant(client, &it.references));
            }
            _ => {}
        }
    }

    /// Counts references of the client.
    fn grant(&mut self, client: ClientId, references: &[ObjectId]) {
        let known = self.clients.entry(client).or_default();
        for object in references {
            if let Some(target) = self.objects.get_mut(object) {
                target.outside += 1;
                *known.references.entry(*object).or_default() += 1;
            }
        }
    }

    /// Counts references of values in containers.
    fn retain(&mut self, references: &[ObjectId]) {
        for object in references {
            if let Some(target) = self.objects.get_mut(object) {
                target.inside += 1;
            }
        }
    }

    /// Takes back what [`retain`](Self::retain) counted.
    fn forget(&mut self, references: &[ObjectId]) {
        for object in references {
            if let Some(target) = self.objects.get_mut(object) {
                target.inside = target.inside.saturating_sub(1);
            }
            self.review(*object);
        }
    }

    /// Takes back `count` references from outside.
    fn leave(&mut self, object: ObjectId, count: u64) {
        let Some(target) = self.objects.get_mut(&object) else { return };
        target.outside = target.outside.saturating_sub(count);
        self.review(object);
    }

    /// Looks at an object that has lost a reference.
    fn review(&mut self, object: ObjectId) {
        let in_values_only =
            self.objects.get(&object).is_some_and(|it| it.outside == 0 && it.inside > 0);
        if !in_values_only {
            return self.drop_if_unused(object);
        }
        self.suspects += 1;
        if self.suspects >= SUSPECTS.max(self.objects.len() / 2) {
            self.drop_rings();
        }
    }

    fn drop_if_unused(&mut self, object: ObjectId) {
        let mut unused = vec![object];
        while let Some(object) = unused.pop() {
            let used = self.objects.get(&object).is_none_or(|it| it.outside + it.inside > 0);
            if used {
                continue;
            }
            let Some(gone) = self.objects.remove(&object) else { continue };
            self.dropped.push(object);
            for reference in gone.body.references() {
                if let Some(target) = self.objects.get_mut(&reference) {
                    target.inside = target.inside.saturating_sub(1);
                }
                unused.push(reference);
            }
        }
    }

    /// Drops the objects that nobody outside can reach.
    fn drop_rings(&mut self) {
        self.suspects = 0;
        let held = self.objects.iter().filter(|(_, object)| object.outside > 0);
        let mut open: Vec<ObjectId> = held.map(|(id, _)| *id).collect();
        let mut reached: HashSet<ObjectId> = open.iter().copied().collect();
        while let Some(object) = open.pop() {
            let references = self.objects.get(&object).map(|it| it.body.references());
            for reference in references.into_iter().flatten() {
                if reached.insert(reference) {
                    open.push(reference);
                }
            }
        }
        let lost: Vec<_> =
            self.objects.keys().filter(|object| !reached.contains(object)).copied().collect();
        let mut references = Vec::new();
        for object in lost {
            if let Some(gone) = self.objects.remove(&object) {
                references.extend(gone.body.references());
                self.dropped.push(object);
            }
        }
        // What the lost ones referred to and others reach stays, with fewer references.
        for reference in references {
            if let Some(target) = self.objects.get_mut(&reference) {
                target.inside = target.inside.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
