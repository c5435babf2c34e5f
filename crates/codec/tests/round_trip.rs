//! Values survive the way through bytes, in every format, and anything else is an error.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::time::Duration;

use brigade_codec::{
    Bincode, Codec, DEPTH, DecodeError, EncodeError, LIMIT, Message, Postcard, SPARE_ELEMENTS,
    decode, encode, encode_into,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Rectangle { width: u32, height: u32 },
    Group(Vec<Shape>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    name: String,
    tags: Vec<String>,
    counts: BTreeMap<String, i64>,
    shape: Shape,
    parent: Option<Box<Record>>,
    letter: char,
    wide: u128,
    elapsed: Duration,
    nothing: (),
    unit: Unit,
    outcome: Result<u8, String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Chain {
    End,
    Link(Box<Chain>),
}

fn record() -> Record {
    Record {
        name: "brigade".into(),
        tags: vec![String::new(), "ünïcode \u{1F980}".into()],
        counts: BTreeMap::from([("a".into(), i64::MIN), ("b".into(), i64::MAX)]),
        shape: Shape::Group(vec![
            Shape::Point,
            Shape::Circle(f64::INFINITY),
            Shape::Rectangle { width: 0, height: u32::MAX },
        ]),
        parent: None,
        letter: 'ß',
        wide: u128::MAX,
        elapsed: Duration::new(3, 999_999_999),
        nothing: (),
        unit: Unit,
        outcome: Err("no".into()),
    }
}

fn bytes_of<C: Codec, T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    C::encode_into(value, &mut bytes).unwrap();
    bytes
}

fn check_round_trip<T: Message + PartialEq + Debug>(value: T) {
    assert_eq!(Bincode::decode::<T>(&bytes_of::<Bincode, T>(&value)).unwrap(), value);
    assert_eq!(Postcard::decode::<T>(&bytes_of::<Postcard, T>(&value)).unwrap(), value);
    assert_eq!(decode::<T>(&encode(&value).unwrap()).unwrap(), value);
}

#[test]
fn every_kind_of_value_comes_back_as_it_was() {
    check_round_trip(());
    check_round_trip(true);
    check_round_trip((i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN));
    check_round_trip((u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX));
    check_round_trip((f32::MIN_POSITIVE, f64::MAX));
    check_round_trip(String::new());
    check_round_trip(Some(Some(Option::<u8>::None)));
    check_round_trip([0_u16; 32]);
    check_round_trip(vec![(); 1000]);
    check_round_trip(vec![0_u8; 1 << 20]);
    check_round_trip(HashMap::from([(1_u8, vec!['a']), (2, vec![])]));
    check_round_trip(Record { parent: Some(Box::new(record())), ..record() });
}

fn check_every_prefix<C: Codec>() {
    let bytes = bytes_of::<C, _>(&record());
    for len in 0..bytes.len() {
        let error = C::decode::<Record>(&bytes[..len]).unwrap_err();
        assert!(matches!(error, DecodeError::Truncated), "{} at {len}: {error}", C::NAME);
    }
}

#[test]
fn a_message_cut_at_any_byte_is_truncated() {
    check_every_prefix::<Bincode>();
    check_every_prefix::<Postcard>();
}

fn check_trailing<C: Codec>() {
    let mut bytes = bytes_of::<C, _>(&record());
    bytes.extend([0; 3]);
    let error = C::decode::<Record>(&bytes).unwrap_err();
    assert!(matches!(error, DecodeError::Trailing { bytes: 3 }), "{}: {error}", C::NAME);
}

#[test]
fn bytes_after_the_value_are_an_error() {
    check_trailing::<Bincode>();
    check_trailing::<Postcard>();
}

/// Numbers that look random and are the same in every run.
fn noise(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

fn check_flipped_bytes<C: Codec>() {
    let bytes = bytes_of::<C, _>(&record());
    let mut seed = 0x9E37_79B9_7F4A_7C15;
    for place in 0..bytes.len() {
        for _ in 0..32 {
            let mut damaged = bytes.clone();
            damaged[place] = u8::try_from(noise(&mut seed) & 0xFF).unwrap();
            // Either a value or an error: what counts is that it ends, and without a panic.
            let _ = C::decode::<Record>(&damaged);
        }
    }
}

#[test]
fn a_changed_byte_is_a_value_or_an_error() {
    check_flipped_bytes::<Bincode>();
    check_flipped_bytes::<Postcard>();
}

fn check_noise<C: Codec>() {
    let mut seed = 1;
    for _ in 0..2000 {
        let len = usize::try_from(noise(&mut seed) % 300).unwrap();
        let bytes: Vec<u8> =
            (0..len).map(|_| u8::try_from(noise(&mut seed) & 0xFF).unwrap()).collect();
        let _ = C::decode::<Record>(&bytes);
        let _ = C::decode::<Vec<Vec<String>>>(&bytes);
        let _ = C::decode::<HashMap<String, Shape>>(&bytes);
        let _ = C::decode::<Chain>(&bytes);
    }
}

#[test]
fn noise_is_a_value_or_an_error() {
    check_noise::<Bincode>();
    check_noise::<Postcard>();
}

#[test]
fn a_length_beyond_the_message_is_refused_without_the_memory() {
    for len in [LIMIT as u64 + 1, u64::from(u32::MAX), 1 << 60, u64::MAX] {
        let bytes = len.to_le_bytes();
        for result in [
            decode::<String>(&bytes).map(drop),
            decode::<Vec<String>>(&bytes).map(drop),
            decode::<Vec<u64>>(&bytes).map(drop),
            decode::<HashMap<u64, u64>>(&bytes).map(drop),
        ] {
            let error = result.unwrap_err();
            assert!(matches!(error, DecodeError::Truncated | DecodeError::TooLarge { .. }));
        }
    }
}

#[test]
fn a_length_of_elements_without_content_does_not_make_an_endless_loop() {
    let error = decode::<Vec<()>>(&u64::MAX.to_le_bytes()).unwrap_err();
    assert!(matches!(error, DecodeError::TooManyElements));

    let error = Postcard::decode::<HashMap<(), ()>>(&bytes_of::<Postcard, _>(&u64::MAX));
    assert!(matches!(error.unwrap_err(), DecodeError::TooManyElements));

    let full = vec![(); SPARE_ELEMENTS];
    assert_eq!(decode::<Vec<()>>(&encode(&full).unwrap()).unwrap(), full);
}

fn chain(links: u32) -> Chain {
    (0..links).fold(Chain::End, |chain, _| Chain::Link(Box::new(chain)))
}

#[test]
fn nesting_ends_in_an_error_before_the_stack_does() {
    let deep = chain(DEPTH - 1);
    assert_eq!(decode::<Chain>(&encode(&deep).unwrap()).unwrap(), deep);
    assert_eq!(Postcard::decode::<Chain>(&bytes_of::<Postcard, _>(&deep)).unwrap(), deep);

    let error = decode::<Chain>(&encode(&chain(DEPTH)).unwrap()).unwrap_err();
    assert!(matches!(error, DecodeError::TooDeep { limit: DEPTH }));

    let hostile = 1_u32.to_le_bytes().repeat(1 << 20);
    assert!(matches!(decode::<Chain>(&hostile).unwrap_err(), DecodeError::TooDeep { .. }));
    let hostile = vec![1; 1 << 20];
    let error = Postcard::decode::<Chain>(&hostile).unwrap_err();
    assert!(matches!(error, DecodeError::TooDeep { .. }));
}

/// Writes more than the limit without holding it in memory.
struct Endless;

impl Serialize for Endless {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let block = vec![0_u64; 1 << 16];
        let mut sequence = serializer.serialize_seq(Some(1 << 20))?;
        for _ in 0..1 << 20 {
            sequence.serialize_element(&block)?;
        }
        sequence.end()
    }
}

#[test]
fn a_value_over_the_limit_is_refused_and_leaves_the_buffer_alone() {
    let mut bytes = vec![7];
    let error = encode_into(&Endless, &mut bytes).unwrap_err();
    assert!(matches!(error, EncodeError::TooLarge { limit: LIMIT }));
    assert_eq!(bytes, [7]);

    let long = vec![0; LIMIT + 1];
    assert!(matches!(decode::<String>(&long).unwrap_err(), DecodeError::TooLarge { .. }));
    assert!(matches!(Postcard::decode::<String>(&long), Err(DecodeError::TooLarge { .. })));
}

struct Refusing;

impl Serialize for Refusing {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("never today"))
    }
}

#[test]
fn what_a_value_says_against_its_encoding_reaches_the_caller() {
    let error = encode(&(1_u8, Refusing)).unwrap_err();
    assert_eq!(error.to_string(), "cannot encode value: never today");
}

#[test]
fn a_value_of_another_type_is_invalid() {
    let bytes = encode(&9_u32).unwrap();
    assert!(matches!(decode::<Shape>(&bytes), Err(DecodeError::Invalid(_))));
    let bytes = encode(&vec![0xFF_u8, 0xFE]).unwrap();
    assert!(matches!(decode::<String>(&bytes), Err(DecodeError::Invalid(_))));
    assert!(matches!(decode::<bool>(&[2]), Err(DecodeError::Invalid(_))));
}
