//! How the key is made: by the hidden companion `__key` for a static cache, in place for a cache of the user's own.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Type;

use super::super::check::{Home, Key};
use super::Code;
use crate::function::{Argument, names_ident, with_named_lifetimes};
use crate::key::{is_primitive, parts_of};

impl<'p> Code<'p> {
    /// Makes the key of the arguments in scope.
    pub(super) fn make_key(&self, home: &TokenStream) -> TokenStream {
        if matches!(self.plan.home, Home::Given(_)) {
            return self.key_inline();
        }
        let make = self.companion("key", true);
        let passed = self
            .key_arguments()
            .map(|(argument, form)| form.passed(&argument.name.to_token_stream()));
        self.in_session(if self.plan.keyed_by_self {
            quote!(self.#make(#(#passed),*))
        } else {
            quote!(#home::#make(#(#passed),*))
        })
    }

    /// The arguments that the key is made of, and how.
    pub(super) fn key_arguments(&self) -> impl Iterator<Item = (&'p Argument, KeyForm<'p>)> {
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
    pub(super) fn key_inline(&self) -> TokenStream {
        let parts = self.key_of_exprs();
        // Not of one that only the cache is named by.
        let named = |argument: &&Argument| {
            let names = argument.bindings();
            names.iter().any(|name| names_ident(parts.clone(), &name.to_string()))
        };
        let shadows = self.kept().filter(named).filter_map(Argument::shadow);
        quote!({ #(#shadows)* #parts })
    }

    pub(super) fn key_of_exprs(&self) -> TokenStream {
        let Key::Exprs(exprs) = &self.plan.key else {
            return TokenStream::new();
        };
        parts_of(exprs, &self.private)
    }
}

/// How an argument gets into the key.
pub(super) enum KeyForm<'p> {
    Part(&'p crate::key::Part),
    /// By its name, in an expression: primitives as they are, all else by reference.
    Named(&'p Type),
    /// `self`, likewise.
    Receiver,
}

impl KeyForm<'_> {
    pub(super) fn parameter(&self) -> TokenStream {
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

    pub(super) fn passed(&self, name: &TokenStream) -> TokenStream {
        match self {
            Self::Part(part) => part.passed(name),
            Self::Named(ty) if is_primitive(ty) => quote!(#name),
            Self::Named(_) | Self::Receiver => quote!(&#name),
        }
    }

    pub(super) fn lent(&self) -> TokenStream {
        match self {
            Self::Part(part) => part.lent(),
            Self::Named(ty) => named_referred(ty).to_token_stream(),
            Self::Receiver => quote!(Self),
        }
    }

    pub(super) fn of_lent(&self, lent: &TokenStream) -> TokenStream {
        match self {
            Self::Part(part) => part.of_lent(lent),
            Self::Named(ty) if is_primitive(ty) => quote!(*#lent),
            Self::Named(_) | Self::Receiver => quote!(#lent),
        }
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
