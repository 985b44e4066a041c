//! `#[cached_batch]`: a function that loads many keys at once, taken apart into that and the function for one key.
//!
//! From here on the plan is that of the function for one key, which has the element of the slice in the place of the slice.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, ExprLit, FnArg, GenericArgument, Lit, PathArguments, Type};

use super::arguments::{Arguments, Lifetime, Worded, lifetime, not_like_this};
use super::check::check_return;
use crate::duration;
use crate::error::Errors;
use crate::function::{Function, borrowed_part, readable, with_static_lifetimes};
use crate::key::{Part, is_plain, respan};
use crate::options::{self, Form};

/// What only a batch is told.
pub(super) const WORDS: [&str; 3] = ["window", "max_batch", "none_ttl"];

#[derive(Default)]
pub(super) struct Words {
    window: Worded<Lifetime>,
    max_batch: Worded<Expr>,
    pub(super) none_ttl: Worded<Lifetime>,
}

/// What is different about a function that loads many keys at once.
pub(super) struct Batch {
    /// As it was written.
    pub(super) whole: Function,
    /// Which of its arguments are the keys.
    pub(super) at: usize,
    /// The type of a key there.
    pub(super) element: Type,
    /// They are lent to it.
    pub(super) is_lent: bool,
    pub(super) window: Lifetime,
    /// How many keys it has at most.
    pub(super) most: TokenStream,
}

pub(super) fn example(word: &str) -> Option<&'static str> {
    match word {
        "window" => Some("`window = \"5ms\"`"),
        "max_batch" => Some("`max_batch = 100`"),
        "none_ttl" => Some("`none_ttl = \"10s\"`"),
        _ => None,
    }
}

impl Words {
    /// Takes one of them.
    pub(super) fn take(&mut self, keyword: &Ident, form: Form, errors: &mut Errors) {
        let word = keyword.to_string();
        match (&*word, form) {
            ("window", Form::Value(expr)) => {
                if let Some(window) = window(keyword, expr, errors) {
                    options::once(&mut self.window, keyword, window, errors);
                }
            }
            ("max_batch", Form::Value(expr)) => {
                if check_max_batch(&expr, errors) {
                    options::once(&mut self.max_batch, keyword, expr, errors);
                }
            }
            ("none_ttl", Form::Value(expr)) => {
                if let Some(ttl) = lifetime(keyword, expr, errors) {
                    options::once(&mut self.none_ttl, keyword, ttl, errors);
                }
            }
            _ => not_like_this(keyword, errors),
        }
    }
}

/// Says of a word that is not for any other attribute what it is for.
pub(super) fn not_here(keyword: &Ident, errors: &mut Errors) {
    let message = if keyword == "none_ttl" {
        "`none_ttl` is for keys that a batch has nothing for: a function that returns an `Option` keeps `None` like any other \
         value, for its `ttl`"
            .to_owned()
    } else {
        format!(
            "`{keyword}` belongs to functions that load many keys at once: write `#[cached_batch({keyword} = …)]`, on one that \
             takes a slice of them"
        )
    };
    errors.at(keyword, message);
}

/// A time that may be none at all.
fn window(keyword: &Ident, expr: Expr, errors: &mut Errors) -> Option<Lifetime> {
    if let Some(text) = options::text_of(&expr)
        && duration::parse(&text.value()) == Ok(Duration::ZERO)
    {
        return Some(Lifetime::Known(Duration::ZERO));
    }
    if let Expr::Lit(ExprLit {
        lit: Lit::Int(number), ..
    }) = &expr
    {
        let digits = number.base10_digits();
        errors.at(
            &expr,
            format!("`window` needs a unit: write `window = \"{digits}ms\"`, or a `Duration`"),
        );
        return None;
    }
    lifetime(keyword, expr, errors)
}

