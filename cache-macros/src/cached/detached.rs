//! Whose loads may outlive their calls, and what these take along.
//!
//! Such a load runs as a task of its own, on any thread. What a call was given goes to it, and of what a call was lent it gets
//! a copy, made on a miss; where that cannot be done, what stands here says so, as far as it can be seen in the tokens. The
//! rest the types say (`__private::task`).

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::{Expr, Type};

use super::Attribute;
use crate::error::Errors;
use crate::function::{Argument, Function, borrowed_part, captured, readable};
use crate::taken::{All, Taken};

/// What is different about a function whose loads may outlive their calls.
pub(super) struct Detached {
    /// The word that makes it so.
    pub(super) keyword: Ident,
    pub(super) receiver: Option<Taken>,
    pub(super) arguments: Vec<Taken>,
    /// For how long callers wait at most is said here.
    pub(super) has_timeout: bool,
}

/// Whether a load can take an argument of this type along, as far as the tokens tell.
pub(super) fn can_go(declared: &Type) -> bool {
    Taken::of(declared).is_ok()
}

/// A function whose loads may outlive their calls.
pub(super) struct Caller<'f> {
    pub(super) function: &'f Function,
    pub(super) arguments: &'f [Argument],
    /// What has not been complained of.
    pub(super) returns: Option<&'f Type>,
    pub(super) cache_if: Option<&'f Expr>,
}

/// Notes what keeps loads from outliving their calls, as they may by `keyword`.
pub(super) fn check(
    attribute: Attribute,
    keyword: Ident,
    has_timeout: bool,
    caller: &Caller<'_>,
    errors: &mut Errors,
) -> Option<Detached> {
    let Caller {
        function,
        arguments,
        returns,
        cache_if,
    } = *caller;
    let word = match attribute {
        Attribute::Revision => "on_change = \"stale\"".to_owned(),
        _ => keyword.to_string(),
    };
    let outlives = format!("with `{word}` the load may outlive that");
    let taken = All::of(function, arguments, &outlives, errors);
    if let Some(Expr::Closure(closure)) = cache_if
        && let Some(name) = captured(closure, arguments)
    {
        errors.at(
            &name,
            match attribute {
                Attribute::Batch => {
                    "a batch is not one call's, so that `cache_if` has nothing but the value: decide by that".to_owned()
                }
                _ => format!(
                    "with `{word}` the load may outlive the call, so that `cache_if` has nothing but the value: decide by \
                     that, or leave `{word}` out"
                ),
            },
        );
    }
    if let Some(borrow) = returns.and_then(borrowed_part) {
        errors.at(
            &borrow,
            format!(
                "with `{word}` the load may outlive the call, so that what it returns cannot hold `{}`: return something \
                 owned",
                readable(&borrow)
            ),
        );
    }
    if attribute == Attribute::In && function.receiver().is_some() {
        check_texts(function, errors);
    }
    let All { receiver, arguments } = taken?;
    Some(Detached {
        keyword,
        receiver,
        arguments,
        has_timeout,
    })
}

/// Notes `{self}` in texts of macros: the `self` of a body that stands in another future has another name, which texts do not
/// get.
fn check_texts(function: &Function, errors: &mut Errors) {
    fn walk(tokens: TokenStream, in_macro: bool, errors: &mut Errors) {
        let (mut is_name, mut is_macro) = (false, false);
        for token in tokens {
            match &token {
                TokenTree::Group(group) => walk(group.stream(), in_macro || is_macro, errors),
                TokenTree::Literal(literal) if in_macro && shows_self(&literal.to_string()) => {
                    errors.at(
                        literal,
                        "a body that is to run by itself cannot have `self` in a text: write `{}` there, and `self` behind the \
                         text",
                    );
                }
                _ => {}
            }
            is_macro = is_name && matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '!');
            is_name = matches!(token, TokenTree::Ident(_));
        }
    }
    if let Some(body) = &function.body {
        walk(body.stream(), false, errors);
    }
}

/// Whether a text has `self` in braces, which are not there twice.
fn shows_self(text: &str) -> bool {
    let text = text.replace("{{", "");
    text.contains("{self}") || text.contains("{self:")
}
