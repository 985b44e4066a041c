//! `tags(..)` and `tag_fn = ..`: what they say, and whether it can be known of an entry.

use proc_macro2::TokenStream;
use syn::ext::IdentExt as _;
use syn::{Expr, ExprClosure, Member, UnOp};

use super::arguments::Worded;
use crate::error::Errors;
use crate::function::{Argument, Function, captured, names_ident};
use crate::template::{Root, Template};

/// What an entry is tagged with.
pub(super) struct Labels {
    pub(super) templates: Vec<Template>,
    pub(super) tag_fn: Option<Expr>,
}

impl Labels {
    pub(super) fn is_empty(&self) -> bool {
        self.templates.is_empty() && self.tag_fn.is_none()
    }
}

/// Which arguments an entry is known by, so that its tags can be made of them.
pub(super) struct Known<'a> {
    pub(super) function: &'a Function,
    pub(super) arguments: &'a [Argument],
    /// Those in the key, and those by which its cache is found.
    pub(super) kept: &'a [usize],
    /// Whether `self` is among them.
    pub(super) receiver: bool,
    /// The parts of a `key = …`.
    pub(super) key: Option<&'a [Expr]>,
    /// By what its cache is found, which need not be part of the key.
    pub(super) cache: Option<&'a TokenStream>,
}

/// Notes a `tag_fn` that is none. Of a path only the compiler knows.
pub(super) fn check_tag_fn(tag_fn: &Expr, errors: &mut Errors) -> bool {
    match tag_fn {
        Expr::Path(_) => return true,
        Expr::Closure(closure) if closure.inputs.len() == 1 => return true,
        Expr::Closure(closure) if !closure.inputs.is_empty() => errors.at(
            &closure.inputs,
            "`tag_fn` gets a reference to the value and nothing else: write `tag_fn = |value| …`",
        ),
        other => errors.at(
            other,
            "`tag_fn` is a closure over the value or the path of a function: write `tag_fn = |value| [format!(\"item:{}\", \
             value.id)]`",
        ),
    }
    false
}

/// The tags of an entry, or what keeps them from being known.
pub(super) fn check(tags: &[Expr], tag_fn: Worded<Expr>, known: &Known<'_>, errors: &mut Errors) -> Labels {
    let mut templates: Vec<Template> = Vec::new();
    for tag in tags {
        let Some(template) = Template::parse(tag, "`tags(\"cart\")`", known.function, known.arguments, errors) else {
            continue;
        };
        if templates
            .iter()
            .any(|other| other.literal().value() == template.literal().value())
        {
            errors.at(tag, "this tag is given twice: leave one of them out");
        }
        for (root, path) in template.paths() {
            check_root(root, &path, &template, known, errors);
        }
        templates.push(template);
    }
    let tag_fn = tag_fn.map(|(_, tag_fn)| tag_fn);
    if let Some(Expr::Closure(closure)) = &tag_fn {
        check_captures(closure, known, errors);
    }
    Labels { templates, tag_fn }
}

/// A tag stays with its entry however that came in, so it is made of nothing but what the entry is known by.
fn check_root(root: &Root, path: &[String], template: &Template, known: &Known<'_>, errors: &mut Errors) {
    let name = match root {
        Root::Receiver if !known.receiver => "self".to_owned(),
        Root::Argument { at, name } if !known.kept.contains(at) => name.to_string(),
        _ => return check_path(path, template, known, errors),
    };
    let instead = if known.key.is_some() {
        format!("name `{name}` in the key, or leave it out of the tag")
    } else if name == "self" {
        "write `key = (self.id, ..)`, or leave it out of the tag".to_owned()
    } else {
        format!("leave `{name}` out of the tag, or do not `skip` it")
    };
    errors.at(
        template.literal(),
        format!("`{name}` is not part of the key, and a tag is made of the key: {instead}"),
    );
}

/// Of a `key = id / 10` nobody can tell the `id` of the entry.
fn check_path(path: &[String], template: &Template, known: &Known<'_>, errors: &mut Errors) {
    let Some(key) = known.key else { return };
    let finds_cache = known.cache.is_some_and(|cache| names_ident(cache.clone(), &path[0]));
    if !finds_cache && !key.iter().filter_map(whole).any(|whole| path.starts_with(&whole)) {
        let path = path.join(".");
        errors.at(
            template.literal(),
            format!(
                "`{path}` is not part of the key as it is, and a tag is made of the key: write it there by itself, as in \
                 `key = ({path}, ..)`, or leave it out of the tag"
            ),
        );
    }
}

/// The words of the path that an expression stands for, itself or a copy of it.
fn whole(expr: &Expr) -> Option<Vec<String>> {
    const COPIES: [&str; 4] = ["clone", "to_owned", "to_string", "to_vec"];
    match expr {
        Expr::Path(path) => Some(vec![path.path.get_ident()?.unraw().to_string()]),
        Expr::Field(field) => {
            let mut words = whole(&field.base)?;
            words.push(match &field.member {
                Member::Named(name) => name.unraw().to_string(),
                Member::Unnamed(index) => index.index.to_string(),
            });
            Some(words)
        }
        Expr::Reference(inner) => whole(&inner.expr),
        Expr::Paren(inner) => whole(&inner.expr),
        Expr::Group(inner) => whole(&inner.expr),
        Expr::Unary(inner) if matches!(inner.op, UnOp::Deref(_)) => whole(&inner.expr),
        Expr::MethodCall(call) if call.args.is_empty() && COPIES.iter().any(|copy| call.method == copy) => {
            whole(&call.receiver)
        }
        _ => None,
    }
}

/// Notes arguments in a `tag_fn`, which has none of them.
fn check_captures(closure: &ExprClosure, known: &Known<'_>, errors: &mut Errors) {
    if let Some(name) = captured(closure, known.arguments) {
        let example = if name == "self" {
            "shop:{self.id}".to_owned()
        } else {
            format!("{name}:{{{name}}}")
        };
        errors.at(
            name,
            format!(
                "`tag_fn` has nothing but the value: write a tag that is made of arguments as a text, as in \
                 `tags(\"{example}\")`"
            ),
        );
    }
}
