//! What a call asks for: the statements that make its request, of references to the arguments.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, Type};

use super::Code;
use crate::function::{Argument, hidden, names_ident};
use crate::idempotent::arguments::Payload;
use crate::idempotent::check::Way;
use crate::key::{is_plain, is_primitive, respan};

impl Code<'_> {
    /// The statements that say what is asked for, of references to the arguments, before anything is moved.
    pub(super) fn asked(&self, store: &Ident, request: &Ident) -> TokenStream {
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
    pub(super) fn used(&self) -> Option<TokenStream> {
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
