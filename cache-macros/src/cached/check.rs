//! From what was written to a plan that cannot be wrong, or to all the mistakes at once.

use std::collections::HashSet;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::spanned::Spanned as _;
use syn::{Expr, GenericArgument, Path, PathArguments, ReceiverKind, Type, UnOp};

use super::Attribute;
use super::arguments::{Arguments, Lifetime, Policy};
use super::batch::{self, Batch};
use super::combinations;
use super::detached::{self, Detached};
use super::freshness::Freshness;
use super::revision::{self, Revision};
use super::tags::{self, Labels};
use crate::error::Errors;
use crate::function::{Argument, Function, borrowed_part, names_ident, opaque_part, readable};
use crate::idempotent;
use crate::key::{MAX_PARTS, Part, elements};
use crate::place::{self, Place};
use crate::resource::{Resource, Scope};

/// What is to be expanded.
pub(super) struct Plan {
    pub(super) krate: Path,
    pub(super) function: Function,
    pub(super) arguments: Vec<Argument>,
    pub(super) returns: Type,
    /// Its error borrows, so that nobody else can have it.
    pub(super) error_borrows: bool,
    pub(super) key: Key,
    /// Which arguments a companion needs that does not run the body.
    pub(super) kept: Vec<usize>,
    /// The key is made of `self`, among others.
    pub(super) keyed_by_self: bool,
    pub(super) home: Home,
    pub(super) keep_if: Option<Expr>,
    pub(super) placement: Placement,
    pub(super) labels: Labels,
    pub(super) agent: Option<Agent>,
    /// Its loads may outlive their calls.
    pub(super) detached: Option<Detached>,
    /// It loads many keys at once.
    pub(super) batch: Option<Batch>,
    /// Its values live as long as one.
    pub(super) revision: Option<Revision>,
}

/// Of `#[agent_cached]`.
pub(super) struct Agent {
    pub(super) resource: Resource,
    pub(super) of_session: bool,
}

/// What makes the key.
pub(super) enum Key {
    /// Arguments, whose types tell its type.
    Parts(Vec<(usize, Part)>),
    /// Expressions, whose types only the compiler knows.
    Exprs(Vec<Expr>),
}

/// Where the cache is.
pub(super) enum Home {
    Static(Box<Settings>),
    Given(Expr),
}

pub(super) struct Settings {
    pub(super) bound: BoundBy,
    pub(super) ttl: Option<Lifetime>,
    pub(super) tti: Option<Lifetime>,
    pub(super) freshness: Freshness,
    pub(super) policy: Policy,
    pub(super) name: Option<String>,
    /// Which attribute said so.
    pub(super) attribute: Attribute,
}

pub(super) enum BoundBy {
    Size(TokenStream),
    Weight { max: Box<Expr>, weigher: Box<Expr> },
    Nothing,
}

/// Where the function stands, and so where its companions can.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Placement {
    /// Beside a type of its name that holds them.
    Free,
    /// In an `impl`, where only more methods can stand.
    Impl,
    /// Nowhere: in the `impl` of a trait, or with parameters that a handle could not name.
    Alone,
}

