//! What was written in the parentheses of a cached attribute.

use std::time::Duration;

use proc_macro2::{Ident, TokenStream};
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Lit, LitStr, Path, Token, UnOp};

use super::freshness::{self, Freshness};
use super::{Attribute, batch, revision, tags};
use crate::duration;
use crate::error::Errors;
use crate::options::{self, Form, Given};
use crate::resource::{self, Resource, Scope};
use crate::template;

/// An argument with the word it was given by.
pub(super) type Worded<T> = Option<(Ident, T)>;

#[derive(Default)]
pub(super) struct Arguments {
    pub(super) cache: Option<Expr>,
    pub(super) max_size: Worded<Expr>,
    pub(super) unbounded: Worded<()>,
    pub(super) ttl: Worded<Lifetime>,
    pub(super) tti: Worded<Lifetime>,
    pub(super) skip: Worded<Vec<Ident>>,
    pub(super) key: Worded<Expr>,
    pub(super) cache_if: Worded<Expr>,
    pub(super) policy: Worded<Policy>,
    pub(super) max_weight: Worded<Expr>,
    pub(super) weigher: Worded<Expr>,
    pub(super) name: Worded<LitStr>,
    pub(super) krate: Worded<Path>,
    pub(super) tags: Worded<Vec<Expr>>,
    pub(super) tag_fn: Worded<Expr>,
    pub(super) resource: Worded<Resource>,
    pub(super) scope: Worded<Scope>,
    pub(super) freshness: Freshness,
    pub(super) batch: batch::Words,
    pub(super) revision: revision::Words,
    /// The words, in the order in which they were written.
    pub(super) written: Vec<Ident>,
    /// Nothing that was written may have been meant as what must be there: a resource, or a revision.
    pub(super) may_miss_required: bool,
}

/// How long: known here, or computed where the cache is made.
pub(super) enum Lifetime {
    Known(Duration),
    Computed(Expr),
}

#[derive(Clone, Copy)]
pub(super) enum Policy {
    Lru,
    TinyLfu,
}

/// With those of [`Freshness`] behind `tti`.
const STATIC: [&str; 14] = [
    "max_size",
    "unbounded",
    "ttl",
    "tti",
    "skip",
    "key",
    "cache_if",
    "policy",
    "max_weight",
    "weigher",
    "name",
    "tags",
    "tag_fn",
    "crate",
];
const OWNED: [&str; 7] = ["key", "skip", "cache_if", "tags", "tag_fn", "detached", "crate"];
/// What only a function of a resource has.
const OF_RESOURCE: [&str; 2] = ["resource", "scope"];
/// What belongs to the builder of a cache of one's own, beside those of [`Freshness`] but `detached`.
const BUILDER: [&str; 8] = [
    "max_size",
    "unbounded",
    "ttl",
    "tti",
    "policy",
    "max_weight",
    "weigher",
    "name",
];

pub(super) fn parse(attribute: Attribute, tokens: TokenStream, errors: &mut Errors) -> Arguments {
    let mut arguments = Arguments {
        may_miss_required: true,
        ..Arguments::default()
    };
    let parser = |input: ParseStream<'_>| {
        if attribute == Attribute::In {
            arguments.cache = parse_cache(input, errors);
        }
        while !input.is_empty() {
            if attribute == Attribute::Agent && resource::bare(input, errors) {
                arguments.may_miss_required = false;
                continue;
            }
            match options::parse_one(input, errors) {
                Some(given) => arguments.take(attribute, given, errors),
                None => arguments.may_miss_required = false,
            }
        }
        Ok(())
    };
    if let Err(error) = parser.parse2(tokens) {
        errors.push(error);
    }
    if attribute == Attribute::Agent && arguments.resource.is_none() && arguments.may_miss_required {
        errors.push(resource::missing(attribute.name()));
    }
    arguments
}

/// The cache of `#[cached_in(cache, …)]`.
fn parse_cache(input: ParseStream<'_>, errors: &mut Errors) -> Option<Expr> {
    const WHICH: &str =
        "say which cache: write `cached_in(self.users)` for a field, or `cached_in(USERS)` for a static";
    let cache = if input.is_empty() || options::assignment_follows(input) {
        errors.push(syn::Error::new(input.span(), WHICH));
        return None;
    } else {
        input.parse::<Expr>()
    };
    match cache {
        Ok(cache) => {
            options::parse_comma(input, errors);
            Some(cache)
        }
        Err(error) => {
            errors.push(syn::Error::new(error.span(), WHICH));
            options::skip_to_comma(input);
            options::parse_comma(input, errors);
            None
        }
    }
}

