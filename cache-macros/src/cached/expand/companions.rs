//! The companions of a cached function: its cache, its body past the cache, and what a handle does with both.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Signature;
use syn::spanned::Spanned as _;

use super::super::Attribute;
use super::super::arguments::{Lifetime, Policy};
use super::super::check::{BoundBy, Home, Key, Placement, Settings};
use super::{Code, unraw};
use crate::function::{Argument, hidden};

impl Code<'_> {
    /// The type of the function's name, with its companions.
    pub(super) fn handle(&self) -> TokenStream {
        let function = &self.plan.function;
        let (name, vis) = (self.name(), &function.vis);
        let cfgs: Vec<_> = function.cfgs().collect();
        let doc = format!("The handle of the cached function [`{name}`]({name}()).");
        let kind = self.kind_constant();
        let companions = [
            self.key_companion(),
            self.cache_companion(),
            self.uncached_companion(),
            self.label_companions(),
            self.handle_companions(),
            self.begin_companions(),
        ];
        quote! {
            #(#cfgs)*
            #[doc = #doc]
            #[allow(non_camel_case_types, dead_code, missing_debug_implementations)]
            #vis struct #name {}

            #(#cfgs)*
            #[allow(dead_code, clippy::all, clippy::pedantic)]
            impl #name {
                #[doc(hidden)]
                #vis const __KIND: u8 = #kind;
                #(#companions)*
            }
        }
    }

    pub(super) fn impl_companions(&self) -> TokenStream {
        let companions = [
            self.batch()
                .map(|batch| self.batch_companions(batch))
                .unwrap_or_default(),
            self.revision()
                .map(|revision| self.revision_companions(revision))
                .unwrap_or_default(),
            self.key_companion(),
            self.cache_companion(),
            self.uncached_companion(),
            self.label_companions(),
            self.begin_companions(),
        ];
        quote!(#(#companions)*)
    }

    /// `__key`: the one place that makes the key.
    pub(super) fn key_companion(&self) -> TokenStream {
        let Home::Static(_) = &self.plan.home else {
            return TokenStream::new();
        };
        let private = &self.private;
        let (vis, make) = (&self.plan.function.vis, self.companion("key", true));
        let attrs = self.companion_attrs();
        let lifetimes = self.generics(&[quote!('__key)], []);
        let receiver = self.plan.keyed_by_self.then(|| quote!(&'__key self,));
        let parameters = self.key_arguments().map(|(argument, form)| {
            let (name, ty) = (&argument.name, form.parameter());
            quote!(#name: #ty)
        });
        let (returned, body) = match &self.plan.key {
            Key::Parts(parts) => {
                let types = parts.iter().map(|(_, part)| part.borrowed(private));
                let made = parts.iter().map(|(at, part)| {
                    let name = &self.plan.arguments[*at].name;
                    let make = if part.optional {
                        quote!(OptionPart)
                    } else {
                        quote!(Part)
                    };
                    quote!(#private::#make(#name))
                });
                (
                    quote!(#private::Parts<(#(#types,)*)>),
                    quote!(#private::Parts((#(#made,)*))),
                )
            }
            Key::Exprs(_) => {
                let patterns = self.kept().filter(|argument| !argument.is_named).map(|argument| {
                    let (name, pat) = (&argument.name, &argument.pat);
                    quote!(let #pat = #name;)
                });
                let parts = self.key_of_exprs();
                (quote!(impl #private::Lookup + '__key), quote!(#(#patterns)* #parts))
            }
        };
        quote! {
            #attrs
            #[doc(hidden)]
            #[inline]
            #vis fn #make #lifetimes (#receiver #(#parameters),*) -> #returned {
                #body
            }
        }
    }

    /// `cache`, and for a key whose type cannot be named the function behind it.
    pub(super) fn cache_companion(&self) -> TokenStream {
        let (krate, private, vis) = (&self.krate, &self.private, &self.plan.function.vis);
        let (get, value) = (self.companion("cache", false), self.value_type());
        let attrs = self.companion_attrs();
        let doc = format!("The cache of `{}`.", self.name());
        let settings = match &self.plan.home {
            Home::Static(settings) => settings,
            Home::Given(expr) => {
                let parameters = self.cache_named().map(Argument::declared);
                let lifetimes = self.generics(&[], []);
                return quote! {
                    #[doc = #doc]
                    #vis fn #get #lifetimes (#(#parameters),*) -> #krate::Cache<impl #krate::Key, #value> {
                        ::core::clone::Clone::clone(&(#expr))
                    }
                };
            }
        };
        let owner = if self.plan.placement == Placement::Impl {
            quote!(#private::owner::<Self>())
        } else {
            quote!(#private::owner::<()>())
        };
        let make = self.labelled(self.with_rule(self.with_ttl_fn(settings, self.builder(settings))));
        let registration = self.registration();
        let slot = quote! {
            #registration
            static SLOT: #private::Slot = #private::Slot::new();
            SLOT.cache(#owner, || #make.build())
        };
        match &self.plan.key {
            Key::Parts(parts) => {
                let key = self.owned_key(parts);
                quote! {
                    #attrs
                    #[doc = #doc]
                    #vis fn #get() -> &'static #krate::Cache<#key, #value> {
                        #slot
                    }
                }
            }
            Key::Exprs(_) => {
                let get_for = self.companion("cache_for", true);
                let make_key = self.companion("key", true);
                let receiver = self.plan.keyed_by_self.then(|| quote!(#private::never(),));
                let nevers = self.key_arguments().map(|_| quote!(#private::never()));
                let made = self.in_session(quote!(Self::#make_key(#receiver #(#nevers),*)));
                let key = self.key_in_session(quote!(L::Key));
                let lookup = if self.is_by_session() {
                    quote!(#private::ScopedLookup<L>)
                } else {
                    quote!(L)
                };
                quote! {
                    #attrs
                    #[doc = #doc]
                    #vis fn #get() -> &'static #krate::Cache<impl #krate::Key, #value> {
                        Self::#get_for(#private::lookup_made_by(|| #made))
                    }

                    #attrs
                    #[doc(hidden)]
                    #vis fn #get_for<L: #private::Lookup>(_: #private::LookupType<#lookup>) -> &'static #krate::Cache<#key, #value> {
                        #slot
                    }
                }
            }
        }
    }

    /// The builder of a cache that is set up like this.
    pub(super) fn builder(&self, settings: &Settings) -> TokenStream {
        let krate = &self.krate;
        let name = self.cache_name(settings);
        let bound = match &settings.bound {
            BoundBy::Size(size) => {
                let size = count(size);
                quote!(.max_size(#size))
            }
            BoundBy::Weight { max, weigher } => {
                let max = quote_spanned!(max.span()=> const __CACHE_MAX_WEIGHT: u64 = #max;);
                let weigher = self.weigher(&weigher.to_token_stream());
                quote!(.max_weight({ #max __CACHE_MAX_WEIGHT }, #weigher))
            }
            BoundBy::Nothing => quote!(.unbounded()),
        };
        let ttl = settings.ttl.as_ref().map(|ttl| {
            let ttl = duration(ttl);
            quote!(.ttl(#ttl))
        });
        let tti = settings.tti.as_ref().map(|tti| {
            let tti = duration(tti);
            quote!(.tti(#tti))
        });
        let policy = match settings.policy {
            Policy::Lru => None,
            Policy::TinyLfu => Some(quote!(.policy(#krate::Policy::TinyLfu))),
        };
        let (private, kind) = (&self.private, self.kind_of_cache(settings));
        let freshness = self.freshness(settings);
        quote!(#private::of_kind(#krate::Cache::builder(), #kind).name(#name) #bound #ttl #tti #freshness #policy)
    }

    /// What the registry calls such a cache.
    pub(super) fn kind_of_cache(&self, settings: &Settings) -> TokenStream {
        let krate = &self.krate;
        let kind = match settings.attribute {
            Attribute::Lru => quote!(CachedLru),
            Attribute::Ttl => quote!(CachedTtl),
            Attribute::Agent => quote!(AgentCached),
            Attribute::Batch => quote!(CachedBatch),
            Attribute::Revision => quote!(CachedRevision),
            Attribute::In => quote!(Builder),
        };
        quote!(#krate::registry::Kind::#kind)
    }

    /// What the cache is called in statistics.
    pub(super) fn cache_name(&self, settings: &Settings) -> TokenStream {
        match (&settings.name, self.plan.placement) {
            (Some(name), _) => quote!(#name),
            (None, Placement::Impl) => {
                let suffix = format!("::{}", unraw(self.name()));
                quote!(::std::format!("{}{}", ::core::any::type_name::<Self>(), #suffix))
            }
            (None, _) => {
                let name = unraw(self.name()).to_string();
                quote!(::core::concat!(::core::module_path!(), "::", #name))
            }
        }
    }

    /// `uncached`: the user's body, as he wrote it.
    pub(super) fn uncached_companion(&self) -> TokenStream {
        let function = self.batch().map_or(&self.plan.function, |batch| &batch.whole);
        let (vis, body) = (&function.vis, &function.body);
        let attrs = function.body_attrs();
        let doc = format!("Runs the body of `{}` past its cache.", self.name());
        let sig = Signature {
            ident: self.companion("uncached", false),
            ..function.sig.clone()
        };
        quote! {
            #(#attrs)*
            #[allow(dead_code, clippy::unused_async)]
            #[doc = #doc]
            #vis #sig #body
        }
    }

    /// What a handle has that a method's user does with the cache itself.
    pub(super) fn handle_companions(&self) -> TokenStream {
        let (krate, private, vis) = (&self.krate, &self.private, &self.plan.function.vis);
        let (kind, value, keep_if) = (self.kind(), self.value_type(), self.keep_if());
        let lifetimes = self.generics(&[], []);
        let home = quote!(Self);
        let parameters: Vec<_> = self.kept().map(Argument::declared).collect();
        let key = hidden("key");
        let make_key = self.make_key(&home);
        let cache = self.cache_for(&home, &key);
        let found_cache = hidden("cache");
        let with_key = quote! {
            let #key = #make_key;
            let #found_cache = #cache;
        };
        let found: Vec<_> = self.cache_named().map(Argument::declared).collect();
        let the_cache = self.cache(&home);
        let refresh = Signature {
            ident: Ident::new("refresh", self.name().span()),
            ..self.plan.function.forwarding_signature(&self.plan.arguments)
        };
        let miss = hidden("miss");
        let (keep_miss, use_miss) = self.carry(&miss);
        let value_name = hidden("value");
        let reload = match self.detached() {
            Some(detached) => {
                let load = self.load_of_its_own(detached, None, &home);
                let given = quote!(#private::Kind::<#kind>, #the_cache, #use_miss);
                self.load_by_task(detached, &given, &home, &load)
            }
            None => {
                let uncached = self.call_uncached(&home);
                let (reload, labels) = self.loading("refresh", &home);
                quote!(#reload(#private::Kind::<#kind>, #the_cache, #use_miss, #labels #keep_if, || #uncached).await)
            }
        };
        let of_refresh = self.doc_of_refresh();
        let insert = match self.labels(&home) {
            None if !self.is_by_session() => {
                quote!(#found_cache.insert(#private::Lookup::key(&#key), #value_name).await;)
            }
            labels => {
                let none =
                    || quote!(#private::Labels::new(::core::default::Default::default(), ::core::option::Option::None));
                let labels = labels.unwrap_or_else(none);
                quote!(#private::insert_labelled(#found_cache, &#key, #value_name, #labels).await;)
            }
        };
        quote! {
            #[doc = "Evicts the entry of these arguments, and everything that is loading for it. `true` if there was one."]
            #vis async fn invalidate #lifetimes (#(#parameters),*) -> bool {
                #with_key
                #found_cache.invalidate(&#key).await
            }

            #[doc = "Evicts every entry, and resets the statistics."]
            #vis async fn clear #lifetimes (#(#found),*) {
                #private::clear(#the_cache).await;
            }

            #[doc = #of_refresh]
            #vis #refresh {
                let #miss = {
                    let #key = #make_key;
                    let #miss = #private::miss(#cache, &#key);
                    #keep_miss
                };
                #reload
            }

            #[doc = "The kept value of these arguments, if there is one, without being counted."]
            #vis fn peek #lifetimes (#(#parameters),*) -> ::core::option::Option<#value> {
                #with_key
                #found_cache.peek(&#key)
            }

            #[doc = "Keeps a value for these arguments."]
            #vis async fn insert #lifetimes (#(#parameters,)* #value_name: #value) {
                #with_key
                #insert
            }

            #[doc = "What happened in the cache so far."]
            #vis fn stats #lifetimes (#(#found),*) -> #krate::Stats {
                (#the_cache).stats()
            }
        }
    }

    /// For a companion in an `impl`, which has no attributes around it.
    pub(super) fn companion_attrs(&self) -> TokenStream {
        let cfgs = self.plan.function.cfgs();
        match self.plan.placement {
            Placement::Impl => quote!(#(#cfgs)* #[allow(dead_code, clippy::all, clippy::pedantic)]),
            _ => TokenStream::new(),
        }
    }

    /// The lifetimes of the function between others and types.
    pub(super) fn generics(&self, first: &[TokenStream], last: impl IntoIterator<Item = TokenStream>) -> TokenStream {
        let lifetimes = self.plan.function.lifetimes();
        let lifetimes = lifetimes.params.iter().map(ToTokens::to_token_stream);
        let all = first.iter().cloned().chain(lifetimes).chain(last);
        quote!(<#(#all),*>)
    }
}

/// A number of entries. Whatever is not spelled as a number is typed before it is handed on, so that it is what the
/// compiler complains of.
pub(super) fn count(size: &TokenStream) -> TokenStream {
    count_of(size, "__CACHE_MAX_SIZE")
}

/// The same of some other number.
pub(super) fn count_of(size: &TokenStream, name: &str) -> TokenStream {
    match syn::parse2::<syn::LitInt>(size.clone()) {
        Ok(number) if number.suffix().is_empty() => size.clone(),
        _ => {
            let name = Ident::new(name, size.span());
            let typed = quote_spanned!(size.span()=> const #name: usize = #size;);
            quote!({ #typed #name })
        }
    }
}

pub(super) fn duration(lifetime: &Lifetime) -> TokenStream {
    match lifetime {
        Lifetime::Known(known) => {
            let (secs, nanos) = (known.as_secs(), known.subsec_nanos());
            quote!(::core::time::Duration::new(#secs, #nanos))
        }
        Lifetime::Computed(expr) => quote_spanned!(expr.span()=> { let ttl: ::core::time::Duration = #expr; ttl }),
    }
}
