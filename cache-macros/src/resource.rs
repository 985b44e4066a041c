//! Resources and scopes, as `#[agent_cached]` and `#[agent_invalidates]` name them.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, ExprLit};

use crate::error::Errors;
use crate::function::names_ident;
use crate::options;

/// What a function belongs to: a text, or a constant.
pub(crate) struct Resource(Expr);

impl Resource {
    pub(crate) fn parse(expr: Expr, errors: &mut Errors) -> Option<Self> {
        const WHAT: &str = "a resource is a text or a constant: write `resource = \"cart\"`, or `resource = CART` with a \
                            `const CART: Resource`";
        let message = match (&expr, options::text_of(&expr)) {
            (_, Some(text)) if text.value().is_empty() => "a resource needs a name: write `resource = \"cart\"`",
            (Expr::Lit(ExprLit { .. }), None) | (Expr::Closure(_), _) => WHAT,
            _ if names_ident(expr.to_token_stream(), "Self") => {
                "a resource is known before any type is, so that it cannot be part of `Self`: write `resource = CART`, with \
                 a constant outside of the `impl`"
            }
            _ => return Some(Self(expr)),
        };
        errors.at(expr, message);
        None
    }

    /// A constant of it, the one place that complains if it is none, by a name that no user's constant has.
    pub(crate) fn constant(&self, krate: &impl ToTokens) -> TokenStream {
        let expr = &self.0;
        let value = match options::text_of(expr) {
            Some(text) => quote!(#krate::Resource::new(#text)),
            None => quote!(#expr),
        };
        quote_spanned!(expr.span()=> const __CACHE_RESOURCE: #krate::Resource = #value;)
    }
}

/// For whom something is kept, or of whom it is evicted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Global,
    Session,
}

impl Scope {
    pub(crate) fn parse(expr: &Expr, errors: &mut Errors) -> Option<Self> {
        const WRITE: &str = "write `scope = \"global\"` or `scope = \"session\"`";
        let written = options::text_of(expr).map(|text| text.value());
        match written.as_deref() {
            Some("global") => return Some(Self::Global),
            Some("session") => return Some(Self::Session),
            _ => {}
        }
        let near = written.and_then(|written| options::nearest(&written.to_lowercase(), &["global", "session"]));
        errors.at(
            expr,
            match near {
                Some(near) => format!("unknown scope: did you mean `\"{near}\"`? {WRITE}"),
                None => format!("unknown scope: {WRITE}"),
            },
        );
        None
    }
}

/// What to write where nothing says which resource.
pub(crate) fn missing(attribute: &str) -> syn::Error {
    syn::Error::new(
        proc_macro2::Span::call_site(),
        format!("say which resource this belongs to: write `#[{attribute}(resource = \"cart\")]`"),
    )
}
