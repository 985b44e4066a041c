//! What was written in the parentheses of `#[idempotent]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens as _;
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Expr, LitStr, Path, Token};

use crate::error::Errors;
use crate::function::readable;
use crate::options::{self, Form, Given};

/// An argument with the word it was given by.
type Worded<T> = Option<(Ident, T)>;

#[derive(Default)]
pub(super) struct Arguments {
    pub(super) store: Worded<Expr>,
    pub(super) key: Worded<Expr>,
    pub(super) scope: Worded<[Expr; 2]>,
    pub(super) payload: Worded<Payload>,
    pub(super) ignore: Worded<Vec<LitStr>>,
    pub(super) store_error: Worded<Expr>,
    pub(super) tx: Worded<Ident>,
    pub(super) name: Worded<LitStr>,
    pub(super) krate: Worded<Path>,
    /// What was meant to be there, however wrongly it was written.
    attempted: Vec<&'static str>,
}

/// What is compared.
pub(super) enum Payload {
    One(Expr),
    /// Each by itself, so that nothing is moved into a tuple.
    Parts(Vec<Expr>),
}

const ALLOWED: [&str; 9] = [
    "store",
    "key",
    "scope",
    "payload",
    "ignore",
    "store_error",
    "tx",
    "name",
    "crate",
];
/// What must be there.
const REQUIRED: [&str; 4] = ["store", "key", "scope", "payload"];
/// As many as serde has tuples of.
const MAX_PARTS: usize = 16;
/// What separates things in other places, and nothing here.
const RECORD_SEPARATOR: char = '\u{1e}';

pub(super) fn parse(tokens: TokenStream, errors: &mut Errors) -> Arguments {
    let mut arguments = Arguments::default();
    let mut makes_sense = true;
    let parser = |input: ParseStream<'_>| {
        while !input.is_empty() {
            let word = input.fork().call(<Ident as syn::ext::IdentExt>::parse_any);
            match options::parse_one(input, errors) {
                Some(given) => arguments.take(given, errors),
                None => match word {
                    Ok(word) => arguments.attempt(&word.to_string()),
                    Err(_) => makes_sense = false,
                },
            }
        }
        Ok(())
    };
    if let Err(error) = parser.parse2(tokens) {
        errors.push(error);
    }
    if makes_sense {
        arguments.check_required(errors);
    }
    arguments
}

impl Arguments {
    /// Notes what a word was meant as, if it must be there.
    fn attempt(&mut self, word: &str) {
        self.attempted.extend(options::nearest(word, &REQUIRED));
    }

    fn take(&mut self, Given { keyword, form }: Given, errors: &mut Errors) {
        let word = keyword.to_string();
        self.attempt(&word);
        match (&*word, form) {
            ("store", Form::Value(expr)) => options::once(&mut self.store, &keyword, expr, errors),
            ("key", Form::Value(expr)) => options::once(&mut self.key, &keyword, expr, errors),
            ("scope", Form::Value(expr)) => {
                if let Some(parts) = scope(expr, errors) {
                    options::once(&mut self.scope, &keyword, parts, errors);
                }
            }
            ("payload", Form::Value(expr)) => {
                if let Some(payload) = payload(expr, errors) {
                    options::once(&mut self.payload, &keyword, payload, errors);
                }
            }
            ("ignore", Form::List(list)) => {
                if let Some(paths) = ignored(&keyword, list, errors) {
                    options::once(&mut self.ignore, &keyword, paths, errors);
                }
            }
            ("store_error", Form::Value(expr)) => options::once(&mut self.store_error, &keyword, expr, errors),
            ("tx", Form::Value(expr)) => {
                let name = match &expr {
                    Expr::Path(path) => path.path.get_ident().cloned(),
                    _ => None,
                };
                match name {
                    Some(name) => options::once(&mut self.tx, &keyword, name, errors),
                    None => errors.at(
                        expr,
                        "`tx` is the name of an argument, whose type is `&mut sqlx::Transaction<'_, Postgres>`: write `tx = tx`",
                    ),
                }
            }
            ("name", Form::Value(expr)) => {
                if let Some(name) = name(&expr, errors) {
                    options::once(&mut self.name, &keyword, name, errors);
                }
            }
            ("crate", Form::Value(Expr::Path(path))) if path.qself.is_none() => {
                options::once(&mut self.krate, &keyword, path.path, errors);
            }
            ("crate", Form::Value(other)) => errors.at(other, "`crate` is a path: write `crate = ::cache_core`"),
            (known, _) if ALLOWED.contains(&known) => errors.at(
                &keyword,
                format!("`{known}` is not written like this: write `{}`", example(known)),
            ),
            (other, _) => match elsewhere(other) {
                Some(message) => errors.at(&keyword, message),
                None => options::unknown("idempotent", &keyword, &ALLOWED, errors),
            },
        }
    }

