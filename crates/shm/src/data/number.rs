//! Numbers: the plain values that can be added to in place.

use crate::plain::Plain;

/// An integer or a float of at most eight bytes: what can be added to atomically.
///
/// Integers wrap around at their ends, as the atomics of the standard library do.
pub trait Number: Plain + sealed::Arithmetic {}

pub(super) mod sealed {
    /// What an atomic addition needs to know about a number.
    pub trait Arithmetic: Sized {
        /// Whether the processor adds numbers of this type in place.
        const IS_INTEGER: bool;

        /// The sum, wrapped around.
        fn plus(self, other: Self) -> Self;

        /// The number that added to this one gives zero, wrapped around.
        fn negated(self) -> Self;
    }
}

/// Makes the integer types numbers, and the floats.
macro_rules! numbers {
    (integers: $($integer:ty),+; floats: $($float:ty),+) => {
        $(
            impl Number for $integer {}

            impl sealed::Arithmetic for $integer {
                const IS_INTEGER: bool = true;

                fn plus(self, other: Self) -> Self {
                    self.wrapping_add(other)
                }

                fn negated(self) -> Self {
                    self.wrapping_neg()
                }
            }
        )+
        $(
            impl Number for $float {}

            impl sealed::Arithmetic for $float {
                const IS_INTEGER: bool = false;

                fn plus(self, other: Self) -> Self {
                    self + other
                }

                fn negated(self) -> Self {
                    -self
                }
            }
        )+
    };
}

numbers! {
    integers: i8, i16, i32, i64, isize, u8, u16, u32, u64, usize;
    floats: f32, f64
}
