//! ZeroMQ's question and answer: three clients ask one server, and nobody waits without end.
//!
//! In Python: `zmq.REQ` and `zmq.REP`.

use std::error::Error;
use std::time::Duration;

use brigade::Process;
use brigade::zmq::{RecvTimeoutError, Reply, Request};

const LIMIT: Duration = Duration::from_secs(30);
const EACH: u64 = 10;

fn ask((server_at, client): (String, u64)) -> Result<(), Box<dyn Error>> {
    let server = Request::<(u64, u64), u64>::new()?;
    server.connect(&server_at)?;
    for number in 0..EACH {
        server.send_timeout(&(client, number), LIMIT)?;
        assert_eq!(server.recv_timeout(LIMIT)?, client * number);
    }
    Ok(())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let server = Reply::<(u64, u64), u64>::new()?;
    let endpoint = server.bind("tcp://127.0.0.1:*")?;
    let clients = [1, 2, 3].map(|client| Process::start(ask, (endpoint.clone(), client)));
    for _ in 0..3 * EACH {
        let (left, right) = server.recv_timeout(LIMIT)?;
        server.send(&(left * right))?;
    }
    for client in clients {
        assert!(client?.join().success());
    }
    println!("{} questions from three processes, each answered", 3 * EACH);

    let impatient = Request::<(u64, u64), u64>::new()?;
    impatient.connect(&endpoint)?;
    impatient.send_timeout(&(6, 7), LIMIT)?;
    let answer = impatient.recv_timeout(Duration::from_millis(10));
    assert!(matches!(answer, Err(RecvTimeoutError::TimedOut)));
    println!("a question that nobody answers: {}", RecvTimeoutError::TimedOut);
    Ok(())
}
