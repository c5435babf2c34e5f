//! Proxies in values that go into containers, and come out of them.
//!
//! A value in a container is bytes to the server. While this thread encodes one, the proxies in it
//! note which objects they refer to; while it decodes one, they take the references that the server
//! has granted with it. Outside of both a proxy travels on its own: see
//! [`Reference`](crate::reference::Reference).

use std::cell::RefCell;
use std::sync::Arc;

use brigade_codec::{Bytes, decode, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::error::CallError;
use crate::protocol::{Datum, ObjectId};

thread_local! {
    /// The values that this thread is encoding and decoding, the innermost last.
    static SCOPES: RefCell<Vec<Scope>> = const { RefCell::new(Vec::new()) };
}

enum Scope {
    Leaving { manager: u128, noted: Vec<ObjectId> },
    Arriving { client: Arc<Client>, granted: Vec<ObjectId> },
}

/// Encodes a value for a container of the manager with this number.
pub(crate) fn encode_datum<T>(manager: u128, value: &T) -> Result<Datum, CallError>
where
    T: Serialize + ?Sized,
{
    let scope = Scope::Leaving { manager, noted: Vec::new() };
    let (bytes, scope) = within(scope, || encode(value));
    let references = match scope {
        Some(Scope::Leaving { noted, .. }) => noted,
        _ => Vec::new(),
    };
    Ok(Datum { bytes: Bytes(bytes?), references })
}

/// Decodes a value that came out of a container of the manager that `client` is connected to.
pub(crate) fn decode_datum<T>(client: &Arc<Client>, datum: Datum) -> Result<T, CallError>
where
    T: DeserializeOwned,
{
    let scope = Scope::Arriving { client: Arc::clone(client), granted: datum.references };
    let (value, scope) = within(scope, || decode(&datum.bytes.0));
    if let Some(Scope::Arriving { granted, .. }) = scope {
        // What no proxy has taken, because the value could not be read for example.
        granted.into_iter().for_each(|object| client.release(object));
    }
    Ok(value?)
}

/// Decodes values that came out of a container. If one cannot be read, the others are let go.
pub(crate) fn decode_data<T>(client: &Arc<Client>, data: Vec<Datum>) -> Result<Vec<T>, CallError>
where
    T: DeserializeOwned,
{
    // All of them first: each has been granted references.
    let values: Vec<_> = data.into_iter().map(|datum| decode_datum(client, datum)).collect();
    values.into_iter().collect()
}

/// Notes that the value being encoded refers to `object`, if it goes to the same manager.
pub(crate) fn note(manager: u128, object: ObjectId) -> bool {
    SCOPES.with_borrow_mut(|scopes| match scopes.last_mut() {
        Some(Scope::Leaving { manager: to, noted }) if *to == manager => {
            noted.push(object);
            true
        }
        _ => false,
    })
}

/// Takes a reference to `object` that came with the value being decoded.
pub(crate) fn take(object: ObjectId) -> Option<Arc<Client>> {
    SCOPES.with_borrow_mut(|scopes| match scopes.last_mut() {
        Some(Scope::Arriving { client, granted }) => {
            let place = granted.iter().position(|it| *it == object)?;
            granted.swap_remove(place);
            Some(Arc::clone(client))
        }
        _ => None,
    })
}

fn within<R>(scope: Scope, work: impl FnOnce() -> R) -> (R, Option<Scope>) {
    /// Leaves the scope also when `work` panics.
    struct Leave;

    impl Drop for Leave {
        fn drop(&mut self) {
            // Dropped outside of the borrow: it may be the last that uses the client.
            let _scope = SCOPES.with_borrow_mut(Vec::pop);
        }
    }

    SCOPES.with_borrow_mut(|scopes| scopes.push(scope));
    let leave = Leave;
    let result = work();
    std::mem::forget(leave);
    (result, SCOPES.with_borrow_mut(Vec::pop))
}
