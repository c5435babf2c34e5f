//! ZeroMQ's many conversations: each client has five questions under way at once, the server
//! answers in an order of its own, and each answer goes to the one who asked.
//!
//! In Python: `zmq.ROUTER` and `zmq.DEALER`.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use brigade::Process;
use brigade::zmq::{Dealer, Router};

const LIMIT: Duration = Duration::from_secs(30);
const CLIENTS: u32 = 3;
const EACH: u32 = 5;

/// Which client, and which of its questions.
type Message = (u32, u32);

fn ask((endpoint, own): (String, u32)) -> Result<(), Box<dyn Error>> {
    let server = Dealer::<Message, Message>::new()?;
    server.connect(&endpoint)?;
    for number in 0..EACH {
        server.send_timeout(&(own, number), LIMIT)?;
    }
    let mut answers = BTreeSet::new();
    for _ in 0..EACH {
        answers.insert(server.recv_timeout(LIMIT)?);
    }
    assert!(answers.into_iter().eq((0..EACH).map(|number| (own, number))));
    Ok(())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let server = Router::<Message, Message>::new()?;
    let endpoint = server.bind("tcp://127.0.0.1:*")?;
    let clients = (0..CLIENTS)
        .map(|own| Process::start(ask, (endpoint.clone(), own)))
        .collect::<Result<Vec<_>, _>>()?;

    // All questions are open before the first is answered, and the last one is answered first.
    let mut open = Vec::new();
    for _ in 0..CLIENTS * EACH {
        open.push(server.recv_timeout(LIMIT)?);
    }
    println!("{} questions are open", open.len());
    for (route, (client, number)) in open.iter().rev() {
        server.send_timeout(route, &(*client, *number), LIMIT)?;
    }
    assert!(clients.iter().all(|client| client.join().success()));
    println!("each of {CLIENTS} clients got its own {EACH} answers");
    Ok(())
}