/// Notes a number of keys that is none. Anything but a literal is left to the compiler.
fn check_max_batch(expr: &Expr, errors: &mut Errors) -> bool {
    let message = match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number), ..
        }) => match number.base10_parse::<u64>() {
            Ok(0) => "a batch of no keys loads nothing: write how many keys it has at most, as in `max_batch = 100`",
            Ok(_) => return true,
            Err(_) => "`max_batch` is too large: write `max_batch = usize::MAX` for as many as there are",
        },
        Expr::Lit(_) | Expr::Unary(_) => "`max_batch` is a whole number: write `max_batch = 100`",
        _ => return true,
    };
    errors.at(expr, message);
    false
}

/// Takes a function apart.
pub(super) fn single(whole: Function, given: &mut Arguments, errors: &mut Errors) -> Option<(Function, Batch)> {
    let returns = check_return(&whole, errors);
    if let Some(returns) = &returns
        && let Some(borrow) = borrowed_part(returns)
    {
        errors.at(
            &borrow,
            format!(
                "every caller of a batch gets its error, so that it cannot hold `{}`: return something owned",
                readable(&borrow)
            ),
        );
    }
    let (at, element, is_lent) = keys(&whole, given, errors)?;
    let returns = returns?;
    let krate = given
        .krate
        .as_ref()
        .map_or_else(|| quote!(::cache_core), |(_, path)| path.to_token_stream());
    let private = quote!(#krate::__private);
    // A text is asked for by reference, so that a hit need not have one of its own.
    let single: Type = if is_plain(&element, "String") {
        syn::parse_quote_spanned!(element.span()=> &str)
    } else {
        element.clone()
    };
    let fits = Part::of(&single).map_or_else(|_| quote!(false), |part| part.fits(&private));
    let mut function = whole.clone();
    for (nth, input) in function.sig.inputs.iter_mut().filter_map(typed).enumerate() {
        if nth == at {
            *input.ty = single.clone();
        }
    }
    let words = std::mem::take(&mut given.batch);
    given.freshness.none_ttl = words.none_ttl;
    let batch = Batch {
        at,
        element,
        is_lent,
        window: words
            .window
            .map_or(Lifetime::Known(Duration::from_millis(5)), |(_, window)| window),
        most: words
            .max_batch
            .map_or_else(|| quote!(100), |(_, most)| most.to_token_stream()),
        whole,
    };
    let one = batch.returned(&private, &returns, &quote!(One), &fits);
    function.sig.output = syn::parse_quote!(-> #one);
    Some((function, batch))
}

fn typed(input: &mut FnArg) -> Option<&mut syn::PatType> {
    match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    }
}

impl Batch {
    /// What is wrong with the return type, as a constant argument.
    pub(super) fn flaw(&self, private: &TokenStream, returns: &Type) -> TokenStream {
        let (returns, element) = (with_static_lifetimes(returns), &self.element);
        let ask = quote!(#private::batch::AskBatch::<#returns, #element>);
        quote!({
            use #private::batch::OtherwiseBatch as _;
            #private::batch::flaw(#ask::IS_BATCH, #ask::KEEPS_VALUES, #ask::SHARES_ERROR)
        })
    }

    /// Whether all fits, likewise.
    pub(super) fn fits(&self, private: &TokenStream, returns: &Type, key_fits: &TokenStream) -> TokenStream {
        let flaw = self.flaw(private, returns);
        quote!({ 0 == #flaw && #key_fits })
    }

    /// A type that is made of the return type, at its place.
    fn returned(
        &self,
        private: &TokenStream,
        returns: &Type,
        alias: &TokenStream,
        key_fits: &TokenStream,
    ) -> TokenStream {
        let (element, fits) = (&self.element, self.fits(private, returns, key_fits));
        let (span, returns) = (returns.span(), with_static_lifetimes(returns));
        let private = respan(private, span);
        quote_spanned!(span=> #private::batch::#alias<#returns, #element, #fits>)
    }
}

/// Which argument is the keys, of which type each is, and whether they are lent.
fn keys(whole: &Function, given: &Arguments, errors: &mut Errors) -> Option<(usize, Type, bool)> {
    let skipped = |name: &str| given.skip.iter().flat_map(|(_, names)| names).any(|it| it == name);
    let arguments = whole.arguments();
    let mut left = (0..arguments.len()).filter(|at| {
        let argument = &arguments[*at];
        !argument.is_named || !skipped(&argument.name.to_string())
    });
    let name = &whole.sig.ident;
    let Some(first) = left.next() else {
        errors.at(
            name,
            format!("`{name}` takes no keys: it needs an argument for all of a batch, such as `ids: &[u64]`"),
        );
        return None;
    };
    // If several are left, and only one of them can be the keys, it is the others that are to be skipped.
    let others: Vec<usize> = left.collect();
    let at = std::iter::once(first)
        .chain(others.iter().copied())
        .find(|at| slice(&arguments[*at].ty).is_some())
        .unwrap_or(first);
    for other in std::iter::once(first).chain(others).filter(|other| *other != at) {
        let (keys, other) = (&arguments[at], &arguments[other]);
        let (keys, pattern) = (keys.pat.to_token_stream(), other.pat.to_token_stream());
        let message = if slice(&other.ty).is_some() {
            format!(
                "a batch has one list of keys, and that is `{keys}`: make it a slice of tuples, or skip this with `skip({pattern})`"
            )
        } else {
            format!(
                "all keys of a batch are loaded by one call, which has one `{pattern}`: leave it out with `skip({pattern})`, or make it a part of each key, as in `&[(u64, String)]`"
            )
        };
        errors.at(&other.ty, message);
    }
    let keys = &arguments[at];
    let Some((element, is_lent)) = slice(&keys.ty) else {
        let ty = readable(&keys.ty.to_token_stream());
        let element = ty
            .trim_start_matches("&mut ")
            .trim_start_matches('&')
            .trim_start_matches("'static ");
        let element = if element == "str" { "String" } else { element };
        errors.at(
            &keys.ty,
            if matches!(&keys.ty, Type::Reference(reference) if reference.mutability.is_some()) {
                "the keys of a batch are lent to it for reading: take `&[..]`".to_owned()
            } else {
                format!(
                    "`{ty}` is no list of keys: a batch loads many at once, so take `&[{element}]` or `Vec<{element}>`"
                )
            },
        );
        return None;
    };
    if let Some(float) = ["f32", "f64"].into_iter().find(|float| is_plain(&element, float)) {
        errors.at(
            &element,
            format!("`{float}` cannot be a cache key, because it is not `Eq`: take its bits, or a type of your own"),
        );
        return None;
    }
    if let Some(borrow) = borrowed_part(&element) {
        let instead = if readable(&borrow).ends_with("str") {
            "`&[String]`"
        } else {
            "something owned"
        };
        errors.at(
            &element,
            format!(
                "a key outlives the call that asks for it, so that it cannot hold `{}`: take {instead}",
                readable(&borrow)
            ),
        );
        return None;
    }
    Some((at, element, is_lent))
}

/// The type of an element, and whether it is lent.
fn slice(ty: &Type) -> Option<(Type, bool)> {
    match ty {
        Type::Paren(inner) => slice(&inner.elem),
        Type::Group(inner) => slice(&inner.elem),
        Type::Reference(reference) if reference.mutability.is_none() => match &*reference.elem {
            Type::Slice(slice) => Some(((*slice.elem).clone(), true)),
            Type::Group(inner) => match &*inner.elem {
                Type::Slice(slice) => Some(((*slice.elem).clone(), true)),
                vec => Some((vec_of(vec)?, true)),
            },
            vec => Some((vec_of(vec)?, true)),
        },
        vec => Some((vec_of(vec)?, false)),
    }
}

fn vec_of(ty: &Type) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Vec")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(of) if arguments.args.len() == 1 => Some(of.clone()),
        _ => None,
    }
}

/// The word by which what its loads take along is complained of.
pub(super) fn keyword() -> Ident {
    Ident::new("cached_batch", Span::call_site())
}
