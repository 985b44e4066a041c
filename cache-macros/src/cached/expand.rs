//! From a plan to code. Nothing can go wrong here any more.
//!
//! For a free function `get_user` this makes
//!
//! - `get_user` itself: look, and on a miss load by `get_user::uncached`;
//! - a type `get_user`, the handle, whose functions are its companions.
//!
//! In an `impl`, where no type can stand, the companions are `get_user_cache` and `get_user_uncached`, and a few
//! hidden ones for `#[invalidates]`. With a cache of the user's own in a method there are none: he has the cache.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, Signature, Type};

use super::arguments::{Lifetime, Policy};
use super::check::{BoundBy, Home, Key, Placement, Plan, Settings};
use crate::function::{Argument, hidden, names_ident, with_named_lifetimes, with_static_lifetimes};
use crate::key::{is_primitive, parts_of};

pub(super) fn tokens(plan: &Plan) -> TokenStream {
    let code = Code::new(plan);
    match plan.placement {
        Placement::Free => {
            let function = code.function(&code.load_uncached());
            let handle = code.handle();
            quote!(#function #handle)
        }
        Placement::Impl => {
            let function = code.function(&code.load_uncached());
            let companions = code.impl_companions();
            quote!(#function #companions)
        }
        Placement::Alone => code.function(&code.load_inline()),
    }
}

struct Code<'p> {
    plan: &'p Plan,
    /// `::cache_core`
    krate: TokenStream,
    /// `::cache_core::__private`
    private: TokenStream,
}

impl<'p> Code<'p> {
    fn new(plan: &'p Plan) -> Self {
        let krate = plan.krate.to_token_stream();
        Self {
            plan,
            private: quote!(#krate::__private),
            krate,
        }
    }

    fn name(&self) -> &'p Ident {
        &self.plan.function.sig.ident
    }

    /// What a companion is called, as `hidden` or for everybody.
    fn companion(&self, verb: &str, is_hidden: bool) -> Ident {
        let name = self.name();
        match (self.plan.placement, is_hidden) {
            (Placement::Impl, false) => format_ident!("{}_{verb}", unraw(name), span = name.span()),
            (Placement::Impl, true) => hidden_of_method(name, verb),
            (_, false) => format_ident!("{verb}", span = name.span()),
            (_, true) => format_ident!("__{verb}", span = name.span()),
        }
    }

    /// The type that holds the companions, seen from the function.
    fn home(&self) -> TokenStream {
        match self.plan.placement {
            Placement::Free => self.name().to_token_stream(),
            _ => quote!(Self),
        }
    }

    /// The return type where the lifetimes of the function cannot be named.
    fn static_returns(&self) -> Type {
        with_static_lifetimes(&self.plan.returns)
    }

    /// What kind of outcome the return type is, as a constant argument.
    fn kind_constant(&self) -> TokenStream {
        let (private, returns) = (&self.private, self.static_returns());
        let shares_error = if self.plan.error_borrows {
            quote!(false)
        } else {
            quote!(#private::Ask::<#returns>::SHARES_ERROR)
        };
        quote!({
            use #private::Otherwise as _;
            #private::kind(
                #private::Ask::<#returns>::IS_RESULT,
                #private::Ask::<#returns>::KEEPS_SUCCESS,
                #shares_error,
                #private::Ask::<#returns>::KEEPS_ALL,
            )
        })
    }

    /// The same where the companions can see the one constant of the handle.
    fn kind(&self) -> TokenStream {
        match self.plan.placement {
            Placement::Free => {
                let name = self.name();
                quote!({ #name::__KIND })
            }
            _ => self.kind_constant(),
        }
    }

    /// What is kept.
    fn value_type(&self) -> TokenStream {
        let (private, returns, kind) = (&self.private, self.static_returns(), self.kind());
        quote!(#private::Kept<#returns, #kind>)
    }

    fn keep_if(&self) -> TokenStream {
        let private = &self.private;
        self.plan
            .keep_if
            .as_ref()
            .map_or_else(|| quote!(#private::always), ToTokens::to_token_stream)
    }

    /// The arguments that companions take which do not run the body.
    fn kept(&self) -> impl Iterator<Item = &'p Argument> {
        self.plan.kept.iter().map(|at| &self.plan.arguments[*at])
    }

    /// The annotated function: a look, and `load` on a miss.
    fn function(&self, load: &TokenStream) -> TokenStream {
        let function = &self.plan.function;
        let (attrs, vis) = (&function.attrs, &function.vis);
        let sig = function.forwarding_signature(&self.plan.arguments);
        let checks = self.checks();
        quote! {
            #(#attrs)*
            #vis #sig {
                #checks
                #load
            }
        }
    }

    /// The statements that complain of types which cannot be keyed by or kept. Everything else compiles all the same.
    fn checks(&self) -> TokenStream {
        let private = &self.private;
        if matches!(self.plan.home, Home::Given(_)) {
            return TokenStream::new();
        }
        let parts = match &self.plan.key {
            Key::Parts(parts) => parts.iter().filter_map(|(_, part)| part.check(private)).collect(),
            Key::Exprs(_) => Vec::new(),
        };
        let (returns, kind) = (self.static_returns(), self.kind());
        let value = quote_spanned!(self.plan.returns_span()=> let () = <#returns as #private::Cacheable<#kind>>::OK;);
        quote!(#(#parts)* #value)
    }

    /// The body of a function whose uncached form is a companion.
    fn load_uncached(&self) -> TokenStream {
        let (private, kind, keep_if, home) = (&self.private, self.kind(), self.keep_if(), self.home());
        let (miss, hit, key) = (hidden("miss"), hidden("hit"), hidden("key"));
        let make_key = self.make_key(&home);
        let (cache_for_key, cache) = (self.cache_for(&home, &key), self.cache(&home));
        let (keep_miss, use_miss) = self.carry(&miss);
        let uncached = self.call_uncached(&home);
        quote! {
            let #miss = {
                let #key = #make_key;
                match #private::find(#private::Kind::<#kind>, #cache_for_key, &#key) {
                    ::core::result::Result::Ok(#hit) => return #hit,
                    ::core::result::Result::Err(#miss) => #keep_miss,
                }
            };
            #private::load(#private::Kind::<#kind>, #cache, #use_miss, #keep_if, || #uncached).await
        }
    }

    /// How a miss gets past the end of the borrow that made its key: a key whose type cannot be named takes that borrow
    /// with it, unless its type is forgotten on the way.
    fn carry(&self, miss: &Ident) -> (TokenStream, TokenStream) {
        let private = &self.private;
        if self.has_opaque_key() {
            (quote!(#private::erase(#miss)), quote!(#private::restore(#miss)))
        } else {
            (quote!(#miss), quote!(#miss))
        }
    }

    /// The body of a function in a cache of the user's own, with its own body inside.
    fn load_inline(&self) -> TokenStream {
        let (private, keep_if, returns) = (&self.private, self.keep_if(), &self.plan.returns);
        let (kind, cache, miss, hit) = (hidden("kind"), hidden("cache"), hidden("miss"), hidden("hit"));
        let key = hidden("key");
        let Home::Given(expr) = &self.plan.home else {
            unreachable!("a static cache has companions");
        };
        let make_key = self.make_key(&TokenStream::new());
        let given = self.given_cache(expr);
        let body = self.plan.function.body.as_ref().map(proc_macro2::Group::stream);
        let patterns = self.patterns();
        // One step less, and the probe does not ask whether the error can be shared.
        let probe = if self.plan.error_borrows {
            quote!(&&&)
        } else {
            quote!(&&&&)
        };
        quote! {
            use #private::{AloneKind as _, PlainKind as _, SharedKind as _, UnfitKind as _};
            let #kind = (#probe #private::KindProbe::<#returns>(::core::marker::PhantomData)).kind();
            let (#cache, #miss) = {
                let #key = #make_key;
                let #cache = #private::own(#kind, &#key, ::core::marker::PhantomData::<#returns>, #given);
                (#cache, #private::find(#kind, #cache, &#key))
            };
            let #miss = match #miss {
                ::core::result::Result::Ok(#hit) => return #hit,
                ::core::result::Result::Err(#miss) => #miss,
            };
            #private::load(#kind, #cache, #miss, #keep_if, move || async move {
                #patterns
                // Never runs; it tells the compiler what `?` and `return` in the body return.
                #[allow(unreachable_code, clippy::diverging_sub_expression)]
                if false {
                    let returned: #returns = loop {};
                    return returned;
                }
                #body
            })
            .await
        }
    }

    /// Takes apart the arguments that were declared by a pattern, and makes those mutable that were.
    fn patterns(&self) -> TokenStream {
        self.plan
            .arguments
            .iter()
            .filter(|argument| {
                !argument.is_named || matches!(&argument.pat, syn::Pat::Ident(pat) if pat.mutability.is_some())
            })
            .map(|argument| {
                let (name, pat) = (&argument.name, &argument.pat);
                quote!(let #pat = #name;)
            })
            .collect()
    }

    /// A reference to the cache the user named. A clone, if he named it by an argument that the body takes.
    fn given_cache(&self, expr: &Expr) -> TokenStream {
        let code = expr.to_token_stream();
        let by_value = self.plan.arguments.iter().any(|argument| {
            !matches!(argument.ty, Type::Reference(_)) && names_ident(code.clone(), &argument.name.to_string())
        });
        if by_value {
            quote_spanned!(expr.span()=> &::core::clone::Clone::clone(&(#expr)))
        } else {
            quote_spanned!(expr.span()=> &(#expr))
        }
    }

    /// Whether only a companion knows the type of the key.
    fn has_opaque_key(&self) -> bool {
        matches!(self.plan.key, Key::Exprs(_)) && matches!(self.plan.home, Home::Static(_))
    }

    /// The cache, for one who has the key.
    fn cache_for(&self, home: &TokenStream, key: &Ident) -> TokenStream {
        let private = &self.private;
        match &self.plan.home {
            Home::Given(expr) => self.given_cache(expr),
            Home::Static(_) if self.has_opaque_key() => {
                let get = self.companion("cache_for", true);
                quote!(#home::#get(#private::lookup_type(&#key)))
            }
            Home::Static(_) => self.cache(home),
        }
    }

    /// The cache, for one who has not.
    fn cache(&self, home: &TokenStream) -> TokenStream {
        match &self.plan.home {
            Home::Given(expr) => self.given_cache(expr),
            Home::Static(_) => {
                let get = self.companion("cache", false);
                quote!(#home::#get())
            }
        }
    }

    /// What `cache`, `stats` and `clear` need to find the cache: the arguments its expression names.
    fn cache_named(&self) -> impl Iterator<Item = &'p Argument> {
        let code = match &self.plan.home {
            Home::Given(expr) => expr.to_token_stream(),
            Home::Static(_) => TokenStream::new(),
        };
        self.kept()
            .filter(move |argument| names_ident(code.clone(), &argument.name.to_string()))
    }

    /// Makes the key of the arguments in scope.
    fn make_key(&self, home: &TokenStream) -> TokenStream {
        if matches!(self.plan.home, Home::Given(_)) {
            return self.key_inline();
        }
        let make = self.companion("key", true);
        let passed = self
            .key_arguments()
            .map(|(argument, form)| form.passed(&argument.name.to_token_stream()));
        if self.plan.keyed_by_self {
            quote!(self.#make(#(#passed),*))
        } else {
            quote!(#home::#make(#(#passed),*))
        }
    }

    /// The arguments that the key is made of, and how.
    fn key_arguments(&self) -> impl Iterator<Item = (&'p Argument, KeyForm<'p>)> {
        self.plan.kept.iter().map(|at| {
            let argument = &self.plan.arguments[*at];
            let form = match &self.plan.key {
                Key::Parts(parts) => parts
                    .iter()
                    .find(|(part_at, _)| part_at == at)
                    .map_or(KeyForm::Named(&argument.ty), |(_, part)| KeyForm::Part(part)),
                Key::Exprs(_) => KeyForm::Named(&argument.ty),
            };
            (argument, form)
        })
    }

    /// The key of `key = expr` or `cached_in`, where it is made.
    fn key_inline(&self) -> TokenStream {
        let shadows = self.kept().filter_map(|argument| {
            let (name, pat) = (&argument.name, &argument.pat);
            match &argument.ty {
                _ if !argument.is_named => Some(quote!(let #pat = &#name;)),
                ty if is_primitive(ty) => None,
                Type::Reference(reference) if reference.mutability.is_none() => None,
                Type::Reference(_) => Some(quote!(let #name = &*#name;)),
                _ => Some(quote!(let #name = &#name;)),
            }
        });
        let parts = self.key_of_exprs();
        quote!({ #(#shadows)* #parts })
    }

    fn key_of_exprs(&self) -> TokenStream {
        let Key::Exprs(exprs) = &self.plan.key else {
            return TokenStream::new();
        };
        parts_of(exprs, &self.private)
    }

    fn call_uncached(&self, home: &TokenStream) -> TokenStream {
        let uncached = self.companion("uncached", false);
        let names = self.plan.arguments.iter().map(|argument| &argument.name);
        if self.plan.function.receiver().is_some() {
            quote!(self.#uncached(#(#names),*))
        } else {
            quote!(#home::#uncached(#(#names),*))
        }
    }

    /// The type of the function's name, with its companions.
    fn handle(&self) -> TokenStream {
        let function = &self.plan.function;
        let (name, vis) = (self.name(), &function.vis);
        let cfgs: Vec<_> = function.cfgs().collect();
        let doc = format!("The handle of the cached function [`{name}`]({name}()).");
        let kind = self.kind_constant();
        let companions = [
            self.key_companion(),
            self.cache_companion(),
            self.uncached_companion(),
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

    fn impl_companions(&self) -> TokenStream {
        let companions = [
            self.key_companion(),
            self.cache_companion(),
            self.uncached_companion(),
            self.begin_companions(),
        ];
        quote!(#(#companions)*)
    }

    /// `__key`: the one place that makes the key.
    fn key_companion(&self) -> TokenStream {
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
    fn cache_companion(&self) -> TokenStream {
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
        let owner = match self.plan.placement {
            Placement::Impl => quote!(::core::any::type_name::<Self>()),
            _ => quote!(""),
        };
        let make = self.builder(settings);
        let slot = quote! {
            static SLOT: #private::Slot = #private::Slot::new();
            SLOT.cache(#owner, || #make)
        };
        match &self.plan.key {
            Key::Parts(parts) => {
                let mut owned = parts.iter().map(|(_, part)| part.owned(private));
                let key = if parts.len() == 1 {
                    owned.next().unwrap_or_default()
                } else {
                    quote!((#(#owned),*))
                };
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
                quote! {
                    #attrs
                    #[doc = #doc]
                    #vis fn #get() -> &'static #krate::Cache<impl #krate::Key, #value> {
                        Self::#get_for(#private::lookup_made_by(|| Self::#make_key(#receiver #(#nevers),*)))
                    }

                    #attrs
                    #[doc(hidden)]
                    #vis fn #get_for<L: #private::Lookup>(_: #private::LookupType<L>) -> &'static #krate::Cache<L::Key, #value> {
                        #slot
                    }
                }
            }
        }
    }

    fn builder(&self, settings: &Settings) -> TokenStream {
        let krate = &self.krate;
        let name = match (&settings.name, self.plan.placement) {
            (Some(name), _) => quote!(#name),
            (None, Placement::Impl) => {
                let suffix = format!("::{}", unraw(self.name()));
                quote!(::std::format!("{}{}", ::core::any::type_name::<Self>(), #suffix))
            }
            (None, _) => {
                let name = unraw(self.name()).to_string();
                quote!(::core::concat!(::core::module_path!(), "::", #name))
            }
        };
        let bound = match &settings.bound {
            BoundBy::Size(size) => {
                let size = quote_spanned!(size.span()=> const MAX_SIZE: usize = #size;);
                quote!(.max_size({ #size MAX_SIZE }))
            }
            BoundBy::Weight { max, weigher } => {
                let max = quote_spanned!(max.span()=> const MAX_WEIGHT: u64 = #max;);
                quote!(.max_weight({ #max MAX_WEIGHT }, #weigher))
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
        quote!(#krate::Cache::builder().name(#name) #bound #ttl #tti #policy .build())
    }

    /// `uncached`: the user's body, as he wrote it.
    fn uncached_companion(&self) -> TokenStream {
        let function = &self.plan.function;
        let (vis, body) = (&function.vis, &function.body);
        let attrs = function.body_attrs();
        let doc = format!("Runs the body of `{}` past its cache.", self.name());
        let sig = Signature {
            ident: self.companion("uncached", false),
            ..function.sig.clone()
        };
        quote! {
            #(#attrs)*
            #[allow(dead_code)]
            #[doc = #doc]
            #vis #sig #body
        }
    }

    /// What a handle has that a method's user does with the cache itself.
    fn handle_companions(&self) -> TokenStream {
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
        let uncached = self.call_uncached(&home);
        let miss = hidden("miss");
        let (keep_miss, use_miss) = self.carry(&miss);
        let value_name = hidden("value");
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

            #[doc = "Runs the body now and stores what it returns, whatever the cache holds."]
            #vis #refresh {
                let #miss = {
                    let #key = #make_key;
                    let #miss = #private::miss(#cache, &#key);
                    #keep_miss
                };
                #private::refresh(#private::Kind::<#kind>, #the_cache, #use_miss, #keep_if, || #uncached).await
            }

            #[doc = "The kept value of these arguments, if there is one, without being counted."]
            #vis fn peek #lifetimes (#(#parameters),*) -> ::core::option::Option<#value> {
                #with_key
                #found_cache.peek(&#key)
            }

            #[doc = "Keeps a value for these arguments."]
            #vis async fn insert #lifetimes (#(#parameters,)* #value_name: #value) {
                #with_key
                #found_cache.insert(#private::Lookup::key(&#key), #value_name).await;
            }

            #[doc = "What happened in the cache so far."]
            #vis fn stats #lifetimes (#(#found),*) -> #krate::Stats {
                (#the_cache).stats()
            }
        }
    }

    /// What `#[invalidates]` calls: with all keys, with one made of what was lent, with one found by name.
    fn begin_companions(&self) -> TokenStream {
        let (private, krate, vis) = (&self.private, &self.krate, &self.plan.function.vis);
        if self.cache_named().next().is_some() {
            return TokenStream::new();
        }
        let attrs = self.companion_attrs();
        let (begin, named, names) = (
            self.companion("begin", true),
            self.companion("begin_named", true),
            self.companion("KEY", true),
        );
        let mut arguments: Vec<Lent> = self
            .key_arguments()
            .map(|(argument, form)| Lent {
                name: argument.name.clone(),
                target: form.lent(),
                passed: form,
            })
            .collect();
        if self.plan.keyed_by_self {
            arguments.insert(0, Lent::receiver());
        }
        let list = arguments.iter().map(|lent| unraw(&lent.name).to_string());
        let messages = arguments
            .iter()
            .map(|lent| self.missing_message(&unraw(&lent.name).to_string(), &arguments));
        let types: Vec<_> = (0..arguments.len()).map(|at| format_ident!("A{at}")).collect();
        let targets: Vec<_> = arguments.iter().map(|lent| &lent.target).collect();
        let bounds = types
            .iter()
            .zip(&targets)
            .map(|(ty, target)| quote!(#ty: #private::Lend<#target>))
            .collect::<Vec<_>>();
        let (tuple_type, tuple) = match &*types {
            [] => (quote!(()), quote!(_)),
            [one] => (quote!(#one), quote!(A0)),
            many => (quote!((#(#many),*)), quote!((#(#many),*))),
        };
        let lend = arguments.iter().zip(&types).map(|(lent, ty)| {
            let target = &lent.target;
            lent.pass(quote!(#private::Lend::<#target>::lend(&#ty)))
        });
        let by_name = arguments.iter().map(|lent| {
            let (name, target) = (unraw(&lent.name).to_string(), &lent.target);
            lent.pass(
                quote!(<A as #private::Argument<{ #private::name_hash(#name) }, OK, #target>>::argument(arguments)),
            )
        });
        let by_name_bounds = arguments.iter().map(|lent| {
            let (name, target) = (unraw(&lent.name).to_string(), &lent.target);
            quote_spanned!(lent.name.span()=> A: #private::Argument<{ #private::name_hash(#name) }, OK, #target>)
        });
        let key = hidden("key");
        let key_of = |passed: Vec<TokenStream>| self.key_of_lent(passed);
        let made = key_of(lend.collect());
        let made_by_name = key_of(by_name.collect());
        let cache = self.cache_for(&quote!(Self), &key);
        let key_lifetime = [quote!('__key)];
        let generics = self.generics(&key_lifetime, bounds);
        let named_generics = self.generics(&key_lifetime, [quote!(A), quote!(const OK: bool)]);
        quote! {
            #attrs
            #[doc(hidden)]
            #vis const #names: (#private::NameList, #private::NameList) = (&[#(#list),*], &[#(#messages),*]);

            #attrs
            #[doc(hidden)]
            #[allow(non_snake_case)]
            #vis fn #begin #generics (#tuple: #tuple_type) -> #krate::MutationGuard {
                let #key = #made;
                #private::begin(&#key, #cache)
            }

            #attrs
            #[doc(hidden)]
            #vis fn #named #named_generics (arguments: &A) -> #krate::MutationGuard
            where
                #(#by_name_bounds,)*
            {
                let _ = arguments;
                let #key = #made_by_name;
                #private::begin(&#key, #cache)
            }
        }
    }

    /// Makes the key of references that were lent.
    fn key_of_lent(&self, passed: Vec<TokenStream>) -> TokenStream {
        if matches!(self.plan.home, Home::Given(_)) {
            let bindings = self.kept().zip(passed).map(|(argument, passed)| {
                let name = &argument.name;
                if argument.is_named {
                    quote!(let #name = #passed;)
                } else {
                    let pat = &argument.pat;
                    quote!(let #pat = #passed;)
                }
            });
            let parts = self.key_of_exprs();
            return quote!({ #(#bindings)* #parts });
        }
        let make = self.companion("key", true);
        quote!(Self::#make(#(#passed),*))
    }

    fn missing_message(&self, missing: &str, arguments: &[Lent]) -> String {
        let name = self.name();
        let all: Vec<_> = arguments.iter().map(|lent| unraw(&lent.name).to_string()).collect();
        let path = match self.plan.placement {
            Placement::Impl => format!("Self::{name}"),
            _ => name.to_string(),
        };
        format!(
            "`{name}` is keyed by `{missing}`, and this function has no argument of that name: write the key out, as in \
             `#[invalidates({path}({}))]` with an expression for each, or evict everything with `#[invalidates({path}, \
             clear_all)]`",
            all.join(", "),
        )
    }

    /// For a companion in an `impl`, which has no attributes around it.
    fn companion_attrs(&self) -> TokenStream {
        let cfgs = self.plan.function.cfgs();
        match self.plan.placement {
            Placement::Impl => quote!(#(#cfgs)* #[allow(dead_code, clippy::all, clippy::pedantic)]),
            _ => TokenStream::new(),
        }
    }

    /// The lifetimes of the function between others and types.
    fn generics(&self, first: &[TokenStream], last: impl IntoIterator<Item = TokenStream>) -> TokenStream {
        let lifetimes = self.plan.function.lifetimes();
        let lifetimes = lifetimes.params.iter().map(ToTokens::to_token_stream);
        let all = first.iter().cloned().chain(lifetimes).chain(last);
        quote!(<#(#all),*>)
    }
}

/// How an argument gets into the key.
enum KeyForm<'p> {
    Part(&'p crate::key::Part),
    /// By its name, in an expression: primitives as they are, all else by reference.
    Named(&'p Type),
    /// `self`, likewise.
    Receiver,
}

impl KeyForm<'_> {
    fn parameter(&self) -> TokenStream {
        match self {
            Self::Part(part) => part.parameter(),
            Self::Named(ty) if is_primitive(ty) => quote!(#ty),
            Self::Named(ty) => {
                let target = named_referred(ty);
                quote!(&'__key #target)
            }
            Self::Receiver => quote!(&'__key self),
        }
    }

    fn passed(&self, name: &TokenStream) -> TokenStream {
        match self {
            Self::Part(part) => part.passed(name),
            Self::Named(ty) if is_primitive(ty) => quote!(#name),
            Self::Named(_) | Self::Receiver => quote!(&#name),
        }
    }

    fn lent(&self) -> TokenStream {
        match self {
            Self::Part(part) => part.lent(),
            Self::Named(ty) => named_referred(ty).to_token_stream(),
            Self::Receiver => quote!(Self),
        }
    }

    fn from_lent(&self, lent: &TokenStream) -> TokenStream {
        match self {
            Self::Part(part) => part.from_lent(lent),
            Self::Named(ty) if is_primitive(ty) => quote!(*#lent),
            Self::Named(_) | Self::Receiver => quote!(#lent),
        }
    }
}

/// A key argument on its way from a mutation.
struct Lent<'p> {
    name: Ident,
    target: TokenStream,
    passed: KeyForm<'p>,
}

impl Lent<'_> {
    fn receiver() -> Self {
        Lent {
            name: Ident::new("self", Span::call_site()),
            target: quote!(Self),
            passed: KeyForm::Receiver,
        }
    }

    fn pass(&self, lent: TokenStream) -> TokenStream {
        self.passed.from_lent(&lent)
    }
}

/// What a reference refers to, or the type itself, as it can stand in a bound.
fn named_referred(ty: &Type) -> Type {
    with_named_lifetimes(referred(ty), &syn::parse_quote!('__key))
}

/// What a reference refers to, or the type itself.
fn referred(ty: &Type) -> &Type {
    match ty {
        Type::Reference(reference) => &reference.elem,
        Type::Paren(inner) => referred(&inner.elem),
        Type::Group(inner) => referred(&inner.elem),
        other => other,
    }
}

fn duration(lifetime: &Lifetime) -> TokenStream {
    match lifetime {
        Lifetime::Known(known) => {
            let (secs, nanos) = (known.as_secs(), known.subsec_nanos());
            quote!(::core::time::Duration::new(#secs, #nanos))
        }
        Lifetime::Computed(expr) => quote_spanned!(expr.span()=> { let ttl: ::core::time::Duration = #expr; ttl }),
    }
}

/// What a hidden companion of a method is called. When there is none, because the method is not cached, the compiler
/// names it, so it says what is missing.
pub(crate) fn hidden_of_method(method: &Ident, verb: &str) -> Ident {
    let plain = unraw(method);
    match verb {
        "begin" => format_ident!("__cached_{plain}", span = method.span()),
        "KEY" => format_ident!("__CACHED_{}", plain.to_string().to_uppercase(), span = method.span()),
        verb => format_ident!("__cached_{plain}_{verb}", span = method.span()),
    }
}

fn unraw(name: &Ident) -> Ident {
    use syn::ext::IdentExt as _;
    name.unraw()
}
