//! Whose loads may outlive their calls, and what these take along.
//!
//! Such a load runs as a task of its own, on any thread. What a call was given goes to it, and of what a call was lent it gets
//! a copy, made on a miss; where that cannot be done, what stands here says so, as far as it can be seen in the tokens. The
//! rest the types say (`__private::task`).

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Expr, GenericArgument, PathArguments, ReceiverKind, Type};

use super::Attribute;
use crate::error::Errors;
use crate::function::{Argument, Function, borrowed_part, captured, readable};
use crate::key::{is_plain, is_primitive};

/// What is different about a function whose loads may outlive their calls.
pub(super) struct Detached {
    /// The word that makes it so.
    pub(super) keyword: Ident,
    pub(super) receiver: Option<Taken>,
    pub(super) arguments: Vec<Taken>,
    /// For how long callers wait at most is said here.
    pub(super) has_timeout: bool,
}

/// How an argument comes to be the load's own. Of those that are `known` the types need not be asked.
pub(super) enum Taken {
    /// It is already.
    Given {
        known: bool,
    },
    /// By a copy of what it refers to.
    Lent {
        target: Type,
        known: bool,
    },
    /// The same, if it refers to anything.
    Optional {
        target: Type,
        known: bool,
    },
    Cow {
        known: bool,
    },
}

impl Taken {
    /// Whether there is something to do about it.
    pub(super) fn is_as_it_is(&self) -> bool {
        matches!(self, Self::Given { known: true })
    }

    /// Takes a declared type apart, or gives the part that borrows.
    fn of(declared: &Type) -> Result<Self, TokenStream> {
        let whole = || declared.to_token_stream();
        let owned = |ty: &Type| borrowed_part(ty).map_or(Ok(()), Err);
        match peel(declared) {
            Type::Reference(reference) if reference.mutability.is_some() => Err(whole()),
            // For as long as there is anything.
            Type::Reference(_) if borrowed_part(declared).is_none() => Ok(Self::Given {
                known: lent_by(declared).is_some_and(is_known),
            }),
            Type::Reference(reference) => {
                let target = peel(&reference.elem).clone();
                owned(&target)?;
                let known = is_known(&target);
                Ok(Self::Lent { target, known })
            }
            other => match of_one(other) {
                Some((name, of)) if name == "Option" && lent_by(of).is_some() && borrowed_part(of).is_some() => {
                    let target = lent_by(of).unwrap_or(of).clone();
                    owned(&target)?;
                    let known = is_known(&target);
                    Ok(Self::Optional { target, known })
                }
                Some((name, of)) if name == "Cow" && borrowed_part(other).is_some() => {
                    owned(of)?;
                    Ok(Self::Cow { known: is_known(of) })
                }
                _ => owned(other).map(|()| Self::Given { known: is_known(other) }),
            },
        }
    }

    /// The same for `self`.
    fn of_receiver(function: &Function) -> Option<Result<Self, TokenStream>> {
        let receiver = function.receiver()?;
        let target: Type = syn::parse_quote!(Self);
        Some(match &receiver.kind {
            ReceiverKind::Reference(_, _, Some(_)) => Err(receiver.to_token_stream()),
            ReceiverKind::Reference(..) => Ok(Self::Lent { target, known: false }),
            ReceiverKind::Typed(_, ty) => Self::of(ty),
            _ => Ok(Self::Given { known: false }),
        })
    }
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
    let receiver = Taken::of_receiver(function).map(|taken| {
        taken.map_err(|part| {
            let receiver = function.receiver().to_token_stream();
            errors.at(receiver, lent_message("self", &part, &word));
        })
    });
    let taken: Vec<_> = arguments
        .iter()
        .map(|argument| {
            Taken::of(&argument.ty).map_err(|part| {
                let name = argument.pat.to_token_stream().to_string();
                let name = name.strip_prefix("mut ").unwrap_or(&name);
                errors.at(&argument.ty, lent_message(name, &part, &word));
            })
        })
        .collect();
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
    Some(Detached {
        receiver: receiver.and_then(Result::ok),
        arguments: taken.into_iter().collect::<Result<_, _>>().ok()?,
        has_timeout,
        keyword,
    })
}

/// Why an argument cannot go along, and what can.
fn lent_message(name: &str, part: &TokenStream, word: &str) -> String {
    let borrow = readable(part);
    let (holds, instead) = match borrow.strip_prefix("&mut ") {
        _ if name == "self" => (
            String::new(),
            "take `&self`, of a type that is `Clone`, or `self: Arc<Self>`".to_owned(),
        ),
        Some(of) => (String::new(), format!("take `{of}` by value, or an `Arc<Mutex<{of}>>`")),
        None if borrow.ends_with("str") => (format!("holds `{borrow}`, which "), "take `String` there".to_owned()),
        None => (
            format!("holds `{borrow}`, which "),
            "take something owned, or an `Arc`".to_owned(),
        ),
    };
    format!("`{name}` {holds}is lent to the call, and with `{word}` the load may outlive that: {instead}")
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

fn peel(ty: &Type) -> &Type {
    match ty {
        Type::Paren(inner) => peel(&inner.elem),
        Type::Group(inner) => peel(&inner.elem),
        other => other,
    }
}

/// What a shared reference refers to.
fn lent_by(ty: &Type) -> Option<&Type> {
    match peel(ty) {
        Type::Reference(reference) if reference.mutability.is_none() => Some(peel(&reference.elem)),
        _ => None,
    }
}

/// The name of a type with one type argument, and that.
fn of_one(ty: &Type) -> Option<(&Ident, &Type)> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    match (types.next(), types.next()) {
        (Some(of), None) => Some((&last.ident, of)),
        _ => None,
    }
}

/// Whether it needs no asking that a load can have one of its own.
fn is_known(ty: &Type) -> bool {
    is_primitive(ty) || ["str", "String"].iter().any(|word| is_plain(peel(ty), word))
}
