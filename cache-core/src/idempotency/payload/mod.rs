//! What tells one payload from another: the SHA-256 of its canonical JSON.
//!
//! The text is that of RFC 8785 (JCS): no spaces, members sorted by the UTF-16 code units of their names, numbers as ECMAScript
//! writes them. So two services that agree on JSON agree on it, and the order of a `HashMap` does not matter. Where JCS would let
//! two payloads look alike, which it does for large numbers, we leave it:
//!
//! | value | text |
//! |---|---|
//! | an integer up to 2^53 in magnitude | its digits, which are those of the float of the same value: `1`, `1.0` and `1e0` are one number |
//! | an integer beyond that | its digits and an `n`, which no JSON has: `9007199254740993n`. JCS would make it a float, and so one of its neighbours |
//! | a float | as ECMAScript writes it. `-0.0` is `0`. An `f32` is the `f64` of its value |
//! | a number in raw JSON, or of `arbitrary_precision` | without fraction and exponent like an integer of any size, otherwise like a float; if the text of that float is another decimal, then in full, with an `n`: `10000000000000001e-17n` |
//! | NaN and the infinities | an error, because JSON has no text for them |
//!
//! 2^53 itself has no `n`: it is the float of its value exactly, and no other integer is written that way. Integers beyond it
//! that happen to be floats as well have one, so they differ from those floats.
//!
//! Two members of one name in one object are an error, since readers of JSON would keep one of them. Everything else is as
//! `serde_json` represents it, so what JSON cannot tell apart is not told apart: `None`, `()` and `Some(())` are `null`, bytes are
//! an array.
//!
//! The way of a payload: `canonical` is the serializer, `compound` its arrays and objects, `key` the keys of maps, `raw` reads what is JSON already;
//! these write through `text`, which sorts, and `number`. `ignore` says what is left out.

mod canonical;
mod compound;
mod ignore;
mod key;
mod number;
mod raw;
#[cfg(test)]
mod tests;
mod text;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use self::ignore::Ignored;
use self::text::{Place, Text};

/// How deep objects and arrays may lie in each other. What `serde_json` reads by default is less deep.
const MAX_NESTING: u8 = 128;

/// How many options and newtypes there may be on the way to a value. They leave no trace in JSON, but each is a call on the stack.
const MAX_WRAPPERS: u16 = 256;

/// Why a payload has no fingerprint, so that it cannot be told whether it is the one that was sent before.
///
/// Says nothing of what is in the payload: messages end up in logs.
///
/// # Example: telling a mistake in the code from one in the data
/// ```
/// use cache_core::idempotency::PayloadError;
///
/// fn is_in_the_code(error: &PayloadError) -> bool {
///     matches!(error, PayloadError::InvalidIgnore { .. } | PayloadError::KeyNotText)
/// }
/// assert!(!is_in_the_code(&PayloadError::NotFinite));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// A number is NaN or infinite, or raw JSON has one with an exponent of more than 64 bits.
    #[error(
        "the payload has a number that is NaN, infinite or out of all range, which canonical JSON has no text for: send a \
         finite one, or ignore its field"
    )]
    NotFinite,
    /// An object has two members of one name, as maps with keys of several types and flattened fields can have.
    #[error("the payload has an object with two members of one name: rename one of them, or ignore both")]
    DuplicateKey,
    /// The key of a map is not a text, a character, an integer, a boolean, or a variant without fields.
    #[error("the payload has a map whose keys are no text: give them as texts, or the map as a list of pairs")]
    KeyNotText,
    /// Objects and arrays lie in each other more than 128 deep, or a value is in more than 256 options and newtypes.
    #[error("the payload is nested more than {MAX_NESTING} deep: make it flatter, or ignore the field that is")]
    TooDeep,
    /// A `Serialize` refused to serialise its value, or did not keep to the protocol of serde.
    #[error("the payload could not be serialised: look at what its `Serialize` refuses")]
    Unserializable,
    /// Raw JSON is not valid, or has half of a surrogate pair in a text.
    #[error("the payload has raw JSON that is not valid: send what `serde_json` can read as a `Value`")]
    InvalidJson,
    /// A path that is to be ignored is not one.
    #[error("`{}` cannot be ignored: {why}", .path.escape_debug())]
    InvalidIgnore {
        /// As it was given.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// The fingerprint of a payload without what lies at the `ignored` paths.
///
/// A path is the names of members with dots between them, as they are in JSON: `metadata.trace_id`. Arrays are passed through, so
/// `items.note` is the note of each item. `\.` is a dot in a name, `\\` a backslash. What is ignored is not looked at.
pub(crate) fn fingerprint<T: Serialize + ?Sized>(payload: &T, ignored: &[&str]) -> Result<[u8; 32], PayloadError> {
    Ok(Sha256::digest(canonical(payload, ignored)?).into())
}

/// The text that the fingerprint is of.
fn canonical<T: Serialize + ?Sized>(payload: &T, ignored: &[&str]) -> Result<String, PayloadError> {
    let ignored = Ignored::at(ignored)?;
    let mut text = Text::default();
    let done = text.put(payload, Place::root(&ignored));
    text.finish(done)
}
