//! `#[cached_lru]`, `#[cached_ttl]`, `#[cached_in]`, `#[agent_cached]`, `#[cached_batch]` and `#[cached_revision]`.

mod arguments;
mod batch;
mod check;
mod combinations;
mod detached;
mod expand;
mod freshness;
mod revision;
mod tags;

pub(crate) use self::expand::hidden_of_method;

use proc_macro2::TokenStream;
use quote::quote;

use crate::error::Errors;
use crate::function;

/// Which of the six.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    Lru,
    Ttl,
    In,
    Agent,
    Batch,
    Revision,
}

impl Attribute {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lru => "cached_lru",
            Self::Ttl => "cached_ttl",
            Self::In => "cached_in",
            Self::Agent => "agent_cached",
            Self::Batch => "cached_batch",
            Self::Revision => "cached_revision",
        }
    }
}

pub(crate) fn expand(attribute: Attribute, arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let mut arguments = arguments::parse(attribute, arguments, &mut errors);
    let function = function::parse(attribute.name(), item, &mut errors);
    let plan = function.and_then(|function| {
        let (function, batch) = if attribute == Attribute::Batch {
            let (one, batch) = batch::single(function, &mut arguments, &mut errors)?;
            (one, Some(batch))
        } else {
            (function, None)
        };
        check::plan(attribute, arguments, function, batch, &mut errors)
    });
    match plan {
        Some(plan) if errors.is_empty() => expand::tokens(&plan),
        _ => {
            // The function as it was, so that nothing else is missing.
            let errors = errors.into_compile_errors();
            quote!(#errors #item)
        }
    }
}