pub(super) fn plan(
    attribute: Attribute,
    mut given: Arguments,
    function: Function,
    batch: Option<Batch>,
    errors: &mut Errors,
) -> Option<Plan> {
    function.check(attribute.name(), errors);
    check_alone(attribute, &function, errors);
    check_conflicts(&given, errors);
    let arguments = function.arguments();
    combinations::check(attribute, &given, &arguments, errors);
    let returns = check_return(&function, errors);
    let skipped = check_skip(&mut given, &function, &arguments, errors);
    check_receiver(attribute, &given, &skipped, &function, errors);

    let source = revision::source(&given, &arguments, &skipped);
    let holder = source.map(|source| source.name.to_string());
    let holder = holder.or_else(|| given.cache.as_ref().and_then(holder_of));
    let key_code = given.key.as_ref().map(|(_, expr)| expr.to_token_stream());
    let in_key: Vec<usize> = (0..arguments.len())
        .filter(|at| match &key_code {
            Some(code) => named_by(code, &arguments[*at]),
            // An argument that is the cache, or has it in a field, stands to it as `self` does in a method.
            None => {
                let name = arguments[*at].name.to_string();
                !skipped.contains(&name) && holder.as_ref().is_none_or(|holder| *holder != name)
            }
        })
        .collect();
    let is_keyed_by_expr = key_code.is_some();
    let keyed_by_self = key_code.is_some_and(|code| names_ident(code, "self"));

    let parameters = function.type_parameters();
    let reaching = reaching(&parameters, &in_key, &arguments, returns.as_ref());
    let is_static = attribute != Attribute::In;
    if is_static {
        check_generic(attribute, &reaching, errors);
    }
    let is_detached = detaching(None, &given).is_some();
    let key = match given.key.take() {
        Some((_, expr)) => Key::Exprs(elements(&expr).into_iter().cloned().collect()),
        None if is_static => Key::Parts(check_parts(
            attribute,
            (&in_key, &arguments),
            &reaching,
            is_detached,
            errors,
        )),
        None => Key::Exprs(in_key.iter().map(|at| arguments[*at].name_expr()).collect()),
    };
    check_length(&key, &in_key, &function, errors);

    let cache_code = given.cache.as_ref().map(ToTokens::to_token_stream);
    let kept: Vec<usize> = (0..arguments.len())
        .filter(|at| in_key.contains(at) || cache_code.as_ref().is_some_and(|code| named_by(code, &arguments[*at])))
        .collect();
    let known = tags::Known {
        function: &function,
        arguments: &arguments,
        kept: &kept,
        receiver: keyed_by_self || cache_code.clone().is_some_and(|code| names_ident(code, "self")),
        key: match &key {
            Key::Exprs(exprs) if is_keyed_by_expr => Some(exprs),
            _ => None,
        },
        cache: cache_code.as_ref(),
    };
    let tags = given.tags.take().map_or_else(Vec::new, |(_, tags)| tags);
    let labels = tags::check(&tags, given.tag_fn.take(), &known, errors);
    let placement = placement(attribute, &function, &skipped, !reaching.is_empty(), errors);
    let krate = given.krate.take().map(|(_, path)| path);
    let keep_if = given.cache_if.take().map(|(_, expr)| expr);
    let of_session = matches!(given.scope, Some((_, Scope::Session)));
    let agent = given.resource.take();
    let agent = agent.map(|(_, resource)| Agent { resource, of_session });
    let caller = detached::Caller {
        function: &function,
        arguments: &arguments,
        returns: returns.as_ref(),
        cache_if: keep_if.as_ref(),
    };
    let has_timeout = given.freshness.load_timeout.is_some();
    let detached = detaching(batch.as_ref(), &given)
        .and_then(|keyword| detached::check(attribute, keyword, has_timeout, &caller, errors));
    let revision = revision::check(attribute, &mut given, source, errors);
    let home = match given.cache.take() {
        Some(cache) => Home::Given(cache),
        None => Home::Static(Box::new(settings(attribute, given))),
    };
    Some(Plan {
        krate: krate.unwrap_or_else(|| syn::parse_quote!(::cache_core)),
        error_borrows: returns.as_ref().is_some_and(|returns| borrowed_part(returns).is_some()),
        returns: returns?,
        arguments,
        key,
        kept,
        keyed_by_self,
        home,
        keep_if,
        placement,
        labels,
        agent,
        detached,
        batch,
        revision,
        function,
    })
}

/// Whether some code names what an argument binds.
fn named_by(code: &TokenStream, argument: &Argument) -> bool {
    let names = argument.bindings();
    names.iter().any(|name| names_ident(code.clone(), &name.to_string()))
}

/// The word by which loads may outlive their calls.
fn detaching(batch: Option<&Batch>, given: &Arguments) -> Option<Ident> {
    match batch {
        Some(_) => Some(batch::keyword()),
        None => given.freshness.detaching().or(given.revision.detaching()).cloned(),
    }
}

