//! What was written in the parentheses of `#[invalidates]`: targets, each with what it says of its keys.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser as _};
use syn::{Expr, ExprLit, Lit, Path, RangeLimits};

use super::key_fn;
use crate::error::Errors;
use crate::function::Function;
use crate::options::{self, Form, Given};
use crate::template::{self, Template};

pub(super) struct Arguments {
    pub(super) targets: Vec<Target>,
    pub(super) krate: Path,
    /// A tag was written, right or wrong.
    has_tags: bool,
}

/// What is evicted.
pub(super) enum Target {
    /// Entries of a cache.
    Entries { cache: Cached, keys: Keys },
    /// Whatever carries a tag.
    Tag(Box<Template>),
}

/// Whose entries.
pub(super) enum Cached {
    /// A cached function, by its path.
    Function(Path),
    /// A cached method, by the path of its type and its name.
    Method(Path, Ident),
    /// A cache, by an expression.
    Cache(Expr),
}

/// Which entries.
pub(super) enum Keys {
    /// The one for the arguments of the same names.
    ByName,
    /// The one for these arguments.
    Of(Vec<Expr>),
    /// The one for what this makes of the mutation's arguments.
    Made(Expr),
    All,
}

const ALLOWED: [&str; 4] = ["clear_all", "key_fn", "tag", "crate"];

pub(super) fn parse(tokens: TokenStream, function: Option<&Function>, errors: &mut Errors) -> Arguments {
    let mut arguments = Arguments {
        targets: Vec::new(),
        krate: syn::parse_quote!(::cache_core),
        has_tags: false,
    };
    let mut krate = None;
    let mut failed = false;
    let parser = |input: ParseStream<'_>| {
        while !input.is_empty() {
            if is_option(input) {
                match options::parse_one(input, errors) {
                    Some(given) => arguments.option(given, &mut krate, function, errors),
                    None => failed = true,
                }
            } else {
                match input.parse::<Expr>() {
                    Ok(expr) => match target(expr, errors) {
                        Some(target) => arguments.targets.push(target),
                        None => failed = true,
                    },
                    Err(error) => {
                        errors.push(error);
                        failed = true;
                        options::skip_to_comma(input);
                    }
                }
                options::parse_comma(input, errors);
            }
        }
        Ok(())
    };
    if let Err(error) = parser.parse2(tokens) {
        errors.push(error);
    }
    if let Some((_, path)) = krate {
        arguments.krate = path;
    }
    if arguments.targets.is_empty() && !arguments.has_tags && !failed && errors.is_empty() {
        errors.push(syn::Error::new(
            proc_macro2::Span::call_site(),
            "`#[invalidates]` has to say what is evicted: write `#[invalidates(get_user)]`, with the name of a cached function",
        ));
    }
    arguments
}

/// Whether an option follows and not a target: a word with a value, or one that says nothing by itself.
fn is_option(input: ParseStream<'_>) -> bool {
    use syn::ext::IdentExt as _;
    if options::assignment_follows(input) {
        return true;
    }
    let ahead = input.fork();
    ahead.call(Ident::parse_any).is_ok_and(|word| {
        ["clear_all", "key_fn", "skip_args", "tag", "tags"]
            .iter()
            .any(|known| word == known)
    })
}

