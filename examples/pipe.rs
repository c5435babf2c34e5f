//! A pipe between a parent and its child: questions go one way, answers the other, and each end
//! hears when the other has gone.
//!
//! In Python: `multiprocessing.Pipe()`, `connection.poll(timeout)`, `EOFError`.

use std::error::Error;
use std::time::Duration;

use brigade::pipe::RecvError;
use brigade::{Connection, ExitStatus, Process, pipe_between};

type Word = String;
type Length = usize;

/// Answers until there is nobody left to ask.
fn count(parent: Connection<Length, Word>) -> Result<(), Box<dyn Error>> {
    loop {
        match parent.recv() {
            Ok(word) if word.is_empty() => std::process::exit(3),
            Ok(word) => parent.send(word.len())?,
            Err(RecvError::Ended) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let (counter, end) = pipe_between::<Word, Length>()?;
    let child = Process::start(count, end)?;
    assert!(!counter.poll(Duration::ZERO), "nobody has asked, so there is no answer");
    for word in ["one", "three", "seventeen"] {
        counter.send(word.to_owned())?;
        let length = counter.recv()?;
        assert_eq!(length, word.len());
        println!("{word} has {length} letters");
    }

    // The parent drops its end, so the child hears the end of the stream and returns.
    drop(counter);
    assert_eq!(child.join(), ExitStatus::Code(0));

    // The other way round: a child that ends without an answer keeps nobody waiting.
    let (counter, end) = pipe_between::<Word, Length>()?;
    let child = Process::start(count, end)?;
    counter.send(String::new())?;
    assert!(matches!(counter.recv(), Err(RecvError::Ended)));
    assert_eq!(child.join(), ExitStatus::Code(3));
    println!("both ends hear when the other has gone");
    Ok(())
}
