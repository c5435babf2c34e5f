//! The job: how often each word occurs.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Failure, Outcome};

/// How often each word occurs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally(HashMap<String, u64>);

impl Tally {
    /// Counts the words of a text: runs of letters and digits, in lower case.
    pub(crate) fn of(text: &str) -> Self {
        let mut tally = Self::default();
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            *tally.0.entry(word.to_lowercase()).or_default() += 1;
        }
        tally
    }

    /// Adds the counts of another tally.
    pub(crate) fn add(&mut self, other: Self) {
        for (word, count) in other.0 {
            *self.0.entry(word).or_default() += count;
        }
    }

    /// How many different words there are.
    pub(crate) fn words(&self) -> usize {
        self.0.len()
    }

    /// How many words there are in all.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The tally as a message.
    pub(crate) fn to_bytes(&self) -> Outcome<Vec<u8>> {
        Ok(brigade::codec::encode(&self.0)?)
    }

    /// The tally that a message holds.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Failure> {
        Ok(Self(brigade::codec::decode(bytes)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_whatever_stands_between_them() {
        let tally = Tally::of("One two, TWO; (three) three\nthree - été");
        assert_eq!((tally.words(), tally.total()), (4, 7));
        assert_eq!(tally.0["three"], 3);
    }

    #[test]
    fn the_tallies_of_the_parts_add_up_to_that_of_the_whole() {
        let mut sum = Tally::of("a b a");
        sum.add(Tally::from_bytes(&Tally::of("b c").to_bytes().expect("encodes")).expect("whole"));
        assert_eq!(sum, Tally::of("a b a b c"));
    }
}
