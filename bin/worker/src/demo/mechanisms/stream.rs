//! Anonymous pipes and socket pairs: the kernel's streams of bytes between relatives.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use brigade::codec::Descriptor;
use serde::{Deserialize, Serialize};

use super::super::Outcome;
use super::super::line::{Framed, Line};
use super::Opening;

/// The descriptors that a worker reads and writes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Invitation {
    reader: Descriptor,
    writer: Descriptor,
}

impl Invitation {
    fn over(reader: impl Into<OwnedFd>, writer: impl Into<OwnedFd>) -> super::Invitation {
        let reader = Descriptor::from(reader.into());
        super::Invitation::Stream(Self { reader, writer: Descriptor::from(writer.into()) })
    }

    pub(super) fn accept(self) -> Outcome<Box<dyn Line>> {
        let reader = File::from(OwnedFd::from(self.reader));
        let writer = File::from(OwnedFd::from(self.writer));
        Ok(Box::new(Framed { reader, writer }))
    }
}

/// Two pipes to each worker, one for each direction.
pub(super) fn open_pipe(workers: usize) -> Outcome<Opening> {
    let (mut invitations, mut lines) = (Vec::new(), Vec::<Box<dyn Line>>::new());
    for _ in 0..workers {
        let (their_reader, writer) = std::io::pipe()?;
        let (reader, their_writer) = std::io::pipe()?;
        invitations.push(Invitation::over(their_reader, their_writer));
        lines.push(Box::new(Framed { reader, writer }));
    }
    Ok(Opening::ready(invitations, lines))
}

/// A connected pair of unix sockets to each worker.
pub(super) fn open_pair(workers: usize) -> Outcome<Opening> {
    let (mut invitations, mut lines) = (Vec::new(), Vec::<Box<dyn Line>>::new());
    for _ in 0..workers {
        let (writer, theirs) = UnixStream::pair()?;
        invitations.push(Invitation::over(theirs.try_clone()?, theirs));
        lines.push(Box::new(Framed { reader: writer.try_clone()?, writer }));
    }
    Ok(Opening::ready(invitations, lines))
}
