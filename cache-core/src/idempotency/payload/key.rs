//! The keys of maps, which are texts in JSON.

use std::fmt::{Display, Write as _};

use serde::ser::{Impossible, Serialize, Serializer};

use super::PayloadError;
use super::canonical::Refused;
use super::text::Place;

/// Makes a text of what `serde_json` makes one of, except for floats, of which not all agree on the text as a name (`1` or `1.0`),
/// and options, which JSON has no name for when they are `None`.
#[derive(Debug)]
pub(super) struct Key<'p>(pub(super) Place<'p>);

/// What `value` displays, or the failure of its `Display`, of which `to_string` would make a panic.
pub(super) fn displayed<T: Display + ?Sized>(value: &T) -> Result<String, Refused> {
    let mut text = String::new();
    write!(text, "{value}").map_err(|_| Refused(PayloadError::Unserializable))?;
    Ok(text)
}

/// The methods that make a text of a value by its `Display`.
macro_rules! displayed {
    ($($method:ident: $type:ty),+ $(,)?) => {$(
        fn $method(self, value: $type) -> Result<String, Refused> {
            Ok(value.to_string())
        }
    )+};
}

/// The methods for what makes no key.
macro_rules! no_text {
    ($($method:ident($($type:ty),*) -> $made:ty;)+) => {$(
        fn $method(self, $(_: $type),*) -> Result<$made, Refused> {
            Err(Refused(PayloadError::KeyNotText))
        }
    )+};
}

type No = Impossible<String, Refused>;

impl Serializer for Key<'_> {
    type Ok = String;
    type Error = Refused;
    type SerializeSeq = No;
    type SerializeTuple = No;
    type SerializeTupleStruct = No;
    type SerializeTupleVariant = No;
    type SerializeMap = No;
    type SerializeStruct = No;
    type SerializeStructVariant = No;

    displayed! {
        serialize_bool: bool,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_char: char, serialize_str: &str,
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<String, Refused> {
        displayed(value)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<String, Refused> {
        Ok(variant.to_owned())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<String, Refused> {
        value.serialize(Self(self.0.wrapped()?))
    }

    no_text! {
        serialize_f32(f32) -> String;
        serialize_f64(f64) -> String;
        serialize_bytes(&[u8]) -> String;
        serialize_none() -> String;
        serialize_unit() -> String;
        serialize_unit_struct(&'static str) -> String;
        serialize_seq(Option<usize>) -> No;
        serialize_tuple(usize) -> No;
        serialize_tuple_struct(&'static str, usize) -> No;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> No;
        serialize_map(Option<usize>) -> No;
        serialize_struct(&'static str, usize) -> No;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> No;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<String, Refused> {
        Err(Refused(PayloadError::KeyNotText))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<String, Refused> {
        Err(Refused(PayloadError::KeyNotText))
    }
}
