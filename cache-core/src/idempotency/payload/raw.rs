//! JSON that is in the payload as text: read once more, because its author chose its spaces, escapes and order.

use super::PayloadError;
use super::canonical::Refused;
use super::number;
use super::text::{Members, Place, Text};

/// Writes what `json` says. Recursion is bounded by that of places.
pub(super) fn json(text: &mut Text, json: &str, place: Place<'_>) -> Result<(), Refused> {
    let mut reader = Reader { rest: json };
    reader.value(text, place)?;
    reader.skip_spaces();
    if reader.rest.is_empty() { Ok(()) } else { Err(invalid()) }
}

fn invalid() -> Refused {
    Refused(PayloadError::InvalidJson)
}

/// What has not been read yet.
#[derive(Debug)]
struct Reader<'s> {
    rest: &'s str,
}

impl<'s> Reader<'s> {
    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Whether this comes next, after any spaces. It is read then.
    fn comes(&mut self, what: &str) -> bool {
        self.skip_spaces();
        self.rest.strip_prefix(what).is_some_and(|rest| {
            self.rest = rest;
            true
        })
    }

    fn expect(&mut self, what: &str) -> Result<(), Refused> {
        if self.comes(what) { Ok(()) } else { Err(invalid()) }
    }

    /// As much as is not one of these, or all.
    fn until(&mut self, end: impl Fn(char) -> bool) -> &'s str {
        let (token, rest) = self.rest.split_at(self.rest.find(end).unwrap_or(self.rest.len()));
        self.rest = rest;
        token
    }

    /// A string, as it stands there.
    fn quoted(&mut self) -> Result<&'s str, Refused> {
        self.skip_spaces();
        let mut escaped = false;
        let end = self.rest.bytes().enumerate().skip(1).find(|&(_, byte)| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let (at, _) = end.filter(|_| self.rest.starts_with('"')).ok_or_else(invalid)?;
        let (quoted, rest) = self.rest.split_at(at + 1);
        self.rest = rest;
        Ok(quoted)
    }

    fn string(&mut self) -> Result<String, Refused> {
        serde_json::from_str(self.quoted()?).map_err(|_| invalid())
    }

    fn value(&mut self, text: &mut Text, place: Place<'_>) -> Result<(), Refused> {
        if self.comes("{") {
            return self.object(text, place.nested()?);
        }
        if self.comes("[") {
            return self.array(text, place.nested()?);
        }
        if self.rest.starts_with('"') {
            text.string(&self.string()?);
            return Ok(());
        }
        match self.until(|letter| matches!(letter, ',' | ']' | '}' | ' ' | '\t' | '\n' | '\r')) {
            word @ ("null" | "true" | "false") => {
                text.out.push_str(word);
                Ok(())
            }
            number => number::literal(&mut text.out, number),
        }
    }

    fn array(&mut self, text: &mut Text, inside: Place<'_>) -> Result<(), Refused> {
        text.out.push('[');
        if !self.comes("]") {
            self.value(text, inside)?;
            while self.comes(",") {
                text.out.push(',');
                self.value(text, inside)?;
            }
            self.expect("]")?;
        }
        text.out.push(']');
        Ok(())
    }

    fn object(&mut self, text: &mut Text, inside: Place<'_>) -> Result<(), Refused> {
        let mut members = Members::open(text);
        if !self.comes("}") {
            self.member(text, inside, &mut members)?;
            while self.comes(",") {
                self.member(text, inside, &mut members)?;
            }
            self.expect("}")?;
        }
        members.close(text)
    }

    fn member(&mut self, text: &mut Text, inside: Place<'_>, members: &mut Members) -> Result<(), Refused> {
        let name = self.string()?;
        self.expect(":")?;
        match inside.member(&name) {
            Some(place) => members.member(text, name.into(), |text| self.value(text, place)),
            None => self.skip(),
        }
    }

    /// Goes past a value that is left out, without a look at it: as far as its brackets go.
    fn skip(&mut self) -> Result<(), Refused> {
        let mut open = 0_usize;
        loop {
            self.skip_spaces();
            match self.rest.as_bytes().first() {
                Some(b'"') => {
                    self.quoted()?;
                }
                Some(b'{' | b'[') => {
                    open += 1;
                    self.rest = &self.rest[1..];
                    continue;
                }
                Some(b'}' | b']') if open > 0 => {
                    open -= 1;
                    self.rest = &self.rest[1..];
                }
                Some(b',' | b':') if open > 0 => {
                    self.rest = &self.rest[1..];
                    continue;
                }
                None | Some(b',' | b':' | b'}' | b']') => return Err(invalid()),
                Some(_) => {
                    self.until(|letter| matches!(letter, ',' | ':' | ']' | '}' | '"' | ' ' | '\t' | '\n' | '\r'));
                }
            }
            if open == 0 {
                return Ok(());
            }
        }
    }
}
