//! The manager: where objects are made, and where they are found by name.

use std::sync::Arc;
use std::time::Duration;

use brigade_codec::Message;
use brigade_process::ExitStatus;
use brigade_wire::Address;

use crate::builder::ManagerBuilder;
use crate::client::Client;
use crate::counter::Counter;
use crate::error::{CallError, ConnectError, StartError};
use crate::housing::Housing;
use crate::list::List;
use crate::lock::Lock;
use crate::map::Map;
use crate::protocol::{Initial, Kind, NAMES, Reply, Request};
use crate::reference::Reference;
use crate::scope::encode_datum;
use crate::value::Value;

/// A server of shared objects, in a process of its own or elsewhere.
///
/// The objects are used through proxies ([`Counter`], [`Value`], [`Lock`], [`List`], [`Map`]). A
/// proxy can be cloned, passed to a process or a pool task, put into a queue or another object. An
/// object lives as long as there is a proxy of it.
///
/// A manager that was started here is shut down when it is dropped.
///
/// # Process death
///
/// The server's process dies with the one that started it. Then every call that needs the server
/// returns [`CallError::Gone`]; what is in shared memory can still be used.
///
/// # Examples
///
/// ```
/// # brigade_process::init();
/// use brigade_manager::{CallError, Counter, Manager};
/// use brigade_process::Process;
///
/// fn work(hits: Counter) -> Result<(), CallError> {
///     for _ in 0..1000 {
///         hits.add(1)?;
///     }
///     Ok(())
/// }
///
/// let manager = Manager::start()?;
/// let hits = manager.counter(0)?;
/// let first = Process::start(work, hits.clone())?;
/// let second = Process::start(work, hits.clone())?;
/// assert!(first.join().success() && second.join().success());
/// assert_eq!(hits.get()?, 2000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[doc(alias = "SyncManager")]
pub struct Manager {
    client: Arc<Client>,
    housing: Option<Housing>,
}

impl Manager {
    /// Starts a server in a process of its own, and waits until it can be used.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left then.
    pub fn start() -> Result<Self, StartError> {
        Self::builder().start()
    }

    /// Describes a manager before it is started.
    pub fn builder() -> ManagerBuilder {
        ManagerBuilder::new()
    }

    /// A manager that was started: the first of its addresses is at home.
    pub(crate) fn of(housing: Housing, addresses: &[Address]) -> Result<Self, StartError> {
        let is_home = |address: &&Address| !matches!(address, Address::Tcp { .. });
        let Some(address) = addresses.iter().find(is_home) else {
            return Err(StartError::Failed { reason: "it listens nowhere at home".into() });
        };
        let client = Client::at(address)?;
        client.set_server(housing.process().clone());
        Ok(Self { client, housing: Some(housing) })
    }

    /// Connects to a server that somebody else has started.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if there is none at `address`.
    pub fn connect(address: &Address) -> Result<Self, ConnectError> {
        Ok(Self { client: Client::at(address)?, housing: None })
    }

    /// Connects to a server that somebody else has started, and tries at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if there is none at `address`, or it does not answer in time.
    pub fn connect_timeout(address: &Address, timeout: Duration) -> Result<Self, ConnectError> {
        Ok(Self { client: Client::at_within(address, timeout)?, housing: None })
    }

    /// Where others can [`connect`](Self::connect) to it: the last of its addresses.
    pub fn address(&self) -> &Address {
        self.addresses().last().unwrap_or(self.client.address())
    }

    /// Wherever it listens. Those on this machine are better for processes of this machine.
    pub fn addresses(&self) -> &[Address] {
        self.client.addresses()
    }

    /// The server's process, as the server knows it.
    pub fn pid(&self) -> u32 {
        self.client.pid()
    }

    /// Makes a counter that is `number` at first.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn counter(&self, number: i64) -> Result<Counter, CallError> {
        self.create(Initial::Counter(number), Kind::Counter).map(Counter::new)
    }

    /// Makes a value that is a copy of `value` at first.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn value<T: Message>(&self, value: &T) -> Result<Value<T>, CallError> {
        let datum = encode_datum(self.client.manager(), value)?;
        self.create(Initial::Value(datum), Kind::Value).map(Value::new)
    }

    /// Makes a free lock.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn lock(&self) -> Result<Lock, CallError> {
        self.create(Initial::Lock, Kind::Lock).map(Lock::new)
    }

    /// Makes an empty list.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn list<T: Message>(&self) -> Result<List<T>, CallError> {
        self.create(Initial::List, Kind::List).map(List::new)
    }

    /// Makes an empty map.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    #[doc(alias = "dict")]
    pub fn map<K: Message, V: Message>(&self) -> Result<Map<K, V>, CallError> {
        self.create(Initial::Map, Kind::Map).map(Map::new)
    }

    /// Puts a value under a name where everyone who is connected can [`find`](Self::find) it: a
    /// proxy, or anything else. What was under the name before is replaced.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    ///
    /// # Examples
    ///
    /// ```
    /// # brigade_process::init();
    /// use brigade_manager::{Counter, Manager};
    ///
    /// let manager = Manager::start()?;
    /// manager.publish("hits", &manager.counter(42)?)?;
    ///
    /// // In another program:
    /// let manager = Manager::connect(manager.address())?;
    /// let hits: Option<Counter> = manager.find("hits")?;
    /// assert_eq!(hits.expect("it was published").get()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "register")]
    pub fn publish<T: Message>(&self, name: &str, value: &T) -> Result<(), CallError> {
        self.names::<T>()?.insert(name, value).map(drop)
    }

    /// What was published under `name`, if anything was.
    ///
    /// # Errors
    ///
    /// [`CallError::Decode`] if it is of another type.
    pub fn find<T: Message>(&self, name: &str) -> Result<Option<T>, CallError> {
        self.names::<T>()?.get(name)
    }

    /// Takes back what was published under `name`, and returns it.
    ///
    /// # Errors
    ///
    /// [`CallError::Decode`] if it is of another type; it is taken back all the same.
    pub fn withdraw<T: Message>(&self, name: &str) -> Result<Option<T>, CallError> {
        self.names::<T>()?.remove(name)
    }

    /// How many objects the server has.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn number_of_objects(&self) -> Result<usize, CallError> {
        match self.client()?.call(&Request::Census)? {
            Reply::Length(count) => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
            _ => Err(CallError::misfit()),
        }
    }

    /// Ends the server's process, and returns how it ended: asks it, waits, terminates it, waits,
    /// kills it. The objects are gone then. May be called again, and returns the same.
    ///
    /// Does nothing and returns `None` for a manager that was not started by this process.
    pub fn shutdown(&self) -> Option<ExitStatus> {
        let housing = self.housing.as_ref().filter(|_| self.client.is_own())?;
        Some(housing.shut_down())
    }

    fn create(&self, initial: Initial, kind: Kind) -> Result<Reference, CallError> {
        let client = self.client()?;
        match client.call(&Request::Create(initial))? {
            Reply::Created(object) => Ok(Reference::granted(client, kind, object)),
            _ => Err(CallError::misfit()),
        }
    }

    /// The map of published values, as if they all were of one type.
    fn names<T>(&self) -> Result<Map<String, T>, CallError> {
        let client = self.client()?;
        client.call(&Request::Claim { object: NAMES, kind: Kind::Map, pledge: None })?;
        Ok(Map::new(Reference::granted(client, Kind::Map, NAMES)))
    }

    /// This process's client: after a fork it is another one.
    fn client(&self) -> Result<Arc<Client>, CallError> {
        if self.client.is_own() { Ok(Arc::clone(&self.client)) } else { self.client.again() }
    }
}
