//! `#[idempotent]`.

mod arguments;
mod check;
mod expand;

use proc_macro2::TokenStream;
use quote::quote;

use crate::error::Errors;
use crate::function;

pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = arguments::parse(arguments, &mut errors);
    let function = function::parse("idempotent", item, &mut errors);
    let plan = function.and_then(|function| check::plan(arguments, function, &mut errors));
    match plan {
        Some(plan) if errors.is_empty() => expand::tokens(&plan),
        _ => {
            // The function as it was, so that nothing else is missing. What only the attribute names would seem unused.
            let errors = errors.into_compile_errors();
            quote!(#errors #[allow(unused_variables)] #item)
        }
    }
}

/// Why a function is not both.
pub(crate) fn with_cached(attribute: &str) -> String {
    format!(
        "a handler that has an effect is not cached, and one that has none need not be idempotent: leave `#[{attribute}]` or \
         `#[idempotent]` out"
    )
}
