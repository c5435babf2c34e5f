//! A socket that other machines could reach: the same program as `unix_socket`, another address.
//!
//! In Python: `multiprocessing.connection.Listener(("127.0.0.1", 0))` and `Client(address)`.

use std::error::Error;

use brigade::Process;
use brigade::socket::{Address, Connection, Listener, RecvError, connect};

fn ask((server, name): (Address, String)) -> Result<(), Box<dyn Error>> {
    let server: Connection<String> = connect(&server)?;
    server.send(&name)?;
    assert_eq!(server.recv()?, format!("good day, {name}"));
    Ok(())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    // Port 0 lets the kernel choose one; the listener knows which.
    let listener = Listener::bind(&"tcp:127.0.0.1:0".parse()?)?;
    println!("listening at {}", listener.address());
    let clients = ["Ada", "Grace", "Barbara"]
        .map(|name| Process::start(ask, (listener.address().clone(), name.to_owned())));

    for _ in &clients {
        let client: Connection<String> = listener.accept()?;
        let name = client.recv()?;
        client.send(&format!("good day, {name}"))?;
        assert!(matches!(client.recv(), Err(RecvError::EndOfStream)));
        println!("greeted {name}");
    }
    for client in clients {
        assert!(client?.join().success());
    }
    let address = listener.address().clone();
    drop(listener);
    assert!(connect::<String, String>(&address).is_err(), "nobody listens there any more");
    Ok(())
}
