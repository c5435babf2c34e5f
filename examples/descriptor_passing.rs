//! An open file goes from one process to another, over a socket, in the middle of a message.
//!
//! In Python: `multiprocessing.reduction.send_handle`, `socket.send_fds`.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write, pipe};
use std::os::fd::OwnedFd;

use brigade::Process;
use brigade::codec::Descriptor;
use brigade::socket::Connection;
use serde::{Deserialize, Serialize};

/// Where to write, and what: an ordinary message with a descriptor in it.
#[derive(Serialize, Deserialize)]
struct Order {
    text: String,
    target: Descriptor,
}

/// Writes what it is told to where it is told to: it opens nothing itself.
fn write(orders: Connection<usize, Order>) -> Result<(), Box<dyn Error>> {
    while let Ok(Order { text, target }) = orders.recv() {
        File::from(target).write_all(text.as_bytes())?;
        orders.send(&text.len())?;
    }
    Ok(())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    // The child's end of the connection is itself a descriptor, and travels as its argument.
    let (writer, end) = Connection::<Order, usize>::pair()?;
    let child = Process::start(write, end)?;
    for text in ["written by a process", "that never opened the file"] {
        let (mut reader, target) = pipe()?;
        let target = Descriptor::from(OwnedFd::from(target));
        writer.send(&Order { text: text.to_owned(), target })?;
        assert_eq!(writer.recv()?, text.len());

        // It ends because the child, like the parent, has closed its descriptor.
        let mut written = String::new();
        reader.read_to_string(&mut written)?;
        assert_eq!(written, text);
        println!("{written}");
    }
    drop(writer);
    assert!(child.join().success());
    Ok(())
}
