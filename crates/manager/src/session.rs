//! One connection of a client, served by a thread of its own.
//!
//! # Process death
//!
//! A session ends with its connection, or with the process that made it: a child that the process
//! has forked may keep the connection open. A lock that the session holds is then handed to the
//! next one with the news that its owner has died.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use brigade_shm as shm;
use brigade_shm::sync::LockTimeoutError;
use brigade_sys::descriptor::Readable;
use brigade_sys::time::{Deadline, now};
use brigade_sys::wait::{Waitable, wait};
use brigade_wire::{Connection, RecvError, SendTimeoutError, TryRecvError};

use crate::protocol::{Acquired, LockRequest, ObjectId, Refusal, Reply, Request};
use crate::server::Shared;
use crate::store::ClientId;

/// How long a client may take to read a reply, or to say who it is.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a waiter for a lock sleeps before the session looks whether it still lives.
const SLICE: Duration = Duration::from_millis(50);

/// One connection of a client.
pub(crate) struct Session {
    connection: Connection<Reply, Request>,
    /// Readable when the process that made the connection has ended.
    peer: Option<OwnedFd>,
    shared: Arc<Shared>,
}

/// The client has gone, or does not speak our language.
struct Ended;

impl Session {
    pub(crate) fn new(connection: Connection<Reply, Request>, shared: Arc<Shared>) -> Self {
        let peer = connection.peer_pidfd().ok();
        Self { connection, peer, shared }
    }

    /// Serves until the client has gone.
    pub(crate) fn run(self) {
        let Ok(Request::Hello { client }) = self.next(Deadline::after(PATIENCE)) else { return };
        self.shared.state().connect(client);
        // The end of the session is the only way out.
        let Err(Ended) = self.serve(client);
        self.shared.state().disconnect(client, now());
    }

    fn serve(&self, client: ClientId) -> Result<std::convert::Infallible, Ended> {
        self.send(&self.shared.welcome())?;
        loop {
            match self.next(Deadline::NEVER)? {
                Request::Lock { object, request } => self.lock(object, &request)?,
                request => self.answer(client, request)?,
            }
        }
    }

    fn answer(&self, client: ClientId, request: Request) -> Result<(), Ended> {
        let reply = self.shared.state().handle(client, request, now());
        match reply {
            Some(Reply::Memory(_)) if self.connection.peer_credentials().is_err() => {
                // The client is on another machine, or might be.
                self.send(&Reply::Memory(None))
            }
            Some(reply) => self.send(&reply),
            None => Ok(()),
        }
    }

    fn lock(&self, object: ObjectId, request: &LockRequest) -> Result<(), Ended> {
        let lock = self.shared.state().lock(object);
        match (lock, request) {
            (Ok(lock), LockRequest::Acquire { timeout }) => {
                self.acquire(&lock, Deadline::after_option(*timeout))
            }
            (Ok(_), _) => {
                let reason = "the connection does not hold the lock".to_owned();
                self.send(&Reply::Refused(Refusal::Malformed(reason)))
            }
            (Err(refusal), _) => self.send(&Reply::Refused(refusal)),
        }
    }

    /// Waits for the lock, and holds it until the client releases it.
    fn acquire(&self, lock: &shm::Lock, deadline: Deadline) -> Result<(), Ended> {
        loop {
            let left = deadline.remaining().unwrap_or(Duration::MAX);
            match lock.lock_timeout(left.min(SLICE)) {
                Ok(guard) => return self.hold(guard, Acquired::Clean),
                Err(LockTimeoutError::OwnerDied(died)) => {
                    return self.hold_after_death(died);
                }
                Err(LockTimeoutError::TimedOut) if deadline.is_past() => {
                    return self.send(&Reply::Acquired(Acquired::TimedOut));
                }
                // A client that says anything before it has its answer is lost, or has gone.
                Err(LockTimeoutError::TimedOut) if self.has_news() => return Err(Ended),
                Err(LockTimeoutError::TimedOut) => {}
            }
        }
    }

