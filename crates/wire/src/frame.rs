//! The bytes on the wire.
//!
//! Each direction of a connection is a greeting and then frames. All numbers are little-endian.
//!
//! | greeting | | frame | |
//! |---|---|---|---|
//! | 0..4 | `brgd` | 0..4 | length of the message |
//! | 4 | version, 1 | 4..6 | number of its descriptors |
//! | 5 | authentication, 0: none | 6..8 | `0xB11D` |
//! | 6..8 | 0 | 8.. | the message |
//!
//! A greeting leaves with the first frame of its direction, so making a connection costs no round
//! trip and nobody waits for a silent peer. The descriptors of a frame are attached to its first
//! byte.

use brigade_sys::socket::DESCRIPTORS;

/// What each side says first.
pub(crate) const GREETING: [u8; 8] = [b'b', b'r', b'g', b'd', 1, 0, 0, 0];

/// The length of a frame's header.
pub(crate) const HEADER: usize = 8;

/// Ends every header, so that a reader out of step notices.
const MARK: u16 = 0xB11D;

/// What a frame says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) len: usize,
    pub(crate) descriptors: usize,
}

/// Why the bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    Greeting,
    Version,
    Authentication,
    Mark,
    Descriptors,
    TooLarge { len: usize, limit: usize },
}

impl Malformed {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Greeting => "the other end does not speak brigade's protocol",
            Self::Version => "the other end speaks another version of brigade's protocol",
            Self::Authentication => "the other end asks for authentication",
            Self::Mark => "the stream is out of step",
            Self::Descriptors => "the descriptors of a message did not come with it",
            Self::TooLarge { .. } => "a message is too long",
        }
    }
}

/// Checks as much of a greeting as is there.
pub(crate) fn check_greeting(bytes: &[u8]) -> Result<(), Malformed> {
    for (place, (&byte, &expected)) in bytes.iter().zip(&GREETING).enumerate() {
        if byte != expected {
            return Err(match place {
                4 => Malformed::Version,
                5 => Malformed::Authentication,
                _ => Malformed::Greeting,
            });
        }
    }
    Ok(())
}

impl Header {
    pub(crate) fn encode(self) -> Option<[u8; HEADER]> {
        let len = u32::try_from(self.len).ok()?.to_le_bytes();
        let descriptors = u16::try_from(self.descriptors).ok()?.to_le_bytes();
        let mark = MARK.to_le_bytes();
        Some([len[0], len[1], len[2], len[3], descriptors[0], descriptors[1], mark[0], mark[1]])
    }

    pub(crate) fn decode(bytes: [u8; HEADER], limit: usize) -> Result<Self, Malformed> {
        let [a, b, c, d, e, f, g, h] = bytes;
        if u16::from_le_bytes([g, h]) != MARK {
            return Err(Malformed::Mark);
        }
        let len = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if len > limit {
            return Err(Malformed::TooLarge { len, limit });
        }
        let descriptors = usize::from(u16::from_le_bytes([e, f]));
        if descriptors > DESCRIPTORS {
            return Err(Malformed::Descriptors);
        }
        Ok(Self { len, descriptors })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_header_is_read_back() {
        for header in
            [Header { len: 0, descriptors: 0 }, Header { len: 1 << 20, descriptors: DESCRIPTORS }]
        {
            assert_eq!(Header::decode(header.encode().unwrap(), 1 << 20), Ok(header));
        }
        assert_eq!(Header { len: usize::MAX, descriptors: 0 }.encode(), None);
    }

    #[test]
    fn the_bytes_are_these() {
        let header = Header { len: 0x0403_0201, descriptors: 5 };
        assert_eq!(header.encode().unwrap(), [1, 2, 3, 4, 5, 0, 0x1D, 0xB1]);
        assert_eq!(&GREETING, b"brgd\x01\0\0\0");
    }

    #[test]
    fn each_wrong_byte_of_a_header_is_noticed_or_bounded() {
        let good = Header { len: 10, descriptors: 1 }.encode().unwrap();
        for place in 0..HEADER {
            for value in 0..=u8::MAX {
                let mut bytes = good;
                bytes[place] = value;
                if let Ok(header) = Header::decode(bytes, 100) {
                    assert!(header.len <= 100 && header.descriptors <= DESCRIPTORS);
                    assert!(place < 6 || bytes == good);
                }
            }
        }
        let long = Header { len: 101, descriptors: 0 }.encode().unwrap();
        assert_eq!(Header::decode(long, 100), Err(Malformed::TooLarge { len: 101, limit: 100 }));
    }

    #[test]
    fn a_wrong_greeting_says_what_is_wrong() {
        assert_eq!(check_greeting(b""), Ok(()));
        assert_eq!(check_greeting(b"brg"), Ok(()));
        assert_eq!(check_greeting(&GREETING), Ok(()));
        assert_eq!(check_greeting(b"GET / HT"), Err(Malformed::Greeting));
        assert_eq!(check_greeting(b"brgd\x02"), Err(Malformed::Version));
        assert_eq!(check_greeting(b"brgd\x01\x01"), Err(Malformed::Authentication));
    }
}