    /// Notes what must be there and is not, unless something that was written may have been meant as it.
    fn check_required(&self, errors: &mut Errors) {
        let missing: Vec<_> = REQUIRED
            .into_iter()
            .filter(|required| !self.attempted.contains(required))
            .collect();
        if missing.len() == REQUIRED.len() {
            errors.push(missing_one(
                "has to say which requests are the same: write `#[idempotent(store = app.replay, key = \
                 req.idempotency_key, scope = (tenant, principal), payload = req)]`",
            ));
            return;
        }
        for required in missing {
            errors.push(missing_one(match required {
                "store" => "has to say where replies are kept: add `store = app.replay`, which is an `IdempotencyStore`",
                "key" => {
                    "has to say what makes two calls one request: add `key = req.idempotency_key`, which is a text, or an \
                     `Option` of one"
                }
                "scope" => {
                    "has to say whose a key is, because without that it would be everybody's: add `scope = (tenant, \
                     principal)`, or for a single tenant `scope = (\"main\", user_id)`"
                }
                _ => {
                    "has to say what a request asks for, so that its key cannot be used for another: add `payload = req`, or \
                     `payload = ()` to compare nothing"
                }
            }));
        }
    }
}

fn missing_one(message: &str) -> syn::Error {
    syn::Error::new(Span::call_site(), format!("`#[idempotent]` {message}"))
}

fn example(word: &str) -> &'static str {
    match word {
        "store" => "store = app.replay",
        "key" => "key = req.idempotency_key",
        "scope" => "scope = (tenant, principal)",
        "payload" => "payload = req",
        "ignore" => "ignore(\"sent_at\", \"meta.trace_id\")",
        "store_error" => "store_error = |error| error.is_final()",
        "tx" => "tx = tx",
        "name" => "name = \"orders::create\"",
        _ => "crate = ::cache_core",
    }
}

/// What is said of words that belong somewhere else.
fn elsewhere(word: &str) -> Option<String> {
    let setting = match word {
        "ttl" => ".ttl(Duration::from_secs(86_400))",
        "lease" => ".lease(Duration::from_secs(30))",
        "wait" => ".wait(Duration::from_secs(5))",
        "max_key_len" => ".max_key_len(128)",
        "max_response_bytes" => ".max_response_bytes(64 * 1024)",
        "on_abandoned" => ".on_abandoned(OnAbandoned::Rerun)",
        _ => {
            return Some(match word {
                "skip_args" => {
                    "`skip_args` does not exist here: what makes two calls one request is `key`, and `ignore(\"field\")` leaves \
                     a field of the payload out"
                        .to_owned()
                }
                "skip" => {
                    "there is nothing to `skip`: arguments count only where `key`, `scope` and `payload` name them".to_owned()
                }
                "detached" => "handlers run as tasks by themselves: leave `detached` out".to_owned(),
                "tenant" | "principal" => {
                    format!("`{word}` is a part of the scope: write `scope = (tenant, principal)`")
                }
                "operation" => "the operation is given by `name`: write `name = \"orders::create\"`".to_owned(),
                _ => return None,
            });
        }
    };
    Some(format!(
        "`{word}` belongs to the store: write `IdempotencyStore::builder(backend){setting}` where it is made"
    ))
}

