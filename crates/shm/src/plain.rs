//! Values that are their bytes: what may lie in memory that other processes write.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A value that is nothing but its bytes: no address, no padding, every bit pattern valid.
///
/// Integers, floats and arrays of them are plain. A structure becomes plain by deriving the four
/// traits of [zerocopy](https://docs.rs/zerocopy); the derive refuses what is not.
///
/// # Examples
///
/// ```
/// use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
///
/// #[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
/// #[repr(C)]
/// struct Point {
///     x: f64,
///     y: f64,
/// }
///
/// fn takes_plain<T: brigade_shm::Plain>(_: T) {}
/// takes_plain(Point { x: 1.0, y: 2.0 });
/// ```
///
/// A type with an address in it is refused:
///
/// ```compile_fail
/// fn takes_plain<T: brigade_shm::Plain>(_: T) {}
/// takes_plain(String::new());
/// ```
pub trait Plain:
    FromBytes + IntoBytes + Immutable + KnownLayout + Copy + Send + Sync + 'static
{
}

impl<T> Plain for T where
    T: FromBytes + IntoBytes + Immutable + KnownLayout + Copy + Send + Sync + 'static
{
}

/// What a plain type looks like in memory, so that a handle is not read as another type.
pub(crate) const fn shape_of<T>() -> u32 {
    // The two numbers are small in practice; a clash of large ones is found by the length check.
    (size_of::<T>() as u32).rotate_left(8) ^ align_of::<T>() as u32
}
