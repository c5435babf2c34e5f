//! `#[brigade::main]`.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Error, ItemFn, Result, parse_quote, parse2};

/// Puts the claim of the entry point in front of `main`'s body.
pub(crate) fn claim(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !attribute.is_empty() {
        return Err(Error::new_spanned(attribute, "`#[brigade::main]` takes no arguments"));
    }
    let mut function: ItemFn = parse2(item)?;
    check(&function)?;
    function.block.stmts.insert(0, parse_quote!(::brigade::init();));
    Ok(function.into_token_stream())
}

fn check(function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    if signature.ident != "main" {
        let text = "`#[brigade::main]` belongs on `main`: it claims the entry point of the program";
        return Err(Error::new_spanned(&signature.ident, text));
    }
    if let Some(word) = &signature.asyncness {
        let text = "`#[brigade::main]` needs a `main` that is not async: build the runtime in its \
                    body, after the processes that are started have gone their own way";
        return Err(Error::new_spanned(word, text));
    }
    if !signature.inputs.is_empty() {
        return Err(Error::new_spanned(&signature.inputs, "`main` takes no arguments"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn the_claim_comes_first_and_the_rest_stays() {
        let expanded = claim(
            quote!(),
            quote!(
                /// Works.
                fn main() -> Result<(), Error> {
                    let a = 1;
                    work(a)
                }
            ),
        );
        let expected = quote!(
            /// Works.
            fn main() -> Result<(), Error> {
                ::brigade::init();
                let a = 1;
                work(a)
            }
        );
        assert_eq!(expanded.map(|tokens| tokens.to_string()).ok(), Some(expected.to_string()));
    }

    #[test]
    fn what_is_not_a_plain_main_is_refused_with_the_reason() {
        let cases = [
            (
                quote!(),
                quote!(
                    fn start() {}
                ),
                "belongs on `main`",
            ),
            (
                quote!(),
                quote!(
                    async fn main() {}
                ),
                "not async",
            ),
            (
                quote!(),
                quote!(
                    fn main(count: i32) {}
                ),
                "takes no arguments",
            ),
            (
                quote!(workers = 3),
                quote!(
                    fn main() {}
                ),
                "takes no arguments",
            ),
            (
                quote!(),
                quote!(
                    struct Main;
                ),
                "expected `fn`",
            ),
        ];
        for (attribute, item, reason) in cases {
            let text = claim(attribute, item).map_err(|error| error.to_string());
            assert!(text.as_ref().is_err_and(|text| text.contains(reason)), "{text:?}");
        }
    }
}
