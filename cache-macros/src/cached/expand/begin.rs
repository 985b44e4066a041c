//! The companions that `#[invalidates]` calls: they make the key of what a mutation lends, and begin its mutation.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::super::check::{Home, Placement};
use super::key::KeyForm;
use super::{Code, unraw};
use crate::function::{hidden, name_hash};

impl Code<'_> {
    /// What `#[invalidates]` calls: with all keys, with one made of what was lent, with one found by name.
    pub(super) fn begin_companions(&self) -> TokenStream {
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
            lent.pass(&quote!(#private::Lend::<#target>::lend(&#ty)))
        });
        let by_name = arguments.iter().map(|lent| {
            let (name, target) = (name_hash(&unraw(&lent.name).to_string()), &lent.target);
            lent.pass(&quote!(<A as #private::Argument<#name, OK, #target>>::argument(arguments)))
        });
        let by_name_bounds = arguments.iter().map(|lent| {
            let (name, target) = (name_hash(&unraw(&lent.name).to_string()), &lent.target);
            quote_spanned!(lent.name.span()=> A: #private::Argument<#name, OK, #target>)
        });
        let (begun, begun_by_name) = (self.begin_with(lend.collect()), self.begin_with(by_name.collect()));
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
                #begun
            }

            #attrs
            #[doc(hidden)]
            #vis fn #named #named_generics (arguments: &A) -> #krate::MutationGuard
            where
                #(#by_name_bounds,)*
            {
                let _ = arguments;
                #begun_by_name
            }
        }
    }

    /// Begins the mutation of the key that is made of references.
    fn begin_with(&self, passed: Vec<TokenStream>) -> TokenStream {
        let private = &self.private;
        if self.typed().is_some() {
            return quote!(#private::handle::begin::<Self, _>(&(#(#passed,)*)));
        }
        let key = hidden("key");
        let (made, cache) = (self.key_of_lent(passed), self.cache_for(&quote!(Self), &key));
        quote! {
            let #key = #made;
            #private::begin(&#key, #cache)
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
        self.in_session(quote!(Self::#make(#(#passed),*)))
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

    fn pass(&self, lent: &TokenStream) -> TokenStream {
        self.passed.of_lent(lent)
    }
}
