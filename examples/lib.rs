//! The programs beside this file: one for each mechanism. `README.md` lists them.
#![forbid(unsafe_code)]
