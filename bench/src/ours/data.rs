//! Elements of shared data, read and written by one process; and as bounds, bare words and the
//! standard library's map.
//!
//! Element `index` always has the value `index`, so each read can be checked.

use crate::Result;
use crate::contention::alone;
use brigade::{Array, Item, List, Map, ShareableList, Value};
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::RwLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Few enough for the nearest cache.
pub(crate) const LENGTH: usize = 1024;

pub(crate) fn value_get(count: u64) -> Result<f64> {
    let value = Value::new(7_u64)?;
    alone(count, || expect(7, Some(value.get())))
}

pub(crate) fn array_get(count: u64) -> Result<f64> {
    let array = Array::from_slice(&numbers())?;
    get(count, |index| Ok(array.get(index)))
}

pub(crate) fn list_get(count: u64) -> Result<f64> {
    let list = List::new()?;
    list.extend_from_slice(&numbers())?;
    get(count, |index| Ok(list.get(index)))
}

pub(crate) fn shareable_list_get(count: u64) -> Result<f64> {
    let list = ShareableList::create_unnamed(numbers().into_iter().map(|it| Item::Int(it as i64)))?;
    get(count, |index| match list.get(index as isize)? {
        Item::Int(number) => Ok(u64::try_from(number).ok()),
        _ => Ok(None),
    })
}

pub(crate) fn word_get(count: u64) -> Result<f64> {
    let words: Vec<AtomicU64> = numbers().into_iter().map(AtomicU64::new).collect();
    get(count, |index| Ok(Some(words[index].load(Relaxed))))
}

pub(crate) fn value_set(count: u64) -> Result<f64> {
    let value = Value::new(0_u64)?;
    let taken = alone(count, || {
        value.set(black_box(7));
        Ok(())
    })?;
    expect(7, Some(value.get()))?;
    Ok(taken)
}

pub(crate) fn array_set(count: u64) -> Result<f64> {
    let array = Array::<u64>::zeroed(LENGTH)?;
    set(count, |index, value| Ok(array.set(index, value)?), |index| Ok(array.get(index)))
}

pub(crate) fn list_set(count: u64) -> Result<f64> {
    let list = List::new()?;
    list.extend_from_slice(&[0_u64; LENGTH])?;
    set(count, |index, value| Ok(list.set(index, value)?), |index| Ok(list.get(index)))
}

pub(crate) fn shareable_list_set(count: u64) -> Result<f64> {
    let list = ShareableList::create_unnamed((0..LENGTH).map(|_| Item::Int(0)))?;
    let write = |index, value| Ok(list.set(index as isize, value as i64)?);
    set(count, write, |index| match list.get(index as isize)? {
        Item::Int(number) => Ok(u64::try_from(number).ok()),
        _ => Ok(None),
    })
}

pub(crate) fn word_set(count: u64) -> Result<f64> {
    let words: Vec<AtomicU64> = (0..LENGTH).map(|_| AtomicU64::new(0)).collect();
    let write = |index: usize, value| {
        words[index].store(value, Relaxed);
        Ok(())
    };
    set(count, write, |index| Ok(Some(words[index].load(Relaxed))))
}

pub(crate) fn map_get(count: u64) -> Result<f64> {
    let map = Map::<u64, u64>::new()?;
    map.extend(numbers().into_iter().map(|number| (number, number)))?;
    get(count, |index| Ok(map.get(&(index as u64))?))
}

pub(crate) fn map_insert(count: u64) -> Result<f64> {
    let map = Map::<u64, u64>::new()?;
    map.extend(numbers().into_iter().map(|number| (number, 0)))?;
    let write = |index, value| {
        map.insert(&(index as u64), &value)?;
        Ok(())
    };
    set(count, write, |index| Ok(map.get(&(index as u64))?))
}

pub(crate) fn hash_map_get(count: u64) -> Result<f64> {
    let map: HashMap<u64, u64> = numbers().into_iter().map(|number| (number, number)).collect();
    let map = RwLock::new(map);
    get(count, |index| Ok(map.read().map_err(|_| POISONED)?.get(&(index as u64)).copied()))
}

pub(crate) fn hash_map_insert(count: u64) -> Result<f64> {
    let map: HashMap<u64, u64> = numbers().into_iter().map(|number| (number, 0)).collect();
    let map = RwLock::new(map);
    let write = |index, value| {
        map.write().map_err(|_| POISONED)?.insert(index as u64, value);
        Ok(())
    };
    set(count, write, |index| Ok(map.read().map_err(|_| POISONED)?.get(&(index as u64)).copied()))
}

const POISONED: &str = "a reader or writer panicked";

fn numbers() -> Vec<u64> {
    (0..LENGTH as u64).collect()
}

/// Reads one element after the other and checks each.
fn get(count: u64, read: impl Fn(usize) -> Result<Option<u64>>) -> Result<f64> {
    let mut next = 0;
    alone(count, || {
        next = (next + 1) % LENGTH;
        let index = black_box(next);
        expect(index, read(index)?)
    })
}

/// Writes one element after the other, and checks all at the end.
fn set(
    count: u64,
    write: impl Fn(usize, u64) -> Result<()>,
    read: impl Fn(usize) -> Result<Option<u64>>,
) -> Result<f64> {
    let mut next = 0;
    let taken = alone(count, || {
        next = (next + 1) % LENGTH;
        let index = black_box(next);
        write(index, index as u64)
    })?;
    (0..LENGTH.min(count as usize)).try_for_each(|index| expect(index, read(index)?))?;
    Ok(taken)
}

fn expect(index: usize, found: Option<u64>) -> Result<()> {
    if found == Some(index as u64) {
        return Ok(());
    }
    Err(format!("{found:?} at {index}").into())
}
