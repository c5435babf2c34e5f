//! Descriptors travel with their value, and nowhere else.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};

use brigade_codec::carry::{self, NotCarried};
use brigade_codec::{
    Bincode, Codec, DESCRIPTORS, DecodeError, Descriptor, EncodeError, Parcel, Postcard, decode,
    decode_parcel, encode, encode_parcel,
};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Both ends of a pipe; the parcel gets the writing one.
fn ends() -> (PipeReader, Descriptor) {
    let (reader, writer) = pipe().unwrap();
    (reader, Descriptor::from(OwnedFd::from(writer)))
}

fn write(descriptor: Descriptor, text: &str) {
    PipeWriter::from(OwnedFd::from(descriptor)).write_all(text.as_bytes()).unwrap();
}

/// Reads until every writing end is closed: it would hang if one had leaked.
fn read(mut reader: PipeReader) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn descriptors_arrive_in_their_places() {
    let ((reader_one, one), (reader_two, two)) = (ends(), ends());
    let parcel = encode_parcel(&(vec![one], "between", Some(two))).unwrap();
    assert_eq!(parcel.descriptors.len(), 2);

    let (mut first, text, second): (Vec<Descriptor>, String, Option<Descriptor>) =
        decode_parcel(parcel).unwrap();
    assert_eq!(text, "between");
    write(first.remove(0), "one");
    write(second.unwrap(), "two");
    assert_eq!((read(reader_one).as_str(), read(reader_two).as_str()), ("one", "two"));
}

#[test]
fn a_descriptor_outside_a_parcel_is_an_error_that_says_so() {
    let (_reader, descriptor) = ends();
    let outside = NotCarried::Outside;
    assert!(matches!(encode(&descriptor), Err(EncodeError::NotCarried(it)) if it == outside));
    let mut bytes = Vec::new();
    let error = Postcard::encode_into(&(1_u8, &descriptor), &mut bytes).unwrap_err();
    assert!(matches!(error, EncodeError::NotCarried(NotCarried::Outside)));
    assert_eq!(bytes, []);
    assert!(error.to_string().contains("only in a parcel"), "{error}");

    let bytes = encode(&0_u32).unwrap();
    let error = decode::<Descriptor>(&bytes).unwrap_err();
    assert!(matches!(error, DecodeError::NotCarried(NotCarried::Outside)));
}

/// CON-11: a message that names a descriptor without bringing it.
#[test]
fn a_descriptor_that_did_not_arrive_is_an_error() {
    for index in [0_u32, 1, u32::MAX] {
        let parcel = Parcel { bytes: encode(&index).unwrap(), descriptors: Vec::new() };
        let error = decode_parcel::<Descriptor>(parcel).unwrap_err();
        assert!(matches!(error, DecodeError::NotCarried(NotCarried::Missing { index: it })
            if it == index));
    }
}

#[test]
fn a_descriptor_can_be_taken_once() {
    let (_reader, descriptor) = ends();
    let bytes = encode(&(0_u32, 0_u32)).unwrap();
    let parcel = Parcel { bytes, descriptors: vec![descriptor.into()] };
    let error = decode_parcel::<(Descriptor, Descriptor)>(parcel).unwrap_err();
    assert!(matches!(error, DecodeError::NotCarried(NotCarried::Missing { index: 0 })));
}

#[test]
fn descriptors_that_nobody_takes_are_closed() {
    let (reader, descriptor) = ends();
    let parcel = Parcel { bytes: encode(&1_u8).unwrap(), descriptors: vec![descriptor.into()] };
    assert_eq!(decode_parcel::<u8>(parcel).unwrap(), 1);
    assert_eq!(read(reader), "");

    let (reader, descriptor) = ends();
    let parcel = Parcel { bytes: vec![], descriptors: vec![descriptor.into()] };
    assert!(matches!(decode_parcel::<Descriptor>(parcel), Err(DecodeError::Truncated)));
    assert_eq!(read(reader), "");
}

#[test]
fn a_parcel_that_cannot_be_encoded_leaves_no_descriptor_open() {
    let (reader, descriptor) = ends();
    let refuses = std::path::Path::new(std::ffi::OsStr::new("a")).join(non_unicode());
    assert!(matches!(encode_parcel(&(&descriptor, refuses)), Err(EncodeError::Refused(_))));
    drop(descriptor);
    assert_eq!(read(reader), "");
}

