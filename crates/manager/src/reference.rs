//! What every proxy is inside: a reference to an object that the server counts.
//!
//! A proxy that is put into a message makes a pledge: the server keeps the object until the
//! message has been read. One that is put into a container of its own manager only notes which
//! object it refers to: see [`crate::scope`].

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use brigade_wire::Address;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::client::Client;
use crate::error::CallError;
use crate::memory::Memory;
use crate::protocol::{Kind, ObjectId, Reply, Request};
use crate::{random, scope};

/// A reference to an object. Its clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    hold: Arc<Hold>,
}

#[derive(Debug)]
struct Hold {
    object: ObjectId,
    kind: Kind,
    /// Which manager's object it is.
    manager: u128,
    /// Whose reference it is. After a fork the child's is another one.
    client: Mutex<Arc<Client>>,
    /// The memory behind the object, once it has been asked for.
    memory: OnceLock<Option<Memory>>,
}

/// What travels.
#[derive(Serialize, Deserialize)]
enum Traveler {
    /// Into a container of the same manager.
    Inside { kind: Kind, object: ObjectId },
    /// Anywhere.
    Outside { kind: Kind, object: ObjectId, addresses: Vec<Address>, manager: u128, pledge: u64 },
}

impl Reference {
    /// A reference that the server has counted for `client`.
    pub(crate) fn granted(client: Arc<Client>, kind: Kind, object: ObjectId) -> Self {
        let manager = client.manager();
        let (client, memory) = (Mutex::new(client), OnceLock::new());
        Self { hold: Arc::new(Hold { object, kind, manager, client, memory }) }
    }

    pub(crate) fn object(&self) -> ObjectId {
        self.hold.object
    }

    /// Which manager's object it is.
    pub(crate) fn manager(&self) -> u128 {
        self.hold.manager
    }

    /// This process's client.
    pub(crate) fn client(&self) -> Result<Arc<Client>, CallError> {
        let mut client = self.hold.client.lock().unwrap_or_else(PoisonError::into_inner);
        if !client.is_own() {
            // A fork has copied the proxy, and what the server has counted is the parent's.
            let own = client.again()?;
            claim(&own, self.object(), self.hold.kind, None)?;
            *client = own;
        }
        Ok(Arc::clone(&client))
    }

    /// Asks the server for something.
    pub(crate) fn call(&self, request: &Request) -> Result<Reply, CallError> {
        self.client()?.call(request)
    }

    /// The memory behind the object, if this process can share it.
    #[inline]
    pub(crate) fn memory(&self) -> Result<Option<&Memory>, CallError> {
        match self.hold.memory.get() {
            Some(memory) => Ok(memory.as_ref()),
            None => self.ask_for_memory(),
        }
    }

    #[cold]
    fn ask_for_memory(&self) -> Result<Option<&Memory>, CallError> {
        let client = self.client()?;
        let memory = if client.is_home() {
            match client.call(&Request::Memory { object: self.object() }) {
                Ok(Reply::Memory(memory)) => memory,
                Ok(_) => return Err(CallError::misfit()),
                // The memory cannot be attached here. Messages do as well.
                Err(CallError::Decode(_) | CallError::Refused { .. }) => None,
                Err(error) => return Err(error),
            }
        } else {
            None
        };
        Ok(self.hold.memory.get_or_init(|| memory).as_ref())
    }

    pub(crate) fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (object, kind) = (self.object(), self.hold.kind);
        if scope::note(self.manager(), object) {
            return Traveler::Inside { kind, object }.serialize(serializer);
        }
        let client = self.client().map_err(S::Error::custom)?;
        // Half of a random number is random too.
        let pledge = random::number().map_err(S::Error::custom)? as u64;
        client.call(&Request::Pledge { object, pledge }).map_err(S::Error::custom)?;
        let (addresses, manager) = (client.addresses().to_vec(), self.manager());
        Traveler::Outside { kind, object, addresses, manager, pledge }.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D>(deserializer: D, expected: Kind) -> Result<Self, D::Error>
    where
        D: Deserializer<'de>,
    {
        let traveler = Traveler::deserialize(deserializer)?;
        let (Traveler::Inside { kind, object } | Traveler::Outside { kind, object, .. }) = traveler;
        if kind != expected {
            let message = format!("a proxy of a {} is no {}", kind.name(), expected.name());
            return Err(D::Error::custom(message));
        }
        let client = match traveler {
            Traveler::Inside { .. } => scope::take(object)
                .ok_or_else(|| D::Error::custom("a proxy came without its manager"))?,
            Traveler::Outside { addresses, manager, pledge, .. } => {
                let client = Client::of_manager(&addresses, manager).map_err(D::Error::custom)?;
                claim(&client, object, kind, Some(pledge)).map_err(D::Error::custom)?;
                client
            }
        };
        Ok(Self::granted(client, kind, object))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let client = self.client.get_mut().unwrap_or_else(PoisonError::into_inner);
        if client.is_own() {
            client.release(self.object);
        }
    }
}

/// Has the server count a reference for this process.
fn claim(
    client: &Client,
    object: ObjectId,
    kind: Kind,
    pledge: Option<u64>,
) -> Result<(), CallError> {
    client.call(&Request::Claim { object, kind, pledge }).map(drop)
}
