//! Values that live as long as a revision: the companions that look, and what the cache is told.
//!
//! All that a call does is in the hidden companion `__call`: it reads the revision, looks, and goes on from there. The function
//! itself, `lookup` and `force` are one call of it each.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Signature;
use syn::spanned::Spanned as _;

use super::super::arguments::Lifetime;
use super::super::revision::{OnChange, Revision};
use super::Code;
use super::companions::duration;
use crate::function::{Argument, hidden, names_ident};
use crate::key::respan;

impl<'p> Code<'p> {
    pub(super) fn revision(&self) -> Option<&'p Revision> {
        self.plan.revision.as_ref()
    }

    /// The future of `__call`, with what is made of what it finds.
    pub(super) fn revised(&self, is_forced: bool, home: &TokenStream, end: &str) -> TokenStream {
        let call = self.companion("call", true);
        let (private, end) = (&self.private, Ident::new(end, Span::mixed_site()));
        let names = self.plan.arguments.iter().map(|argument| &argument.name);
        let receiver = self.plan.function.receiver().map(|receiver| {
            let token = receiver.self_token;
            quote!(#token,)
        });
        let home = if receiver.is_some() { quote!(Self) } else { home.clone() };
        quote!(#private::revision::#end(#home::#call(#receiver #is_forced, #(#names),*)))
    }

    /// `__call`, `lookup`, `force` and `last_error`.
    pub(super) fn revision_companions(&self, revision: &Revision) -> TokenStream {
        let (krate, private, vis) = (&self.krate, &self.private, &self.plan.function.vis);
        let (returns, kind) = (&self.plan.returns, self.kind());
        let (attrs, home) = (self.companion_attrs(), quote!(Self));
        let call = self.revised_call(revision);
        let found_lookup = quote!(#private::revision::LookupOf<#returns, #kind>);
        let lookup_sig = self.revised_signature("lookup", false, &TokenStream::new(), &found_lookup);
        let force_sig = self.revised_signature("force", false, &TokenStream::new(), &returns.to_token_stream());
        let (lookup, force) = (
            self.revised(false, &home, "lookup_of"),
            self.revised(true, &home, "value_of"),
        );
        let (last_error, cache) = (self.companion("last_error", false), self.cache(&home));
        quote! {
            #call

            #attrs
            #[doc = "As the function, with how it came to its value: the status, the age, and the revision."]
            #vis #lookup_sig {
                #lookup
            }

            #attrs
            #[doc = "Reads the revision, runs the body now and stores what it returns, whatever the cache holds."]
            #vis #force_sig {
                #force
            }

            #attrs
            #[doc = "What went wrong last while callers were given the value at hand, until it has succeeded."]
            #vis fn #last_error() -> ::core::option::Option<#krate::revision::BackgroundError> {
                #private::revision::last_error(#cache)
            }
        }
    }

    fn revised_call(&self, revision: &Revision) -> TokenStream {
        let (private, returns, kind) = (&self.private, &self.plan.returns, self.kind());
        let is_forced = hidden("is_forced");
        let found = quote!(#private::revision::Found<#private::Kind<#kind>, #returns>);
        let sig = self.revised_signature("call", true, &quote!(#is_forced: bool,), &found);
        let attrs = self.companion_attrs();
        let (asked, question, looked) = (hidden("asked"), hidden("question"), hidden("looked"));
        let home = quote!(Self);
        let (cache, read) = (self.cache(&home), self.read(revision));
        let look = if self.typed().is_some() {
            let given = hidden("given");
            let names: Vec<_> = self.kept().map(|argument| &argument.name).collect();
            quote! {
                let #given = (#(#names,)*);
                let #looked = #private::revision::find::<Self, _, _, _>(#is_forced, &#given, #question);
                let (#(#names,)*) = #given;
            }
        } else {
            let (key, made) = (hidden("key"), self.make_key(&home));
            quote! {
                let #looked = {
                    let #key = #made;
                    #private::revision::look(#is_forced, #cache, &#key, #question)
                };
            }
        };
        let load = self.revised_load(&looked);
        quote! {
            #attrs
            #[doc(hidden)]
            #sig {
                async move {
                    let #asked = #private::revision::ask(#cache);
                    let #question = #private::revision::question(#cache, #asked, #read);
                    #look
                    #load
                }
            }
        }
    }

    /// Goes on from a look.
    fn revised_load(&self, looked: &Ident) -> TokenStream {
        let (private, returns, kind) = (&self.private, &self.plan.returns, self.kind());
        let (keep_if, home) = (self.keep_if(), quote!(Self));
        let describe = quote!((&&&#private::revision::returned::<#returns>()).describe());
        let kind = quote!(#private::Kind::<#kind>);
        match self.detached() {
            None => {
                let uncached = self.call_uncached(&home);
                quote!({
                    use #private::revision::probes::*;
                    #private::revision::here(#kind, #looked, #keep_if, #describe, || #uncached).await
                })
            }
            Some(detached) => {
                let load = self.load_of_its_own(detached, None, &home);
                let of_task = respan(&quote!(#private::task), returns.span());
                let task = quote_spanned!(returns.span()=> #of_task::of::<#returns, _>((&&&#of_task::returned::<#returns>()).task()));
                let at = Span::mixed_site().located_at(detached.keyword.span());
                let call = quote_spanned!(at=> #task.revised(#kind, #looked, #keep_if, #describe, #load).await);
                quote!({
                    use #private::revision::probes::*;
                    use #private::task::probes::*;
                    #call
                })
            }
        }
    }

    /// Reads the revision. The compiler complains at the user's place of what is none.
    fn read(&self, revision: &Revision) -> TokenStream {
        let expr = &revision.expr;
        let span = expr.span();
        let at = Span::mixed_site().located_at(span);
        // At the user's own place, and not at one in the expansion: the compiler complains of each of them.
        let (read, kind) = (Ident::new("__cache_read", span), Ident::new("__cache_kind", span));
        let code = expr.to_token_stream();
        let named = |argument: &&Argument| {
            let names = argument.bindings();
            names.iter().any(|name| names_ident(code.clone(), &name.to_string()))
        };
        let shadows = self.plan.arguments.iter().filter(named).filter_map(Argument::shadow);
        // Not all names of a pattern need be in it, and what looks like one may be the name of a method.
        let shadows = shadows.map(|shadow| quote!(#[allow(unused_variables)] #shadow));
        let private = respan(&self.private, span);
        let reading = quote_spanned!(at=>
            let #read = #expr;
            let #kind = (&&#private::revision::ReadProbe(&#read)).kind();
            let #read = #kind.read(#read).await;
            let #kind = (&&&&&&#private::revision::ToldProbe(&#read)).kind();
        );
        let told = quote_spanned!(span=> #private::revision::told);
        let told = quote_spanned!(span=> #told(#read, #kind));
        let private = &self.private;
        let read = quote! {
            use #private::revision::probes::*;
            #(#shadows)*
            #reading
            #told
        };
        // What a `?` in it breaks off is the reading, and not the call.
        if revision.may_break_off {
            quote!(async { #read }.await)
        } else {
            quote!({ #read })
        }
    }

    /// The signature of the function for one that returns a future of something else, with parameters before its own.
    fn revised_signature(&self, verb: &str, is_hidden: bool, first: &TokenStream, output: &TokenStream) -> TokenStream {
        let name = self.companion(verb, is_hidden);
        let Signature { generics, inputs, .. } = self.plan.function.forwarding_signature(&self.plan.arguments);
        let bounds = &generics.where_clause;
        let (receiver, others): (Vec<_>, Vec<_>) = inputs
            .iter()
            .partition(|input| matches!(input, syn::FnArg::Receiver(_)));
        quote! {
            fn #name #generics (#(#receiver,)* #first #(#others),*) -> impl ::core::future::Future<Output = #output> #bounds
        }
    }

    /// Tells the builder what becomes of a change.
    pub(super) fn with_rule(&self, builder: TokenStream) -> TokenStream {
        let Some(revision) = self.revision() else {
            return builder;
        };
        let private = &self.private;
        let serves_stale = revision.on_change == OnChange::Stale;
        let max_stale = match &revision.max_stale {
            Some(max_stale @ Lifetime::Known(_)) => {
                let max_stale = duration(max_stale);
                quote!(::core::option::Option::Some(#max_stale))
            }
            Some(Lifetime::Computed(expr)) => {
                let max_stale =
                    quote_spanned!(expr.span()=> { let max_stale: ::core::time::Duration = #expr; max_stale });
                quote!(::core::option::Option::Some(#max_stale))
            }
            None => quote!(::core::option::Option::None),
        };
        quote!(#private::revision::rule(#builder, #serves_stale, #max_stale))
    }

    /// A weigher of what is kept.
    pub(super) fn weigher(&self, weigher: &TokenStream) -> TokenStream {
        let private = &self.private;
        match self.revision() {
            Some(_) => quote!(#private::revision::weigher(#weigher)),
            None => weigher.clone(),
        }
    }

    /// The statement that complains of an argument which tells the revision and could be part of the key.
    pub(super) fn source_check(&self) -> Option<TokenStream> {
        let part = self.revision()?.source.as_ref()?;
        let (private, target) = (&self.private, &part.target);
        let fits = part.fits(private);
        Some(quote_spanned!(target.span()=> let () = <#target as #private::revision::Source<#fits>>::OK;))
    }
}
