//! What a cache is told of time, beside `ttl` and `tti`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Expr;
use syn::spanned::Spanned as _;

use super::super::arguments::Lifetime;
use super::super::check::Settings;
use super::super::freshness::{Freshness, Spread};
use super::Code;
use super::companions::duration;
use crate::key::respan;

impl Freshness {
    /// Whether a constant can say it, but for the `ttl_fn`.
    pub(super) fn is_constant(&self) -> bool {
        !matches!(self.jitter, Some((_, Spread::Computed(_))))
            && self.times().all(|(_, time)| matches!(time, Lifetime::Known(_)))
    }
}

impl Code<'_> {
    /// The setters, which the builder of a cache has, and the settings that are a constant.
    pub(super) fn freshness(&self, settings: &Settings) -> TokenStream {
        let private = &self.private;
        let freshness = &settings.freshness;
        let jitter = freshness.jitter.as_ref().map(|(_, spread)| {
            let jitter = match spread {
                Spread::Share(share) => quote!(#private::Jitter::share(#share)),
                Spread::Time(time) => {
                    let time = duration(&Lifetime::Known(*time));
                    quote!(#private::Jitter::time(#time))
                }
                Spread::Computed(expr) => {
                    let private = respan(private, expr.span());
                    quote_spanned!(expr.span()=> #private::jitter(#expr))
                }
            };
            quote!(.jitter(#jitter))
        });
        let refresh_ahead = freshness.refresh_ahead.as_ref().map(|(_, share)| {
            let share = self.share(share);
            quote!(.refresh_ahead(#share))
        });
        let times = freshness.times().map(|(setter, time)| {
            let (setter, time) = (format_ident!("{setter}"), duration(time));
            quote!(.#setter(#time))
        });
        quote!(#jitter #refresh_ahead #(#times)*)
    }

    /// A share of the TTL. What is not spelled as a number is typed and looked at in a constant, where the compiler complains
    /// of it.
    fn share(&self, share: &Expr) -> TokenStream {
        if let Expr::Lit(_) = share {
            return quote!(#share);
        }
        let private = respan(&self.private, share.span());
        let typed = quote_spanned!(share.span()=> const __CACHE_SHARE: f64 = #share;);
        let checked =
            quote_spanned!(share.span()=> const __CACHE_REFRESH_AHEAD: f64 = #private::refresh_ahead(__CACHE_SHARE););
        quote!({ #typed #checked __CACHE_REFRESH_AHEAD })
    }

    /// Tells the builder what makes the TTL of a value, if something does.
    pub(super) fn with_ttl_fn(&self, settings: &Settings, builder: TokenStream) -> TokenStream {
        let Some((_, ttl_fn)) = &settings.freshness.ttl_fn else {
            return builder;
        };
        let private = &self.private;
        let value = if self.typed().is_some() {
            quote!(#private::handle::Kept<Self>)
        } else {
            self.value_type()
        };
        // At the user's place, where the compiler says what is wrong with it.
        let at = Span::mixed_site().located_at(ttl_fn.span());
        quote_spanned!(at=> #private::ttl_fn::<_, #value>(#builder, #ttl_fn))
    }
}
