//! Floor 3: objects that live in another process. A server keeps them, proxies use them.
//!
//! A [`Manager`] starts a server process, or connects to one. It makes objects, and gives out
//! proxies of them: [`Counter`], [`Value`], [`Lock`], [`List`], [`Map`]. A proxy is a small value
//! that travels: as an argument of a process or a pool task, in a queue, in a message, in another
//! object.
//!
//! # At home and elsewhere
//!
//! A proxy is one type, wherever it is used. In a process that reaches the manager over a unix
//! socket it is at home, and where the object allows, it is shared memory: an operation costs
//! nanoseconds and no system call. Over TCP each operation is a round trip. All see the same
//! object.
//!
//! | object | what it holds | at home | elsewhere |
//! |---|---|---|---|
//! | [`Counter`] | an `i64` | shared memory | messages |
//! | [`Lock`] | nothing | shared memory | messages |
//! | [`Value<T>`](Value) | any message | shared memory, up to 112 bytes | messages |
//! | [`List<T>`](List) | any messages | messages | messages |
//! | [`Map<K, V>`](Map) | any messages | messages | messages |
//!
//! # Transactions
//!
//! `update(closure)` of [`Value`], [`List`] and [`Map`] is atomic: nobody else's change gets lost,
//! and no lock is held meanwhile. The closure may run more than once.
//!
//! # How long an object lives
//!
//! As long as somebody has a proxy of it, a value in another object holds one, or a message that
//! holds one has not been read. Objects that hold each other in a ring go some time after the last
//! proxy.
//!
//! # Process death
//!
//! * A client that dies lets go of all that it held: its proxies, and the locks that the server
//!   held for it, whose next holders are told.
//! * A message that nobody reads keeps what its proxies refer to for ten minutes after its writer
//!   has died.
//! * When the server dies every call returns [`CallError::Gone`], also one that is under way, and
//!   nobody waits for it. Counters, locks and short values that are in use at home go on working.
//! * The server dies with the process that started it, and leaves no file that the next manager
//!   would not remove.
//!
//! # Limits
//!
//! A proxy put into an object of another manager is kept until it is read for the first time. A
//! handle of shared memory ([`brigade_shm`]) put into a list or map can be read once.
//!
//! | Python | here |
//! |---|---|
//! | `Manager()` | [`Manager::start`] |
//! | `BaseManager(address)`, `.connect()` | [`Manager::connect`] |
//! | `.get_server().serve_forever()` | [`Server::serve_forever`] |
//! | `.register(name)` | [`Manager::publish`], [`Manager::find`] |
//! | `.Value('i', 0)`, `.Lock()`, `.list()`, `.dict()` | [`Manager::value`], [`Manager::lock`], [`Manager::list`], [`Manager::map`] |
//! | `v.value += x` under a lock | [`Counter::add`], [`Value::update`] |
//! | `d[k] += 1` under a lock | [`Map::update`] |
#![forbid(unsafe_code)]

mod builder;
mod cell;
mod client;
mod containers;
mod counter;
mod error;
mod housing;
mod list;
mod lock;
mod manager;
mod map;
mod memory;
mod place;
mod protocol;
mod random;
mod reference;
mod scope;
mod server;
mod session;
mod state;
mod store;
mod value;

pub use brigade_wire::Address;
pub use builder::ManagerBuilder;
pub use counter::Counter;
pub use error::{CallError, ConnectError, Gone, StartError};
pub use list::List;
pub use lock::{Lock, LockError, LockGuard, LockTimeoutError, OwnerDied, TryLockError};
pub use manager::Manager;
pub use map::Map;
pub use server::Server;
pub use value::Value;
