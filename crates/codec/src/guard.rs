//! A deserializer around a deserializer that stops what bytes alone do not bound.
//!
//! The size of a message bounds most of what reading it costs. Two things it does not: a recursive
//! type can be nested once per byte, which would overflow the stack, and a sequence of elements
//! without content (`Vec<()>`) can claim any length in eight bytes. [`deserialize`] counts the
//! levels and the elements and refuses at a limit.

use std::cell::Cell;

use serde::Deserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use crate::error::DecodeError;
use crate::limit::{DEPTH, SPARE_ELEMENTS};

/// What one value may still use.
pub(crate) struct Budget {
    elements: Cell<usize>,
    fault: Cell<Option<Fault>>,
}

#[derive(Clone, Copy)]
enum Fault {
    TooDeep,
    TooManyElements,
}

impl Budget {
    /// The budget of a value that is encoded in `bytes` bytes.
    #[inline]
    pub(crate) fn new(bytes: usize) -> Self {
        Self { elements: Cell::new(bytes.saturating_add(SPARE_ELEMENTS)), fault: Cell::new(None) }
    }

    /// The limit that was hit, if one was.
    pub(crate) fn fault(&self) -> Option<DecodeError> {
        self.fault.get().map(|fault| match fault {
            Fault::TooDeep => DecodeError::TooDeep { limit: DEPTH },
            Fault::TooManyElements => DecodeError::TooManyElements,
        })
    }

    fn fail<E: Error>(&self, fault: Fault) -> E {
        self.fault.set(Some(fault));
        E::custom("over the limit")
    }
}

/// Reads a value with `deserializer`, within `budget`.
pub(crate) fn deserialize<'de, T, D>(deserializer: D, budget: &Budget) -> Result<T, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    let level = Level { left: DEPTH, elements: Elements::Fixed, budget };
    T::deserialize(Guard { inner: deserializer, level })
}

/// Who says how many elements a sequence or map has.
#[derive(Clone, Copy)]
enum Elements {
    /// The type: a tuple, a structure.
    Fixed,
    /// The bytes: each element is counted.
    Counted,
}

/// How deep the value may still go from here.
#[derive(Clone, Copy)]
struct Level<'b> {
    left: u32,
    elements: Elements,
    budget: &'b Budget,
}

impl<'b> Level<'b> {
    /// Wraps what lies one level below.
    #[inline]
    fn deeper<I, E: Error>(mut self, inner: I) -> Result<Guard<'b, I>, E> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(self.same(inner))
            }
            None => Err(self.budget.fail(Fault::TooDeep)),
        }
    }

    /// Wraps what lies on this level.
    #[inline]
    fn same<I>(self, inner: I) -> Guard<'b, I> {
        Guard { inner, level: self }
    }

    /// Wraps a visitor; `elements` is for the sequence or map that it may be shown.
    #[inline]
    fn visitor<I>(mut self, elements: Elements, inner: I) -> Guard<'b, I> {
        self.elements = elements;
        self.same(inner)
    }

    #[inline]
    fn count_element<E: Error>(self) -> Result<(), E> {
        let Elements::Counted = self.elements else { return Ok(()) };
        match self.budget.elements.get().checked_sub(1) {
            Some(left) => {
                self.budget.elements.set(left);
                Ok(())
            }
            None => Err(self.budget.fail(Fault::TooManyElements)),
        }
    }
}

/// A part of a deserializer, a visitor or a seed, and the level on which it works.
struct Guard<'b, I> {
    inner: I,
    level: Level<'b>,
}

/// Hands a request for a value on to the inner deserializer, with the visitor wrapped.
macro_rules! requests {
    ($elements:ident: $($name:ident($($argument:ident: $type:ty),*);)*) => {$(
        #[inline]
        fn $name<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V)
        -> Result<V::Value, Self::Error> {
            let visitor = self.level.visitor(Elements::$elements, visitor);
            self.inner.$name($($argument,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Guard<'_, D> {
    type Error = D::Error;

    requests! {
        Counted:
        deserialize_any();
        deserialize_map();
        deserialize_seq();
    }

    requests! {
        Fixed:
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// Hands a value without content of its own on to the inner visitor.
macro_rules! scalars {
    ($($name:ident($($type:ty)?);)*) => {$(
        scalars!(@one $name $($type)?);
    )*};
    (@one $name:ident $type:ty) => {
        #[inline]
        fn $name<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$name(value)
        }
    };
    (@one $name:ident) => {
        #[inline]
        fn $name<E: Error>(self) -> Result<V::Value, E> {
            self.inner.$name()
        }
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Guard<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.expecting(f)
    }

    scalars! {
        visit_bool(bool);
        visit_i8(i8);
        visit_i16(i16);
        visit_i32(i32);
        visit_i64(i64);
        visit_i128(i128);
        visit_u8(u8);
        visit_u16(u16);
        visit_u32(u32);
        visit_u64(u64);
        visit_u128(u128);
        visit_f32(f32);
        visit_f64(f64);
        visit_char(char);
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
        visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]);
        visit_byte_buf(Vec<u8>);
        visit_none();
        visit_unit();
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(self.level.deeper(inner)?)
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(self.level.deeper(inner)?)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(self.level.deeper(inner)?)
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(self.level.deeper(inner)?)
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(self.level.deeper(inner)?)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Guard<'_, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(self.level.same(inner))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Guard<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        let element = self.inner.next_element_seed(self.level.same(seed))?;
        if element.is_some() {
            self.level.count_element()?;
        }
        Ok(element)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Guard<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let key = self.inner.next_key_seed(self.level.same(seed))?;
        if key.is_some() {
            self.level.count_element()?;
        }
        Ok(key)
    }

    #[inline]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.next_value_seed(self.level.same(seed))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'b, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Guard<'b, A> {
    type Error = A::Error;
    type Variant = Guard<'b, A::Variant>;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.inner.variant_seed(self.level.same(seed))?;
        Ok((value, self.level.same(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Guard<'_, A> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(self.level.same(seed))
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(len, self.level.same(visitor))
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(fields, self.level.same(visitor))
    }
}
