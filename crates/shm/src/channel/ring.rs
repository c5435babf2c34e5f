//! The ring: records, one for each message, one behind the other.
//!
//! A record begins with a unit that is the message's [`Form`]; its bytes follow, unless it is long
//! and has a block of its own, up to the next whole unit. Who holds the producers' lock writes
//! behind the tail, where nobody reads, and who holds the consumers' lock reads before it. So
//! nothing here is committed, and nothing is ordered: the stores of `tail` and `head` do that.
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here.
//!
//! # What a dead process leaves
//!
//! Units behind the tail, which the next producer overwrites.

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::memory::Mapping;

use super::CORRUPT;
use super::layout::{Layout, UNIT};
use crate::error::Error;
use crate::message::Form;

/// Bytes up to here are moved unit by unit, which is quicker for so few.
const FEW: usize = 8 * UNIT;

/// A channel's ring as this process sees it.
#[derive(Clone, Copy)]
pub(super) struct Ring {
    mapping: &'static Mapping,
    units: &'static [AtomicU64],
    /// Where the units lie in the mapping.
    at: usize,
}

impl Ring {
    /// The ring of a channel whose block has its body at `body`.
    pub(super) fn new(mapping: &'static Mapping, body: usize, layout: Layout) -> Option<Self> {
        let at = body + layout.ring_at();
        Some(Self { mapping, units: mapping.slice(at, layout.ring_units())?, at })
    }

    /// How many units the record of a message takes that has `length` bytes in the ring.
    #[inline]
    pub(super) fn units_of(length: usize) -> usize {
        1 + length.div_ceil(UNIT)
    }

    /// Writes the record of a message that begins at `position`.
    #[inline]
    pub(super) fn write(&self, position: u32, form: Form, bytes: &[u8]) -> Result<(), Error> {
        self.unit(position).store(form.to_word(), Relaxed);
        if form.is_long() {
            return Ok(());
        }
        let start = position.wrapping_add(1);
        if bytes.len() > FEW {
            return self.copy_in(start, bytes);
        }
        let (whole, rest) = bytes.as_chunks::<UNIT>();
        let mut position = start;
        for unit in whole {
            self.unit(position).store(u64::from_ne_bytes(*unit), Relaxed);
            position = position.wrapping_add(1);
        }
        if !rest.is_empty() {
            let mut unit = [0; UNIT];
            unit[..rest.len()].copy_from_slice(rest);
            self.unit(position).store(u64::from_ne_bytes(unit), Relaxed);
        }
        Ok(())
    }

    /// The form of the message whose record begins at `position`, and how many units the record
    /// takes; `None` if they are more than `most`.
    #[inline]
    pub(super) fn form(&self, position: u32, most: u32) -> Option<(Form, u32)> {
        let form = Form::from_word(self.unit(position).load(Relaxed));
        let length = if form.is_long() { 0 } else { usize::try_from(form.length()).ok()? };
        // The length may be anything: checked before it is rounded up.
        let fits = length <= UNIT * most as usize;
        let units = fits.then(|| Self::units_of(length)).filter(|&it| it <= most as usize)?;
        Some((form, u32::try_from(units).ok()?))
    }

    /// Reads the message whose record begins at `position`: its bytes are the first `length` of
    /// `bytes`, which may be more.
    #[inline]
    pub(super) fn read(
        &self,
        position: u32,
        length: usize,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let start = position.wrapping_add(1);
        if length > FEW {
            return self.copy_out(start, length, bytes);
        }
        if bytes.len() < FEW {
            bytes.resize(FEW, 0);
        }
        let mut position = start;
        for unit in &mut bytes.as_chunks_mut::<UNIT>().0[..length.div_ceil(UNIT)] {
            *unit = self.unit(position).load(Relaxed).to_ne_bytes();
            position = position.wrapping_add(1);
        }
        Ok(())
    }

    #[inline]
    fn unit(&self, position: u32) -> &AtomicU64 {
        // The number of units is a power of two.
        &self.units[position as usize & (self.units.len() - 1)]
    }

    /// Where the bytes from `position` on lie, and how many there are before the ring begins anew.
    fn place(&self, position: u32) -> (usize, usize) {
        let index = position as usize & (self.units.len() - 1);
        (self.at + index * UNIT, (self.units.len() - index) * UNIT)
    }

    fn copy_in(&self, position: u32, bytes: &[u8]) -> Result<(), Error> {
        let (at, room) = self.place(position);
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.mapping.write(at, first).ok_or(CORRUPT)?;
        self.mapping.write(self.at, rest).ok_or(CORRUPT)
    }

    fn copy_out(&self, position: u32, length: usize, bytes: &mut Vec<u8>) -> Result<(), Error> {
        bytes.clear();
        let (at, room) = self.place(position);
        let first = room.min(length);
        self.mapping.append_to(bytes, at, first).ok_or(CORRUPT)?;
        self.mapping.append_to(bytes, self.at, length - first).ok_or(CORRUPT)
    }
}
