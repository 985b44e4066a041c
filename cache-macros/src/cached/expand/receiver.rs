//! A body that has `self` as its own.

use std::iter::Peekable;

use proc_macro2::token_stream::IntoIter;
use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

/// The body with another name for `self`, which in a future that has it as its own cannot be called that. Items in the body
/// have a `self` of their own.
pub(super) fn with_receiver(body: TokenStream, this: &Ident) -> TokenStream {
    let mut renamed = TokenStream::new();
    let mut tokens = body.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "self" => {
                let is_path = matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':')
                    && is_path_next(&tokens);
                if is_path {
                    renamed.extend([TokenTree::Ident(word)]);
                } else {
                    let mut this = this.clone();
                    this.set_span(this.span().located_at(word.span()));
                    renamed.extend([TokenTree::Ident(this)]);
                }
            }
            TokenTree::Ident(word) if is_item(&word, tokens.peek()) => {
                let ends_with_brace = word != "use";
                renamed.extend([TokenTree::Ident(word)]);
                for token in tokens.by_ref() {
                    let is_end = match &token {
                        TokenTree::Group(group) => ends_with_brace && group.delimiter() == Delimiter::Brace,
                        TokenTree::Punct(punct) => punct.as_char() == ';',
                        _ => false,
                    };
                    renamed.extend([token]);
                    if is_end {
                        break;
                    }
                }
            }
            TokenTree::Ident(word) if word == "pub" => {
                renamed.extend([TokenTree::Ident(word)]);
                // `pub(self)`
                renamed.extend(tokens.next_if(|token| matches!(token, TokenTree::Group(_))));
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), with_receiver(group.stream(), this));
                inner.set_span(group.span());
                renamed.extend([TokenTree::Group(inner)]);
            }
            token => renamed.extend([token]),
        }
    }
    renamed
}

/// Whether two colons follow.
fn is_path_next(tokens: &Peekable<IntoIter>) -> bool {
    let mut ahead = tokens.clone();
    let mut colon = || matches!(ahead.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon() && colon()
}

/// Whether an item begins with this word.
fn is_item(word: &Ident, next: Option<&TokenTree>) -> bool {
    match &*word.to_string() {
        "impl" | "trait" | "use" => true,
        "fn" => matches!(next, Some(TokenTree::Ident(_))),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use quote::{format_ident, quote};

    use super::*;

    #[test]
    fn self_gets_another_name_where_it_is_the_receiver() {
        for (body, renamed) in [
            (quote!(self.name), quote!(this.name)),
            (
                quote!({
                    let x = &self;
                    m!(self, [self])
                }),
                quote!({
                    let x = &this;
                    m!(this, [this])
                }),
            ),
            (quote!(self::name(self)), quote!(self::name(this))),
            (quote!(use a::{self, b};, self.b), quote!(use a::{self, b};, this.b)),
            (
                quote!(impl A { fn b(&self) { self.c } } self.d),
                quote!(impl A { fn b(&self) { self.c } } this.d),
            ),
            (
                quote!(
                    fn a(b: B) -> C {
                        self::c()
                    },
                    self.d
                ),
                quote!(
                    fn a(b: B) -> C {
                        self::c()
                    },
                    this.d
                ),
            ),
            (quote!(let a: fn(B) -> C = self.d;), quote!(let a: fn(B) -> C = this.d;)),
            (quote!(pub(self) struct A;, self.b), quote!(pub(self) struct A;, this.b)),
        ] {
            assert_eq!(
                with_receiver(body, &format_ident!("this")).to_string(),
                renamed.to_string()
            );
        }
    }
}