fn non_unicode() -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(vec![0xFF])
}

#[test]
fn a_parcel_carries_a_limited_number() {
    let (_reader, descriptor) = ends();
    let at_limit = vec![&descriptor; DESCRIPTORS];
    let over = vec![&descriptor; DESCRIPTORS + 1];
    assert_eq!(encode_parcel(&at_limit).unwrap().descriptors.len(), DESCRIPTORS);
    let error = encode_parcel(&over).unwrap_err();
    assert!(matches!(error, EncodeError::NotCarried(NotCarried::TooMany)));
}

/// A handle to something behind a descriptor that it shares with others of the same key.
#[derive(Debug)]
struct Shared {
    key: u128,
    descriptor: OwnedFd,
}

impl Serialize for Shared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.key, carry::attach_shared(self.key, self.descriptor.as_fd())).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Shared {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (key, index) = <(u128, Option<u32>)>::deserialize(deserializer)?;
        let index = index.ok_or_else(|| D::Error::custom("not attached"))?;
        Ok(Self { key, descriptor: carry::borrow(index).map_err(D::Error::custom)? })
    }
}

#[test]
fn a_shared_descriptor_is_attached_once_per_key() {
    let (reader, writer) = pipe().unwrap();
    let writer = OwnedFd::from(writer);
    let shared = |key| Shared { key, descriptor: writer.try_clone().unwrap() };
    let parcel = encode_parcel(&[shared(1), shared(2), shared(1), shared(1)]).unwrap();
    assert_eq!(parcel.descriptors.len(), 2);

    let arrived: Vec<Shared> = {
        // An array and a vector differ by their length prefix.
        let [a, b, c, d]: [Shared; 4] = decode_parcel(parcel).unwrap();
        vec![a, b, c, d]
    };
    assert_eq!(arrived.iter().map(|it| it.key).collect::<Vec<_>>(), [1, 2, 1, 1]);
    for handle in arrived {
        PipeWriter::from(handle.descriptor).write_all(b"x").unwrap();
    }
    drop(writer);
    assert_eq!(read(reader), "xxxx");
}

#[test]
fn outside_a_parcel_nothing_is_shared() {
    let (_reader, writer) = pipe().unwrap();
    assert_eq!(carry::attach_shared(1, writer.as_fd()), None);
    let handle = Shared { key: 1, descriptor: writer.into() };
    let bytes = encode(&handle).unwrap();
    assert!(matches!(decode::<Shared>(&bytes), Err(DecodeError::Invalid(text))
        if text == "not attached"));
}

/// A value that is itself a packed parcel, or plain bytes, made while another is being packed.
struct Nested<'a>(&'a Descriptor);

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let before = carry::attach(self.0.as_fd()).unwrap();
        let inner = encode_parcel(&vec![self.0, self.0]).unwrap();
        assert_eq!(inner.descriptors.len(), 2);
        assert!(matches!(encode(self.0), Err(EncodeError::NotCarried(NotCarried::Outside))));
        let mut bytes = Vec::new();
        Bincode::encode_into(self.0, &mut bytes).unwrap();
        let after = carry::attach(self.0.as_fd()).unwrap();
        (before, bytes, after).serialize(serializer)
    }
}

#[test]
fn parcels_within_parcels_do_not_mix() {
    let (_reader, descriptor) = ends();
    let parcel = encode_parcel(&Nested(&descriptor)).unwrap();
    assert_eq!(parcel.descriptors.len(), 3, "before, by the codec, and after");
    let (before, bytes, after): (u32, Vec<u8>, u32) = decode_parcel(parcel).unwrap();
    assert_eq!((before, decode::<u32>(&bytes).unwrap(), after), (0, 1, 2));
}

struct Panics;

impl Serialize for Panics {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("in the middle of a parcel")
    }
}

#[test]
fn a_panic_while_packing_ends_the_parcel() {
    let (reader, descriptor) = ends();
    let outcome = std::panic::catch_unwind(|| encode_parcel(&(&descriptor, Panics)).map(drop));
    assert!(outcome.is_err());
    assert!(matches!(carry::attach(descriptor.as_fd()), Err(NotCarried::Outside)));
    drop(descriptor);
    assert_eq!(read(reader), "");
}
