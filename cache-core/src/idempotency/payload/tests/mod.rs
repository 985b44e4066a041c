//! Fingerprints: the vectors of RFC 8785, what becomes what, what is refused, what is left out, and properties of any payload.

mod ignored;
mod properties;
mod refusals;
mod representation;
mod vectors;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::{PayloadError, canonical, fingerprint};

/// The canonical text of all of it.
fn text<T: Serialize + ?Sized>(payload: &T) -> Result<String, PayloadError> {
    canonical(payload, &[])
}

/// What `serde_json` says a value is that comes with its text: with `arbitrary_precision`, which would change all other tests of a
/// build, or when it is not valid, which its own types do not let one make.
struct Verbatim<'a>(&'static str, &'a str);

const NUMBER: &str = "$serde_json::private::Number";
const RAW_VALUE: &str = "$serde_json::private::RawValue";

impl Serialize for Verbatim<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = serializer.serialize_struct(self.0, 1)?;
        value.serialize_field(self.0, self.1)?;
        value.end()
    }
}

/// The canonical text of raw JSON.
fn raw(json: &str) -> Result<String, PayloadError> {
    text(&Verbatim(RAW_VALUE, json))
}
