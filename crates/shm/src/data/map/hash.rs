//! The hash of keys: SipHash-1-3.
//!
//! By Aumasson and Bernstein ("SipHash: a fast short-input PRF", 2012), in the form that the
//! standard library uses for its own maps. Written out here because all processes must agree on it,
//! also those of another build; and it is keyed, so that nobody can choose keys that collide.

/// The hash of `bytes` under `key`.
pub(super) fn hash(key: [u64; 2], bytes: &[u8]) -> u64 {
    sip::<1, 3>(key, bytes)
}

/// SipHash with `C` rounds for each word of the input and `D` at the end.
fn sip<const C: usize, const D: usize>([k0, k1]: [u64; 2], bytes: &[u8]) -> u64 {
    // The four words of the state spell "somepseudorandomlygeneratedbytes".
    let mut state = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let mut words = bytes.chunks_exact(8);
    for chunk in &mut words {
        absorb::<C>(&mut state, word(chunk));
    }
    let length = (bytes.len() as u64) << 56;
    absorb::<C>(&mut state, word(words.remainder()) | length);
    state[2] ^= 0xff;
    for _ in 0..D {
        round(&mut state);
    }
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

fn absorb<const ROUNDS: usize>(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    for _ in 0..ROUNDS {
        round(state);
    }
    state[0] ^= word;
}

fn round([v0, v1, v2, v3]: &mut [u64; 4]) {
    *v0 = v0.wrapping_add(*v1);
    *v2 = v2.wrapping_add(*v3);
    *v1 = v1.rotate_left(13) ^ *v0;
    *v3 = v3.rotate_left(16) ^ *v2;
    *v0 = v0.rotate_left(32);
    *v2 = v2.wrapping_add(*v1);
    *v0 = v0.wrapping_add(*v3);
    *v1 = v1.rotate_left(17) ^ *v2;
    *v3 = v3.rotate_left(21) ^ *v0;
    *v2 = v2.rotate_left(32);
}

/// At most eight bytes as a word, lowest first.
fn word(bytes: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(eight)
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hasher};

    use super::*;

    #[test]
    #[allow(deprecated, reason = "the only hasher of the standard library that takes a key")]
    fn the_hash_is_that_of_the_standard_library() {
        let bytes: Vec<u8> = (0..=255).collect();
        for length in 0..bytes.len() {
            let bytes = &bytes[..length];
            let mut unkeyed = DefaultHasher::new();
            unkeyed.write(bytes);
            assert_eq!(hash([0; 2], bytes), unkeyed.finish());
            let mut keyed = std::hash::SipHasher::new_with_keys(7, 1 << 60);
            keyed.write(bytes);
            assert_eq!(sip::<2, 4>([7, 1 << 60], bytes), keyed.finish());
        }
    }
}
