//! What a call comes to, and how that becomes bytes and comes back.

use std::any::Any;
use std::io;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::backend::Reply;
use super::error::{IdempotencyError, NoReply};
use super::record::RecordId;

/// What a call returns, and whether its handler ran for it.
///
/// # Example: an answer that says so
/// ```
/// use cache_core::idempotency::Outcome;
///
/// let outcome = Outcome::Replayed("order 1");
/// let header = if outcome.is_replayed() { "true" } else { "false" };
/// assert_eq!((header, outcome.into_inner()), ("true", "order 1"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<T> {
    /// The handler ran in this call, and returned this.
    Fresh(T),
    /// It ran before, for the same request, and this is what was stored then.
    Replayed(T),
}

impl<T> Outcome<T> {
    /// What was returned.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::Outcome;
    /// assert_eq!(Outcome::Fresh(7).into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            Self::Fresh(value) | Self::Replayed(value) => value,
        }
    }

    /// Whether it was stored before.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::Outcome;
    /// assert!(!Outcome::Fresh(7).is_replayed());
    /// ```
    pub fn is_replayed(&self) -> bool {
        matches!(self, Self::Replayed(_))
    }

    /// The same of something else.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::Outcome;
    /// assert_eq!(Outcome::Replayed(7).map(|number| number + 1), Outcome::Replayed(8));
    /// ```
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Fresh(value) => Outcome::Fresh(change(value)),
            Self::Replayed(value) => Outcome::Replayed(change(value)),
        }
    }
}

/// Which errors of a type are stored, and how they become bytes.
pub(crate) struct ErrorRule<E> {
    is_stored: Box<dyn Fn(&E) -> bool + Send + Sync>,
    encode: fn(&E, usize) -> Encoded,
    decode: fn(&[u8]) -> Option<E>,
}

impl<E> ErrorRule<E> {
    pub(crate) fn new(is_stored: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self
    where
        E: Serialize + DeserializeOwned,
    {
        Self {
            is_stored: Box::new(is_stored),
            encode,
            decode,
        }
    }
}

/// The rules of whoever asks for one of its error type: the call's own, or the store's.
pub(crate) type Rule = Option<Arc<dyn Any + Send + Sync>>;

/// What to store of what a handler returned, if anything: an error is stored only if a rule says so.
pub(crate) fn reply_of<T: Serialize, E: 'static>(result: &Result<T, E>, rule: &Rule, max: usize) -> Option<Reply> {
    let (encoded, reply): (_, fn(Vec<u8>) -> Reply) = match result {
        Ok(value) => (encode(value, max), Reply::Success),
        Err(error) => {
            let rule = rule.as_ref()?.downcast_ref::<ErrorRule<E>>()?;
            if !(rule.is_stored)(error) {
                return None;
            }
            ((rule.encode)(error, max), Reply::Failure)
        }
    };
    Some(match encoded {
        Encoded::Bytes(bytes) => reply(bytes),
        Encoded::TooLarge => Reply::TooLarge,
        Encoded::Unserializable => Reply::Unserializable,
    })
}

/// What was stored, as what the handler returned then.
pub(crate) fn replayed<T, E>(record: &RecordId, reply: &Reply, rule: &Rule) -> Result<Outcome<T>, E>
where
    T: DeserializeOwned,
    E: From<IdempotencyError> + 'static,
{
    let none = |why| IdempotencyError::NoReply {
        record: record.clone(),
        why,
    };
    match reply {
        // What cannot be read is not shown either: it is what a client was told.
        Reply::Success(bytes) => decode(bytes)
            .map(Outcome::Replayed)
            .ok_or_else(|| none(NoReply::Unreadable).into()),
        Reply::Failure(bytes) => {
            let rule = rule.as_ref().and_then(|rule| rule.downcast_ref::<ErrorRule<E>>());
            Err(rule
                .and_then(|rule| (rule.decode)(bytes))
                .unwrap_or_else(|| none(NoReply::Unreadable).into()))
        }
        Reply::TooLarge => Err(none(NoReply::TooLarge).into()),
        Reply::Unserializable => Err(none(NoReply::Unserializable).into()),
    }
}

enum Encoded {
    Bytes(Vec<u8>),
    TooLarge,
    Unserializable,
}

fn encode<T: Serialize + ?Sized>(value: &T, max: usize) -> Encoded {
    let mut bytes = AtMost { bytes: Vec::new(), max };
    match serde_json::to_writer(&mut bytes, value) {
        Ok(()) => Encoded::Bytes(bytes.bytes),
        Err(error) if error.is_io() => Encoded::TooLarge,
        Err(_) => Encoded::Unserializable,
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

/// Takes no more than is stored, so that a reply that is far too large costs no more memory than that.
struct AtMost {
    bytes: Vec<u8>,
    max: usize,
}

impl io::Write for AtMost {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if part.len() > self.max - self.bytes.len() {
            return Err(io::Error::other("larger than is stored"));
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use serde_json::value::RawValue;

    use super::*;

    fn there_and_back<T: Serialize + DeserializeOwned>(value: &T) -> Option<T> {
        match encode(value, 1 << 20) {
            Encoded::Bytes(bytes) => decode(&bytes),
            Encoded::TooLarge | Encoded::Unserializable => None,
        }
    }

    #[test]
    fn raw_json_and_texts_come_back_byte_for_byte() {
        let raw = r#"{"b": 1.0,  "a":[1e2,"\u0041"], "n":10000000000000000000000001}"#;
        let value: Box<RawValue> = serde_json::from_str(raw).unwrap();
        assert_eq!(there_and_back(&value).unwrap().get(), raw);
        let text = "a\0b\u{1e}\u{10ffff}\"\\\u{feff}".to_owned();
        assert_eq!(there_and_back(&text), Some(text));
    }

    #[test]
    fn floats_come_back_as_they_were() {
        for float in [0.1 + 0.2, 5e-324, f64::MAX, -0.0, f64::MIN_POSITIVE, 1.0 / 3.0] {
            assert_eq!(
                there_and_back(&float).map(f64::to_bits),
                Some(float.to_bits()),
                "{float}"
            );
        }
    }

    #[test]
    fn no_more_is_written_than_fits() {
        for (max, fits) in [(4, true), (3, false), (0, false)] {
            let is_there = matches!(encode("ab", max), Encoded::Bytes(_));
            assert_eq!(is_there, fits, "{max}");
        }
    }
}