    fn hold(&self, guard: shm::LockGuard<'_, ()>, acquired: Acquired) -> Result<(), Ended> {
        let told = self.send(&Reply::Acquired(acquired)).and_then(|()| self.released());
        self.end_hold(guard, told)
    }

    /// As [`hold`](Self::hold), for a lock whose last owner died. Dropped without being recovered,
    /// it says the same to the next owner.
    fn hold_after_death(&self, died: shm::OwnerDied<shm::LockGuard<'_, ()>>) -> Result<(), Ended> {
        self.send(&Reply::Acquired(Acquired::OwnerDied))?;
        match self.lock_request()? {
            LockRequest::Recover => {
                let guard = died.recover();
                let told = self.send(&Reply::Done).and_then(|()| self.released());
                self.end_hold(guard, told)
            }
            LockRequest::Release => {
                drop(died);
                self.send(&Reply::Done)
            }
            LockRequest::Acquire { .. } => Err(Ended),
        }
    }

    /// Waits for the client to release the lock.
    fn released(&self) -> Result<(), Ended> {
        match self.lock_request()? {
            LockRequest::Release => Ok(()),
            LockRequest::Recover | LockRequest::Acquire { .. } => Err(Ended),
        }
    }

    fn end_hold(
        &self,
        guard: shm::LockGuard<'_, ()>,
        released: Result<(), Ended>,
    ) -> Result<(), Ended> {
        match released {
            Ok(()) => {
                drop(guard);
                self.send(&Reply::Done)
            }
            Err(Ended) => {
                guard.abandon();
                Err(Ended)
            }
        }
    }

    fn lock_request(&self) -> Result<LockRequest, Ended> {
        match self.next(Deadline::NEVER)? {
            Request::Lock { request, .. } => Ok(request),
            _ => Err(Ended),
        }
    }

    /// Sends a reply, for which the client must make room in reasonable time.
    fn send(&self, reply: &Reply) -> Result<(), Ended> {
        let (sent, cargo) = shm::transit::collect(|| self.connection.send_timeout(reply, PATIENCE));
        match sent {
            Ok(()) => {
                // From here on the memory in the reply is the client's to take over.
                cargo.sent();
                Ok(())
            }
            Err(SendTimeoutError::Send(error)) if is_the_replys(&error) => {
                let refusal = Reply::Refused(Refusal::Failed(error.to_string()));
                self.connection.send_timeout(&refusal, PATIENCE).map_err(|_| Ended)
            }
            Err(_) => Err(Ended),
        }
    }

    /// The next request. One that cannot be read is answered here.
    fn next(&self, deadline: Deadline) -> Result<Request, Ended> {
        loop {
            match self.connection.try_recv() {
                Ok(request) => return Ok(request),
                Err(TryRecvError::Recv(RecvError::Decode(error))) => {
                    self.send(&Reply::Refused(Refusal::Malformed(error.to_string())))?;
                }
                // What the peer had sent before it ended has been received.
                Err(TryRecvError::Empty) if self.peer_has_ended() => return Err(Ended),
                Err(TryRecvError::Empty) => {
                    let ready = match self.peer() {
                        Some(peer) => wait(&[&self.connection, &Readable(peer)], deadline),
                        None => wait(&[&self.connection], deadline),
                    };
                    if ready.is_empty() {
                        return Err(Ended);
                    }
                }
                Err(_) => return Err(Ended),
            }
        }
    }

    fn has_news(&self) -> bool {
        self.connection.is_ready() || self.peer_has_ended()
    }

    fn peer(&self) -> Option<BorrowedFd<'_>> {
        self.peer.as_ref().map(AsFd::as_fd)
    }

    fn peer_has_ended(&self) -> bool {
        self.peer().is_some_and(|peer| Readable(peer).is_ready())
    }
}

/// Whether it is the reply that cannot be sent, and another one can.
fn is_the_replys(error: &brigade_wire::SendError) -> bool {
    use brigade_wire::SendError::{DescriptorsOverTcp, Encode, TooLarge};
    matches!(error, Encode(_) | TooLarge { .. } | DescriptorsOverTcp)
}
