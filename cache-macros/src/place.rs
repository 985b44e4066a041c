//! Where an annotated function stands: in a module, in an `impl`, in the `impl` of a trait.
//!
//! An attribute sees the function and nothing around it, and the tokens of an associated function without `self` are those
//! of a free one. But companions of a free function need a type beside it, which an `impl` does not allow. So where the
//! compiler says which file and line the function comes from, that file is looked at: a scan over its braces, with just
//! enough of Rust's lexis not to be misled by comments, texts and lifetimes. Where it cannot be (an editor, generated
//! code), the function's own tokens have to do.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use proc_macro2::Ident;

/// What a function stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A module.
    Free,
    /// The body of another function.
    Body,
    /// An `impl` of a type.
    Impl,
    /// The `impl` of a trait.
    TraitImpl,
    /// A trait.
    Trait,
}

impl Place {
    /// Whether a type can stand beside it.
    pub(crate) fn has_types(self) -> bool {
        matches!(self, Self::Free | Self::Body)
    }
}

/// Where the function of this name stands, if its file tells.
pub(crate) fn of(name: &Ident) -> Option<Place> {
    thread_local! {
        // A file has many functions.
        static FILES: RefCell<HashMap<PathBuf, Option<Rc<Blocks>>>> = RefCell::new(HashMap::new());
    }
    if !proc_macro::is_available() {
        return None;
    }
    let span = name.span().unwrap();
    let file = span.local_file()?;
    let blocks = FILES.with(|files| {
        let mut files = files.borrow_mut();
        let scanned = files.entry(file.clone()).or_insert_with(|| {
            let source = std::fs::read_to_string(&file).ok()?;
            Some(Rc::new(Blocks::scan(&source)))
        });
        scanned.clone()
    })?;
    blocks.place(span.line(), span.column(), &name.to_string())
}

/// The blocks of a file that say where something stands.
struct Blocks {
    source: String,
    /// Where each line begins.
    lines: Vec<usize>,
    /// From one brace to the other, outer before inner.
    places: Vec<(usize, usize, Place)>,
}

impl Blocks {
    fn scan(source: &str) -> Self {
        let lines = std::iter::once(0)
            .chain(source.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self {
            lines,
            places: blocks(source),
            source: source.to_owned(),
        }
    }

    /// The innermost block around a position (both from 1), at which `name` has to stand.
    fn place(&self, line: usize, column: usize, name: &str) -> Option<Place> {
        let start = self.lines.get(line.checked_sub(1)?)? + column.checked_sub(1)?;
        // What is there in the file is something else if the tokens were made by a macro.
        if !self.source.get(start..)?.starts_with(name) {
            return None;
        }
        let around = self
            .places
            .iter()
            .filter(|(open, close, _)| *open < start && start < *close);
        Some(
            around
                .max_by_key(|(open, ..)| *open)
                .map_or(Place::Free, |(.., place)| *place),
        )
    }
}

/// Walks over the tokens and keeps, for each open brace, what the words before it say.
fn blocks(source: &str) -> Vec<(usize, usize, Place)> {
    let mut found: Vec<(usize, usize, Place)> = Vec::new();
    // Of each open brace, the block it opened, if it is one that counts.
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut header: Vec<&str> = Vec::new();
    let mut nested = 0usize;
    let mut at = 0;
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        let (token, len) = next(rest);
        match token {
            Token::Word if nested == 0 => header.push(&rest[..len]),
            Token::Open => nested += 1,
            Token::Close => nested = nested.saturating_sub(1),
            Token::Brace => {
                let block = place_of(&header).map(|place| {
                    found.push((at, source.len(), place));
                    found.len() - 1
                });
                open.push(block);
                header.clear();
                nested = 0;
            }
            Token::Unbrace => {
                if let Some(block) = open.pop().flatten() {
                    found[block].1 = at;
                }
                header.clear();
                nested = 0;
            }
            Token::End if nested == 0 => header.clear(),
            // `for<'a>` is a bound, not the `for` between a trait and a type.
            Token::Angle if nested == 0 && header.last() == Some(&"for") => {
                header.pop();
            }
            _ => {}
        }
        at += len;
    }
    found
}

/// What the words before a brace open. `None` for a block like that of an `if`, which is part of what it stands in.
fn place_of(header: &[&str]) -> Option<Place> {
    let word = header
        .iter()
        .find(|word| ["fn", "impl", "trait", "mod"].contains(word))?;
    Some(match *word {
        "impl" => {
            let bounds = header.iter().position(|word| *word == "where").unwrap_or(header.len());
            if header[..bounds].contains(&"for") {
                Place::TraitImpl
            } else {
                Place::Impl
            }
        }
        "trait" => Place::Trait,
        "fn" => Place::Body,
        _ => Place::Free,
    })
}

enum Token {
    Word,
    /// `(` or `[`
    Open,
    /// `)` or `]`
    Close,
    Brace,
    Unbrace,
    /// `;`
    End,
    /// `<`
    Angle,
    Other,
}

