//! The objects to synchronize by.

#[path = "../../../../crates/shm/src/sync/event.rs"]
pub mod event;
#[path = "../../../../crates/shm/src/sync/owner_died.rs"]
pub mod owner_died;
#[path = "../../../../crates/shm/src/sync/rlock.rs"]
pub mod rlock;
#[path = "../../../../crates/shm/src/sync/rwlock/mod.rs"]
pub mod rwlock;
#[path = "../../../../crates/shm/src/sync/semaphore.rs"]
pub mod semaphore;