/// One cache a function.
fn check_alone(attribute: Attribute, function: &Function, errors: &mut Errors) {
    for other in &function.attrs {
        let Some(last) = other.path().segments.last() else {
            continue;
        };
        if last.ident == "idempotent" {
            errors.at(other.path(), idempotent::with_cached(attribute.name()));
        }
        if [
            "cached_lru",
            "cached_ttl",
            "cached_in",
            "agent_cached",
            "cached_batch",
            "cached_revision",
        ]
        .iter()
        .any(|name| last.ident == name)
        {
            errors.at(
                other.path(),
                format!(
                    "`#[{name}]` already caches this function: a function has one cache, so put its arguments there, as in \
                     `#[{}]`",
                    match attribute {
                        Attribute::Agent => "agent_cached(resource = \"cart\", ttl = \"60s\")",
                        Attribute::Batch => "cached_batch(window = \"5ms\", ttl = \"60s\")",
                        Attribute::Revision => "cached_revision(revision = db.revision(&[\"topics\"]))",
                        _ => "cached_lru(max_size = 1_000, ttl = \"60s\")",
                    },
                    name = attribute.name(),
                ),
            );
        }
    }
}

fn placement(
    attribute: Attribute,
    function: &Function,
    skipped: &HashSet<String>,
    is_generic: bool,
    errors: &mut Errors,
) -> Placement {
    let place = place::of(&function.sig.ident);
    let in_impl = function.receiver().is_some()
        || function.names_self_type()
        || skipped.contains("Self")
        || place.is_some_and(|place| !place.has_types());
    if attribute != Attribute::In {
        check_place(attribute, place, function, errors);
    }
    match (attribute, in_impl) {
        (Attribute::In, true) => Placement::Alone,
        (_, true) => Placement::Impl,
        (_, false) if is_generic => Placement::Alone,
        (_, false) => Placement::Free,
    }
}

/// Companions of a method need room beside it.
fn check_place(attribute: Attribute, place: Option<Place>, function: &Function, errors: &mut Errors) {
    let of_what = match place {
        Some(Place::TraitImpl) => "the `impl` of a trait",
        // Without a body it has been noted already.
        Some(Place::Trait) if function.body.is_some() => "a trait",
        _ => return,
    };
    errors.at(
        &function.sig.ident,
        format!(
            "`#[{}]` puts companions beside the method, for which there is no room in {of_what}: {}",
            attribute.name(),
            match attribute {
                Attribute::Agent | Attribute::Batch | Attribute::Revision =>
                    "annotate a function outside of it, and call that here",
                _ => "keep the results in a cache of your own with `#[cached_in(self.field)]`",
            }
        ),
    );
}

fn check_conflicts(given: &Arguments, errors: &mut Errors) {
    let Arguments {
        max_size,
        unbounded,
        max_weight,
        weigher,
        key,
        skip,
        ..
    } = given;
    if let (Some(_), Some((unbounded, ()))) = (max_size, unbounded) {
        errors.at(
            unbounded,
            "`unbounded` and `max_size` exclude each other: leave one of them out",
        );
    }
    if let (Some(_), Some((unbounded, ()))) = (max_weight, unbounded) {
        errors.at(
            unbounded,
            "`unbounded` and `max_weight` exclude each other: leave one of them out",
        );
    }
    if let (Some((weight, _)), Some(_)) = (max_weight, max_size) {
        errors.at(
            weight,
            "`max_weight` and `max_size` exclude each other, a cache is bound by weight or by count: leave one of them out",
        );
    }
    match (max_weight, weigher) {
        (Some((weight, _)), None) => errors.at(
            weight,
            "`max_weight` needs to know what entries weigh: add `weigher = path::to_function`",
        ),
        (None, Some((weigher, _))) => errors.at(weigher, "`weigher` needs a bound: add `max_weight = 1_000_000`"),
        _ => {}
    }
    if let (Some(_), Some((skip, _))) = (key, skip) {
        errors.at(
            skip,
            "`key` is the whole key, so that there is nothing to `skip`: leave one of them out",
        );
    }
}

