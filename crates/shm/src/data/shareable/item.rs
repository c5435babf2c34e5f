//! Items: what a list for unrelated programs can hold.

/// One item of a [`ShareableList`](super::ShareableList).
///
/// # Examples
///
/// ```
/// use brigade_shm::Item;
///
/// assert_eq!(Item::from("text"), Item::Str("text".to_owned()));
/// assert_eq!(Item::from(7), Item::Int(7));
/// assert_ne!(Item::from(true), Item::from(1));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Nothing.
    None,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Str(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

const NONE: u8 = 0;
const BOOL: u8 = 1;
const INT: u8 = 2;
const FLOAT: u8 = 3;
const STR: u8 = 4;
const BYTES: u8 = 5;

impl Item {
    /// The kind of the item, and its bytes.
    pub(super) fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Self::None => (NONE, Vec::new()),
            Self::Bool(value) => (BOOL, vec![u8::from(*value)]),
            Self::Int(value) => (INT, value.to_le_bytes().to_vec()),
            Self::Float(value) => (FLOAT, value.to_le_bytes().to_vec()),
            Self::Str(value) => (STR, value.as_bytes().to_vec()),
            Self::Bytes(value) => (BYTES, value.clone()),
        }
    }

    /// The item of `kind` that has these bytes.
    pub(super) fn decode(kind: u8, bytes: Vec<u8>) -> Result<Self, &'static str> {
        const LENGTH: &str = "an item has the wrong length";
        Ok(match kind {
            NONE => Self::None,
            BOOL => match bytes[..] {
                [value] => Self::Bool(value != 0),
                _ => return Err(LENGTH),
            },
            INT => Self::Int(i64::from_le_bytes(bytes.try_into().map_err(|_| LENGTH)?)),
            FLOAT => Self::Float(f64::from_le_bytes(bytes.try_into().map_err(|_| LENGTH)?)),
            STR => Self::Str(String::from_utf8(bytes).map_err(|_| "an item is no valid text")?),
            BYTES => Self::Bytes(bytes),
            _ => return Err("an item is of no known kind"),
        })
    }
}

impl From<()> for Item {
    fn from((): ()) -> Self {
        Self::None
    }
}

impl From<bool> for Item {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Item {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Item {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u32> for Item {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<f64> for Item {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Item {
    fn from(value: &str) -> Self {
        Self::Str(value.to_owned())
    }
}

impl From<String> for Item {
    fn from(value: String) -> Self {
        Self::Str(value)
    }
}

impl From<&[u8]> for Item {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Item {
    fn from(value: &[u8; N]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl From<Vec<u8>> for Item {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_the_same_after_its_bytes() {
        let items = [
            Item::None,
            Item::from(true),
            Item::from(false),
            Item::from(i64::MIN),
            Item::from(-0.5),
            Item::from("nul\0s at the end\0\0"),
            Item::from("größer als ASCII"),
            Item::from(b"\0\xff\0"),
            Item::from(""),
        ];
        for item in items {
            let (kind, bytes) = item.encode();
            assert_eq!(Item::decode(kind, bytes), Ok(item));
        }
    }

    #[test]
    fn bytes_that_are_no_item_are_refused() {
        for kind in [BOOL, INT, FLOAT] {
            assert!(Item::decode(kind, vec![0; 3]).is_err());
        }
        assert!(Item::decode(STR, vec![0xff]).is_err());
        assert!(Item::decode(6, vec![]).is_err());
    }
}
