//! A free function whose key its declared types tell, which is nearly every one.
//!
//! The compiler checks each body of an expansion, so these are few and small: the handle says what differs from other
//! functions (`impl Handle`), and each companion is one call of what `cache_core` does with that. None of them is an
//! `async fn`, because each of those is two bodies and a state machine: they hand on a future.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::Signature;

use super::super::Attribute;
use super::super::arguments::{Lifetime, Policy};
use super::super::check::{BoundBy, Home, Key, Placement, Settings};
use super::Code;
use super::companions::{count, duration};
use crate::function::{Argument, hidden, with_static_lifetimes};
use crate::key::Part;

impl<'p> Code<'p> {
    /// The parts of the key and the settings of the cache, where a handle can say both.
    pub(super) fn typed(&self) -> Option<(&'p [(usize, Part)], &'p Settings)> {
        match (self.plan.placement, &self.plan.key, &self.plan.home) {
            (Placement::Free, Key::Parts(parts), Home::Static(settings)) => Some((parts, settings)),
            _ => None,
        }
    }

    pub(super) fn typed_function(&self, parts: &[(usize, Part)], settings: &Settings) -> TokenStream {
        let (krate, private) = (&self.krate, &self.private);
        let function = &self.plan.function;
        let (name, vis) = (self.name(), &function.vis);
        let cfgs: Vec<_> = function.cfgs().collect();
        let doc = format!("The handle of the cached function [`{name}`]({name}()).");
        let shell = self.typed_shell();
        let elements = parts.iter().map(|(_, part)| part.element(private));
        let mut elements = quote!((#(#elements,)*));
        if self.is_by_session() {
            elements = quote!(#private::InSession<#elements>);
        }
        let handle = self.handle_types(&elements);
        let slot = self.slot(settings);
        let call = match self.revision() {
            Some(revision) => self.revision_companions(revision),
            None => self.typed_call(),
        };
        let uncached = self.uncached_companion();
        let begin = self.begin_companions();
        let lifetimes = self.generics(&[], []);
        let parameters: Vec<_> = self.kept().map(Argument::declared).collect();
        let given = self.given();
        let values = self.value_companions(&parameters);
        let of_clear = match self.revision() {
            Some(_) => "Evicts every entry, resets the statistics, and forgets what went wrong.",
            None => "Evicts every entry, and resets the statistics.",
        };
        let of_batch = self.batch().map(|batch| self.batch_companions(batch));
        quote! {
            #shell

            #(#cfgs)*
            #[doc = #doc]
            #[allow(non_camel_case_types, dead_code, missing_debug_implementations)]
            #vis struct #name {}

            #(#cfgs)*
            impl #private::handle::Handle for #name {
                #handle
                #slot
            }

            #(#cfgs)*
            #[allow(dead_code, clippy::all, clippy::pedantic)]
            impl #name {
                #call
                #uncached
                #begin
                #of_batch

                #[doc = "The cache of the function."]
                #vis fn cache() -> &'static #krate::Cache<#private::handle::Key<Self>, #private::handle::Kept<Self>> {
                    #private::handle::cache::<Self>()
                }

                #[doc = "Evicts the entry of these arguments, and everything that is loading for it. `true` if there was one."]
                #vis fn invalidate #lifetimes (#(#parameters),*) -> impl ::core::future::Future<Output = bool> {
                    #private::handle::invalidate::<Self, _>(#given)
                }

                #[doc = #of_clear]
                #vis fn clear() -> impl ::core::future::Future<Output = ()> {
                    #private::handle::clear::<Self>()
                }

                #values

                #[doc = "What happened in the cache so far."]
                #vis fn stats() -> #krate::Stats {
                    #private::handle::stats::<Self>()
                }
            }
        }
    }

    /// What the handle says in types.
    fn handle_types(&self, elements: &TokenStream) -> TokenStream {
        let private = &self.private;
        let (kind, returns) = (self.kind_constant(), with_static_lifetimes(&self.plan.returns));
        if self.revision().is_some() {
            let kind = self.kind();
            return quote! {
                type Elements = #elements;
                type Kind = #private::revision::KindOf<#returns, #kind>;
                type Returns = #private::revision::Returns<#returns, #kind>;
            };
        }
        quote! {
            type Elements = #elements;
            type Kind = #private::Kind<#kind>;
            type Returns = #returns;
        }
    }

    /// What puts a value in or looks at one: `refresh`, `peek` and `insert`.
    fn value_companions(&self, parameters: &[TokenStream]) -> TokenStream {
        let (private, vis) = (&self.private, &self.plan.function.vis);
        let (lifetimes, given) = (self.generics(&[], []), self.given());
        if self.revision().is_some() {
            let (kind, kept) = (self.kind_constant(), self.value_type());
            return quote! {
                #[doc(hidden)]
                #vis const __KIND: u8 = #kind;

                #[doc = "The kept value of these arguments, if there is one, whatever its revision, without being counted."]
                #vis fn peek #lifetimes (#(#parameters),*) -> ::core::option::Option<#kept> {
                    #private::handle::peek::<Self, _>(&#given)
                }
            };
        }
        let refresh = self.handing_on(&self.companion("refresh", false), &[]);
        let names = self.plan.arguments.iter().map(|argument| &argument.name);
        let (value, of_refresh) = (hidden("value"), self.doc_of_refresh());
        quote! {
            #[doc = #of_refresh]
            #vis #refresh {
                Self::__call(true, #(#names),*)
            }

            #[doc = "The kept value of these arguments, if there is one, without being counted."]
            #vis fn peek #lifetimes (#(#parameters),*) -> ::core::option::Option<#private::handle::Kept<Self>> {
                #private::handle::peek::<Self, _>(&#given)
            }

            #[doc = "Keeps a value for these arguments."]
            #vis fn insert #lifetimes (
                #(#parameters,)*
                #value: #private::handle::Kept<Self>,
            ) -> impl ::core::future::Future<Output = ()> {
                #private::handle::insert::<Self, _>(#given, #value)
            }
        }
    }

    /// The annotated function.
    fn typed_shell(&self) -> TokenStream {
        let function = &self.plan.function;
        let (attrs, vis, name) = (&function.attrs, &function.vis, self.name());
        let checks = self.checks();
        let names = self.plan.arguments.iter().map(|argument| &argument.name);
        let call = match self.revision() {
            Some(_) => self.revised(false, &quote!(#name), "value_of"),
            None => quote!(#name::__call(false, #(#names),*)),
        };
        // Another macro may make something else of an `async fn`.
        let (sig, call) = if function.attrs_are_inert() {
            (self.handing_on(name, &[]), call)
        } else {
            let sig = function.forwarding_signature(&self.plan.arguments);
            (sig.to_token_stream(), quote!(#call.await))
        };
        quote! {
            #(#attrs)*
            // An argument `_id` is handed on, whatever its name says.
            #[allow(clippy::used_underscore_binding)]
            #vis #sig {
                #checks
                #call
            }
        }
    }

    /// `__call`: the function and its `refresh`, but for the one word in which they differ.
    fn typed_call(&self) -> TokenStream {
        let private = &self.private;
        let is_refresh = hidden("is_refresh");
        let sig = self.handing_on(&self.companion("call", true), &[quote!(#is_refresh: bool)]);
        let given = self.given();
        let names = self.plan.arguments.iter().map(|argument| &argument.name);
        if let Some(batch) = self.batch() {
            let call = self.batch_call(batch, &is_refresh.to_token_stream(), &quote!(Self));
            return quote!(#sig { #call });
        }
        let keep_if = self.keep_if();
        if let Some(detached) = self.detached() {
            let load = self.load_of_its_own(detached, Some(&given), &quote!(Self));
            let verb = quote!(call::<Self, _, _, _>);
            let call = self.by_task(
                detached,
                (&verb, &quote!(#is_refresh, #given)),
                &load,
                &TokenStream::new(),
            );
            return quote!(#sig { #call });
        }
        let load = quote!(move |#given| Self::uncached(#(#names),*));
        quote! {
            #sig {
                #private::handle::call::<Self, _, _, _>(#is_refresh, #given, #keep_if, #load)
            }
        }
    }

    /// The arguments in the key, as a tuple.
    fn given(&self) -> TokenStream {
        let names = self.kept().map(|argument| &argument.name);
        quote!((#(#names,)*))
    }

    /// The signature of the function for one that hands on its future, with other parameters before its own.
    fn handing_on(&self, name: &Ident, first: &[TokenStream]) -> TokenStream {
        let function = &self.plan.function;
        let Signature { generics, inputs, .. } = function.forwarding_signature(&self.plan.arguments);
        let (returns, bounds) = (&self.plan.returns, &generics.where_clause);
        // All that it is made of is. Said here, it need not be found out from a body that calls the function itself.
        // (What reads a revision is the user's.)
        let send = self.detached().filter(|_| self.revision().is_none());
        let send = send.map(|_| quote!(+ ::core::marker::Send));
        quote! {
            fn #name #generics (#(#first,)* #inputs) -> impl ::core::future::Future<Output = #returns> #send #bounds
        }
    }

    /// Where the cache is, and how it is made if a constant cannot say it.
    fn slot(&self, settings: &Settings) -> TokenStream {
        let private = &self.private;
        let settings_of = self.constant_settings(settings);
        let is_constant = settings_of.is_some();
        let is_told_more = self.has_labels() || settings.freshness.ttl_fn.is_some() || self.revision().is_some();
        let make = (!is_constant || is_told_more).then(|| {
            let known = hidden("settings");
            let (name, builder) = if is_constant {
                (quote!(#known), quote!(#known.builder()))
            } else {
                (quote!(_), self.builder(settings))
            };
            let builder = self.with_rule(self.with_ttl_fn(settings, builder));
            let (registration, builder) = (self.registration(), self.labelled(builder));
            quote! {
                fn make(#name: &#private::Settings) -> #private::handle::CacheOf<Self> {
                    #registration
                    #builder.build()
                }
            }
        });
        let settings = settings_of.unwrap_or_else(|| quote!(#private::Settings::unbounded("")));
        let name = self.name();
        quote! {
            fn own() -> &'static #private::handle::OwnOf<Self> {
                static OWN: #private::handle::OwnOf<#name> = #private::Own::new(#settings);
                &OWN
            }
            #make
        }
    }

    fn constant_settings(&self, settings: &Settings) -> Option<TokenStream> {
        let (krate, private) = (&self.krate, &self.private);
        let name = self.cache_name(settings);
        let constant = match &settings.bound {
            BoundBy::Size(size) => {
                let size = count(size);
                quote!(#private::Settings::sized(#name, #size))
            }
            BoundBy::Nothing => quote!(#private::Settings::unbounded(#name)),
            BoundBy::Weight { .. } => return None,
        };
        let mut setters = TokenStream::new();
        for (setter, lifetime) in [(quote!(ttl), &settings.ttl), (quote!(tti), &settings.tti)] {
            match lifetime {
                Some(known @ Lifetime::Known(_)) => {
                    let known = duration(known);
                    setters.extend(quote!(.#setter(#known)));
                }
                Some(Lifetime::Computed(_)) => return None,
                None => {}
            }
        }
        if !settings.freshness.is_constant() {
            return None;
        }
        setters.extend(self.freshness(settings));
        if let Policy::TinyLfu = settings.policy {
            setters.extend(quote!(.policy(#krate::Policy::TinyLfu)));
        }
        // That is what it is if nothing is said.
        if settings.attribute != Attribute::Lru {
            let kind = self.kind_of_cache(settings);
            setters.extend(quote!(.kind(#kind)));
        }
        Some(quote!(#constant #setters))
    }
}