pub(super) fn check_return(function: &Function, errors: &mut Errors) -> Option<Type> {
    let Some(returns) = function.returns() else {
        errors.at(
            &function.sig.ident,
            format!(
                "`{}` returns nothing, so that there is nothing to cache",
                function.sig.ident
            ),
        );
        return None;
    };
    if let Some(opaque) = opaque_part(returns) {
        errors.at(
            &opaque,
            format!(
                "`{}` has no name, and a cache has to name what it keeps: return a type that has one",
                readable(&opaque)
            ),
        );
        return None;
    }
    let kept = success_part(returns);
    if let Some(borrow) = borrowed_part(kept) {
        errors.at(
            &borrow,
            format!("a cached value outlives the call, so that it cannot hold `{}`: return something owned, such as `String` or `Arc<T>`", readable(&borrow)),
        );
        return None;
    }
    Some(returns.clone())
}

/// Of what is spelled like a `Result` the success. Only for the message about borrows; what is kept, the type decides.
fn success_part(returns: &Type) -> &Type {
    if let Type::Path(path) = returns
        && let Some(last) = path.path.segments.last().filter(|last| last.ident == "Result")
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(GenericArgument::Type(success)) = arguments.args.first()
    {
        return success;
    }
    returns
}

/// The names in `skip(..)`, of which each has to be an argument.
fn check_skip(
    given: &mut Arguments,
    function: &Function,
    arguments: &[Argument],
    errors: &mut Errors,
) -> HashSet<String> {
    let receiver = function.receiver().map(|_| "self".to_owned());
    let named = arguments
        .iter()
        .filter(|argument| argument.is_named)
        .map(|argument| argument.name.to_string());
    let names: Vec<String> = receiver.into_iter().chain(named).collect();
    let mut skipped = HashSet::new();
    for name in given.skip.iter().flat_map(|(_, names)| names) {
        let known = arguments
            .iter()
            .any(|argument| argument.is_named && argument.name == *name)
            || (name == "self" && function.receiver().is_some())
            || (name == "Self" && function.receiver().is_none());
        if !known {
            errors.at(name, function.no_argument(&name.to_string(), &names, "to skip"));
        } else if !skipped.insert(name.to_string()) {
            errors.at(name, format!("`{name}` is skipped twice: leave one of them out"));
        }
    }
    skipped
}

/// `self` is in the key, or left out on purpose, or finds the cache.
fn check_receiver(
    attribute: Attribute,
    given: &Arguments,
    skipped: &HashSet<String>,
    function: &Function,
    errors: &mut Errors,
) {
    let Some(receiver) = function.receiver() else { return };
    let names_self = |expr: Option<&Expr>| expr.is_some_and(|expr| names_ident(expr.to_token_stream(), "self"));
    let decided = skipped.contains("self")
        || names_self(given.key.as_ref().map(|(_, key)| key))
        || names_self(given.cache.as_ref());
    if !decided && attribute == Attribute::Batch {
        errors.at(
            receiver,
            "every instance shares this cache and its batches, so write `skip(self)` if results do not depend on it, or have \
             `Cache::batched` in each instance",
        );
    } else if !decided && attribute == Attribute::Revision {
        errors.at(
            receiver,
            "every instance shares this cache, so write `skip(self)` if results do not depend on it, or have a \
             `Cache<_, Revised<_>>` in each instance",
        );
    } else if !decided && (attribute != Attribute::In || given.cache.is_some()) {
        errors.at(
            receiver,
            format!(
                "every instance shares this cache, so say what `self` is to the key: `skip(self)` if results do not depend on \
                 it, `key = (self.id, ..)` if they depend on a part of it{}",
                match attribute {
                    Attribute::Agent => "",
                    _ => ", or `#[cached_in(self.field)]` for a cache in each instance",
                }
            ),
        );
    }
    let is_unique = match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_some(),
        _ => false,
    };
    if is_unique && decided && !skipped.contains("self") {
        errors.at(
            receiver,
            "a hit does not run the function, so that what it does to `&mut self` would be left out: take `&self`, or write \
             `skip(self)` if that is meant",
        );
    }
}

/// Which type parameters a key argument or the return type names, with the place.
fn reaching(
    parameters: &HashSet<String>,
    in_key: &[usize],
    arguments: &[Argument],
    returns: Option<&Type>,
) -> Vec<(String, TokenStream)> {
    let types = in_key.iter().map(|at| &arguments[*at].ty).chain(returns);
    types
        .filter_map(|ty| {
            let tokens = ty.to_token_stream();
            let parameter = parameters.iter().find(|name| names_ident(tokens.clone(), name))?;
            Some((parameter.clone(), tokens))
        })
        .collect()
}

