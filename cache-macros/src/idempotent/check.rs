//! From what was written to a plan that cannot be wrong, or to all the mistakes at once.

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::{Expr, Ident, LitStr, Path, Type};

use super::arguments::{Arguments, Payload};
use crate::error::Errors;
use crate::function::{Argument, Function, borrowed_part, captured, opaque_part, readable};
use crate::place::{self, Place};
use crate::taken;

/// What is to be expanded.
pub(super) struct Plan {
    pub(super) krate: Path,
    pub(super) function: Function,
    pub(super) arguments: Vec<Argument>,
    pub(super) returns: Type,
    pub(super) store: Expr,
    pub(super) key: Expr,
    pub(super) scope: [Expr; 2],
    pub(super) payload: Payload,
    pub(super) ignore: Vec<LitStr>,
    pub(super) store_error: Option<Expr>,
    pub(super) name: Option<LitStr>,
    /// It stands in an `impl`, where only more methods can stand beside it.
    pub(super) is_method: bool,
    pub(super) way: Way,
}

/// How the handler runs.
pub(super) enum Way {
    /// As a task of its own, with all this.
    Task(Box<taken::All>),
    /// In the call, and in the transaction that this argument is, which is said here.
    Inline(Ident, Span),
}

pub(super) fn plan(given: Arguments, function: Function, errors: &mut Errors) -> Option<Plan> {
    function.check("idempotent", errors);
    check_alone(&function, errors);
    let arguments = function.arguments();
    let returns = check_return(&function, errors);
    let place = place::of(&function.sig.ident);
    let is_method =
        function.receiver().is_some() || function.names_self_type() || place.is_some_and(|place| !place.has_types());
    check_place(place, &function, errors);
    if given.name.is_none() {
        check_name(is_method, place, &function.sig.ident, errors);
    }
    if let Some((_, Expr::Closure(closure))) = &given.store_error
        && let Some(name) = captured(closure, &arguments)
    {
        errors.at(
            &name,
            "`store_error` has nothing but the error, because it is asked when the call may have gone: decide by that",
        );
    }
    let way = match given.tx {
        Some((_, tx)) => {
            check_transaction(&tx, &function, &arguments, errors).map(|argument| Way::Inline(argument, tx.span()))
        }
        None => taken::All::of(&function, &arguments, "the handler may outlive that", errors)
            .map(|all| Way::Task(Box::new(all))),
    };
    Some(Plan {
        krate: given
            .krate
            .map_or_else(|| syn::parse_quote!(::cache_core), |(_, path)| path),
        returns: returns?,
        store: given.store?.1,
        key: given.key?.1,
        scope: given.scope?.1,
        payload: given.payload?.1,
        ignore: given.ignore.map_or_else(Vec::new, |(_, paths)| paths),
        store_error: given.store_error.map(|(_, rule)| rule),
        name: given.name.map(|(_, name)| name),
        is_method,
        way: way?,
        arguments,
        function,
    })
}

/// The path of a function in a module is its own. Others share theirs, or have none that can be known here.
fn check_name(is_method: bool, place: Option<Place>, name: &Ident, errors: &mut Errors) {
    if is_method {
        errors.at(
            name,
            format!(
                "a method needs a name for its records, because other types may have a `{name}` as well: add `name = \
                 \"Orders::{name}\"`, and keep it when the method moves"
            ),
        );
    } else if place == Some(Place::Body) {
        errors.at(
            name,
            format!(
                "a function in another one needs a name for its records, because others may have a `{name}` in them as well: \
                 add `name = \"orders::{name}\"`"
            ),
        );
    }
}

/// What keeps replies is one thing.
fn check_alone(function: &Function, errors: &mut Errors) {
    for other in &function.attrs {
        let Some(last) = other.path().segments.last() else {
            continue;
        };
        if last.ident == "idempotent" {
            errors.at(
                other.path(),
                "this function is idempotent already: leave one of them out",
            );
        } else if last.ident.to_string().starts_with("cached_") || last.ident == "agent_cached" {
            errors.at(other.path(), super::with_cached(&last.ident.to_string()));
        }
    }
}

fn check_return(function: &Function, errors: &mut Errors) -> Option<Type> {
    const RESULT: &str =
        "return a `Result<T, E>`, with an error that is `From<cache_core::idempotency::IdempotencyError>`";
    let name = &function.sig.ident;
    let Some(returns) = function.returns() else {
        errors.at(
            name,
            format!("`{name}` returns nothing, and a key that is refused has to come back as an error: {RESULT}"),
        );
        return None;
    };
    if let Some(opaque) = opaque_part(returns) {
        errors.at(
            &opaque,
            format!(
                "`{}` has no name, and what is stored comes back as a type that has one: {RESULT}",
                readable(&opaque)
            ),
        );
        return None;
    }
    if let Some(borrow) = borrowed_part(returns) {
        errors.at(
            &borrow,
            format!(
                "what is replayed is read from the store, so that it cannot hold `{}`: return something owned, such as `String`",
                readable(&borrow)
            ),
        );
        return None;
    }
    Some(returns.clone())
}

/// Companions of a method need room beside it.
fn check_place(place: Option<Place>, function: &Function, errors: &mut Errors) {
    let of_what = match place {
        Some(Place::TraitImpl) => "the `impl` of a trait",
        // Without a body it has been noted already.
        Some(Place::Trait) if function.body.is_some() => "a trait",
        _ => return,
    };
    errors.at(
        &function.sig.ident,
        format!(
            "`#[idempotent]` puts companions beside the method, for which there is no room in {of_what}: annotate a function or \
             a method outside of it, and call that here"
        ),
    );
}

/// The argument that is the transaction, if it is one and can be that.
fn check_transaction(tx: &Ident, function: &Function, arguments: &[Argument], errors: &mut Errors) -> Option<Ident> {
    let found = arguments
        .iter()
        .find(|argument| argument.is_named && argument.name == *tx);
    let Some(argument) = found else {
        let names: Vec<String> = arguments
            .iter()
            .filter(|argument| argument.is_named)
            .map(|argument| argument.name.to_string())
            .collect();
        errors.at(tx, function.no_argument(&tx.to_string(), &names, "to run in"));
        return None;
    };
    if !matches!(&argument.ty, Type::Reference(reference) if reference.mutability.is_some()) {
        errors.at(
            &argument.ty,
            format!(
                "the transaction is lent, because who began it commits it: take `{tx}: &mut sqlx::Transaction<'_, Postgres>`, \
                 not `{}`",
                readable(&argument.ty.to_token_stream())
            ),
        );
        return None;
    }
    Some(argument.name.clone())
}