impl Arguments {
    fn take(&mut self, attribute: Attribute, Given { keyword, form }: Given, errors: &mut Errors) {
        let word = keyword.to_string();
        if word == "skip_args" {
            skip_args(attribute, &keyword, errors);
            return;
        }
        self.written.push(keyword.clone());
        let is_of_freshness = freshness::WORDS.contains(&&*word);
        match &*word {
            of_batch if batch::WORDS.contains(&of_batch) => {
                if attribute == Attribute::Batch {
                    self.batch.take(&keyword, form, errors);
                } else {
                    batch::not_here(&keyword, errors);
                }
            }
            of_revision if revision::WORDS.contains(&of_revision) => {
                self.may_miss_required &= word != "revision";
                if attribute == Attribute::Revision {
                    self.revision.take(&keyword, form, errors);
                } else {
                    revision::not_here(&keyword, errors);
                }
            }
            _ if attribute == Attribute::Revision && revision::is_foreign(&keyword, errors) => {}
            "key" if attribute == Attribute::Batch => errors.at(
                keyword,
                "the keys of a batch are the elements of its slice: leave `key` out, and `skip(..)` what is not part of them",
            ),
            "detached" if attribute == Attribute::Batch => {
                errors.at(keyword, "batches run by themselves, whatever becomes of their callers: leave `detached` out");
            }
            setting
                if attribute == Attribute::In
                    && (BUILDER.contains(&setting) || is_of_freshness && word != "detached") =>
            {
                of_builder(&keyword, errors);
            }
            _ if is_of_freshness => {
                if self.freshness.take(&keyword, form, errors).is_none() {
                    not_like_this(&keyword, errors);
                }
            }
            "tags" | "tag_fn" => self.take_tags(&keyword, form, errors),
            "resource" | "scope" => self.take_resource(attribute, &keyword, form, errors),
            _ => self.take_setting(attribute, &keyword, form, errors),
        }
    }

    fn take_tags(&mut self, keyword: &Ident, form: Form, errors: &mut Errors) {
        match form {
            Form::List(list) if keyword == "tags" => {
                if let Some(tags) = template::list(keyword, list, errors) {
                    options::once(&mut self.tags, keyword, tags, errors);
                }
            }
            Form::Value(expr) if keyword == "tag_fn" => {
                if tags::check_tag_fn(&expr, errors) {
                    options::once(&mut self.tag_fn, keyword, expr, errors);
                }
            }
            Form::Value(expr) => {
                let text = options::text_of(&expr).map_or_else(|| "cart".to_owned(), |text| text.value());
                errors.at(
                    keyword,
                    format!("`tags` is not written like this: write `tags({text:?})`"),
                );
            }
            _ => not_like_this(keyword, errors),
        }
    }

    fn take_resource(&mut self, attribute: Attribute, keyword: &Ident, form: Form, errors: &mut Errors) {
        self.may_miss_required &= keyword != "resource";
        match form {
            _ if attribute != Attribute::Agent => errors.at(
                keyword,
                format!("`{keyword}` belongs to functions of a resource: write `#[agent_cached(resource = \"cart\")]`"),
            ),
            Form::Value(expr) if keyword == "resource" => {
                if let Some(resource) = Resource::parse(expr, errors) {
                    options::once(&mut self.resource, keyword, resource, errors);
                }
            }
            Form::Value(expr) => {
                if let Some(scope) = Scope::parse(&expr, errors) {
                    options::once(&mut self.scope, keyword, scope, errors);
                }
            }
            _ => not_like_this(keyword, errors),
        }
    }

