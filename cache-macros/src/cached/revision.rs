//! `#[cached_revision]`: what is said of revisions, and which argument tells them.

use std::collections::HashSet;

use proc_macro2::{Ident, Span};
use syn::visit::Visit;
use syn::{Expr, Token, Type, UnOp};

use super::Attribute;
use super::arguments::{Arguments, Lifetime, Worded, lifetime, not_like_this};
use super::freshness;
use crate::error::Errors;
use crate::function::Argument;
use crate::key::{Part, is_plain, is_primitive};
use crate::options::{self, Form};

/// What only a function with a revision is told.
pub(super) const WORDS: [&str; 3] = ["revision", "on_change", "max_stale"];

#[derive(Default)]
pub(super) struct Words {
    revision: Worded<Expr>,
    on_change: Worded<OnChange>,
    max_stale: Worded<Lifetime>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnChange {
    Stale,
    Reload,
}

/// What is different about a function whose values live as long as a revision.
pub(super) struct Revision {
    /// What reads it, or is it.
    pub(super) expr: Expr,
    /// There is a `?` in it.
    pub(super) may_break_off: bool,
    pub(super) on_change: OnChange,
    pub(super) max_stale: Option<Lifetime>,
    /// The argument that tells it, and so is not in the key; with the part of it that it would be.
    pub(super) source: Option<Part>,
}

pub(super) fn example(word: &str) -> Option<&'static str> {
    match word {
        "revision" => Some("`revision = db.revision(&[\"topics\"])`"),
        "on_change" => Some("`on_change = \"stale\"`, or `on_change = \"reload\"`"),
        "max_stale" => Some("`max_stale = \"5m\"`"),
        _ => None,
    }
}

impl Words {
    /// Takes one of them.
    pub(super) fn take(&mut self, keyword: &Ident, form: Form, errors: &mut Errors) {
        let word = keyword.to_string();
        match (&*word, form) {
            ("revision", Form::Value(expr)) => options::once(&mut self.revision, keyword, expr, errors),
            ("on_change", Form::Value(expr)) => match options::text_of(&expr).map(|text| text.value()).as_deref() {
                Some("stale") => options::once(&mut self.on_change, keyword, OnChange::Stale, errors),
                Some("reload") => options::once(&mut self.on_change, keyword, OnChange::Reload, errors),
                _ => errors.at(
                    expr,
                    "write `on_change = \"stale\"`, which serves the old value while a new one is brought, or \
                         `on_change = \"reload\"`, which waits for that",
                ),
            },
            ("max_stale", Form::Value(expr)) => {
                if let Some(max_stale) = lifetime(keyword, expr, errors) {
                    options::once(&mut self.max_stale, keyword, max_stale, errors);
                }
            }
            _ => not_like_this(keyword, errors),
        }
    }

    /// Whether a word was given that says what becomes of a kept value. (To wait for a new one is what happens without any.)
    pub(super) fn has(&self, word: &str) -> bool {
        match word {
            "on_change" => self.detaching().is_some(),
            "max_stale" => self.max_stale.is_some(),
            _ => false,
        }
    }

    /// The word by which loads may outlive their calls, if they may.
    pub(super) fn detaching(&self) -> Option<&Ident> {
        match &self.on_change {
            Some((keyword, OnChange::Stale)) => Some(keyword),
            _ => None,
        }
    }
}

/// The argument that tells the revision and is not in the key, if there is one: that with which it begins, unless that is
/// nothing but data.
pub(super) fn source<'a>(
    given: &Arguments,
    arguments: &'a [Argument],
    skipped: &HashSet<String>,
) -> Option<&'a Argument> {
    let (_, expr) = given.revision.revision.as_ref()?;
    let name = source_of(expr).filter(|name| !skipped.contains(name))?;
    let argument = arguments
        .iter()
        .find(|argument| argument.bindings().iter().any(|binding| *binding == name))?;
    let ty = match &argument.ty {
        Type::Reference(reference) => &*reference.elem,
        ty => ty,
    };
    let is_data = is_primitive(ty) || ["str", "String"].iter().any(|word| is_plain(ty, word));
    (!is_data).then_some(argument)
}

/// Says of a word that is not for any other attribute what it is for.
pub(super) fn not_here(keyword: &Ident, errors: &mut Errors) {
    errors.at(
        keyword,
        format!(
            "`{keyword}` belongs to functions whose values live as long as a revision: write \
             `#[cached_revision(revision = db.revision(&[\"topics\"]))]`"
        ),
    );
}

