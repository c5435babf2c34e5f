//! What every mechanism must do: carry messages there and back.

use std::io::{Read, Write};

use super::{Outcome, tally::Tally};

/// One side's end of a line between the feeder and a worker, or all workers.
pub(crate) trait Line: Send {
    /// Sends a message to the other side, waiting while there is no room.
    fn send(&mut self, message: &[u8]) -> Outcome<()>;

    /// Receives the next message from the other side, waiting until there is one.
    fn recv(&mut self) -> Outcome<Vec<u8>>;

    /// How many messages the feeder sends before it must receive: enough to keep a worker busy,
    /// and few enough to fit into the line, so that both sides can send at once.
    fn window(&self) -> usize {
        4
    }
}

/// The message that ends a worker's part in a line.
pub(crate) const STOP: &[u8] = &[];

/// A record on its way to a worker: its number, then its text.
pub(crate) fn task(number: u32, text: &str) -> Vec<u8> {
    [&number.to_le_bytes(), text.as_bytes()].concat()
}

/// The number of a task or reply, and what it is about.
pub(crate) fn numbered(message: &[u8]) -> Outcome<(u32, &[u8])> {
    let (number, rest) = message.split_first_chunk().ok_or("a message without a number")?;
    Ok((u32::from_le_bytes(*number), rest))
}

/// Does a worker's part: counts the words of each record until it is stopped.
pub(crate) fn work(line: &mut dyn Line) -> Outcome<()> {
    loop {
        let message = line.recv()?;
        if message == STOP {
            return Ok(());
        }
        let (number, text) = numbered(&message)?;
        let tally = Tally::of(str::from_utf8(text)?).to_bytes()?;
        line.send(&[&number.to_le_bytes()[..], &tally].concat())?;
    }
}

/// A line over two streams of bytes: each message follows its length in four bytes.
#[derive(Debug)]
pub(crate) struct Framed<R, W> {
    pub(crate) reader: R,
    pub(crate) writer: W,
}

impl<R: Read + Send, W: Write + Send> Line for Framed<R, W> {
    fn send(&mut self, message: &[u8]) -> Outcome<()> {
        let length = u32::try_from(message.len())?.to_le_bytes();
        self.writer.write_all(&[&length, message].concat())?;
        Ok(self.writer.flush()?)
    }

    fn recv(&mut self) -> Outcome<Vec<u8>> {
        let mut length = [0; 4];
        self.reader.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_le_bytes(length))?;
        if length > LONGEST_MESSAGE {
            return Err(format!("a message of {length} bytes").into());
        }
        let mut message = vec![0; length];
        self.reader.read_exact(&mut message)?;
        Ok(message)
    }
}

/// The longest message. The tally of a record is longer than the record: a word of one letter and
/// the space after it become a length, a letter and a count.
pub(crate) const LONGEST_MESSAGE: usize = 40 << 10;

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_worker_answers_each_task_until_it_is_stopped() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let framed = |stream: UnixStream| Framed {
            reader: stream.try_clone().expect("a descriptor"),
            writer: stream,
        };
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| work(&mut framed(theirs)).map_err(|e| e.to_string()));
            let mut line = framed(ours);
            line.send(&task(7, "one two two")).expect("sent");
            let reply = line.recv().expect("a reply");
            let (number, tally) = numbered(&reply).expect("whole");
            assert_eq!(number, 7);
            assert_eq!(Tally::from_bytes(tally).expect("whole"), Tally::of("two one two"));
            line.send(STOP).expect("sent");
            worker.join().expect("no panic").expect("no failure");
        });
    }

    #[test]
    fn a_length_beyond_reason_is_an_error() {
        let mut line = Framed { reader: &u32::MAX.to_le_bytes()[..], writer: Vec::new() };
        assert!(line.recv().is_err());
    }
}