/// The token that some source begins with, and how long it is.
fn next(rest: &str) -> (Token, usize) {
    let first = rest.chars().next().unwrap_or(' ');
    let one = first.len_utf8();
    match first {
        '/' if rest.starts_with("//") => (Token::Other, rest.find('\n').unwrap_or(rest.len())),
        '/' if rest.starts_with("/*") => (Token::Other, block_comment(rest)),
        '"' => (Token::Other, text(rest)),
        '\'' => (Token::Other, character(rest)),
        '(' | '[' => (Token::Open, one),
        ')' | ']' => (Token::Close, one),
        '{' => (Token::Brace, one),
        '}' => (Token::Unbrace, one),
        ';' => (Token::End, one),
        '<' => (Token::Angle, one),
        _ if first.is_alphanumeric() || first == '_' => {
            let len = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            match (&rest[..len], rest[len..].chars().next()) {
                ("r" | "br" | "cr", Some('"' | '#')) => match raw_text(&rest[len..]) {
                    Some(text) => (Token::Other, len + text),
                    // `r#type`
                    None => (Token::Other, len + 1),
                },
                ("b" | "c", Some('"')) => (Token::Other, len + text(&rest[len..])),
                ("b", Some('\'')) => (Token::Other, len + character(&rest[len..])),
                _ => (Token::Word, len),
            }
        }
        _ => (Token::Other, one),
    }
}

fn block_comment(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let (mut depth, mut at) = (0usize, 0);
    while at < bytes.len() {
        match bytes[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                at += 2;
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn text(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// From the `#` or `"` behind an `r`.
fn raw_text(rest: &str) -> Option<usize> {
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let inner = &rest[hashes + 1..];
    Some(inner.find(&end).map_or(rest.len(), |at| hashes + 1 + at + end.len()))
}

/// A character, or the quote of a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            let escape = rest[2..].find('\'').map_or(rest.len(), |at| 2 + at + 1);
            // `'\''`
            if rest.starts_with("'\\''") { 4 } else { escape }
        }
        Some((at, c)) if rest[at + c.len_utf8()..].starts_with('\'') => at + c.len_utf8() + 1,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(source: &str) -> Option<Place> {
        let before = source.split("target").next().unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        Blocks::scan(source).place(line, column, "target")
    }

    #[test]
    fn functions_are_found_where_they_stand() {
        for (source, expected) in [
            ("async fn target() {}", Place::Free),
            ("mod a { async fn target() {} }", Place::Free),
            ("impl A { async fn target() {} }", Place::Impl),
            (
                "impl<T: Fn(u8) -> u8> A<T> where T: Send { fn a() {} async fn target() {} }",
                Place::Impl,
            ),
            ("impl<T> B for A<T> { async fn target() {} }", Place::TraitImpl),
            (
                "unsafe impl B for A {\n    #[x]\n    async fn target() {}\n}",
                Place::TraitImpl,
            ),
            (
                "impl A where for<'a> F: Fn(&'a u8) { async fn target() {} }",
                Place::Impl,
            ),
            (
                "impl<F> A<F> where F: for<'a> Fn(&'a u8) { async fn target() {} }",
                Place::Impl,
            ),
            ("impl<F: for<'a> Fn(&'a u8)> A<F> { async fn target() {} }", Place::Impl),
            ("pub trait B: A { async fn target(&self); }", Place::Trait),
            ("impl A { fn a() { async fn target() {} } }", Place::Body),
            (
                "impl A { fn a() { if x { loop { async fn target() {} } } } }",
                Place::Body,
            ),
            ("fn a() -> impl Fn() { fn b() {} async fn target() {} }", Place::Body),
            ("fn a() { mod b { async fn target() {} } }", Place::Free),
            ("fn a() { impl A { async fn target() {} } }", Place::Impl),
            ("impl A { fn a() {} } async fn target() {}", Place::Free),
            (
                "struct A { b: u8 } impl A { const B: u8 = { 1 }; async fn target() {} }",
                Place::Impl,
            ),
            ("macro! { impl A { async fn target() {} } }", Place::Impl),
            ("impl A { // impl B for A {\n async fn target() {} }", Place::Impl),
            ("/* impl A { /* { */ */ async fn target() {}", Place::Free),
            ("const A: &str = \"impl A {\"; async fn target() {}", Place::Free),
            ("const A: &str = \"\\\" impl A {\"; async fn target() {}", Place::Free),
            ("const A: &str = r#\"impl \" A {\"#; async fn target() {}", Place::Free),
            (
                "const A: char = '{'; const B: char = '\\''; const C: u8 = b'{'; async fn target() {}",
                Place::Free,
            ),
            (
                "impl<'a> A<'a> { fn r#impl(&'a self) {} async fn target() {} }",
                Place::Impl,
            ),
            ("#[doc = \"ä {\"] impl A { /* ü */ async fn target() {} }", Place::Impl),
        ] {
            assert_eq!(place(source), Some(expected), "{source}");
        }
    }

    #[test]
    fn what_is_not_there_has_no_place() {
        let blocks = Blocks::scan("impl A {}");
        for (line, column) in [(0, 0), (1, 1), (1, 500), (9, 1)] {
            assert_eq!(blocks.place(line, column, "target"), None);
        }
        for hostile in ["", "{", "}}}", "'", "\"", "r#\"", "/*", "b'", "impl {", "'\\"] {
            assert_eq!(Blocks::scan(hostile).place(1, 1, "target"), None, "{hostile}");
        }
    }
}
