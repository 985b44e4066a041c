//! What becomes of a value with time, beside `ttl` and `tti`: `ttl_fn`, `jitter`, `stale_while_revalidate` and their like.

use std::time::Duration;

use proc_macro2::Ident;
use syn::{Expr, ExprLit, Lit, UnOp};

use super::arguments::{Lifetime, Worded, lifetime};
use crate::duration;
use crate::error::Errors;
use crate::options::{self, Form};

/// In the order in which they are listed.
pub(super) const WORDS: [&str; 10] = [
    "ttl_fn",
    "jitter",
    "refresh_ahead",
    "stale_while_revalidate",
    "stale_if_error",
    "retry_after",
    "err_ttl",
    "soft_timeout",
    "load_timeout",
    "detached",
];

/// Those that let a load outlive its call.
const DETACHING: [&str; 5] = [
    "detached",
    "stale_while_revalidate",
    "refresh_ahead",
    "soft_timeout",
    "load_timeout",
];

#[derive(Default)]
pub(super) struct Freshness {
    pub(super) ttl_fn: Worded<Expr>,
    pub(super) jitter: Worded<Spread>,
    /// A number between 0 and 1, or a constant expression.
    pub(super) refresh_ahead: Worded<Expr>,
    pub(super) stale_while_revalidate: Worded<Lifetime>,
    pub(super) stale_if_error: Worded<Lifetime>,
    pub(super) retry_after: Worded<Lifetime>,
    pub(super) err_ttl: Worded<Lifetime>,
    /// Of batches.
    pub(super) none_ttl: Worded<Lifetime>,
    pub(super) soft_timeout: Worded<Lifetime>,
    pub(super) load_timeout: Worded<Lifetime>,
    pub(super) detached: Worded<()>,
}

/// By how much expiry is spread.
pub(super) enum Spread {
    /// A number between 0 and 1.
    Share(Expr),
    Time(Duration),
    Computed(Expr),
}

pub(super) fn example(word: &str) -> &'static str {
    match word {
        "ttl_fn" => "`ttl_fn = |value| value.expires_in`",
        "jitter" => "`jitter = 0.1`, or a time, as in `jitter = \"5s\"`",
        "refresh_ahead" => "`refresh_ahead = 0.8`",
        "stale_while_revalidate" => "`stale_while_revalidate = \"30s\"`",
        "stale_if_error" => "`stale_if_error = \"5m\"`",
        "retry_after" => "`retry_after = \"1s\"`",
        "err_ttl" => "`err_ttl = \"1s\"`",
        "soft_timeout" => "`soft_timeout = \"50ms\"`",
        "load_timeout" => "`load_timeout = \"2s\"`",
        _ => "`detached`",
    }
}

/// How the builder of a cache is told the same.
pub(super) fn example_of_builder(word: &str) -> &'static str {
    match word {
        "ttl_fn" => ".ttl_fn(|value| value.expires_in)",
        "jitter" => ".jitter(0.1)",
        "refresh_ahead" => ".refresh_ahead(0.8)",
        "stale_while_revalidate" => ".stale_while_revalidate(Duration::from_secs(30))",
        "stale_if_error" => ".stale_if_error(Duration::from_secs(300))",
        "retry_after" => ".retry_after(Duration::from_secs(1))",
        "err_ttl" => ".err_ttl(Duration::from_secs(1))",
        "soft_timeout" => ".soft_timeout(Duration::from_millis(50))",
        _ => ".load_timeout(Duration::from_secs(2))",
    }
}

/// Why it cannot be zero.
pub(super) fn of_zero(word: &str) -> &'static str {
    match word {
        "jitter" => "spreads nothing",
        "stale_while_revalidate" | "stale_if_error" => "serves nothing",
        "retry_after" => "keeps no load away",
        "soft_timeout" => "is what `stale_while_revalidate` is for",
        "load_timeout" => "lets no load come to an end",
        _ => "keeps nothing",
    }
}

