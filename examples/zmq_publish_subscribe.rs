//! ZeroMQ's broadcast: one publishes, and those who subscribed to the topic receive.
//!
//! In Python: `zmq.PUB` and `zmq.SUB`.

use std::error::Error;
use std::time::Duration;

use brigade::zmq::{Publish, Subscribe};
use brigade::{Process, Semaphore};

const LIMIT: Duration = Duration::from_secs(30);

/// Listens to one topic until the end, and checks how many messages there were.
type Listener = (String, Semaphore, String, usize);

fn listen((endpoint, here, topic, expected): Listener) -> Result<(), Box<dyn Error>> {
    let news = Subscribe::<u32>::new()?;
    for topic in ["hello", "end", &topic] {
        news.subscribe(topic)?;
    }
    news.connect(&endpoint)?;
    assert_eq!(news.recv_timeout(LIMIT)?.0, "hello");
    here.release(1)?;

    let mut heard = Vec::new();
    loop {
        let (about, number) = news.recv_timeout(LIMIT)?;
        match about.as_str() {
            "hello" => {}
            "end" => break,
            _ => heard.push((about, number)),
        }
    }
    assert!(heard.iter().all(|(about, _)| about.starts_with(&topic)));
    assert!(heard.is_sorted_by_key(|(_, number)| *number));
    assert_eq!(heard.len(), expected);
    println!("subscribed to {topic:?}, heard {} of 6", heard.len());
    Ok(())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let news = Publish::<u32>::new()?;
    let endpoint = news.bind("tcp://127.0.0.1:*")?;
    let here = Semaphore::new(0)?;
    let listeners = [("weather", 3), ("sport/", 3), ("sport/chess", 1)].map(|(topic, expected)| {
        Process::start(listen, (endpoint.clone(), here.clone(), topic.to_owned(), expected))
    });
    // A publisher does not wait for listeners, so it greets until all have come.
    for _ in &listeners {
        while here.acquire_timeout(Duration::from_millis(2)).map(|permit| permit.forget()).is_none()
        {
            news.send("hello", &0)?;
        }
    }

    let topics = ["weather", "sport/chess", "weather", "sport/golf", "weather", "sport/golf"];
    for (topic, number) in topics.into_iter().zip(1..) {
        news.send(topic, &number)?;
    }
    news.send("end", &0)?;
    for listener in listeners {
        assert!(listener?.join().success());
    }
    Ok(())
}
