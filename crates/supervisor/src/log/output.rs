//! One process's standard output or standard error.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::status::Stream;

/// The longest line that is kept in one piece.
const LONGEST_LINE: usize = 256 * 1024;

/// So much is read at once.
const CHUNK: usize = 64 * 1024;

/// The reading end of the pipe that a process writes to.
#[derive(Debug)]
pub(crate) struct Output {
    pipe: File,
    /// Which of its streams it is.
    pub(crate) stream: Stream,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
}

/// What a read has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There may be more.
    More,
    /// There is nothing more now.
    Dry,
    /// There will never be more.
    End,
}

impl Output {
    /// The pipe for one stream of a process: what stays here, and what the process gets.
    pub(crate) fn pipe(stream: Stream) -> io::Result<(Self, OwnedFd)> {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        // Only this end: the process's own end blocks, as programs expect.
        fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok((Self { pipe: read.into(), stream, partial: Vec::new() }, write))
    }

    /// Takes a part of what is there, and gives its lines to `line`, each without its end.
    pub(crate) fn read(&mut self, mut line: impl FnMut(&[u8])) -> Progress {
        let start = self.partial.len();
        self.partial.resize(start + CHUNK, 0);
        let result = (&self.pipe).read(&mut self.partial[start..]);
        self.partial.truncate(start + *result.as_ref().unwrap_or(&0));
        let progress = match result {
            Ok(0) => Progress::End,
            Ok(CHUNK) => Progress::More,
            Ok(_) => Progress::Dry,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Progress::More,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Progress::Dry,
            Err(_) => Progress::End,
        };
        self.cut(&mut line);
        if progress == Progress::End {
            self.finish(line);
        }
        progress
    }

    /// Gives away the line whose end never came.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(&[u8])) {
        if !self.partial.is_empty() {
            line(&std::mem::take(&mut self.partial));
        }
    }

    fn cut(&mut self, line: &mut impl FnMut(&[u8])) {
        let mut rest = &self.partial[..];
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            line(&rest[..end]);
            rest = &rest[end + 1..];
        }
        if rest.len() >= LONGEST_LINE {
            line(rest);
            rest = &[];
        }
        let taken = self.partial.len() - rest.len();
        self.partial.drain(..taken);
        // What a long line needed is given back; a process that is quiet costs next to nothing.
        self.partial.shrink_to(if self.partial.is_empty() { 0 } else { CHUNK });
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use std::io::Write;

    use super::*;

    fn collect(output: &mut Output, lines: &mut Vec<Vec<u8>>) -> Progress {
        output.read(|line| lines.push(line.to_vec()))
    }

    #[test]
    fn lines_are_whole_whatever_the_writes_were() {
        let (mut output, write) = Output::pipe(Stream::Stdout).unwrap();
        let mut write = File::from(write);
        let mut lines = Vec::new();
        write.write_all(b"one\ntw").unwrap();
        assert_eq!(collect(&mut output, &mut lines), Progress::Dry);
        assert_eq!(lines, [b"one"]);
        write.write_all(b"o\n\nthr").unwrap();
        collect(&mut output, &mut lines);
        drop(write);
        assert_eq!(collect(&mut output, &mut lines), Progress::End);
        assert_eq!(lines, [&b"one"[..], b"two", b"", b"thr"]);
    }

    #[test]
    fn a_line_without_end_is_cut_and_nothing_of_it_is_lost() {
        let (mut output, write) = Output::pipe(Stream::Stderr).unwrap();
        let writer = std::thread::spawn(move || {
            let mut write = File::from(write);
            for _ in 0..3 * LONGEST_LINE / 1024 {
                write.write_all(&[b'x'; 1024]).unwrap();
            }
        });
        let mut lines: Vec<Vec<u8>> = Vec::new();
        while collect(&mut output, &mut lines) != Progress::End {}
        writer.join().unwrap();
        assert_eq!(lines.iter().map(Vec::len).sum::<usize>(), 3 * LONGEST_LINE);
        assert!(lines.len() >= 3 && lines.iter().all(|it| it.len() <= LONGEST_LINE + CHUNK));
    }
}