    fn take_setting(&mut self, attribute: Attribute, keyword: &Ident, form: Form, errors: &mut Errors) {
        let word = keyword.to_string();
        match (&*word, form) {
            ("max_size", Form::Value(expr)) => {
                if check_count(keyword, &expr, errors) {
                    options::once(&mut self.max_size, keyword, expr, errors);
                }
            }
            ("max_weight", Form::Value(expr)) => {
                if check_count(keyword, &expr, errors) {
                    options::once(&mut self.max_weight, keyword, expr, errors);
                }
            }
            ("unbounded", Form::Bare) => options::once(&mut self.unbounded, keyword, (), errors),
            ("unbounded", Form::Value(value)) => match options::bool_of(&value) {
                Some(true) => options::once(&mut self.unbounded, keyword, (), errors),
                Some(false) => errors.at(value, "leave `unbounded` out: caches are bounded unless it is there"),
                None => errors.at(value, "`unbounded` takes no value: write `unbounded`"),
            },
            ("ttl", Form::Value(expr)) => {
                if let Some(lifetime) = lifetime(keyword, expr, errors) {
                    options::once(&mut self.ttl, keyword, lifetime, errors);
                }
            }
            ("tti", Form::Value(expr)) => {
                if let Some(lifetime) = lifetime(keyword, expr, errors) {
                    options::once(&mut self.tti, keyword, lifetime, errors);
                }
            }
            ("skip", Form::List(list)) => {
                if let Some(names) = skip_list(keyword, list, errors) {
                    options::once(&mut self.skip, keyword, names, errors);
                }
            }
            ("key", Form::Value(expr)) => options::once(&mut self.key, keyword, expr, errors),
            ("cache_if", Form::Value(expr)) => options::once(&mut self.cache_if, keyword, expr, errors),
            ("weigher", Form::Value(expr)) => options::once(&mut self.weigher, keyword, expr, errors),
            ("policy", Form::Value(expr)) => {
                if let Some(policy) = policy(&expr, errors) {
                    options::once(&mut self.policy, keyword, policy, errors);
                }
            }
            ("name", Form::Value(expr)) => match options::text_of(&expr) {
                Some(name) if !name.value().is_empty() => options::once(&mut self.name, keyword, name, errors),
                _ => errors.at(expr, "`name` is a text: write `name = \"users\"`"),
            },
            ("crate", Form::Value(expr)) => match expr {
                Expr::Path(path) if path.qself.is_none() => options::once(&mut self.krate, keyword, path.path, errors),
                other => errors.at(other, "`crate` is a path: write `crate = ::cache_core`"),
            },
            (known, _) if STATIC.contains(&known) => not_like_this(keyword, errors),
            (scope @ ("global" | "session"), Form::Bare) if attribute == Attribute::Agent => {
                errors.at(keyword, format!("say what this is: write `scope = \"{scope}\"`"));
            }
            _ => {
                self.may_miss_required = false;
                options::unknown(attribute.name(), keyword, &allowed(attribute), errors);
            }
        }
    }
}

/// Says where a setting belongs that is not one of the function's.
fn of_builder(keyword: &Ident, errors: &mut Errors) {
    let word = keyword.to_string();
    let setting = match &*word {
        "ttl" | "tti" => format!(".{word}(Duration::from_secs(60))"),
        "policy" => ".policy(Policy::TinyLfu)".to_owned(),
        "unbounded" => ".unbounded()".to_owned(),
        "max_weight" | "weigher" => ".max_weight(1_000_000, weigher)".to_owned(),
        "name" => ".name(\"users\")".to_owned(),
        "max_size" => ".max_size(1_000)".to_owned(),
        word => freshness::example_of_builder(word).to_owned(),
    };
    errors.at(
        keyword,
        format!("`{word}` belongs to the cache that `cached_in` names: write `{setting}` where it is built, `Cache::builder()`"),
    );
}

pub(super) fn not_like_this(keyword: &Ident, errors: &mut Errors) {
    let word = keyword.to_string();
    errors.at(
        keyword,
        format!("`{word}` is not written like this: write {}", example(&word)),
    );
}

fn allowed(attribute: Attribute) -> Vec<&'static str> {
    let (before, behind) = STATIC.split_at(4);
    match attribute {
        Attribute::In => OWNED.to_vec(),
        Attribute::Lru | Attribute::Ttl => [before, &freshness::WORDS, behind].concat(),
        Attribute::Agent => [&OF_RESOURCE, before, &freshness::WORDS, behind].concat(),
        Attribute::Revision => {
            let all = [&revision::WORDS, before, &["retry_after"], behind].concat();
            all.into_iter().filter(|word| *word != "key").collect()
        }
        Attribute::Batch => {
            let all = [&batch::WORDS, before, &freshness::WORDS, behind].concat();
            all.into_iter()
                .filter(|word| !["key", "detached"].contains(word))
                .collect()
        }
    }
}

