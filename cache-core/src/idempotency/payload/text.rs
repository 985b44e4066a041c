//! The canonical text while it is written: strings, objects with their members in order, and what went wrong.
//!
//! It is one buffer. An object is written as its members come, and put in order when it ends, by moving what it takes of the
//! buffer. So a byte is moved at most once for each object it lies in, which are 128 at most.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::Serialize;

use super::canonical::{Canonical, Refused};
use super::ignore::{Fate, Ignored};
use super::{MAX_NESTING, MAX_WRAPPERS, PayloadError};

/// What has been written so far.
#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) out: String,
    /// The first failure. A `Serialize` may get over the failure of a part of it, or tell of it in words of its own, but the text
    /// has half a value in it then.
    failed: Option<PayloadError>,
}

impl Text {
    /// Writes a value.
    pub(super) fn put<T: Serialize + ?Sized>(&mut self, value: &T, place: Place<'_>) -> Result<(), Refused> {
        let done = value.serialize(Canonical::new(self, place));
        self.note(done)
    }

    /// Remembers a failure, and hands it on.
    pub(super) fn note<R>(&mut self, done: Result<R, Refused>) -> Result<R, Refused> {
        if let Err(Refused(error)) = &done {
            self.failed.get_or_insert_with(|| error.clone());
        }
        done
    }

    /// Fails for a reason of our own.
    pub(super) fn refuse(&mut self, why: PayloadError) -> Result<(), Refused> {
        self.note(Err(Refused(why)))
    }

    /// The whole text, if nothing ever went wrong with it.
    pub(super) fn finish(self, done: Result<(), Refused>) -> Result<String, PayloadError> {
        match (self.failed, done) {
            (Some(error), _) | (None, Err(Refused(error))) => Err(error),
            (None, Ok(())) => Ok(self.out),
        }
    }

    /// Writes a string, with the escapes of RFC 8785, 3.2.2.2.
    pub(super) fn string(&mut self, string: &str) {
        self.out.push('"');
        let mut plain = 0;
        for (at, byte) in string.bytes().enumerate() {
            if byte >= 0x20 && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.out.push_str(&string[plain..at]);
            plain = at + 1;
            match byte {
                b'"' => self.out.push_str("\\\""),
                b'\\' => self.out.push_str("\\\\"),
                0x08 => self.out.push_str("\\b"),
                b'\t' => self.out.push_str("\\t"),
                b'\n' => self.out.push_str("\\n"),
                0x0c => self.out.push_str("\\f"),
                b'\r' => self.out.push_str("\\r"),
                control => {
                    self.out.push_str("\\u00");
                    for digit in [control >> 4, control & 0xf] {
                        self.out.extend(char::from_digit(digit.into(), 16));
                    }
                }
            }
        }
        self.out.push_str(&string[plain..]);
        self.out.push('"');
    }
}

/// An object that is being written.
#[derive(Debug)]
pub(super) struct Members {
    /// Where the first of them begins.
    start: usize,
    list: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    name: Cow<'static, str>,
    /// Where its name and value are, without any comma.
    from: usize,
    to: usize,
}

impl Members {
    /// Begins an object.
    pub(super) fn open(text: &mut Text) -> Self {
        text.out.push('{');
        Self {
            start: text.out.len(),
            list: Vec::new(),
        }
    }

    /// Writes a member, of which `value` writes the value.
    pub(super) fn member<R>(
        &mut self,
        text: &mut Text,
        name: Cow<'static, str>,
        value: impl FnOnce(&mut Text) -> Result<R, Refused>,
    ) -> Result<R, Refused> {
        if !self.list.is_empty() {
            text.out.push(',');
        }
        let from = text.out.len();
        text.string(&name);
        text.out.push(':');
        let done = value(text)?;
        self.list.push(Member {
            name,
            from,
            to: text.out.len(),
        });
        Ok(done)
    }

    /// Ends the object, with its members in order.
    pub(super) fn close(mut self, text: &mut Text) -> Result<(), Refused> {
        let in_order = |a: &Member, b: &Member| by_code_units(&a.name, &b.name).is_lt();
        if !self.list.is_sorted_by(in_order) {
            self.list.sort_unstable_by(|a, b| by_code_units(&a.name, &b.name));
            if !self.list.is_sorted_by(in_order) {
                return Err(Refused(PayloadError::DuplicateKey));
            }
            let unsorted = text.out.split_off(self.start);
            for (at, member) in self.list.iter().enumerate() {
                if at > 0 {
                    text.out.push(',');
                }
                text.out
                    .push_str(&unsorted[member.from - self.start..member.to - self.start]);
            }
        }
        text.out.push('}');
        Ok(())
    }
}

/// The order of RFC 8785, 3.2.3. It is that of the bytes but for what needs two code units, which comes before U+E000.
fn by_code_units(a: &str, b: &str) -> Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

/// Where in the payload a value is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    ignored: Option<&'p Ignored>,
    nesting: u8,
    wrappers: u16,
}

impl<'p> Place<'p> {
    /// The payload itself.
    pub(super) fn root(ignored: &'p Ignored) -> Self {
        Self {
            ignored: Some(ignored),
            nesting: 0,
            wrappers: 0,
        }
    }

    /// In an array or object that is here.
    pub(super) fn nested(self) -> Result<Self, Refused> {
        let nesting = self.nesting.saturating_add(1);
        if nesting > MAX_NESTING {
            Err(Refused(PayloadError::TooDeep))
        } else {
            Ok(Self { nesting, ..self })
        }
    }

    /// In an option or newtype that is here.
    pub(super) fn wrapped(self) -> Result<Self, Refused> {
        let wrappers = self.wrappers.saturating_add(1);
        if wrappers > MAX_WRAPPERS {
            Err(Refused(PayloadError::TooDeep))
        } else {
            Ok(Self { wrappers, ..self })
        }
    }

    /// The value of a member of the object whose inside this is, unless it is left out.
    pub(super) fn member(self, name: &str) -> Option<Self> {
        match self.ignored.map(|ignored| ignored.member(name)) {
            None => Some(self),
            Some(Fate::Kept(ignored)) => Some(Self { ignored, ..self }),
            Some(Fate::LeftOut) => None,
        }
    }
}
