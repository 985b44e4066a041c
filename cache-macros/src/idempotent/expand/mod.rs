//! From a plan to code. Nothing can go wrong here any more.
//!
//! For a free function `create_order` this makes
//!
//! - `create_order` itself: what `create_order::outcome` comes to;
//! - a type `create_order`, the handle, whose functions are its companions.
//!
//! In an `impl`, where no type can stand, the companions are `create_order_outcome`, `create_order_unguarded` and so on.

mod request;
mod run;

use proc_macro2::{Group, Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{GenericParam, ReturnType, Signature, Type};

use super::check::{Plan, Way};
use crate::function::hidden;
use crate::key::respan;

pub(super) fn tokens(plan: &Plan) -> TokenStream {
    let krate = plan.krate.to_token_stream();
    let code = Code {
        plan,
        of: quote!(#krate::__private::idempotent),
        krate,
    };
    let function = code.function();
    let companions = code.companions();
    if plan.is_method {
        return quote!(#function #companions);
    }
    let handle = code.handle(&companions);
    quote!(#function #handle)
}

struct Code<'p> {
    plan: &'p Plan,
    /// `::cache_core`
    krate: TokenStream,
    /// `::cache_core::__private::idempotent`
    of: TokenStream,
}

impl Code<'_> {
    fn name(&self) -> &Ident {
        &self.plan.function.sig.ident
    }

    /// What a companion is called.
    fn companion(&self, verb: &str) -> Ident {
        let name = self.name();
        if self.plan.is_method {
            format_ident!("{}_{verb}", name.unraw(), span = name.span())
        } else {
            Ident::new(verb, name.span())
        }
    }

    /// What the constant is called that has the operation's name.
    fn constant(&self) -> Ident {
        let name = self.name();
        if self.plan.is_method {
            let upper = name.unraw().to_string().to_uppercase();
            format_ident!("{upper}_NAME", span = name.span())
        } else {
            Ident::new("NAME", name.span())
        }
    }

    /// What counts, which is for nobody else.
    fn counters(&self) -> Ident {
        let name = self.name();
        if self.plan.is_method {
            format_ident!("__idempotent_{}", name.unraw(), span = name.span())
        } else {
            Ident::new("__counters", name.span())
        }
    }

    /// Calls `outcome`. All at the return type, where the compiler says what that is not, once.
    fn call_outcome(&self, at: Span) -> TokenStream {
        let names = self.plan.arguments.iter().map(|argument| &argument.name);
        let (mut outcome, generics) = (self.companion("outcome"), self.generics());
        outcome.set_span(outcome.span().located_at(at));
        if let Some(receiver) = self.plan.function.receiver() {
            let receiver = receiver.self_token;
            return quote_spanned!(at=> #receiver.#outcome #generics(#(#names),*));
        }
        let home = if self.plan.is_method {
            quote_spanned!(at=> Self)
        } else {
            let mut name = self.name().clone();
            name.set_span(name.span().located_at(at));
            name.into_token_stream()
        };
        quote_spanned!(at=> #home::#outcome #generics(#(#names),*))
    }

    /// The function's generic arguments, which what it returns may not tell.
    fn generics(&self) -> Option<TokenStream> {
        let params = &self.plan.function.sig.generics.params;
        let names: Vec<_> = params
            .iter()
            .filter_map(|param| match param {
                GenericParam::Type(param) => Some(&param.ident),
                GenericParam::Const(param) => Some(&param.ident),
                GenericParam::Lifetime(_) => None,
            })
            .collect();
        (!names.is_empty()).then(|| quote!(::<#(#names),*>))
    }

    /// The annotated function.
    fn function(&self) -> TokenStream {
        let function = &self.plan.function;
        let vis = &function.vis;
        let attrs = function.attrs.iter().filter(|attr| !is_of_handler(attr));
        let sig = function.forwarding_signature(&self.plan.arguments);
        let (of, returns) = (&self.of, &self.plan.returns);
        // At the return type, so that what it is not is said there, and once.
        let at = returns.span();
        let (of_returns, outcome) = (respan(&quote!(#of::Returns), at), self.call_outcome(at));
        let body = quote_spanned!(at=> { <#returns as #of_returns>::inner(#outcome.await) });
        quote! {
            #(#attrs)*
            // An argument `_id` is handed on, whatever its name says.
            // Who asks whether a reply was replayed calls `outcome` alone.
            #[allow(clippy::used_underscore_binding, dead_code)]
            #vis #sig #body
        }
    }

    /// The type of the function's name, with its companions.
    fn handle(&self, companions: &TokenStream) -> TokenStream {
        let function = &self.plan.function;
        let (name, vis) = (self.name(), &function.vis);
        let cfgs: Vec<_> = function.cfgs().collect();
        let doc = format!("The handle of the idempotent function [`{name}`]({name}()).");
        quote! {
            #(#cfgs)*
            #[doc = #doc]
            #[allow(non_camel_case_types, dead_code, missing_debug_implementations)]
            #vis struct #name {}

            #(#cfgs)*
            #[allow(dead_code, clippy::all, clippy::pedantic)]
            impl #name {
                #companions
            }
        }
    }

    fn companions(&self) -> TokenStream {
        let (krate, vis) = (&self.krate, &self.plan.function.vis);
        let (constant, counters) = (self.constant(), self.counters());
        let (stats, operation) = (self.companion("stats"), self.operation());
        let attrs = self.companion_attrs();
        let outcome = self.outcome();
        let unguarded = self.unguarded();
        quote! {
            #attrs
            #[doc = "What the operation is called in the records. It stays the same for as long as they live."]
            #vis const #constant: &'static str = #operation;

            #outcome
            #unguarded

            #attrs
            #[doc = "What came of the calls so far, in this process."]
            #vis fn #stats() -> #krate::idempotency::ReplayStats {
                Self::#counters().stats()
            }

            #attrs
            #[doc(hidden)]
            fn #counters() -> &'static #krate::idempotency::Counters {
                static COUNTERS: #krate::idempotency::Counters = #krate::idempotency::Counters::new();
                &COUNTERS
            }
        }
    }

    /// What a companion of a method has to be told that the handle tells others.
    fn companion_attrs(&self) -> TokenStream {
        if !self.plan.is_method {
            return TokenStream::new();
        }
        let cfgs = self.plan.function.cfgs();
        quote!(#(#cfgs)* #[allow(dead_code, clippy::all, clippy::pedantic)])
    }

    fn operation(&self) -> TokenStream {
        match &self.plan.name {
            Some(name) => name.to_token_stream(),
            None => {
                let suffix = format!("::{}", self.name().unraw());
                quote!(::core::concat!(::core::module_path!(), #suffix))
            }
        }
    }

    /// `unguarded`: the user's body, as he wrote it.
    fn unguarded(&self) -> TokenStream {
        let function = &self.plan.function;
        let vis = &function.vis;
        let body = function.body.as_ref().map(Group::stream);
        let used = self.used();
        let attrs = function.body_attrs();
        let of_handler = function.attrs.iter().filter(|attr| is_of_handler(attr));
        let doc = format!("Runs the body of `{}`, whether it has run before or not.", self.name());
        let sig = Signature {
            ident: self.companion("unguarded"),
            ..function.sig.clone()
        };
        quote! {
            #(#attrs)*
            #(#of_handler)*
            #[allow(dead_code, clippy::unused_async)]
            #[doc = #doc]
            #vis #sig {
                #used
                #body
            }
        }
    }

    /// `outcome`: the function, with whether it was replayed.
    fn outcome(&self) -> TokenStream {
        let plan = self.plan;
        let (krate, of, vis, returns) = (&self.krate, &self.of, &plan.function.vis, &plan.returns);
        let attrs = self.companion_attrs();
        let doc = format!("What [`{}`] returns, and whether its body ran for it.", self.name());
        let (store, request) = (hidden("store"), hidden("request"));
        let asked = self.asked(&store, &request);
        let run = match &plan.way {
            Way::Task(all) => self.by_task(all, &store, &request),
            Way::Inline(tx, _) => self.inline(tx, &store, &request),
        };
        let mut sig = plan.function.forwarding_signature(&plan.arguments);
        sig.ident = self.companion("outcome");
        let at = returns.span();
        let of_returns = respan(&quote!(#of::Returns), at);
        let output = quote_spanned!(at=> <#returns as #of_returns>::Outcome);
        sig.output = ReturnType::Type(syn::parse_quote_spanned!(at=> ->), Box::new(Type::Verbatim(output)));
        let code = quote_spanned! {at=>
            use #of::probes::*;
            #asked
            #run
        };
        let body = match plan.way {
            Way::Task(_) => quote_spanned!(at=> { #code }),
            // At the word, if there are no transactions.
            Way::Inline(_, at) => {
                let in_transaction = respan(&quote!(#krate::__idempotent_in_transaction!), at);
                quote_spanned!(at=> { #in_transaction { { #code } } })
            }
        };
        quote! {
            #attrs
            #[doc = #doc]
            #vis #sig #body
        }
    }
}

/// Whether an attribute belongs to the body, wherever that runs: a mutation ends when the handler does, and not when its caller goes
/// away.
fn is_of_handler(attr: &syn::Attribute) -> bool {
    let last = attr.path().segments.last();
    last.is_some_and(|last| last.ident == "invalidates" || last.ident == "agent_invalidates")
}
