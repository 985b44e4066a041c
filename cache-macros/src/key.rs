//! From the declared type of an argument to the part of the key it makes.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{GenericArgument, PathArguments, Type};

use crate::function::{borrowed_part, opaque_part, readable};

/// Tuples hash and compare up to this length.
pub(crate) const MAX_PARTS: usize = 12;

/// How an argument stands in a key.
pub(crate) struct Part {
    /// What the key refers to: `str` for `&str` and `String`, `T` for `&T` and `T`.
    pub(crate) target: Type,
    /// The argument is an `Option` of a reference to it.
    pub(crate) optional: bool,
    /// The argument is not that nor a reference to it, but owns it.
    owns: bool,
}

/// Why an argument cannot be part of a key.
pub(crate) struct Misfit {
    /// With what can be done about it.
    pub(crate) message: String,
    /// What else, where the attribute has a `key`, or a cache can be given to it.
    pub(crate) otherwise: &'static str,
}

impl Part {
    /// Takes a declared type apart, or says why it cannot be owned.
    pub(crate) fn of(declared: &Type) -> Result<Self, Misfit> {
        let misfit = |message, otherwise| Err(Misfit { message, otherwise });
        let (target, optional, owns) = match peel(declared) {
            Type::Reference(reference) if reference.mutability.is_some() => {
                return misfit(
                    "a `&mut` argument cannot be part of a cache key: leave it out with `skip(..)`".to_owned(),
                    "",
                );
            }
            Type::Reference(reference) => (innermost(&reference.elem), false, false),
            Type::Path(path) => match path
                .path
                .segments
                .last()
                .map(|last| (last, type_arguments(&last.arguments)))
            {
                Some((last, of)) if last.ident == "Option" && of.len() == 1 && is_reference(of[0]) => {
                    (innermost(of[0]), true, false)
                }
                Some((last, of)) if last.ident == "Cow" && of.len() == 1 => (of[0].clone(), false, true),
                Some((last, of)) if last.ident == "Vec" && of.len() == 1 => {
                    let of = of[0];
                    (syn::parse_quote!([#of]), false, true)
                }
                Some((last, of)) if last.ident == "String" && of.is_empty() => (syn::parse_quote!(str), false, true),
                _ => (declared.clone(), false, false),
            },
            other => (other.clone(), false, false),
        };
        if let Some(float) = ["f32", "f64"].into_iter().find(|float| is_plain(&target, float)) {
            return misfit(
                format!(
                    "`{float}` cannot be part of a cache key, because it is not `Eq`: leave the argument out with `skip(..)`"
                ),
                ", or write `key = …` with its `to_bits()`",
            );
        }
        if let Some(opaque) = opaque_part(&target) {
            return misfit(
                format!(
                    "`{}` cannot be part of the key of a static cache, which has one type: leave the argument out with \
                     `skip(..)`",
                    readable(&opaque)
                ),
                ", or keep the results in a cache of your own with `#[cached_in(..)]`",
            );
        }
        if borrowed_part(&target).is_some() {
            return misfit(
                "this argument borrows, and a cache key has to be owned: leave it out with `skip(..)`".to_owned(),
                ", or write `key = …` with something owned",
            );
        }
        Ok(Self { target, optional, owns })
    }

    /// Whether it needs no asking that this can be part of a key.
    fn is_known_to_fit(&self) -> bool {
        const KNOWN: [&str; 15] = [
            "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "bool",
            "char",
        ];
        KNOWN.iter().any(|known| is_plain(&self.target, known))
    }

    /// Whether it can be part of a key, as a constant argument.
    pub(crate) fn fits(&self, private: &TokenStream) -> TokenStream {
        if self.is_known_to_fit() {
            return quote!(true);
        }
        let target = &self.target;
        quote!({ use #private::OtherwiseKey as _; #private::AskKey::<#target>::FIT })
    }

    /// The statement that complains if it cannot.
    ///
    /// `of` is where the trait is that does so.
    pub(crate) fn check(&self, private: &TokenStream, of: &TokenStream) -> Option<TokenStream> {
        if self.is_known_to_fit() {
            return None;
        }
        let (target, fits) = (&self.target, self.fits(private));
        Some(quote_spanned!(target.span()=> let () = <#target as #of::KeyArgument<#fits>>::OK;))
    }

    /// Its owned type.
    pub(crate) fn owned(&self, private: &TokenStream) -> TokenStream {
        let target = &self.target;
        match (self.optional, self.is_known_to_fit()) {
            (false, true) if is_plain(target, "str") => quote!(::std::string::String),
            (false, true) => quote!(#target),
            (optional, _) => {
                let fits = self.fits(private);
                let alias = if optional { quote!(OwnedOption) } else { quote!(Owned) };
                quote!(#private::#alias<#target, #fits>)
            }
        }
    }

    /// The type that looks it up.
    pub(crate) fn borrowed(&self, private: &TokenStream) -> TokenStream {
        let (target, fits) = (&self.target, self.fits(private));
        let part = if self.optional {
            quote!(OptionPart)
        } else {
            quote!(Part)
        };
        quote!(#private::#part<'__key, #target, #fits>)
    }

    /// The type by which a handle names it.
    pub(crate) fn element(&self, private: &TokenStream) -> TokenStream {
        let target = &self.target;
        // A constant argument is one more thing for the compiler to check, even `true`.
        let fits = (!self.is_known_to_fit()).then(|| self.fits(private)).into_iter();
        let element = match self {
            Self { optional: true, .. } => quote!(Optional),
            Self { owns: true, .. } => quote!(Pointed),
            _ => quote!(Lent),
        };
        quote!(#private::#element<#target #(, #fits)*>)
    }

    /// How the function that makes the key takes it.
    pub(crate) fn parameter(&self) -> TokenStream {
        let target = &self.target;
        if self.optional {
            quote!(::core::option::Option<&'__key #target>)
        } else {
            quote!(&'__key #target)
        }
    }

    /// How it is handed to that function: by reference, which coerces, or as it is.
    pub(crate) fn passed(&self, name: &TokenStream) -> TokenStream {
        if self.optional { quote!(#name) } else { quote!(&#name) }
    }

    /// What a mutation has to lend.
    pub(crate) fn lent(&self) -> TokenStream {
        let target = &self.target;
        if self.optional {
            quote!(::core::option::Option<&'__key #target>)
        } else {
            quote!(#target)
        }
    }

    /// From the reference that was lent to what the function takes.
    pub(crate) fn of_lent(&self, lent: &TokenStream) -> TokenStream {
        if self.optional { quote!(*#lent) } else { quote!(#lent) }
    }
}

/// Without parentheses and the groups that macros leave around a type.
fn peel(ty: &Type) -> &Type {
    match ty {
        Type::Paren(inner) => peel(&inner.elem),
        Type::Group(inner) => peel(&inner.elem),
        other => other,
    }
}

/// Behind any number of shared references.
fn innermost(ty: &Type) -> Type {
    match peel(ty) {
        Type::Reference(reference) if reference.mutability.is_none() => innermost(&reference.elem),
        other => other.clone(),
    }
}

fn is_reference(ty: &Type) -> bool {
    matches!(peel(ty), Type::Reference(reference) if reference.mutability.is_none())
}

fn type_arguments(arguments: &PathArguments) -> Vec<&Type> {
    match arguments {
        PathArguments::AngleBracketed(arguments) => arguments
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether a type is just that word.
pub(crate) fn is_plain(ty: &Type, word: &str) -> bool {
    matches!(ty, Type::Path(path) if path.qself.is_none() && path.path.is_ident(word))
}

/// Whether a type is `Copy` beyond doubt, so that expressions can have it as it is.
pub(crate) fn is_primitive(ty: &Type) -> bool {
    const PRIMITIVES: [&str; 16] = [
        "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "bool", "char", "f32",
        "f64",
    ];
    PRIMITIVES.iter().any(|word| is_plain(peel(ty), word))
}

/// The expressions that make up a key: the elements of a tuple, or the one.
pub(crate) fn elements(expr: &syn::Expr) -> Vec<&syn::Expr> {
    match expr {
        syn::Expr::Tuple(tuple) if (2..=MAX_PARTS).contains(&tuple.elems.len()) => tuple.elems.iter().collect(),
        syn::Expr::Paren(inner) => elements(&inner.expr),
        syn::Expr::Group(inner) => elements(&inner.expr),
        other => vec![other],
    }
}

/// Whether an expression names a place, which must be referred to and not moved out of.
pub(crate) fn is_place(expr: &syn::Expr) -> bool {
    use syn::Expr::{Field, Group, Index, Paren, Path, Unary};
    match expr {
        Path(path) => path.path.segments.len() == 1 && path.path.segments[0].ident != "None",
        Field(_) | Index(_) => true,
        Unary(unary) => matches!(unary.op, syn::UnOp::Deref(_)),
        Paren(inner) => is_place(&inner.expr),
        Group(inner) => is_place(&inner.expr),
        _ => false,
    }
}

/// The parts of a key that is written as expressions. Names in them stand for references, or for what is `Copy`; other
/// places are referred to, so that nothing is moved.
pub(crate) fn parts_of(exprs: &[syn::Expr], private: &TokenStream) -> TokenStream {
    let parts = exprs.iter().map(|expr| {
        let value = value_of(expr);
        let bound = crate::function::hidden("value");
        let private = respan(private, expr.span());
        quote_spanned! {expr.span()=>
            match #value {
                #bound => #private::MakePart::part((&&&&#private::KeyProbe(&#bound)).kind(), #bound),
            }
        }
    });
    quote!({
        use #private::{NestedKind as _, ReferenceKind as _, UnfitKeyKind as _, ValueKind as _};
        #private::Parts((#(#parts,)*))
    })
}

/// The same tokens at another place, so that what the compiler says of them points there.
pub(crate) fn respan(tokens: &TokenStream, span: Span) -> TokenStream {
    let respanned = tokens.clone().into_iter().map(|mut token| {
        token.set_span(span);
        token
    });
    respanned.collect()
}

/// An expression, or a reference to the place it names.
pub(crate) fn value_of(expr: &syn::Expr) -> TokenStream {
    let is_name = matches!(expr, syn::Expr::Path(_));
    if is_place(expr) && !is_name {
        quote_spanned!(expr.span()=> &#expr)
    } else {
        quote!(#expr)
    }
}
