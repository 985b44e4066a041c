//! What was written in the parentheses of `#[agent_invalidates]`: a resource, and how much of it.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Expr, Path};

use super::key_fn;
use crate::error::Errors;
use crate::function::{Function, readable};
use crate::options::{self, Form, Given};
use crate::resource::{self, Resource, Scope};

const NAME: &str = "agent_invalidates";

const ALLOWED: [&str; 5] = ["resource", "scope", "clear_all", "key_fn", "crate"];

pub(super) struct Arguments {
    pub(super) krate: Path,
    pub(super) resource: Resource,
    pub(super) of_session: bool,
    /// Makes the one key. Without it everything goes.
    pub(super) key_fn: Option<Expr>,
}

#[derive(Default)]
struct Options {
    resource: Option<(Ident, Resource)>,
    scope: Option<(Ident, Scope)>,
    clear_all: Option<(Ident, bool)>,
    key_fn: Option<(Ident, Expr)>,
    krate: Option<(Ident, Path)>,
    /// Something was written that may have been meant as the resource.
    has_stranger: bool,
}

/// What was written, or `None` if it was not enough, which has been noted.
pub(super) fn parse(tokens: TokenStream, function: Option<&Function>, errors: &mut Errors) -> Option<Arguments> {
    let mut given = Options::default();
    let parser = |input: ParseStream<'_>| {
        while !input.is_empty() {
            if is_option(input) {
                match options::parse_one(input, errors) {
                    Some(option) => given.take(option, function, errors),
                    None => given.has_stranger = true,
                }
            } else {
                given.stranger(input, errors);
                options::parse_comma(input, errors);
            }
        }
        Ok(())
    };
    if let Err(error) = parser.parse2(tokens) {
        errors.push(error);
    }
    if given.resource.is_none() && !given.has_stranger {
        errors.push(resource::missing(NAME));
    }
    match (&given.clear_all, &given.key_fn) {
        (Some((keyword, false)), None) => errors.at(
            keyword,
            "without `clear_all` it has to be said which entry: write `key_fn = …`, or leave `clear_all = false` out",
        ),
        (Some((keyword, true)), Some(_)) => {
            errors.at(keyword, "`key_fn` says already which entry: leave `clear_all` out");
        }
        _ => {}
    }
    Some(Arguments {
        krate: given
            .krate
            .map_or_else(|| syn::parse_quote!(::cache_core), |(_, path)| path),
        resource: given.resource?.1,
        of_session: matches!(given.scope, Some((_, Scope::Session))),
        key_fn: given.key_fn.map(|(_, key_fn)| key_fn),
    })
}

/// Whether an option follows, or a word that may have been meant as one.
fn is_option(input: ParseStream<'_>) -> bool {
    if options::assignment_follows(input) {
        return true;
    }
    let ahead = input.fork();
    ahead.call(Ident::parse_any).is_ok_and(|word| {
        let word = word.to_string();
        ["skip_args", "tag", "tags"].contains(&&*word) || options::nearest(&word, &ALLOWED).is_some()
    })
}

impl Options {
    fn take(&mut self, Given { keyword, form }: Given, function: Option<&Function>, errors: &mut Errors) {
        match (&*keyword.to_string(), form) {
            ("skip_args", _) => {
                let before = format!("{NAME}(resource = \"cart\"");
                key_fn::skip_args(&keyword, &before, function, errors);
            }
            ("resource", Form::Value(expr)) => match Resource::parse(expr, errors) {
                Some(resource) => options::once(&mut self.resource, &keyword, resource, errors),
                None => self.has_stranger = true,
            },
            ("scope", Form::Value(expr)) => {
                if let Some(scope) = Scope::parse(&expr, errors) {
                    options::once(&mut self.scope, &keyword, scope, errors);
                }
            }
            ("clear_all", Form::Bare) => options::once(&mut self.clear_all, &keyword, true, errors),
            ("clear_all", Form::Value(value)) => match options::bool_of(&value) {
                Some(yes) => options::once(&mut self.clear_all, &keyword, yes, errors),
                None => errors.at(value, "`clear_all` is there or not: write `clear_all`"),
            },
            ("key_fn", Form::Value(expr)) => {
                let too_many =
                    "write `#[invalidates(get_cart(user_id))]`, which takes the key as a call, for each function";
                key_fn::check(&expr, function, too_many, errors);
                options::once(&mut self.key_fn, &keyword, expr, errors);
            }
            ("crate", Form::Value(Expr::Path(path))) => options::once(&mut self.krate, &keyword, path.path, errors),
            ("crate", _) => errors.at(&keyword, "`crate` is a path: write `crate = ::cache_core`"),
            ("tag" | "tags", _) => {
                self.has_stranger = true;
                errors.at(
                    &keyword,
                    "a resource has no tags of yours: write `#[invalidates(tag = \"cart\")]` for what carries one",
                );
            }
            (known, _) if ALLOWED.contains(&known) => {
                self.has_stranger |= known == "resource";
                let example = match known {
                    "resource" => "`resource = \"cart\"`",
                    "scope" => "`scope = \"session\"`",
                    "clear_all" => "`clear_all`",
                    _ => "`key_fn = |id, _name| id`",
                };
                errors.at(&keyword, format!("`{known}` is not written like this: write {example}"));
            }
            _ => {
                self.has_stranger = true;
                options::unknown(NAME, &keyword, &ALLOWED, errors);
            }
        }
    }

    /// What is no option, most often a function.
    fn stranger(&mut self, input: ParseStream<'_>, errors: &mut Errors) {
        self.has_stranger = true;
        match input.parse::<Expr>() {
            Ok(expr) => {
                let written = readable(&expr.to_token_stream());
                errors.at(
                    expr,
                    format!(
                        "`{NAME}` evicts from all functions of a resource: write `resource = \"cart\"`, or \
                         `#[invalidates({written})]` to evict from one function"
                    ),
                );
            }
            Err(error) => {
                errors.push(error);
                options::skip_to_comma(input);
            }
        }
    }
}
