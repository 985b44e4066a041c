//! `#[invalidates]`.

mod arguments;
mod expand;

use proc_macro2::TokenStream;
use quote::quote;

use crate::error::Errors;
use crate::function;

pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let function = function::parse("invalidates", item, &mut errors);
    if let Some(function) = &function {
        function.check("invalidates", &mut errors);
    }
    let arguments = arguments::parse(arguments, function.as_ref(), &mut errors);
    match function {
        Some(function) if errors.is_empty() => expand::tokens(&arguments, &function),
        _ => {
            // The function as it was, so that nothing else is missing.
            let errors = errors.into_compile_errors();
            quote!(#errors #item)
        }
    }
}
