//! The channels of the `ipc-channel` package, bridged: a child meets its parent by a name, and
//! brigade's handles travel over these channels like over any other.
//!
//! In Python there is no counterpart; this is Rust's best-known channel between processes.

use std::error::Error;
use std::time::Duration;

use brigade::ipc::{Receiver, RecvError, Sender, Server, connect};
use brigade::{Process, Value};

/// What to add, and to which shared value.
type Order = (u64, Value<u64>);

fn add(name: String) -> Result<(), Box<dyn Error>> {
    let (sums, orders): (Sender<u64>, Receiver<Order>) = connect(&name)?;
    loop {
        match orders.recv() {
            Ok((amount, total)) => sums.send(&(total.fetch_add(amount) + amount))?,
            Err(RecvError::Disconnected) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::<Order, u64>::new()?;
    let child = Process::start(add, server.name().to_owned())?;
    let (orders, sums) = server.accept_timeout(Duration::from_secs(30))?;
    let total = Value::new(0)?;
    for amount in 1..=10 {
        orders.send(&(amount, total.clone()))?;
        assert_eq!(sums.recv()?, amount * (amount + 1) / 2);
    }
    assert_eq!(total.get(), 55);
    println!("the child added {} to the parent's value", total.get());

    drop(orders);
    assert!(child.join().success());
    assert!(matches!(sums.recv(), Err(RecvError::Disconnected)));
    println!("both sides hear when the other has gone");
    Ok(())
}
