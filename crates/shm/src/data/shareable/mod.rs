//! A list of mixed items, for programs that are not relatives.

mod error;
mod item;
mod list;

pub use error::ShareableListError;
pub use item::Item;
pub use list::ShareableList;
