//! Tags as they are written: texts with arguments in braces, `"user:{user_id}"`.
//!
//! A template becomes a `format_args!` whose values are places: of the arguments themselves, or of the parts of a key that
//! was made of them. What stands in the braces is an argument or a field of one and nothing else, so that both can be
//! written, and so that a tag says what it is made of.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Expr, LitStr, Token};

use crate::error::Errors;
use crate::function::{Argument, Function};
use crate::options;

/// A tag that is made of arguments.
pub(crate) struct Template {
    literal: LitStr,
    /// The text as `format_args!` has it, with a `{}` for each hole.
    format: String,
    holes: Vec<Hole>,
}

/// A pair of braces.
struct Hole {
    root: Root,
    fields: Vec<String>,
}

/// What the word in braces stands for.
pub(crate) enum Root {
    /// `self`.
    Receiver,
    /// An argument, by its place, or what its pattern binds to that name.
    Argument { at: usize, name: Ident },
}

/// A pair of braces as it was written.
#[derive(Debug, PartialEq)]
struct Written {
    name: String,
    fields: Vec<String>,
}

impl Template {
    /// Reads a tag over the arguments of a function, or notes what it cannot be made of.
    pub(crate) fn parse(
        expr: &Expr,
        example: &str,
        function: &Function,
        arguments: &[Argument],
        errors: &mut Errors,
    ) -> Option<Self> {
        let literal = literal(expr, example, errors)?;
        let (format, written) = match scan(&literal.value()) {
            Ok(scanned) => scanned,
            Err(message) => {
                errors.at(literal, message);
                return None;
            }
        };
        let mut holes = Vec::new();
        for Written { name, fields } in written {
            match root(&name, function, arguments) {
                Some(root) => holes.push(Hole { root, fields }),
                None => errors.at(
                    &literal,
                    function.no_argument(&name, &names(function, arguments), "to make a tag of"),
                ),
            }
        }
        Some(Self { literal, format, holes })
    }

    pub(crate) fn literal(&self) -> &LitStr {
        &self.literal
    }

