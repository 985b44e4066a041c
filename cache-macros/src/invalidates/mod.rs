//! `#[invalidates]` and `#[agent_invalidates]`.

mod agent;
mod arguments;
mod expand;
mod key_fn;

use proc_macro2::TokenStream;
use quote::quote;

use crate::error::Errors;
use crate::function::{self, Function};

pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let parse = |function: Option<&Function>, errors: &mut Errors| Some(arguments::parse(arguments, function, errors));
    expand_as("invalidates", item, parse, expand::tokens)
}

pub(crate) fn expand_agent(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let parse = |function: Option<&Function>, errors: &mut Errors| agent::parse(arguments, function, errors);
    expand_as("agent_invalidates", item, parse, expand::agent_tokens)
}

fn expand_as<A>(
    attribute: &str,
    item: &TokenStream,
    parse: impl FnOnce(Option<&Function>, &mut Errors) -> Option<A>,
    tokens: impl FnOnce(&A, &Function) -> TokenStream,
) -> TokenStream {
    let mut errors = Errors::default();
    let function = function::parse(attribute, item, &mut errors);
    if let Some(function) = &function {
        function.check(attribute, &mut errors);
    }
    let arguments = parse(function.as_ref(), &mut errors);
    match (function, arguments) {
        (Some(function), Some(arguments)) if errors.is_empty() => tokens(&arguments, &function),
        _ => {
            // The function as it was, so that nothing else is missing.
            let errors = errors.into_compile_errors();
            quote!(#errors #item)
        }
    }
}
