//! The arguments of an attribute: `keyword`, `keyword = value`, `keyword(list)`, separated by commas.
//!
//! A mistake in one argument does not hide those in the next.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Expr, ExprLit, Lit, LitStr, Token, token};

use crate::error::Errors;

/// One argument as it was written.
pub(crate) struct Given {
    pub(crate) keyword: Ident,
    pub(crate) form: Form,
}

pub(crate) enum Form {
    Bare,
    Value(Expr),
    List(TokenStream),
}

/// Whether a `keyword = …` follows.
pub(crate) fn assignment_follows(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    ahead.call(Ident::parse_any).is_ok() && ahead.peek(Token![=]) && !ahead.peek(Token![==])
}

/// Reads one argument and the comma behind it. `None` if it made no sense, which has been noted.
pub(crate) fn parse_one(input: ParseStream<'_>, errors: &mut Errors) -> Option<Given> {
    let given = match parse_given(input) {
        Ok(given) => Some(given),
        Err(error) => {
            errors.push(error);
            skip_to_comma(input);
            None
        }
    };
    parse_comma(input, errors);
    given
}

fn parse_given(input: ParseStream<'_>) -> syn::Result<Given> {
    let keyword = input
        .call(Ident::parse_any)
        .map_err(|error| syn::Error::new(error.span(), "expected the name of an argument here"))?;
    let form = if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            let message = format!("`{keyword}` has no value: write `{keyword} = …`");
            return Err(syn::Error::new_spanned(&keyword, message));
        }
        Form::Value(input.parse()?)
    } else if input.peek(token::Paren) {
        let list;
        syn::parenthesized!(list in input);
        Form::List(list.parse()?)
    } else {
        Form::Bare
    };
    Ok(Given { keyword, form })
}

/// Reads the comma between two arguments, or notes that there is none and goes on.
pub(crate) fn parse_comma(input: ParseStream<'_>, errors: &mut Errors) {
    if input.is_empty() {
        return;
    }
    if input.peek(Token![,]) {
        let _ = input.parse::<Token![,]>();
    } else {
        errors.push(input.error("missing `,` before this"));
        // Without this, what cannot start an argument would be looked at for ever.
        if !input.peek(syn::Ident::peek_any) {
            skip_to_comma(input);
            let _ = input.parse::<Token![,]>();
        }
    }
}

pub(crate) fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        let _ = input.parse::<TokenTree>();
    }
}

/// Takes a value for an argument that may be given once.
pub(crate) fn once<T>(place: &mut Option<(Ident, T)>, keyword: &Ident, value: T, errors: &mut Errors) {
    if place.is_some() {
        errors.at(keyword, format!("`{keyword}` is given twice: leave one of them out"));
    } else {
        *place = Some((keyword.clone(), value));
    }
}

/// Notes that a keyword is none, with the nearest that is one.
pub(crate) fn unknown(attribute: &str, keyword: &Ident, allowed: &[&str], errors: &mut Errors) {
    let written = keyword.to_string();
    let hint = nearest(&written, allowed).map_or_else(
        || format!("`{attribute}` takes {}", listed(allowed)),
        |known| format!("did you mean `{known}`? `{attribute}` takes {}", listed(allowed)),
    );
    errors.at(keyword, format!("unknown argument `{written}`: {hint}"));
}

/// The word that may have been meant, if one is near enough.
pub(crate) fn nearest<'k>(written: &str, allowed: &[&'k str]) -> Option<&'k str> {
    let nearest = allowed.iter().map(|known| (distance(written, known), *known)).min()?;
    (nearest.0 <= nearest.1.len().div_ceil(3)).then_some(nearest.1)
}

/// The text that an expression is.
pub(crate) fn text_of(expr: &Expr) -> Option<LitStr> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text), ..
        }) => Some(text.clone()),
        _ => None,
    }
}

/// The `true` or `false` that an expression is.
pub(crate) fn bool_of(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Bool(value), ..
        }) => Some(value.value),
        _ => None,
    }
}

pub(crate) fn listed(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// How many letters have to be changed, added or left out (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_is_near_and_a_stranger_is_not() {
        assert_eq!(distance("max_sise", "max_size"), 1);
        assert_eq!(distance("", "ttl"), 3);
        assert_eq!(distance("ttl", "ttl"), 0);
        assert_eq!(distance("tll", "ttl"), 1);
        assert!(distance("capacity", "max_size") > 3);
    }
}