impl Freshness {
    /// Takes one of its words. `None` if it is not written like this.
    pub(super) fn take(&mut self, keyword: &Ident, form: Form, errors: &mut Errors) -> Option<()> {
        let word = keyword.to_string();
        match (&*word, form) {
            ("detached", Form::Bare) => options::once(&mut self.detached, keyword, (), errors),
            ("detached", Form::Value(value)) => match options::bool_of(&value) {
                Some(false) => errors.at(
                    value,
                    "leave `detached` out: a load belongs to its caller unless it is there",
                ),
                _ => errors.at(value, "`detached` takes no value: write `detached`"),
            },
            ("ttl_fn", Form::Value(expr)) => {
                if check_ttl_fn(&expr, errors) {
                    options::once(&mut self.ttl_fn, keyword, expr, errors);
                }
            }
            ("refresh_ahead", Form::Value(expr)) => {
                if check_refresh_ahead(&expr, errors) {
                    options::once(&mut self.refresh_ahead, keyword, expr, errors);
                }
            }
            ("jitter", Form::Value(expr)) => {
                if let Some(spread) = spread(keyword, expr, errors) {
                    options::once(&mut self.jitter, keyword, spread, errors);
                }
            }
            (word, Form::Value(expr)) => {
                let place = self.time(word)?;
                if let Some(time) = lifetime(keyword, expr, errors) {
                    options::once(place, keyword, time, errors);
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn time(&mut self, word: &str) -> Option<&mut Worded<Lifetime>> {
        Some(match word {
            "stale_while_revalidate" => &mut self.stale_while_revalidate,
            "stale_if_error" => &mut self.stale_if_error,
            "retry_after" => &mut self.retry_after,
            "err_ttl" => &mut self.err_ttl,
            "soft_timeout" => &mut self.soft_timeout,
            "load_timeout" => &mut self.load_timeout,
            _ => return None,
        })
    }

    /// The times, as the setters of a cache are called.
    pub(super) fn times(&self) -> impl Iterator<Item = (&'static str, &Lifetime)> {
        let times = [
            ("stale_while_revalidate", &self.stale_while_revalidate),
            ("stale_if_error", &self.stale_if_error),
            ("retry_after", &self.retry_after),
            ("err_ttl", &self.err_ttl),
            ("none_ttl", &self.none_ttl),
            ("soft_timeout", &self.soft_timeout),
            ("load_timeout", &self.load_timeout),
        ];
        times
            .into_iter()
            .filter_map(|(word, time)| Some((word, &time.as_ref()?.1)))
    }

    /// The word that lets loads outlive their calls, if there is one. The one that says nothing else is the last to be named.
    pub(super) fn detaching(&self) -> Option<&Ident> {
        DETACHING.into_iter().rev().find_map(|word| self.word(word))
    }

    pub(super) fn word(&self, word: &str) -> Option<&Ident> {
        fn of<T>(worded: Option<&(Ident, T)>) -> Option<&Ident> {
            worded.map(|(keyword, _)| keyword)
        }
        match word {
            "ttl_fn" => of(self.ttl_fn.as_ref()),
            "jitter" => of(self.jitter.as_ref()),
            "refresh_ahead" => of(self.refresh_ahead.as_ref()),
            "stale_while_revalidate" => of(self.stale_while_revalidate.as_ref()),
            "stale_if_error" => of(self.stale_if_error.as_ref()),
            "retry_after" => of(self.retry_after.as_ref()),
            "err_ttl" => of(self.err_ttl.as_ref()),
            "soft_timeout" => of(self.soft_timeout.as_ref()),
            "load_timeout" => of(self.load_timeout.as_ref()),
            _ => of(self.detached.as_ref()),
        }
    }
}

/// Notes a `ttl_fn` that is none. Of a path only the compiler knows.
fn check_ttl_fn(ttl_fn: &Expr, errors: &mut Errors) -> bool {
    match ttl_fn {
        Expr::Path(_) => return true,
        Expr::Closure(closure) if closure.inputs.len() == 1 => return true,
        Expr::Closure(closure) if !closure.inputs.is_empty() => errors.at(
            &closure.inputs,
            "`ttl_fn` gets a reference to the value and nothing else: write `ttl_fn = |value| …`",
        ),
        Expr::Lit(_) => errors.at(
            ttl_fn,
            "`ttl_fn` makes the TTL of a value: for one that is the same for all, write `ttl = \"60s\"`",
        ),
        other => errors.at(
            other,
            "`ttl_fn` is a closure over the value or the path of a function: write `ttl_fn = |value| value.expires_in`",
        ),
    }
    false
}

/// Notes a share that is none. Anything but a literal is left to the compiler.
fn check_refresh_ahead(expr: &Expr, errors: &mut Errors) -> bool {
    let written = match literal(expr) {
        None => return true,
        Some(Lit::Float(float)) if !is_negative(expr) => match float.base10_parse::<f64>() {
            Ok(share) if share > 0.0 && share < 1.0 => return true,
            _ => None,
        },
        Some(lit) => share_in(lit),
    };
    let share = written.unwrap_or_else(|| "0.8".to_owned());
    errors.at(
        expr,
        format!("`refresh_ahead` is the share of the TTL after which a hit has a value refreshed, between 0 and 1: write `refresh_ahead = {share}`"),
    );
    false
}

fn spread(keyword: &Ident, expr: Expr, errors: &mut Errors) -> Option<Spread> {
    const WHAT: &str = "`jitter` is the share of the TTL by which that may be shortened, between 0 and 1, or a time";
    let written = match literal(&expr) {
        None => return Some(Spread::Computed(expr)),
        Some(Lit::Float(float)) if !is_negative(&expr) => match float.base10_parse::<f64>() {
            Ok(share) if share > 0.0 && share <= 1.0 => return Some(Spread::Share(expr)),
            _ => None,
        },
        Some(Lit::Str(text)) if share_in(&Lit::Str(text.clone())).is_none() => {
            return match duration::parse(&text.value()) {
                Ok(Duration::ZERO) => {
                    let _ = lifetime(keyword, expr, errors);
                    None
                }
                Ok(time) => Some(Spread::Time(time)),
                Err(message) => {
                    errors.at(expr, message);
                    None
                }
            };
        }
        Some(lit) => share_in(lit),
    };
    let share = written.unwrap_or_else(|| "0.1".to_owned());
    errors.at(expr, format!("{WHAT}: write `jitter = {share}`, or `jitter = \"5s\"`"));
    None
}

/// The literal that an expression is, or that it is the negative of.
fn literal(expr: &Expr) -> Option<&Lit> {
    match expr {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => literal(&unary.expr),
        Expr::Paren(inner) => literal(&inner.expr),
        Expr::Group(inner) => literal(&inner.expr),
        _ => None,
    }
}

fn is_negative(expr: &Expr) -> bool {
    match expr {
        Expr::Unary(unary) => matches!(unary.op, UnOp::Neg(_)),
        Expr::Paren(inner) => is_negative(&inner.expr),
        Expr::Group(inner) => is_negative(&inner.expr),
        _ => false,
    }
}

/// The share that was meant: by `"80%"`, `"0.8"` or `80`.
fn share_in(lit: &Lit) -> Option<String> {
    let text = match lit {
        Lit::Str(text) => text.value(),
        Lit::Int(number) => format!("{}%", number.base10_digits()),
        _ => return None,
    };
    let text = text.trim();
    let (number, whole) = match text.strip_suffix('%') {
        Some(percent) => (percent.trim(), 100.0),
        None => (text, 1.0),
    };
    let share = number.parse::<f64>().ok()? / whole;
    (share > 0.0 && share < 1.0).then(|| share.to_string())
}

impl Lifetime {
    pub(super) fn known(&self) -> Option<Duration> {
        match self {
            Self::Known(known) => Some(*known),
            Self::Computed(_) => None,
        }
    }
}
