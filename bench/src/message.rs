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

/// Eight bytes of message `number`, those from `8 * index` on: for who fills memory in place.
pub(crate) fn word(number: u64, index: usize) -> u64 {
    if index == 0 { number.to_le() } else { u64::from_ne_bytes([pattern(number); 8]) }
}

/// Fails unless the words are message `number` with `size` bytes: for who reads in place.
pub(crate) fn check_words(words: &[u64], size: usize, number: u64) -> Result<()> {
    let Some((head, body)) = words.split_first().filter(|_| words.len() * 8 == size) else {
        return Err(
            format!("message {number} has {} words instead of {size} bytes", words.len()).into()
        );
    };
    if *head != word(number, 0) {
        return Err(format!("message {head} came in the place of {number}").into());
    }
    if body.iter().fold(0, |seen, found| seen | (found ^ word(number, 1))) != 0 {
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

    #[test]
    fn words_are_the_same_message() {
        let mut words: Vec<u64> = (0..8).map(|index| word(7, index)).collect();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert!(check(&bytes, 64, 7).is_ok());
        assert!(check_words(&words, 64, 7).is_ok());
        assert!(check_words(&words, 64, 8).is_err(), "another number");
        assert!(check_words(&words[..7], 64, 7).is_err(), "a short one");
        words[7] ^= 1;
        assert!(check_words(&words, 64, 7).is_err(), "a changed word");
    }
}
