//! The messages that travel: numbered, and checked to the last byte.

use crate::Result;

/// The smallest message: its number.
pub(crate) const SMALLEST: usize = size_of::<u64>();

/// Writes message `number` over the whole of `bytes`.
pub(crate) fn fill(bytes: &mut [u8], number: u64) {
    let (head, body) = bytes.split_at_mut(SMALLEST);
    head.copy_from_slice(&number.to_le_bytes());
    body.fill(pattern(number));
}

/// Fails unless `bytes` are message `number` with `size` bytes.
pub(crate) fn check(bytes: &[u8], size: usize, number: u64) -> Result<()> {
    if bytes.len() != size {
        return Err(format!("message {number} has {} bytes instead of {size}", bytes.len()).into());
    }
    let (head, body) = bytes.split_at(SMALLEST);
    let found = u64::from_le_bytes(head.try_into()?);
    if found != number {
        return Err(format!("message {found} came in the place of {number}").into());
    }
    if body.iter().fold(0, |seen, byte| seen | (byte ^ pattern(number))) != 0 {
        return Err(format!("message {number} has been changed on its way").into());
    }
    Ok(())
}

fn pattern(number: u64) -> u8 {
    number.to_le_bytes()[0] ^ 0x5A
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_message_is_noticed() {
        let mut bytes = [0; 64];
        fill(&mut bytes, 7);
        assert!(check(&bytes, 64, 7).is_ok());
        assert!(check(&bytes, 64, 8).is_err(), "another number");
        assert!(check(&bytes[..63], 64, 7).is_err(), "a short one");
        bytes[63] ^= 1;
        assert!(check(&bytes, 64, 7).is_err(), "a changed byte");
    }
}
