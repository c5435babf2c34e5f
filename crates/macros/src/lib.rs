//! The attribute macros of brigade.
