//! `key_fn = …`, and the argument it took the place of.

use proc_macro2::Ident;
use syn::Expr;

use crate::error::Errors;
use crate::function::Function;
use crate::key::MAX_PARTS;

/// Notes a closure of the wrong number of parameters. Of a path only the compiler knows.
pub(super) fn check(key_fn: &Expr, function: Option<&Function>, too_many: &str, errors: &mut Errors) {
    let Some(function) = function else { return };
    let names = names(function);
    if names.len() > MAX_PARTS {
        errors.at(
            key_fn,
            format!("`key_fn` takes at most {MAX_PARTS} arguments: {too_many}"),
        );
        return;
    }
    match key_fn {
        Expr::Closure(closure) if closure.inputs.len() != names.len() => {
            let inputs = &closure.inputs;
            let message = format!(
                "`key_fn` gets a reference to each of the {} arguments of `{}`, and this takes {}: write `key_fn = |{}| …`",
                names.len(),
                function.sig.ident,
                inputs.len(),
                names.join(", "),
            );
            if inputs.is_empty() {
                errors.at(key_fn, message);
            } else {
                errors.at(inputs, message);
            }
        }
        Expr::Closure(_) | Expr::Path(_) => {}
        other => errors.at(
            other,
            "`key_fn` is a closure or the path of a function: write `key_fn = |id, _name| id`",
        ),
    }
}

/// The removed argument, however it is written, with what to write for this very mutation. `before` is the attribute up to
/// the `key_fn`.
pub(super) fn skip_args(keyword: &Ident, before: &str, function: Option<&Function>, errors: &mut Errors) {
    let names: Vec<String> = function.map(names).unwrap_or_default();
    let kept = names.last().map_or("key", String::as_str);
    let parameters: Vec<String> = names
        .iter()
        .map(|name| {
            if name == kept {
                name.clone()
            } else {
                format!("_{}", name.trim_start_matches('_'))
            }
        })
        .collect();
    errors.at(
        keyword,
        format!(
            "`skip_args` was removed, because it silently built wrong keys: say which arguments make the key, as in \
             `#[{before}, key_fn = |{}| {kept})]`",
            parameters.join(", "),
        ),
    );
}

fn names(function: &Function) -> Vec<String> {
    function
        .arguments()
        .iter()
        .map(|argument| argument.name.to_string())
        .collect()
}