    /// What it is made of.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &Root> {
        self.holes.iter().map(|hole| &hole.root)
    }

    /// The same, each with the words of its path: the argument and the fields behind it.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (&Root, Vec<String>)> {
        self.holes.iter().map(|Hole { root, fields }| {
            let name = match root {
                Root::Receiver => "self".to_owned(),
                Root::Argument { name, .. } => name.unraw().to_string(),
            };
            let fields = fields.iter().map(|field| field.trim_start_matches("r#").to_owned());
            (root, std::iter::once(name).chain(fields).collect())
        })
    }

    /// The tag as `format_args!`, where `place` says under which name each argument is found.
    ///
    /// Everything stands at the literal, so that a value that cannot be displayed is complained of there.
    pub(crate) fn formatted(&self, arguments: &[Argument], place: &dyn Fn(&Root) -> TokenStream) -> TokenStream {
        let span = self.literal.span();
        // The user did not write this macro, so that no lint of his is to look at it.
        let macro_span = Span::mixed_site().located_at(span);
        let mut format = Literal::string(&self.format);
        format.set_span(macro_span);
        let values = self.holes.iter().map(|Hole { root, fields }| {
            let place = match root {
                Root::Argument { at, name } if !arguments[*at].is_named => name.to_token_stream(),
                root => place(root),
            };
            let place = located(place, span);
            let fields = fields.iter().map(|field| member(field, span));
            quote_spanned!(span=> #place #(.#fields)*)
        });
        quote_spanned!(macro_span=> ::core::format_args!(#format #(, #values)*))
    }
}

/// Takes those arguments apart that are declared by a pattern, as far as templates name what it binds.
pub(crate) fn patterns<'t>(
    templates: impl IntoIterator<Item = &'t Template>,
    arguments: &[Argument],
    place: &dyn Fn(&Root) -> TokenStream,
) -> TokenStream {
    let mut apart = vec![None; arguments.len()];
    for root in templates.into_iter().flat_map(Template::roots) {
        if let Root::Argument { at, .. } = root
            && !arguments[*at].is_named
        {
            apart[*at] = Some(place(root));
        }
    }
    let apart = apart.into_iter().zip(arguments);
    apart
        .filter_map(|(place, argument)| {
            let (place, pat) = (place?, &argument.pat);
            Some(quote!(#[allow(unused_variables)] let #pat = &#place;))
        })
        .collect()
}

/// The list in `tags(..)`.
pub(crate) fn list(keyword: &Ident, list: TokenStream, errors: &mut Errors) -> Option<Vec<Expr>> {
    let parser = |input: ParseStream<'_>| Punctuated::<Expr, Token![,]>::parse_terminated(input);
    match parser.parse2(list) {
        Ok(tags) if tags.is_empty() => {
            errors.at(
                keyword,
                "`tags()` names no tag: write `tags(\"cart\")`, or leave it out",
            );
            None
        }
        Ok(tags) => Some(tags.into_iter().collect()),
        Err(error) => {
            errors.push(syn::Error::new(
                error.span(),
                "`tags` takes texts, separated by commas: write `tags(\"cart\", \"user:{user_id}\")`",
            ));
            None
        }
    }
}

/// The text, if that is what it is.
fn literal(expr: &Expr, example: &str, errors: &mut Errors) -> Option<LitStr> {
    match options::text_of(expr) {
        Some(text) if text.value().is_empty() => {
            errors.at(text, format!("this tag is empty: write what it says, as in {example}"));
            None
        }
        Some(text) => Some(text),
        None => {
            errors.at(expr, format!("a tag is a text in quotes: write {example}"));
            None
        }
    }
}

/// What can stand in braces.
fn names(function: &Function, arguments: &[Argument]) -> Vec<String> {
    let receiver = function.receiver().map(|_| "self".to_owned());
    let bound = arguments.iter().flat_map(Argument::bindings);
    receiver
        .into_iter()
        .chain(bound.map(|name| name.unraw().to_string()))
        .collect()
}

fn root(name: &str, function: &Function, arguments: &[Argument]) -> Option<Root> {
    if name == "self" {
        return function.receiver().map(|_| Root::Receiver);
    }
    arguments.iter().enumerate().find_map(|(at, argument)| {
        let name = argument.bindings().into_iter().find(|bound| bound.unraw() == name)?;
        Some(Root::Argument { at, name })
    })
}

/// Takes a text apart: what `format_args!` gets, and what stands in the braces. Or says what to write.
fn scan(text: &str) -> Result<(String, Vec<Written>), String> {
    let (mut format, mut holes) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        format.push_str(before);
        if from.starts_with("{{") || from.starts_with("}}") {
            format.push_str(&from[..2]);
            rest = &from[2..];
            continue;
        }
        let Some(inner) = from.strip_prefix('{') else {
            return Err("this `}` closes nothing: write `}}` for a brace".to_owned());
        };
        let end = inner.find(['{', '}']).filter(|end| inner[*end..].starts_with('}'));
        let Some(end) = end else {
            return Err(
                "a `{` in this tag is not closed: write `{name}`, with an argument, or `{{` for a brace".to_owned(),
            );
        };
        let (hole, spec) = hole(&inner[..end])?;
        holes.push(hole);
        format.push('{');
        format.push_str(&spec);
        format.push('}');
        rest = &inner[end + 1..];
    }
    format.push_str(rest);
    Ok((format, holes))
}

/// What stands between two braces, and how it is to be formatted.
fn hole(inner: &str) -> Result<(Written, String), String> {
    let (path, spec) = match inner.split_once(':') {
        Some((path, spec)) if !spec.starts_with(':') => (path.trim(), format!(":{spec}")),
        // `Self::ID` has no format either.
        None | Some(_) => (inner.trim(), String::new()),
    };
    if path.is_empty() || path.chars().all(|c| c.is_ascii_digit()) {
        return Err(format!(
            "`{{{inner}}}` names no argument: write which one, as in `{{user_id}}`, or `{{{{` for a brace"
        ));
    }
    let mut words = path.split('.').map(|word| word_of(word.trim()));
    let name = words.next().flatten();
    let fields: Option<Vec<String>> = words.collect();
    let is_index = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let (Some(name), Some(fields)) = (name.filter(|name| !is_index(name)), fields) else {
        return Err(format!(
            "`{{{inner}}}` is more than an argument or a field of one: write `{{user_id}}`, `{{user.id}}` or `{{{{` for a \
             brace"
        ));
    };
    if spec.contains(".*") || spec.contains('$') {
        return Err(format!(
            "`{{{inner}}}` takes its width from elsewhere: write a number, as in `{{{path}:>8}}`"
        ));
    }
    Ok((Written { name, fields }, spec))
}

/// The name of an argument or of a field, or the place of one.
fn word_of(word: &str) -> Option<String> {
    if !word.is_empty() && word.chars().all(|c| c.is_ascii_digit()) {
        return Some(word.to_owned());
    }
    let ident = Ident::parse_any.parse_str(word).ok()?;
    Some(ident.unraw().to_string())
}

/// The field of that name or place.
fn member(field: &str, span: Span) -> TokenStream {
    if let Ok(at) = field.parse::<usize>() {
        let mut at = Literal::usize_unsuffixed(at);
        at.set_span(span);
        return at.to_token_stream();
    }
    let mut ident: Ident = syn::parse_str(field).unwrap_or_else(|_| Ident::new_raw(field, span));
    ident.set_span(span);
    ident.to_token_stream()
}

/// The same tokens at another place. What they refer to stays.
fn located(tokens: TokenStream, span: Span) -> TokenStream {
    let located = tokens.into_iter().map(|mut token| {
        if let proc_macro2::TokenTree::Group(group) = &token {
            let inner = located(group.stream(), span);
            token = proc_macro2::Group::new(group.delimiter(), inner).into();
        }
        token.set_span(token.span().located_at(span));
        token
    });
    located.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(path: &[&str]) -> Written {
        let mut words = path.iter().map(|word| (*word).to_owned());
        Written {
            name: words.next().unwrap_or_default(),
            fields: words.collect(),
        }
    }

    #[test]
    fn braces_hold_arguments_and_fields() {
        for (text, format, holes) in [
            ("cart", "cart", vec![]),
            ("user:{id}", "user:{}", vec![written(&["id"])]),
            ("{a}{b}", "{}{}", vec![written(&["a"]), written(&["b"])]),
            ("{user.0.name}", "{}", vec![written(&["user", "0", "name"])]),
            ("{id:>04}!", "{:>04}!", vec![written(&["id"])]),
            ("{ id }", "{}", vec![written(&["id"])]),
            ("{id:?}", "{:?}", vec![written(&["id"])]),
            ("{{{id}}}", "{{{}}}", vec![written(&["id"])]),
            ("{{id}}", "{{id}}", vec![]),
            ("{type}{r#type}", "{}{}", vec![written(&["type"]), written(&["type"])]),
            ("{self.id}", "{}", vec![written(&["self", "id"])]),
            ("ä{ö}ü", "ä{}ü", vec![written(&["ö"])]),
        ] {
            assert_eq!(scan(text), Ok((format.to_owned(), holes)), "{text}");
        }
    }

    #[test]
    fn anything_else_in_braces_says_what_to_write() {
        for (text, part) in [
            ("{", "not closed"),
            ("a{b", "not closed"),
            ("{a{b}", "not closed"),
            ("}", "closes nothing"),
            ("{a}}", "closes nothing"),
            ("{}", "names no argument"),
            ("{:?}", "names no argument"),
            ("{0}", "names no argument"),
            ("{a.}", "more than"),
            ("{.a}", "more than"),
            ("{a()}", "more than"),
            ("{a.len()}", "more than"),
            ("{a + 1}", "more than"),
            ("{Self::ID}", "more than"),
            ("{1.a}", "more than"),
            ("{a:>width$}", "its width from elsewhere"),
            ("{a:.*}", "its width from elsewhere"),
        ] {
            let message = scan(text).expect_err(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
