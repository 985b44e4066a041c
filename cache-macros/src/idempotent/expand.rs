//! From a plan to code. Nothing can go wrong here any more.
//!
//! For a free function `create_order` this makes
//!
//! - `create_order` itself: what `create_order::outcome` comes to;
//! - a type `create_order`, the handle, whose functions are its companions.
//!
//! In an `impl`, where no type can stand, the companions are `create_order_outcome`, `create_order_unguarded` and so on.

use proc_macro2::{Group, Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Expr, GenericParam, ReturnType, Signature, Type};

use super::arguments::Payload;
use super::check::{Plan, Way};
use crate::function::{Argument, hidden, names_ident};
use crate::key::{is_plain, is_primitive, respan};
use crate::taken::{All, Taken};

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

    /// The statements that say what is asked for, of references to the arguments, before anything is moved.
    fn asked(&self, store: &Ident, request: &Ident) -> TokenStream {
        let plan = self.plan;
        let (krate, of) = (&self.krate, &self.of);
        let (constant, counters) = (self.constant(), self.counters());
        let shadows = self.shadows();
        let reply = plan.store_error.as_ref().map(|rule| self.rule(rule, request));
        let key = &plan.key;
        let of_key = respan(&quote!(#of::key), key.span());
        let key = reference(key);
        let key = quote_spanned!(key.span()=> #of_key(#request, #key));
        let parts = plan.scope.iter().map(|part| {
            let (at, of) = (part.span(), respan(of, part.span()));
            let given = self.lent(part);
            if self.is_shown(part) {
                return given;
            }
            let bound = hidden("part");
            quote_spanned! {at=>
                match #given { #bound => #of::scope_part(#bound, (&&&#of::ScopeProbe(#bound)).kind()) }
            }
        });
        let payload = self.payload();
        let ignored = &plan.ignore;
        let at = plan.store.span();
        let of_store = match plan.way {
            Way::Task(_) => quote!(#of::store),
            Way::Inline(..) => quote!(#of::store_in_postgres),
        };
        let (of_store, given) = (respan(&of_store, at), reference(&plan.store));
        let of_store = quote_spanned!(at=> #of_store(#given));
        quote! {
            let (#store, #request) = {
                #shadows
                let #request = #krate::idempotency::Request::new(Self::#constant).counted_by(Self::#counters());
                let #request = #key;
                let #request = #request.scope(#(#parts),*);
                let #request = #request.payload_without(&#payload, &[#(#ignored),*]);
                #reply
                (#of_store, #request)
            };
        }
    }

    /// Whether a part of the scope needs no asking: a literal, or an argument that is text or a number.
    fn is_shown(&self, part: &Expr) -> bool {
        match part {
            Expr::Lit(_) => true,
            Expr::Path(path) => self.plan.arguments.iter().any(|argument| {
                let ty = match &argument.ty {
                    Type::Reference(reference) => &*reference.elem,
                    ty => ty,
                };
                let is_known = is_primitive(ty) || ["str", "String"].iter().any(|word| is_plain(ty, word));
                argument.is_named && path.path.is_ident(&argument.name) && is_known
            }),
            _ => false,
        }
    }

    fn payload(&self) -> TokenStream {
        match &self.plan.payload {
            Payload::One(expr) => self.payload_part(expr),
            Payload::Parts(exprs) => {
                let parts = exprs.iter().map(|expr| self.payload_part(expr));
                quote!((#(#parts,)*))
            }
        }
    }

    fn payload_part(&self, part: &Expr) -> TokenStream {
        let (at, of) = (part.span(), respan(&self.of, part.span()));
        let (bound, given) = (hidden("part"), self.lent(part));
        quote_spanned! {at=>
            match #given { #bound => #of::payload_part(#bound, (&&#of::PayloadProbe(#bound)).kind()) }
        }
    }

    /// A reference to what an expression comes to. What is one already, as arguments are here, is told of by what it refers to.
    fn lent(&self, expr: &Expr) -> TokenStream {
        let is_reference = |argument: &Argument| {
            let is_it = matches!(expr, Expr::Path(path) if path.path.is_ident(&argument.name));
            is_it && argument.is_named && (matches!(argument.ty, Type::Reference(_)) || argument.shadow().is_some())
        };
        if self.plan.arguments.iter().any(is_reference) {
            expr.to_token_stream()
        } else {
            reference(expr)
        }
    }

    /// The statement that says which errors are stored.
    fn rule(&self, rule: &Expr, request: &Ident) -> TokenStream {
        let (of, returns) = (&self.of, &self.plan.returns);
        let at = returns.span();
        let (of_returns, of_rule) = (respan(of, at), respan(of, rule.span()));
        let kind =
            quote_spanned!(at=> #of_returns::rule::<#returns, _>((&&#of_returns::error_of::<#returns>()).rule()));
        quote_spanned!(rule.span()=> let #request = #of_rule::store_error::<#returns, _>(#request, #kind, #rule);)
    }

    /// The statement that uses what the attribute names, which is use enough: the body need not.
    fn used(&self) -> Option<TokenStream> {
        let code = self.expressions();
        let bindings = self.plan.arguments.iter().flat_map(Argument::bindings);
        let named: Vec<_> = bindings
            .filter(|name| names_ident(code.clone(), &name.to_string()))
            .collect();
        (!named.is_empty()).then(|| quote!(let _ = (#(&#named,)*);))
    }

    /// Everything that the attribute says in expressions.
    fn expressions(&self) -> TokenStream {
        let plan = self.plan;
        let exprs = [&plan.store, &plan.key].into_iter().chain(&plan.scope);
        let exprs = exprs.chain(match &plan.payload {
            Payload::One(expr) => std::slice::from_ref(expr),
            Payload::Parts(exprs) => exprs,
        });
        exprs.map(ToTokens::to_token_stream).collect()
    }

    /// Lets names in expressions stand for references, so that nothing is moved. Primitives stay as they are.
    fn shadows(&self) -> TokenStream {
        let code = self.expressions();
        let is_named = |argument: &&Argument| {
            let names = argument.bindings();
            names.iter().any(|name| names_ident(code.clone(), &name.to_string()))
        };
        self.plan
            .arguments
            .iter()
            .filter(is_named)
            .filter_map(Argument::shadow)
            .map(|shadow| quote!(#[allow(unused_variables)] #shadow))
            .collect()
    }

    /// What runs the handler as a task, with everything its own.
    fn by_task(&self, all: &All, store: &Ident, request: &Ident) -> TokenStream {
        let (of, returns) = (&self.of, &self.plan.returns);
        // The return type is what the compiler complains of if it cannot be stored or come back,
        let at = returns.span();
        let of_returns = respan(of, at);
        let task = quote_spanned!(at=> #of_returns::of::<#returns, _>((&&&#of_returns::returned::<#returns>()).task()));
        // and the name, if the handler cannot go to another thread.
        let at = Span::mixed_site().located_at(self.name().span());
        let owned = self.owned(all);
        let unguarded = self.companion("unguarded");
        let (home, generics, this) = (quote!(Self), self.generics(), hidden("this"));
        let receiver = all.receiver.as_ref().map(|taken| match taken {
            Taken::Lent { .. } => quote!(&#this,),
            _ => quote!(#this,),
        });
        let arguments = self.plan.arguments.iter().zip(&all.arguments);
        let passed = arguments.map(|(Argument { name, .. }, taken)| taken.passed(of, name));
        let handler = quote!(async move { #home::#unguarded #generics(#receiver #(#passed),*).await });
        let run = Ident::new("run", at);
        quote_spanned! {at=>
            #owned
            #task.#run(#store, #request, move || #handler).await
        }
    }

    /// The statements that make everything the handler's own, of which the types say whether it can be.
    fn owned(&self, all: &All) -> TokenStream {
        let (of, this) = (&self.of, hidden("this"));
        let receiver = self.plan.function.receiver().zip(all.receiver.as_ref());
        let receiver = receiver.map(|(receiver, taken)| {
            let token = receiver.self_token;
            taken.own(of, &this, &token.to_token_stream(), token.span)
        });
        let arguments = self.plan.arguments.iter().zip(&all.arguments);
        let arguments = arguments
            .filter(|(_, taken)| !taken.is_as_it_is())
            .map(|(Argument { name, ty, .. }, taken)| taken.own(of, name, &name.to_token_stream(), taken.span(ty)));
        receiver.into_iter().chain(arguments).collect()
    }

    /// What runs the handler in the caller's transaction.
    fn inline(&self, tx: &Ident, store: &Ident, request: &Ident) -> TokenStream {
        let (of, returns) = (&self.of, &self.plan.returns);
        let argument = self.plan.arguments.iter().find(|argument| argument.name == *tx);
        let at = argument.map_or_else(|| tx.span(), |argument| argument.ty.span());
        let of_lent = respan(&quote!(#of::lent), at);
        let lent = quote_spanned!(at=> #of_lent(&mut *#tx));
        // The return type is what the compiler complains of if it cannot be stored.
        let at = returns.span();
        let [outcome, ticket, result, transaction] =
            ["outcome", "ticket", "result", "transaction"].map(|name| hidden_at(name, at));
        let (store, request) = (hidden_at(&store.to_string(), at), hidden_at(&request.to_string(), at));
        let begin = respan(&quote!(#of::begin), at);
        let begun = quote_spanned!(at=> #begin::<#returns>(&#store, #transaction, #request).await);
        let unguarded = self.call_in(tx);
        quote! {
            let #transaction = #lent;
            match #begun {
                ::core::ops::ControlFlow::Break(#outcome) => #outcome,
                ::core::ops::ControlFlow::Continue(#ticket) => {
                    let #result: #returns = #unguarded.await;
                    #ticket.end(#lent, #result).await
                }
            }
        }
    }

    /// Calls the handler with a transaction that is needed again.
    fn call_in(&self, tx: &Ident) -> TokenStream {
        let (unguarded, generics) = (self.companion("unguarded"), self.generics());
        let arguments = self.plan.arguments.iter().map(|Argument { name, .. }| {
            if name == tx {
                quote!(&mut *#name)
            } else {
                name.to_token_stream()
            }
        });
        match self.plan.function.receiver() {
            Some(receiver) => {
                let receiver = receiver.self_token;
                quote!(#receiver.#unguarded #generics(#(#arguments),*))
            }
            None => quote!(Self::#unguarded #generics(#(#arguments),*)),
        }
    }
}

/// A reference to what an expression names or comes to.
fn reference(expr: &Expr) -> TokenStream {
    use Expr::{Array, Call, Field, Index, Lit, Macro, MethodCall, Paren, Path, Tuple};
    match expr {
        Array(_) | Call(_) | Field(_) | Index(_) | Lit(_) | Macro(_) | MethodCall(_) | Paren(_) | Path(_)
        | Tuple(_) => {
            quote_spanned!(expr.span()=> &#expr)
        }
        other => quote_spanned!(expr.span()=> &(#other)),
    }
}

/// A hidden identifier at some place of the user's.
fn hidden_at(name: &str, at: Span) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(at))
}

/// Whether an attribute belongs to the body, wherever that runs: a mutation ends when the handler does, and not when its caller goes
/// away.
fn is_of_handler(attr: &syn::Attribute) -> bool {
    let last = attr.path().segments.last();
    last.is_some_and(|last| last.ident == "invalidates" || last.ident == "agent_invalidates")
}