/// Says of a word that is for other attributes why it is not for this one. `false` if it is.
pub(super) fn is_foreign(keyword: &Ident, errors: &mut Errors) -> bool {
    let word = keyword.to_string();
    let message = match &*word {
        "key" => "with a revision the arguments are the key: leave `key` out, and `skip(..)` what is not part of it"
            .to_owned(),
        "stale_while_revalidate" | "stale_if_error" => format!(
            "values live as long as their revision here, and not for a time: write `on_change = \"stale\"` and \
             `max_stale = \"5m\"` in place of `{word}`"
        ),
        "retry_after" => return false,
        "detached" => {
            "with `on_change = \"stale\"` loads are tasks by themselves, and with `\"reload\"` they are not: leave \
                       `detached` out"
                .to_owned()
        }
        "soft_timeout" | "load_timeout" => format!(
            "callers wait for as long as a load takes here: leave `{word}` out, and have the limit in the body, as in \
             `tokio::time::timeout(limit, load)`"
        ),
        "err_ttl" => "errors are not kept here: leave `err_ttl` out".to_owned(),
        known if freshness::WORDS.contains(&known) => {
            format!("values live as long as their revision here, and not for a time: leave `{word}` out")
        }
        _ => return false,
    };
    errors.at(keyword, message);
    true
}

/// Takes what was said of revisions, or notes that it makes no sense.
pub(super) fn check(
    attribute: Attribute,
    given: &mut Arguments,
    source: Option<&Argument>,
    errors: &mut Errors,
) -> Option<Revision> {
    if attribute != Attribute::Revision {
        return None;
    }
    let words = std::mem::take(&mut given.revision);
    let on_change = words.on_change.as_ref().map_or(OnChange::Reload, |(_, it)| *it);
    if let (Some((retry_after, _)), OnChange::Reload) = (&given.freshness.retry_after, on_change) {
        errors.at(
            retry_after,
            "`retry_after` says how soon a failed refresh in the background is tried again, and there is none: add \
             `on_change = \"stale\"`, or leave it out",
        );
    }
    let Some((_, expr)) = words.revision else {
        if given.may_miss_required {
            errors.push(syn::Error::new(
                Span::call_site(),
                "`#[cached_revision]` has to say what the revision is: write \
                 `#[cached_revision(revision = db.revision(&[\"topics\"]))]`",
            ));
        }
        return None;
    };
    let ends = Ends::of(&expr);
    if let Some(returning) = ends.returning {
        errors.at(
            returning,
            "this would end nothing but the reading of the revision: write an expression that comes to it, or call a function",
        );
    }
    Some(Revision {
        expr,
        may_break_off: ends.is_tried,
        on_change,
        max_stale: words.max_stale.map(|(_, max_stale)| max_stale),
        source: source.and_then(|source| Part::of(&source.ty).ok()),
    })
}

/// How an expression may end before its end, but for what is a function of its own.
#[derive(Default)]
struct Ends {
    is_tried: bool,
    returning: Option<Token![return]>,
}

impl Ends {
    fn of(expr: &Expr) -> Self {
        let mut ends = Self::default();
        ends.visit_expr(expr);
        ends
    }
}

impl<'ast> Visit<'ast> for Ends {
    fn visit_expr_try(&mut self, tried: &'ast syn::ExprTry) {
        self.is_tried = true;
        syn::visit::visit_expr_try(self, tried);
    }

    fn visit_expr_return(&mut self, returning: &'ast syn::ExprReturn) {
        self.returning.get_or_insert(returning.return_token);
        syn::visit::visit_expr_return(self, returning);
    }

    fn visit_expr_closure(&mut self, _: &'ast syn::ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'ast syn::ExprAsync) {}
    fn visit_item(&mut self, _: &'ast syn::Item) {}
}

/// What an expression begins with: `db` in `db.revision(..)`.
fn source_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
        Expr::MethodCall(call) => source_of(&call.receiver),
        Expr::Field(field) => source_of(&field.base),
        Expr::Await(awaited) => source_of(&awaited.base),
        Expr::Try(tried) => source_of(&tried.expr),
        Expr::Paren(inner) => source_of(&inner.expr),
        Expr::Group(inner) => source_of(&inner.expr),
        Expr::Reference(inner) => source_of(&inner.expr),
        Expr::Unary(inner) if matches!(inner.op, UnOp::Deref(_)) => source_of(&inner.expr),
        _ => None,
    }
}
