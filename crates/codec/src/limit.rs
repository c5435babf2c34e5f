//! What a message may cost its reader.

/// The most bytes that one encoded value may have.
pub const LIMIT: usize = 64 << 20;

/// The most levels of nesting (an option, a sequence, a structure, an enum in another) that a
/// decoded value may have. It keeps a recursive type from overflowing the stack.
pub const DEPTH: u32 = 256;

/// The most sequence elements and map entries that a decoded value may have beyond one per byte.
///
/// Elements of a type without content (`()`) take no bytes, so the size of a message alone does
/// not bound their number.
pub const SPARE_ELEMENTS: usize = 1 << 20;

/// The most descriptors that one parcel may carry: what Linux passes in one message.
pub const DESCRIPTORS: usize = 253;
