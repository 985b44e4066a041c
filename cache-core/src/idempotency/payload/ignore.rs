//! What of a payload is left out: paths, as a tree of the names in them.

use std::collections::BTreeMap;

use super::{MAX_NESTING, PayloadError};

/// What is ignored of a value.
#[derive(Debug, Default)]
pub(super) struct Ignored {
    /// All of it.
    whole: bool,
    /// What is ignored of each of its members, or of those of its elements.
    members: BTreeMap<String, Ignored>,
}

/// What is to be done with a member of an object.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate<'p> {
    /// It is as if it were not there.
    LeftOut,
    /// It stays, without this.
    Kept(Option<&'p Ignored>),
}

impl Ignored {
    /// What lies at any of these paths.
    pub(super) fn at(paths: &[&str]) -> Result<Self, PayloadError> {
        let mut root = Self::default();
        for path in paths {
            let names = names(path).map_err(|why| PayloadError::InvalidIgnore {
                path: (*path).to_owned(),
                why,
            })?;
            let end = names
                .into_iter()
                .fold(&mut root, |at, name| at.members.entry(name).or_default());
            end.whole = true;
        }
        Ok(root)
    }

    /// What becomes of a member.
    pub(super) fn member(&self, name: &str) -> Fate<'_> {
        match self.members.get(name) {
            Some(member) if member.whole => Fate::LeftOut,
            member => Fate::Kept(member),
        }
    }
}

/// The names that a path is made of.
fn names(path: &str) -> Result<Vec<String>, &'static str> {
    let mut names = Vec::new();
    let mut name = String::new();
    let mut letters = path.chars();
    loop {
        match letters.next() {
            Some('\\') => match letters.next() {
                Some(escaped @ ('.' | '\\')) => name.push(escaped),
                _ => return Err("a backslash stands before a dot or another backslash"),
            },
            end @ (Some('.') | None) => {
                if name.is_empty() {
                    return Err("name a member, or several with single dots between them");
                }
                names.push(std::mem::take(&mut name));
                if end.is_none() {
                    break;
                }
            }
            Some(letter) => name.push(letter),
        }
    }
    // Nothing lies deeper. The tree is as deep as its paths, and is dropped by recursion.
    if names.len() > usize::from(MAX_NESTING) {
        return Err("no payload is as deep as this");
    }
    Ok(names)
}
