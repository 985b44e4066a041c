//! `tags(..)` and `tag_fn = ..`: what they say, and whether it can be known of an entry.

use proc_macro2::Ident;
use quote::ToTokens as _;
use syn::visit::Visit;
use syn::{Expr, ExprClosure};

use super::arguments::Worded;
use crate::error::Errors;
use crate::function::{Argument, Function};
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
    pub(super) receiver: bool,
    /// The key is an expression, or a cache's own arguments.
    pub(super) is_keyed: bool,
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
pub(super) fn check(tags: Worded<Vec<Expr>>, tag_fn: Worded<Expr>, known: &Known<'_>, errors: &mut Errors) -> Labels {
    let mut templates: Vec<Template> = Vec::new();
    for tag in tags.iter().flat_map(|(_, tags)| tags) {
        let Some(template) = Template::parse(tag, "`tags(\"cart\")`", known.function, known.arguments, errors) else {
            continue;
        };
        if templates
            .iter()
            .any(|other| other.literal().value() == template.literal().value())
        {
            errors.at(tag, "this tag is given twice: leave one of them out");
        }
        for root in template.roots() {
            check_root(root, &template, known, errors);
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
fn check_root(root: &Root, template: &Template, known: &Known<'_>, errors: &mut Errors) {
    let name = match root {
        Root::Receiver if !known.receiver => "self".to_owned(),
        Root::Argument { at, name } if !known.kept.contains(at) => name.to_string(),
        _ => return,
    };
    let instead = if known.is_keyed {
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

/// Notes arguments in a `tag_fn`, which has none of them.
fn check_captures(closure: &ExprClosure, known: &Known<'_>, errors: &mut Errors) {
    /// The names that are used, and those that are bound on the way.
    #[derive(Default)]
    struct Names {
        used: Vec<Ident>,
        bound: Vec<Ident>,
    }
    impl<'ast> Visit<'ast> for Names {
        fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
            self.used.extend(path.path.get_ident().cloned());
        }

        fn visit_pat_ident(&mut self, pat: &'ast syn::PatIdent) {
            self.bound.push(pat.ident.clone());
            syn::visit::visit_pat_ident(self, pat);
        }
    }
    let mut names = Names::default();
    names.visit_expr_closure(closure);
    let bindings: Vec<Ident> = known.arguments.iter().flat_map(Argument::bindings).collect();
    let captured = names
        .used
        .iter()
        .find(|name| (bindings.contains(name) || *name == "self") && !names.bound.contains(name));
    if let Some(name) = captured {
        errors.at(
            name.to_token_stream(),
            format!(
                "`tag_fn` has nothing but the value: write a tag that is made of arguments as a text, as in \
                 `tags(\"{name}:{{{name}}}\")`"
            ),
        );
    }
}
