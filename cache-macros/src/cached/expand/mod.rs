//! From a plan to code. Nothing can go wrong here any more.
//!
//! For a free function `get_user` this makes
//!
//! - `get_user` itself: look, and on a miss load by `get_user::uncached`;
//! - a type `get_user`, the handle, whose functions are its companions.
//!
//! In an `impl`, where no type can stand, the companions are `get_user_cache` and `get_user_uncached`, and a few
//! hidden ones for `#[invalidates]`. With a cache of the user's own in a method there are none: he has the cache.

mod batch;
mod begin;
mod companions;
mod detached;
mod freshness;
mod handle;
mod key;
mod receiver;
mod revision;
mod tags;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, ReceiverKind, Type};

use super::check::{Home, Key, Placement, Plan};
use crate::function::{Argument, hidden, names_ident, with_static_lifetimes};

pub(super) fn tokens(plan: &Plan) -> TokenStream {
    let code = Code::new(plan);
    if let Some((parts, settings)) = code.typed() {
        return code.typed_function(parts, settings);
    }
    match plan.placement {
        Placement::Free => {
            let function = code.function(&code.load_uncached());
            let handle = code.handle();
            quote!(#function #handle)
        }
        Placement::Impl => {
            let load = match (code.batch(), code.revision()) {
                (Some(batch), _) => {
                    let call = code.batch_call(batch, &quote!(false), &quote!(Self));
                    quote!(#call.await)
                }
                (_, Some(_)) => {
                    let call = code.revised(false, &quote!(Self), "value_of");
                    quote!(#call.await)
                }
                _ => code.load_uncached(),
            };
            let function = code.function(&load);
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
        if self.plan.placement == Placement::Free {
            self.name().to_token_stream()
        } else {
            quote!(Self)
        }
    }

    /// The return type where the lifetimes of the function cannot be named.
    fn static_returns(&self) -> Type {
        with_static_lifetimes(&self.plan.returns)
    }

    /// What kind of outcome the return type is, as a constant argument.
    fn kind_constant(&self) -> TokenStream {
        let (private, returns) = (&self.private, self.static_returns());
        if self.batch().is_some() {
            return quote!({ #private::batch::KIND });
        }
        let shares_error = if self.plan.error_borrows {
            quote!(false)
        } else {
            quote!(#private::Ask::<#returns>::SHARES_ERROR)
        };
        quote!({
            use #private::Otherwise as _;
            #private::kind(
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
        if self.revision().is_some() {
            return quote!(#private::revision::Kept<#returns, #kind>);
        }
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
            // An argument `_id` is handed on, whatever its name says.
            #[allow(clippy::used_underscore_binding)]
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
            Key::Parts(parts) => {
                let of = match self.revision() {
                    Some(_) => quote!(#private::revision),
                    None => private.clone(),
                };
                parts.iter().filter_map(|(_, part)| part.check(private, &of)).collect()
            }
            Key::Exprs(_) => Vec::new(),
        };
        let (returns, kind) = (self.static_returns(), self.kind_type());
        let value = match self.batch() {
            Some(batch) => self.batch_checks(batch),
            None => {
                quote_spanned!(self.plan.returns_span()=> let () = <#returns as #private::Cacheable<#kind>>::OK;)
            }
        };
        let (failure, source) = (self.failure_checks(), self.source_check());
        quote!(#(#parts)* #value #failure #source)
    }

    /// What kind of outcome the return type is, as a type.
    fn kind_type(&self) -> TokenStream {
        let (private, name) = (&self.private, self.name());
        if self.typed().is_some() && self.revision().is_none() {
            quote!(<#name as #private::handle::Handle>::Kind)
        } else {
            let kind = self.kind();
            quote!(#private::Kind<#kind>)
        }
    }

    /// The body of a function whose uncached form is a companion.
    fn load_uncached(&self) -> TokenStream {
        let (private, kind, keep_if, home) = (&self.private, self.kind(), self.keep_if(), self.home());
        let (miss, hit, key) = (hidden("miss"), hidden("hit"), hidden("key"));
        let make_key = self.make_key(&home);
        let (cache_for_key, cache) = (self.cache_for(&home, &key), self.cache(&home));
        let (keep_miss, use_miss) = self.carry(&miss);
        let (find, load) = match self.detached() {
            Some(detached) => {
                let load = self.load_of_its_own(detached, None, &home);
                let given = quote!(#private::Kind::<#kind>, #cache, #use_miss);
                (
                    quote!(#private::task::find),
                    self.load_by_task(detached, &given, &home, &load),
                )
            }
            None => {
                let uncached = self.call_uncached(&home);
                let (load, labels) = self.loading("load", &home);
                (
                    quote!(#private::find),
                    quote!(#load(#private::Kind::<#kind>, #cache, #use_miss, #labels #keep_if, || #uncached).await),
                )
            }
        };
        quote! {
            let #miss = {
                let #key = #make_key;
                match #find(#private::Kind::<#kind>, #cache_for_key, &#key) {
                    ::core::result::Result::Ok(#hit) => return #hit,
                    ::core::result::Result::Err(#miss) => #keep_miss,
                }
            };
            #load
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
        // A clone has to live for as long as the call.
        let (given, hold) = if self.is_found_by_value(expr) {
            (cache.to_token_stream(), quote!(let #cache = #given;))
        } else {
            (given, TokenStream::new())
        };
        let body = self.plan.function.body.as_ref().map(proc_macro2::Group::stream);
        let patterns = self.patterns();
        // One step less, and the probe does not ask whether the error can be shared.
        let probe = if self.plan.error_borrows {
            quote!(&&&)
        } else {
            quote!(&&&&)
        };
        let body = quote! {
            #patterns
            // Never runs; it tells the compiler what `?` and `return` in the body return.
            #[allow(unreachable_code, clippy::diverging_sub_expression)]
            if false {
                let returned: #returns = loop {};
                return returned;
            }
            #body
        };
        let home = TokenStream::new();
        let (find, load) = match self.detached() {
            Some(detached) => {
                let load = self.load_of_its_own_inline(detached, body);
                let given = quote!(#kind, #cache, #miss);
                (
                    quote!(#private::task::find),
                    self.load_by_task(detached, &given, &home, &load),
                )
            }
            None => {
                let (load, labels) = self.loading("load", &home);
                (
                    quote!(#private::find),
                    quote!(#load(#kind, #cache, #miss, #labels #keep_if, move || async move { #body }).await),
                )
            }
        };
        quote! {
            use #private::{AloneKind as _, PlainKind as _, SharedKind as _, UnfitKind as _};
            let #kind = (#probe #private::KindProbe::<#returns>(::core::marker::PhantomData)).kind();
            #hold
            let (#cache, #miss) = {
                let #key = #make_key;
                let #cache = #private::own(#kind, &#key, ::core::marker::PhantomData::<#returns>, #given);
                (#cache, #find(#kind, #cache, &#key))
            };
            let #miss = match #miss {
                ::core::result::Result::Ok(#hit) => return #hit,
                ::core::result::Result::Err(#miss) => #miss,
            };
            #load
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
        if self.is_found_by_value(expr) {
            quote_spanned!(expr.span()=> &::core::clone::Clone::clone(&(#expr)))
        } else {
            quote_spanned!(expr.span()=> &(#expr))
        }
    }

    /// Whether the user named his cache by something that the body takes.
    fn is_found_by_value(&self, expr: &Expr) -> bool {
        let code = expr.to_token_stream();
        let is_self = self
            .plan
            .function
            .receiver()
            .is_some_and(|receiver| match &receiver.kind {
                ReceiverKind::Reference(..) => false,
                ReceiverKind::Typed(_, ty) => !matches!(**ty, Type::Reference(_)),
                _ => true,
            });
        let is_argument = self.plan.arguments.iter().any(|argument| {
            !matches!(argument.ty, Type::Reference(_)) && names_ident(code.clone(), &argument.name.to_string())
        });
        is_argument || is_self && names_ident(code.clone(), "self")
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

    fn call_uncached(&self, home: &TokenStream) -> TokenStream {
        let uncached = self.companion("uncached", false);
        let names = self.plan.arguments.iter().map(|argument| &argument.name);
        if self.plan.function.receiver().is_some() {
            quote!(self.#uncached(#(#names),*))
        } else {
            quote!(#home::#uncached(#(#names),*))
        }
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
