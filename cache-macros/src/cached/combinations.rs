//! What makes no sense together, of what is said of time. Each has one error, at what was written later.

use std::time::Duration;

use proc_macro2::Ident;
use syn::{Expr, ExprClosure, ExprLit, Lit};

use super::Attribute;
use super::arguments::Arguments;
use super::freshness::Spread;
use crate::error::Errors;
use crate::function::{Argument, captured};

/// Notes what makes no sense together.
pub(super) fn check(attribute: Attribute, given: &Arguments, arguments: &[Argument], errors: &mut Errors) {
    if let Some((_, Expr::Closure(ttl_fn))) = &given.freshness.ttl_fn {
        check_captures(ttl_fn, arguments, errors);
    }
    if attribute == Attribute::Revision {
        check_room(given, errors);
    }
    if matches!(attribute, Attribute::In | Attribute::Revision) {
        return;
    }
    check_ttl(attribute, given, errors);
    check_room(given, errors);
    check_stale(given, errors);
    check_waiting(given, errors);
}

/// What begins where the TTL ends needs one.
fn check_ttl(attribute: Attribute, given: &Arguments, errors: &mut Errors) {
    const OF_TTL: [&str; 4] = ["jitter", "refresh_ahead", "stale_while_revalidate", "stale_if_error"];
    let fresh = &given.freshness;
    if let (Some((ttl, _)), Some((ttl_fn, _))) = (&given.ttl, &fresh.ttl_fn) {
        errors.at(
            given.later(ttl, ttl_fn),
            "`ttl` and `ttl_fn` exclude each other, a TTL is the same for all values or made of each: leave one of them out",
        );
    }
    if attribute == Attribute::Lru
        && given.ttl.is_none()
        && fresh.ttl_fn.is_none()
        && let Some(word) = given.first_of(&OF_TTL)
    {
        errors.at(word, format!("`{word}` needs a TTL: add `ttl = \"60s\"`"));
    }
    let default = || (attribute != Attribute::Lru && fresh.ttl_fn.is_none()).then_some(Duration::from_secs(60));
    if let Some((jitter, Spread::Time(spread))) = &fresh.jitter
        && given
            .ttl
            .as_ref()
            .map_or_else(default, |(_, ttl)| ttl.known())
            .is_some_and(|ttl| *spread >= ttl)
    {
        let (at, of) = match &given.ttl {
            Some((ttl, _)) => (given.later(jitter, ttl), "the TTL"),
            None => (jitter, "the TTL, which is 60 s unless given"),
        };
        errors.at(
            at,
            format!(
                "`jitter` is as long as {of}, so that a value may expire at once: make it shorter, as in `jitter = 0.1`"
            ),
        );
    }
}

/// Of what is not kept, nothing is kept fresh.
fn check_room(given: &Arguments, errors: &mut Errors) {
    const OF_KEPT: [&str; 10] = [
        "ttl_fn",
        "jitter",
        "refresh_ahead",
        "stale_while_revalidate",
        "stale_if_error",
        "soft_timeout",
        "err_ttl",
        "none_ttl",
        "on_change",
        "max_stale",
    ];
    if let Some((
        max_size,
        Expr::Lit(ExprLit {
            lit: Lit::Int(number), ..
        }),
    )) = &given.max_size
        && matches!(number.base10_parse::<u64>(), Ok(0))
        && let Some(word) = given.first_of(&OF_KEPT)
    {
        errors.at(
            given.later(max_size, word),
            format!("`max_size = 0` keeps nothing, so that there is nothing for `{word}` to do: leave one of them out"),
        );
    }
}

/// What concerns an old value needs one.
fn check_stale(given: &Arguments, errors: &mut Errors) {
    let fresh = &given.freshness;
    if let (Some((soft_timeout, _)), None) = (&fresh.soft_timeout, &fresh.stale_if_error) {
        errors.at(
            soft_timeout,
            "`soft_timeout` is for callers with an old value at hand, and none is kept: add `stale_if_error = \"5m\"`",
        );
    }
    if let (Some((retry_after, _)), None, None, None) = (
        &fresh.retry_after,
        &fresh.stale_if_error,
        &fresh.stale_while_revalidate,
        &fresh.refresh_ahead,
    ) {
        errors.at(
            retry_after,
            "`retry_after` says how soon a load is tried again while an old value serves, and none does: add \
             `stale_if_error = \"5m\"`",
        );
    }
    if let (Some((revalidate, revalidates)), Some((if_error, survives))) =
        (&fresh.stale_while_revalidate, &fresh.stale_if_error)
        && let (Some(revalidates), Some(survives)) = (revalidates.known(), survives.known())
        && survives < revalidates
    {
        errors.at(
            given.later(revalidate, if_error),
            "`stale_if_error` is over before `stale_while_revalidate` is, which serves the old value whether or not a load \
             fails: make it longer, or leave it out",
        );
    }
}

fn check_waiting(given: &Arguments, errors: &mut Errors) {
    let fresh = &given.freshness;
    if let (Some((soft_timeout, soft)), Some((load_timeout, hard))) = (&fresh.soft_timeout, &fresh.load_timeout)
        && let (Some(soft), Some(hard)) = (soft.known(), hard.known())
        && soft >= hard
    {
        errors.at(
            given.later(soft_timeout, load_timeout),
            "`soft_timeout` comes to nothing unless it is shorter than `load_timeout`, at which a caller takes an old value all \
             the same: make it shorter, or leave it out",
        );
    }
}

/// Notes arguments in a `ttl_fn`, which has none of them.
fn check_captures(ttl_fn: &ExprClosure, arguments: &[Argument], errors: &mut Errors) {
    if let Some(name) = captured(ttl_fn, arguments) {
        errors.at(
            name,
            "`ttl_fn` has nothing but the value, which may come in without a call: make the TTL of that",
        );
    }
}

impl Arguments {
    /// Of these words the first that was written.
    fn first_of(&self, words: &[&str]) -> Option<&Ident> {
        let given = |word: &Ident| {
            words
                .iter()
                .any(|known| word == known && (self.freshness.word(known).is_some() || self.revision.has(known)))
        };
        self.written.iter().find(|word| given(word))
    }

    /// Of two words the one that was written later.
    fn later<'i>(&self, one: &'i Ident, other: &'i Ident) -> &'i Ident {
        let place = |word: &Ident| self.written.iter().position(|written| written == word);
        if place(one) > place(other) { one } else { other }
    }
}
