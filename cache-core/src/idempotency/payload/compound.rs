//! Arrays and objects, one part after the other, and the structs that stand for something else.

use std::borrow::Cow;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::PayloadError;
use super::canonical::Refused;
use super::key::Key;
use super::text::{Members, Place, Text};
use super::{number, raw};

/// The struct that `serde_json::value::RawValue` says it is, and its field.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// The struct that `serde_json::Number` says it is with the feature `arbitrary_precision`, which anybody in a build can turn on.
const NUMBER: &str = "$serde_json::private::Number";

/// An array that is being written.
#[derive(Debug)]
pub(super) struct Array<'w, 'p> {
    text: &'w mut Text,
    /// Where its elements are, unless it is left out.
    inside: Option<Place<'p>>,
    is_empty: bool,
    end: &'static str,
}

impl<'w, 'p> Array<'w, 'p> {
    pub(super) fn open(text: &'w mut Text, place: Place<'p>) -> Result<Self, Refused> {
        let inside = Some(place.nested()?);
        text.out.push('[');
        Ok(Self {
            text,
            inside,
            is_empty: true,
            end: "]",
        })
    }

    /// The object of its variant ends with it.
    pub(super) fn in_variant(self) -> Self {
        Self { end: "]}", ..self }
    }

    /// One whose elements are not looked at, and of which nothing is written.
    pub(super) fn left_out(text: &'w mut Text) -> Self {
        Self {
            text,
            inside: None,
            is_empty: true,
            end: "",
        }
    }

    pub(super) fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let Some(place) = self.inside else { return Ok(()) };
        if !self.is_empty {
            self.text.out.push(',');
        }
        self.is_empty = false;
        self.text.put(value, place)
    }

    pub(super) fn close(self) {
        self.text.out.push_str(self.end);
    }
}

macro_rules! array {
    ($($trait:ident: $method:ident),+ $(,)?) => {$(
        impl $trait for Array<'_, '_> {
            type Ok = ();
            type Error = Refused;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.element(value)
            }

            fn end(self) -> Result<(), Refused> {
                self.close();
                Ok(())
            }
        }
    )+};
}

array! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}

/// An object that is being written.
#[derive(Debug)]
pub(super) struct Object<'w, 'p> {
    text: &'w mut Text,
    /// Its members and where their values are, unless it is left out.
    inside: Option<(Members, Place<'p>)>,
    /// The name of the member whose value comes next.
    name: Option<String>,
    end: &'static str,
}

impl<'w, 'p> Object<'w, 'p> {
    pub(super) fn open(text: &'w mut Text, place: Place<'p>) -> Result<Self, Refused> {
        let place = place.nested()?;
        let inside = Some((Members::open(text), place));
        Ok(Self {
            text,
            inside,
            name: None,
            end: "",
        })
    }

    /// The object of its variant ends with it.
    pub(super) fn in_variant(self) -> Self {
        Self { end: "}", ..self }
    }

    /// One whose members are not looked at, and of which nothing is written.
    pub(super) fn left_out(text: &'w mut Text) -> Self {
        Self {
            text,
            inside: None,
            name: None,
            end: "",
        }
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: Cow<'static, str>, value: &T) -> Result<(), Refused> {
        let Some((members, place)) = &mut self.inside else {
            return Ok(());
        };
        let Some(place) = place.member(&name) else {
            return Ok(());
        };
        members.member(self.text, name, |text| text.put(value, place))
    }

    fn close(self) -> Result<(), Refused> {
        if let Some((members, _)) = self.inside {
            members.close(self.text)?;
        }
        self.text.out.push_str(self.end);
        Ok(())
    }
}

impl SerializeMap for Object<'_, '_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        let Some((_, place)) = &self.inside else { return Ok(()) };
        let name = key
            .serialize(Key(*place))
            .and_then(|name| match self.name.replace(name) {
                None => Ok(()),
                Some(_) => Err(Refused(PayloadError::Unserializable)),
            });
        self.text.note(name)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let Some(name) = self.name.take() else {
            return self.text.refuse(PayloadError::Unserializable);
        };
        self.member(name.into(), value)
    }

    fn end(self) -> Result<(), Refused> {
        if self.name.is_some() {
            return Err(Refused(PayloadError::Unserializable));
        }
        self.close()
    }
}

impl SerializeStructVariant for Object<'_, '_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Refused> {
        self.member(name.into(), value)
    }

    fn end(self) -> Result<(), Refused> {
        self.close()
    }
}

/// A struct, or what says it is one.
#[derive(Debug)]
pub(super) enum Struct<'w, 'p> {
    Object(Object<'w, 'p>),
    /// Text that is JSON already, in the one field that has the name of the struct.
    Verbatim {
        text: &'w mut Text,
        place: Place<'p>,
        name: &'static str,
        is_written: bool,
    },
}

impl<'w, 'p> Struct<'w, 'p> {
    pub(super) fn open(text: &'w mut Text, place: Place<'p>, name: &'static str) -> Result<Self, Refused> {
        if matches!(name, RAW_VALUE | NUMBER) {
            return Ok(Self::Verbatim {
                text,
                place,
                name,
                is_written: false,
            });
        }
        Object::open(text, place).map(Self::Object)
    }
}

impl SerializeStruct for Struct<'_, '_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, field: &'static str, value: &T) -> Result<(), Refused> {
        match self {
            Self::Object(object) => object.member(field.into(), value),
            Self::Verbatim {
                text,
                place,
                name,
                is_written,
            } => {
                if field != *name || std::mem::replace(is_written, true) {
                    return text.refuse(PayloadError::Unserializable);
                }
                let done = value.serialize(Key(*place)).and_then(|json| {
                    if *name == NUMBER {
                        number::literal(&mut text.out, &json)
                    } else {
                        raw::json(text, &json, *place)
                    }
                });
                text.note(done)
            }
        }
    }

    fn end(self) -> Result<(), Refused> {
        match self {
            Self::Object(object) => object.close(),
            Self::Verbatim { is_written: true, .. } => Ok(()),
            Self::Verbatim { .. } => Err(Refused(PayloadError::Unserializable)),
        }
    }
}