fn example(keyword: &str) -> &'static str {
    if let Some(example) = batch::example(keyword).or_else(|| revision::example(keyword)) {
        return example;
    }
    match keyword {
        "max_size" => "`max_size = 1_000`",
        "unbounded" => "`unbounded`",
        "ttl" => "`ttl = \"60s\"`",
        "tti" => "`tti = \"10m\"`",
        "skip" => "`skip(db)`",
        "key" => "`key = (user.id, region)`",
        "cache_if" => "`cache_if = |value| value.is_some()`",
        "policy" => "`policy = \"tiny_lfu\"`",
        "max_weight" => "`max_weight = 1_000_000`",
        "weigher" => "`weigher = path::to_function`",
        "name" => "`name = \"users\"`",
        "tags" => "`tags(\"cart\")`",
        "tag_fn" => "`tag_fn = |value| [format!(\"item:{}\", value.id)]`",
        "resource" => "`resource = \"cart\"`",
        "scope" => "`scope = \"session\"`",
        "crate" => "`crate = ::cache_core`",
        word => freshness::example(word),
    }
}

/// The removed argument, however it is written.
fn skip_args(attribute: Attribute, keyword: &Ident, errors: &mut Errors) {
    errors.at(
        keyword,
        format!(
            "`skip_args` was removed, because it silently built wrong keys: name what is not part of the key, as in \
             `#[{}({}skip(db))]`",
            attribute.name(),
            match attribute {
                Attribute::In => "self.users, ",
                Attribute::Agent => "resource = \"cart\", ",
                _ => "",
            },
        ),
    );
}

/// Notes a number of entries that is none. Anything but a literal is left to the compiler.
fn check_count(keyword: &Ident, expr: &Expr, errors: &mut Errors) -> bool {
    let message = match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number), ..
        }) => match number.base10_parse::<u64>() {
            Ok(_) => return true,
            Err(_) => format!("`{keyword}` is too large: the most is {}", u64::MAX),
        },
        Expr::Lit(_) => format!("`{keyword}` is a whole number: write {}", example(&keyword.to_string())),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            format!("`{keyword}` cannot be negative: 0 keeps nothing, and `unbounded` keeps everything")
        }
        _ => return true,
    };
    errors.at(expr, message);
    false
}

pub(super) fn lifetime(keyword: &Ident, expr: Expr, errors: &mut Errors) -> Option<Lifetime> {
    let example = example(&keyword.to_string());
    let message = match &expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text), ..
        }) => match duration::parse(&text.value()) {
            Ok(Duration::ZERO) => format!(
                "{} `{keyword}` of zero {}: write how long, as in \"{}\", or leave `{keyword}` out",
                if keyword == "err_ttl" { "an" } else { "a" },
                freshness::of_zero(&keyword.to_string()),
                example.split('"').nth(1).unwrap_or("60s"),
            ),
            Ok(known) => return Some(Lifetime::Known(known)),
            Err(message) => message,
        },
        Expr::Lit(ExprLit {
            lit: Lit::Int(number), ..
        }) => {
            let digits = number.base10_digits();
            format!("`{keyword}` needs a unit: write `{keyword} = \"{digits}s\"`, or a `Duration`")
        }
        Expr::Lit(_) => format!("`{keyword}` is a duration: write {example}, or a `Duration`"),
        _ => return Some(Lifetime::Computed(expr)),
    };
    errors.at(expr, message);
    None
}

fn skip_list(keyword: &Ident, list: TokenStream, errors: &mut Errors) -> Option<Vec<Ident>> {
    use syn::ext::IdentExt as _;
    let parser =
        |input: ParseStream<'_>| Punctuated::<Ident, Token![,]>::parse_terminated_with(input, Ident::parse_any);
    match parser.parse2(list) {
        Ok(names) if names.is_empty() => {
            errors.at(keyword, "`skip()` names no argument: write `skip(db)`, or leave it out");
            None
        }
        Ok(names) => Some(names.into_iter().collect()),
        Err(error) => {
            errors.push(syn::Error::new(
                error.span(),
                "`skip` takes names of arguments, separated by commas: write `skip(db, context)`",
            ));
            None
        }
    }
}

fn policy(expr: &Expr, errors: &mut Errors) -> Option<Policy> {
    match options::text_of(expr).map(|text| text.value()).as_deref() {
        Some("lru") => Some(Policy::Lru),
        Some("tiny_lfu") => Some(Policy::TinyLfu),
        _ => {
            errors.at(
                expr,
                "unknown policy: write `policy = \"lru\"` or `policy = \"tiny_lfu\"`",
            );
            None
        }
    }
}