fn target(expr: Expr, errors: &mut Errors) -> Option<Target> {
    match expr {
        Expr::Path(path) if path.qself.is_none() => match cached(path.path) {
            Cached::Cache(cache) => {
                say_which(&cache, errors);
                None
            }
            cache => Some(Target::Entries {
                cache,
                keys: Keys::ByName,
            }),
        },
        Expr::Call(call) => match *call.func {
            Expr::Path(path) if path.qself.is_none() => Some(Target::Entries {
                cache: cached(path.path),
                keys: keys(call.args.into_iter().collect()),
            }),
            // `(self.users)(id)`, `(USERS)(id)`.
            Expr::Paren(cache) => Some(Target::Entries {
                cache: Cached::Cache(*cache.expr),
                keys: keys(call.args.into_iter().collect()),
            }),
            other => not_a_target(other, errors),
        },
        Expr::MethodCall(call) if call.turbofish.is_none() => {
            let (receiver, field) = (&call.receiver, &call.method);
            Some(Target::Entries {
                cache: Cached::Cache(syn::parse_quote!(#receiver.#field)),
                keys: keys(call.args.into_iter().collect()),
            })
        }
        field @ Expr::Field(_) => {
            say_which(&field, errors);
            None
        }
        other => not_a_target(other, errors),
    }
}

/// A cache by itself has no names for the parts of its key.
fn say_which(cache: &Expr, errors: &mut Errors) {
    let written = cache.to_token_stream().to_string().replace(' ', "");
    errors.at(
        cache,
        format!(
            "say which entry: write `{written}(id)`, with an expression for the key, or `{written}(..)` for all of them"
        ),
    );
}

fn not_a_target(expr: Expr, errors: &mut Errors) -> Option<Target> {
    errors.at(
        expr,
        "this is not something cached: write a cached function, as in `get_user`, a call of one, as in `get_user(id)` or \
         `list_users(..)`, or a cache in a field, as in `self.users(id)`",
    );
    None
}

/// A function, a method if it stands behind a type, a cache if it is spelled like a static.
fn cached(path: Path) -> Cached {
    let is_type = |word: &Ident| word.to_string().trim_start_matches('_').starts_with(char::is_uppercase);
    let is_static = |word: &Ident| {
        let word = word.to_string();
        word.contains(char::is_alphabetic) && !word.contains(char::is_lowercase)
    };
    let segments = path.segments.len();
    if path.segments.last().is_some_and(|last| is_static(&last.ident)) {
        return Cached::Cache(syn::parse_quote!(#path));
    }
    if segments >= 2 && is_type(&path.segments[segments - 2].ident) {
        let method = path.segments[segments - 1].ident.clone();
        let mut of = path;
        of.segments.pop();
        of.segments.pop_punct();
        return Cached::Method(of, method);
    }
    Cached::Function(path)
}

fn keys(arguments: Vec<Expr>) -> Keys {
    match &*arguments {
        [Expr::Range(range)]
            if range.start.is_none() && range.end.is_none() && matches!(range.limits, RangeLimits::HalfOpen(_)) =>
        {
            Keys::All
        }
        _ => Keys::Of(arguments),
    }
}

impl Arguments {
    /// An option, which belongs to the target before it.
    fn option(
        &mut self,
        Given { keyword, form }: Given,
        krate: &mut Option<(Ident, Path)>,
        function: Option<&Function>,
        errors: &mut Errors,
    ) {
        match (&*keyword.to_string(), form) {
            ("skip_args", _) => {
                let before = format!("invalidates({}", self.last_written());
                key_fn::skip_args(&keyword, &before, function, errors);
            }
            ("tag", Form::Value(expr)) => self.tag(&expr, "`tag = \"cart\"`", function, errors),
            ("tags", Form::List(list)) => self.tags(&keyword, list, function, errors),
            (tag @ ("tag" | "tags"), _) => {
                let example = "`tag = \"cart\"`";
                errors.at(&keyword, format!("`{tag}` is not written like this: write {example}"));
            }
            (of_resource @ ("resource" | "scope"), _) => errors.at(
                &keyword,
                format!(
                    "`{of_resource}` belongs to mutations of a resource: write `#[agent_invalidates(resource = \"cart\")]`"
                ),
            ),
            ("crate", Form::Value(Expr::Path(path))) => options::once(krate, &keyword, path.path, errors),
            ("crate", _) => errors.at(&keyword, "`crate` is a path: write `crate = ::cache_core`"),
            ("clear_all", Form::Bare) => self.refine(&keyword, Keys::All, errors),
            ("clear_all", Form::Value(value)) => match &value {
                Expr::Lit(ExprLit {
                    lit: Lit::Bool(yes), ..
                }) if yes.value => self.refine(&keyword, Keys::All, errors),
                Expr::Lit(ExprLit { lit: Lit::Bool(_), .. }) => {
                    errors.at(value, "leave `clear_all` out: one entry is evicted unless it is there");
                }
                _ => errors.at(value, "`clear_all` is there or not: write `clear_all`"),
            },
            ("key_fn", Form::Value(key_fn)) => {
                let too_many = "write the key as a call, as in `invalidates(get_user(id))`";
                key_fn::check(&key_fn, function, too_many, errors);
                self.refine(&keyword, Keys::Made(key_fn), errors);
            }
            (known @ ("clear_all" | "key_fn"), _) => {
                let example = if known == "clear_all" {
                    "`clear_all`"
                } else {
                    "`key_fn = |id, _name| id`"
                };
                errors.at(&keyword, format!("`{known}` is not written like this: write {example}"));
            }
            _ => options::unknown("invalidates", &keyword, &ALLOWED, errors),
        }
    }

    /// A tag, of whose literal it has been noted what is wrong with it.
    fn tag(&mut self, expr: &Expr, example: &str, function: Option<&Function>, errors: &mut Errors) {
        self.has_tags = true;
        let Some(function) = function else { return };
        if let Some(tag) = Template::parse(expr, example, function, &function.arguments(), errors) {
            self.targets.push(Target::Tag(Box::new(tag)));
        }
    }

    fn tags(&mut self, keyword: &Ident, list: TokenStream, function: Option<&Function>, errors: &mut Errors) {
        for tag in template::list(keyword, list, errors).into_iter().flatten() {
            self.tag(&tag, "`tags(\"cart\")`", function, errors);
        }
    }

    /// The last target, as it would stand in a corrected attribute.
    fn last_written(&self) -> String {
        let last = self.targets.iter().rev().find_map(|target| match target {
            Target::Entries {
                cache: Cached::Function(path),
                ..
            } => Some(path.to_token_stream()),
            Target::Entries {
                cache: Cached::Method(of, method),
                ..
            } => Some(quote!(#of::#method)),
            _ => None,
        });
        last.unwrap_or_else(|| quote!(get_user)).to_string().replace(' ', "")
    }

    /// Says which entries of the last target, once.
    fn refine(&mut self, keyword: &Ident, keys: Keys, errors: &mut Errors) {
        match self.targets.last_mut() {
            None => errors.at(
                keyword,
                format!("`{keyword}` says which entries, but not of what: write the cached function before it, as in `invalidates(get_user, {keyword}…)`"),
            ),
            Some(Target::Entries {
                keys: place @ Keys::ByName,
                ..
            }) => *place = keys,
            Some(target) => {
                let before = match target {
                    Target::Tag(_) => "a tag evicts everything that carries it",
                    Target::Entries { keys: Keys::All, .. } => "everything is evicted already",
                    Target::Entries { keys: Keys::Made(_), .. } => "`key_fn` says already which entry",
                    Target::Entries { .. } => "the call says already which entry",
                };
                errors.at(keyword, format!("{before}: leave `{keyword}` out"));
            }
        }
    }
}
