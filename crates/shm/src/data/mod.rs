//! Values between processes: one, a fixed number, a growing number.
//!
//! All of them keep plain values, whose bytes are all there is to them. A value of up to eight
//! bytes is one atomic; a larger one is written aside first and shown by one store. Nobody ever
//! sees half a value, whoever dies where.

mod array;
mod cell;
mod draft;
mod elements;
mod guard;
mod journal;
mod list;
mod map;
mod number;
mod part;
mod shareable;
mod slot;
mod value;
mod words;

pub use array::Array;
pub use list::List;
pub use map::{Iter as MapIter, Map, MapError};
pub use number::Number;
pub use shareable::{Item, ShareableList, ShareableListError};
pub use value::Value;
