//! The serializer: what becomes what in JSON, in the way of `serde_json`.

use std::fmt::{self, Display};

use serde::ser::{self, Serialize, Serializer};

use super::PayloadError;
use super::compound::{Array, Object, Struct};
use super::key::displayed;
use super::number;
use super::text::{Place, Text};

/// The failure of a serializer. Not the public one, which would then have to be one of serde's for good.
#[derive(Debug)]
pub(super) struct Refused(pub(super) PayloadError);

impl Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    /// What the `Serialize` says is dropped: it may quote the payload.
    fn custom<T: Display>(_: T) -> Self {
        Self(PayloadError::Unserializable)
    }
}

/// Writes one value.
#[derive(Debug)]
pub(super) struct Canonical<'w, 'p> {
    text: &'w mut Text,
    place: Place<'p>,
}

impl<'w, 'p> Canonical<'w, 'p> {
    pub(super) fn new(text: &'w mut Text, place: Place<'p>) -> Self {
        Self { text, place }
    }

    fn word(self, word: &str) {
        self.text.out.push_str(word);
    }

    /// Begins an object of one member, which is what a variant with fields is, and says where its value is. When the member is
    /// left out, there is none, and the object has ended.
    fn variant(&mut self, variant: &str) -> Result<Option<Place<'p>>, Refused> {
        let value = self.place.nested()?.member(variant);
        self.text.out.push('{');
        if value.is_some() {
            self.text.string(variant);
            self.text.out.push(':');
        } else {
            self.text.out.push('}');
        }
        Ok(value)
    }
}

macro_rules! signed {
    ($($method:ident: $type:ty),+) => {$(
        fn $method(self, value: $type) -> Result<(), Refused> {
            number::integer(&mut self.text.out, value < 0, u128::from(value.unsigned_abs()));
            Ok(())
        }
    )+};
}

macro_rules! unsigned {
    ($($method:ident: $type:ty),+) => {$(
        fn $method(self, value: $type) -> Result<(), Refused> {
            number::integer(&mut self.text.out, false, u128::from(value));
            Ok(())
        }
    )+};
}

impl<'w, 'p> Serializer for Canonical<'w, 'p> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Array<'w, 'p>;
    type SerializeTuple = Array<'w, 'p>;
    type SerializeTupleStruct = Array<'w, 'p>;
    type SerializeTupleVariant = Array<'w, 'p>;
    type SerializeMap = Object<'w, 'p>;
    type SerializeStruct = Struct<'w, 'p>;
    type SerializeStructVariant = Object<'w, 'p>;

    signed! { serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128 }
    unsigned! { serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128 }

    fn serialize_bool(self, value: bool) -> Result<(), Refused> {
        self.word(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Refused> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Refused> {
        number::float(&mut self.text.out, value)
    }

    fn serialize_char(self, value: char) -> Result<(), Refused> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Refused> {
        self.text.string(value);
        Ok(())
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Refused> {
        self.serialize_str(&displayed(value)?)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Refused> {
        let mut array = Array::open(self.text, self.place)?;
        for byte in value {
            array.element(byte)?;
        }
        array.close();
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Refused> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        self.text.put(value, self.place.wrapped()?)
    }

    fn serialize_unit(self) -> Result<(), Refused> {
        self.word("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Refused> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Refused> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Refused> {
        self.text.put(value, self.place.wrapped()?)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        if let Some(place) = self.variant(variant)? {
            self.text.put(value, place)?;
            self.text.out.push('}');
        }
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Array<'w, 'p>, Refused> {
        Array::open(self.text, self.place)
    }

    fn serialize_tuple(self, _: usize) -> Result<Array<'w, 'p>, Refused> {
        Array::open(self.text, self.place)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Array<'w, 'p>, Refused> {
        Array::open(self.text, self.place)
    }

    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Array<'w, 'p>, Refused> {
        match self.variant(variant)? {
            Some(place) => Ok(Array::open(self.text, place)?.in_variant()),
            None => Ok(Array::left_out(self.text)),
        }
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'w, 'p>, Refused> {
        Object::open(self.text, self.place)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Struct<'w, 'p>, Refused> {
        Struct::open(self.text, self.place, name)
    }

    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'w, 'p>, Refused> {
        match self.variant(variant)? {
            Some(place) => Ok(Object::open(self.text, place)?.in_variant()),
            None => Ok(Object::left_out(self.text)),
        }
    }
}