/// The two parts of a scope, or a note that they are not two.
fn scope(expr: Expr, errors: &mut Errors) -> Option<[Expr; 2]> {
    match expr {
        Expr::Tuple(tuple) if tuple.elems.len() == 2 => {
            let mut parts = tuple.elems.into_iter();
            Some([parts.next()?, parts.next()?])
        }
        Expr::Group(inner) => scope(*inner.expr, errors),
        Expr::Tuple(tuple) => {
            errors.at(
                &tuple,
                "a scope has two parts, whose data it is and who asks: write `scope = (tenant, principal)`, or for a single \
                 tenant `scope = (\"main\", user_id)`",
            );
            None
        }
        Expr::Paren(inner) => one_part(&inner.expr, errors),
        one => one_part(&one, errors),
    }
}

fn one_part(part: &Expr, errors: &mut Errors) -> Option<[Expr; 2]> {
    let written = readable(&part.to_token_stream());
    errors.at(
        part,
        format!(
            "a scope has two parts, whose data it is and who asks: write `scope = (tenant, {written})`, or for a single tenant \
             `scope = (\"main\", {written})`"
        ),
    );
    None
}

fn payload(expr: Expr, errors: &mut Errors) -> Option<Payload> {
    match expr {
        Expr::Group(inner) => payload(*inner.expr, errors),
        Expr::Tuple(tuple) if tuple.elems.len() > MAX_PARTS => {
            errors.at(
                &tuple,
                format!("a payload has at most {MAX_PARTS} parts: write tuples in it, or a struct that is `Serialize`"),
            );
            None
        }
        Expr::Tuple(tuple) => Some(Payload::Parts(tuple.elems.into_iter().collect())),
        other => Some(Payload::One(other)),
    }
}

/// The paths in `ignore(..)`, or notes of what is wrong with them.
fn ignored(keyword: &Ident, list: TokenStream, errors: &mut Errors) -> Option<Vec<LitStr>> {
    let exprs = match Punctuated::<Expr, Token![,]>::parse_terminated.parse2(list) {
        Ok(exprs) if exprs.is_empty() => {
            errors.at(
                keyword,
                "`ignore()` names no field: write `ignore(\"sent_at\")`, or leave it out",
            );
            return None;
        }
        Ok(exprs) => exprs,
        Err(error) => {
            errors.push(syn::Error::new(
                error.span(),
                "`ignore` takes texts, separated by commas: write `ignore(\"sent_at\", \"meta.trace_id\")`",
            ));
            return None;
        }
    };
    let mut paths: Vec<LitStr> = Vec::new();
    for expr in exprs {
        let Some(path) = options::text_of(&expr) else {
            let written = readable(&expr.to_token_stream());
            errors.at(
                &expr,
                format!("`ignore` takes texts, known when this is compiled: write `ignore(\"{written}\")`"),
            );
            continue;
        };
        if let Err(message) = check_path(&path.value()) {
            errors.at(&path, message);
        } else if paths.iter().any(|other| other.value() == path.value()) {
            errors.at(
                &path,
                format!("\"{}\" is ignored twice: leave one of them out", path.value()),
            );
        } else {
            paths.push(path);
        }
    }
    Some(paths)
}

/// What is wrong with a path, if anything. The rules are those of `Request::payload_without`.
fn check_path(path: &str) -> Result<(), &'static str> {
    let mut is_empty = true;
    let mut letters = path.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '.' if is_empty => return Err(EMPTY),
            '.' => is_empty = true,
            '\\' => match letters.next() {
                Some('.' | '\\') => is_empty = false,
                _ => {
                    return Err(
                        "in a path of fields a backslash stands before a dot or another backslash: write `\\\\\\\\` for one that \
                         is part of a name",
                    );
                }
            },
            _ => is_empty = false,
        }
    }
    if is_empty { Err(EMPTY) } else { Ok(()) }
}

const EMPTY: &str =
    "a path of fields has a name on either side of each dot: write `ignore(\"sent_at\", \"meta.trace_id\")`";

fn name(expr: &Expr, errors: &mut Errors) -> Option<LitStr> {
    match options::text_of(expr) {
        Some(name) if name.value().contains(RECORD_SEPARATOR) => {
            errors.at(name, "`name` has U+001E in it, which names nothing: leave it out");
            None
        }
        Some(name) if !name.value().is_empty() => Some(name),
        _ => {
            errors.at(expr, "`name` is a text: write `name = \"orders::create\"`");
            None
        }
    }
}
