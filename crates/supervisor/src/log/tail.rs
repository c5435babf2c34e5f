//! The last lines of a program, kept in memory.

use std::collections::VecDeque;

use crate::status::{Line, Stream};

/// At most so many lines are kept.
const MOST_LINES: usize = 200;

/// At most so many bytes of text are kept.
const MOST_BYTES: usize = 32 * 1024;

/// At most so much of one line is kept.
const LONGEST_LINE: usize = 1024;

/// The last lines of a program, whichever of its processes wrote them.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    lines: VecDeque<Kept>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    birth: u64,
    instance: u32,
    pid: i32,
    stream: Stream,
    text: Box<str>,
}

impl Tail {
    /// Keeps a line of the process with this birth.
    pub(crate) fn push(
        &mut self,
        birth: u64,
        instance: u32,
        pid: i32,
        stream: Stream,
        line: &[u8],
    ) {
        let text = String::from_utf8_lossy(&line[..line.len().min(LONGEST_LINE)]);
        self.bytes += text.len();
        let text = text.into_owned().into_boxed_str();
        self.lines.push_back(Kept { birth, instance, pid, stream, text });
        while self.lines.len() > MOST_LINES || self.bytes > MOST_BYTES {
            self.bytes -= self.lines.pop_front().map_or(0, |line| line.text.len());
        }
    }

    /// The last `most` lines of all.
    pub(crate) fn last(&self, most: usize) -> Vec<Line> {
        let skipped = self.lines.len().saturating_sub(most);
        let line = |kept: &Kept| Line {
            instance: kept.instance,
            pid: kept.pid,
            stream: kept.stream,
            text: kept.text.to_string(),
        };
        self.lines.iter().skip(skipped).map(line).collect()
    }

    /// The last `most` lines of one process: what it wrote to its standard error, or if there is
    /// nothing, to its standard output.
    pub(crate) fn last_words(&self, birth: u64, most: usize) -> Vec<String> {
        let of = |stream| {
            let mut lines: Vec<String> = self
                .lines
                .iter()
                .rev()
                .filter(|line| line.birth == birth && line.stream == stream)
                .take(most)
                .map(|line| line.text.to_string())
                .collect();
            lines.reverse();
            lines
        };
        let errors = of(Stream::Stderr);
        if errors.is_empty() { of(Stream::Stdout) } else { errors }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept_and_each_is_bounded() {
        let mut tail = Tail::default();
        for number in 0..1000 {
            tail.push(1, 0, 7, Stream::Stdout, format!("line {number}").as_bytes());
        }
        assert_eq!(tail.last(usize::MAX).len(), MOST_LINES);
        assert_eq!(tail.last(1)[0].text, "line 999");
        tail.push(1, 0, 7, Stream::Stdout, &vec![b'x'; 1 << 20]);
        assert_eq!(tail.last(1)[0].text.len(), LONGEST_LINE);
        for _ in 0..100 {
            tail.push(1, 0, 7, Stream::Stdout, &vec![b'x'; 1 << 20]);
        }
        assert!(tail.bytes <= MOST_BYTES);
    }

    #[test]
    fn last_words_are_those_of_one_process_and_errors_come_first() {
        let mut tail = Tail::default();
        tail.push(1, 0, 7, Stream::Stdout, b"hello");
        assert_eq!(tail.last_words(1, 10), ["hello"]);
        tail.push(1, 0, 7, Stream::Stderr, b"cannot find my files");
        tail.push(2, 1, 8, Stream::Stderr, b"I am well");
        tail.push(1, 0, 7, Stream::Stderr, b"giving up");
        assert_eq!(tail.last_words(1, 10), ["cannot find my files", "giving up"]);
        assert_eq!(tail.last_words(1, 1), ["giving up"]);
        assert!(tail.last_words(3, 1).is_empty());
    }
}
