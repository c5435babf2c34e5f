//! A list of few items of different kinds, with a name: numbers, truths, texts, bytes, nothing.
//!
//! In Python: `multiprocessing.shared_memory.ShareableList([1, 2.5, True, "text", b"x", None])`.

use std::error::Error;

use brigade::{Item, Process, ShareableList, ShareableListError};

/// Finds the list by its name, reads it, and changes two items.
fn change(name: String) -> Result<(), ShareableListError> {
    let list = ShareableList::open(&name)?;
    assert_eq!(list.len(), 6);
    assert_eq!(list.get(-1)?, Item::None);
    list.set(0, 43)?;
    list.set(3, "short")
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let items: [Item; 6] = [
        42.into(),
        2.5.into(),
        true.into(),
        "a longer text".into(),
        Item::Bytes(vec![0, 255]),
        Item::None,
    ];
    let list = ShareableList::create_unnamed(items)?;
    println!("{} holds {:?}", list.name(), list.to_vec()?);

    let child = Process::start(change, list.name().to_owned())?;
    assert!(child.join().success());
    assert_eq!(list.get(0)?, Item::from(43));
    assert_eq!(list.get(3)?, Item::from("short"));
    assert_eq!(list.index(true)?, Some(2));
    assert_eq!(list.count(43)?, 1);
    println!("a child found it by its name; now it holds {:?}", list.to_vec()?);

    // Each item keeps the room that it began with.
    assert!(list.set(3, "a text that is far too long for it").is_err());
    assert!(matches!(list.get(6), Err(ShareableListError::OutOfRange { .. })));
    assert_eq!(list.get(3)?, Item::from("short"));
    println!("what does not fit, or is not there, is an error");
    Ok(())
}
