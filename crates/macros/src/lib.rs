//! The attribute macros of brigade. They are exported by the crate `brigade`; see there.
#![forbid(unsafe_code)]

mod entry;

use proc_macro::TokenStream;

/// Claims the entry point of the program: put it on `main`.
///
/// It makes the call of `brigade::init()` the first thing that `main` does:
///
/// ```text
/// #[brigade::main]                       fn main() -> Result<(), Error> {
/// fn main() -> Result<(), Error> {           ::brigade::init();
///     work()                        =>       work()
/// }                                      }
/// ```
///
/// `main` may return whatever it may return without the attribute. It is an error to put it on
/// another function, or on one that is `async`: started processes come through `main` too, and a
/// runtime that runs already would be in their way.
#[proc_macro_attribute]
pub fn main(attribute: TokenStream, item: TokenStream) -> TokenStream {
    entry::claim(attribute.into(), item.into())
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
