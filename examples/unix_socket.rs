//! A socket in the file system: one server, three clients that know only its path.
//!
//! In Python: `multiprocessing.connection.Listener(path, "AF_UNIX")` and `Client(path)`.

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
    let path = std::env::temp_dir().join(format!("brigade-example-{}.socket", std::process::id()));
    let listener = Listener::bind(&Address::Unix(path.clone()))?;
    let clients = ["Ada", "Grace", "Barbara"]
        .map(|name| Process::start(ask, (listener.address().clone(), name.to_owned())));

    for _ in &clients {
        let client: Connection<String> = listener.accept()?;
        let pid = client.peer_credentials()?.pid;
        let name = client.recv()?;
        client.send(&format!("good day, {name}"))?;
        assert!(matches!(client.recv(), Err(RecvError::EndOfStream)));
        println!("greeted {name}, process {pid}");
    }
    for client in clients {
        assert!(client?.join().success());
    }

    assert!(path.exists());
    drop(listener);
    assert!(!path.exists(), "the path goes with its listener");
    Ok(())
}