/// A static cache has one type.
fn check_generic(attribute: Attribute, reaching: &[(String, TokenStream)], errors: &mut Errors) {
    let instead = match attribute {
        Attribute::Agent => "write the types out",
        Attribute::Revision => "write the types out, or have a `Cache<_, Revised<_>>` of your own",
        Attribute::Batch => "write the types out, or make the batches of a cache of your own with `Cache::batched`",
        _ => "keep the results in a cache of your own with `#[cached_in(..)]`",
    };
    for (parameter, tokens) in reaching {
        errors.at(
            tokens,
            format!(
                "the generic parameter `{parameter}` reaches the key or the value, and a static cache has one type for each: \
                 {instead}"
            ),
        );
    }
}

fn check_length(key: &Key, in_key: &[usize], function: &Function, errors: &mut Errors) {
    if in_key.len() > MAX_PARTS && !matches!(key, Key::Exprs(exprs) if exprs.len() <= MAX_PARTS) {
        errors.at(
            &function.sig.ident,
            format!("a key has at most {MAX_PARTS} parts: leave arguments out with `skip(..)`, or write `key = …`"),
        );
    }
}

/// What an expression names, itself or a field of it, if that is all it does. (Not of `shards[id % 4]`: there `id` has to stay
/// in the key.)
fn holder_of(cache: &Expr) -> Option<String> {
    match cache {
        Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
        Expr::Field(field) => holder_of(&field.base),
        Expr::Paren(inner) => holder_of(&inner.expr),
        Expr::Group(inner) => holder_of(&inner.expr),
        Expr::Reference(inner) => holder_of(&inner.expr),
        Expr::Unary(inner) if matches!(inner.op, UnOp::Deref(_)) => holder_of(&inner.expr),
        _ => None,
    }
}

fn check_parts(
    attribute: Attribute,
    (in_key, arguments): (&[usize], &[Argument]),
    reaching: &[(String, TokenStream)],
    is_detached: bool,
    errors: &mut Errors,
) -> Vec<(usize, Part)> {
    let mut parts = Vec::new();
    for at in in_key {
        let ty = &arguments[*at].ty;
        if reaching
            .iter()
            .any(|(_, tokens)| tokens.to_string() == ty.to_token_stream().to_string())
        {
            continue;
        }
        match Part::of(ty) {
            Ok(part) => parts.push((*at, part)),
            // Leaving it out of the key would not do.
            Err(_) if is_detached && !detached::can_go(ty) => {}
            Err(misfit) => {
                let otherwise = match attribute {
                    Attribute::Revision => "",
                    _ => misfit.otherwise,
                };
                errors.at(ty, misfit.message + otherwise);
            }
        }
    }
    parts
}

fn settings(attribute: Attribute, given: Arguments) -> Settings {
    let default_size = if attribute == Attribute::Lru {
        quote!(128)
    } else {
        quote!(1024)
    };
    let bound = match (given.max_size, given.unbounded, given.max_weight, given.weigher) {
        (_, Some(_), _, _) => BoundBy::Nothing,
        (_, _, Some((_, max)), Some((_, weigher))) => BoundBy::Weight {
            max: Box::new(max),
            weigher: Box::new(weigher),
        },
        (Some((_, size)), ..) => BoundBy::Size(size.to_token_stream()),
        _ => BoundBy::Size(default_size),
    };
    let default_ttl = (matches!(attribute, Attribute::Ttl | Attribute::Agent | Attribute::Batch)
        && given.freshness.ttl_fn.is_none())
    .then(|| Lifetime::Known(std::time::Duration::from_secs(60)));
    Settings {
        bound,
        ttl: given.ttl.map(|(_, ttl)| ttl).or(default_ttl),
        tti: given.tti.map(|(_, tti)| tti),
        freshness: given.freshness,
        policy: given.policy.map_or(Policy::Lru, |(_, policy)| policy),
        name: given.name.map(|(_, name)| name.value()),
        attribute,
    }
}

impl Plan {
    pub(super) fn returns_span(&self) -> proc_macro2::Span {
        self.returns.span()
    }
}
