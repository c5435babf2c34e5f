//! Services kept alive, and replaced while they serve.
#![forbid(unsafe_code)]

pub mod machine;
pub mod policy;
