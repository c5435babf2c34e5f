//! The cell: how a value of any type lies in shared memory.
//!
//! | word | meaning                                                          |
//! |------|------------------------------------------------------------------|
//! | 0    | the version: each change adds one                                |
//! | 1    | how many bytes follow, or [`FAR`]: the server keeps the value    |
//! | 2..  | the bytes of the encoded value                                   |
//!
//! Values that are short and refer to no other object are here, the others at the server. Only the
//! server turns a far cell into a near one, so that it knows when to forget what it keeps.

/// How many words a cell has.
const WORDS: usize = 16;

/// Where the bytes begin.
const START: usize = 2;

/// How many bytes fit.
pub(crate) const ROOM: usize = (WORDS - START) * 8;

/// The length of a value that is elsewhere.
const FAR: u64 = u64::MAX;

/// A cell as it lies in memory.
pub(crate) type Cell = [u64; WORDS];

/// What a cell says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The value itself.
    Near(Near),
    /// The server keeps the value.
    Far,
}

/// The bytes of a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Near {
    bytes: [u8; ROOM],
    length: usize,
}

impl Near {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The bytes of a cell that no process of ours wrote.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// A cell with `bytes`, if they fit.
pub(crate) fn near(version: u64, bytes: &[u8]) -> Option<Cell> {
    if bytes.len() > ROOM {
        return None;
    }
    let mut cell = [0; WORDS];
    cell[0] = version;
    cell[1] = bytes.len() as u64;
    for (word, chunk) in cell[START..].iter_mut().zip(bytes.chunks(8)) {
        let mut padded = [0; 8];
        padded[..chunk.len()].copy_from_slice(chunk);
        *word = u64::from_le_bytes(padded);
    }
    Some(cell)
}

/// A cell whose value the server keeps.
pub(crate) fn far(version: u64) -> Cell {
    let mut cell = [0; WORDS];
    cell[0] = version;
    cell[1] = FAR;
    cell
}

pub(crate) fn version(cell: &Cell) -> u64 {
    cell[0]
}

pub(crate) fn with_version(mut cell: Cell, version: u64) -> Cell {
    cell[0] = version;
    cell
}

pub(crate) fn is_far(cell: &Cell) -> bool {
    cell[1] == FAR
}

/// What the cell says.
///
/// # Errors
///
/// [`Corrupt`] if its length is none that a writer writes.
pub(crate) fn read(cell: &Cell) -> Result<Content, Corrupt> {
    if is_far(cell) {
        return Ok(Content::Far);
    }
    let length = usize::try_from(cell[1]).ok().filter(|length| *length <= ROOM).ok_or(Corrupt)?;
    let mut bytes = [0; ROOM];
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(&cell[START..]) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    Ok(Content::Near(Near { bytes, length }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_that_fits_is_read_back_and_no_other_fits() {
        let bytes: Vec<u8> = (1..=u8::MAX).collect();
        for length in 0..=ROOM {
            let cell = near(7, &bytes[..length]).expect("it fits");
            assert_eq!(version(&cell), 7);
            let Ok(Content::Near(near)) = read(&cell) else { panic!("{cell:?}") };
            assert_eq!(near.as_slice(), &bytes[..length]);
        }
        assert_eq!(near(7, &bytes[..=ROOM]), None);
    }

    #[test]
    fn a_far_cell_says_so_and_a_length_that_nobody_writes_is_corrupt() {
        assert_eq!(read(&far(3)), Ok(Content::Far));
        assert_eq!(version(&far(3)), 3);
        for length in [ROOM as u64 + 1, 1 << 32, FAR - 1] {
            let mut cell = far(3);
            cell[1] = length;
            assert_eq!(read(&cell), Err(Corrupt));
        }
    }
}
