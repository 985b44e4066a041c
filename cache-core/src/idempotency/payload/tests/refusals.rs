//! What has no fingerprint, and what is told of it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::ser::{Error as _, SerializeMap as _, SerializeSeq as _, SerializeStruct as _, Serializer};
use serde_json::Value;

use super::representation::Pairs;
use super::{NUMBER, PayloadError, RAW_VALUE, Verbatim, fingerprint, raw, text};

#[test]
fn numbers_that_are_not_finite_are_refused() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(text(&number), Err(PayloadError::NotFinite));
        assert_eq!(
            text(&BTreeMap::from([("a", vec![Some((1, number))])])),
            Err(PayloadError::NotFinite)
        );
    }
    assert_eq!(text(&f32::NAN), Err(PayloadError::NotFinite));
    for number in [
        "1e99999999999999999999",
        "0.1e-99999999999999999999",
        "1.1e-9223372036854775808",
    ] {
        assert_eq!(raw(number), Err(PayloadError::NotFinite), "{number}");
    }
}

#[test]
fn two_members_of_one_name_are_refused() {
    #[derive(Serialize)]
    struct Inner {
        id: u8,
    }
    #[derive(Serialize)]
    struct Outer {
        id: u8,
        #[serde(flatten)]
        inner: Inner,
    }
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Name {
        Number(u8),
        Text(&'static str),
    }
    let outer = Outer {
        id: 1,
        inner: Inner { id: 1 },
    };
    let mixed = Pairs(vec![(Name::Number(1), 0), (Name::Text("2"), 0), (Name::Text("1"), 0)]);
    assert_eq!(text(&outer), Err(PayloadError::DuplicateKey));
    assert_eq!(text(&mixed), Err(PayloadError::DuplicateKey));
    assert_eq!(text(&Pairs(vec![("a", 0), ("a", 0)])), Err(PayloadError::DuplicateKey));
    assert_eq!(raw(r#"{"a":1,"b":2,"\u0061":1}"#), Err(PayloadError::DuplicateKey));
    // In two objects they are no duplicates.
    assert!(text(&[Pairs(vec![("a", Pairs(vec![("a", 0)]))]), Pairs(vec![])]).is_ok());
}

#[test]
fn keys_that_are_no_text_are_refused() {
    fn one<K: Serialize>(key: K) -> Result<String, PayloadError> {
        text(&Pairs(vec![(key, 0)]))
    }
    #[derive(Serialize)]
    enum Choice {
        One(u8),
    }
    #[derive(Serialize)]
    struct Fields {
        a: u8,
    }
    for refused in [
        one(1.5),
        one(1.5_f32),
        one(Some("a")),
        one(None::<u8>),
        one(()),
        one((1, 2)),
        one([1]),
        one(vec![1]),
        one(Choice::One(1)),
        one(Fields { a: 1 }),
        one(BTreeMap::from([(1, 1)])),
    ] {
        assert_eq!(refused, Err(PayloadError::KeyNotText));
    }
}

/// Nested objects and arrays, so many of them.
struct Nested(u32);

impl Serialize for Nested {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        enum In {
            Newtype(Nested),
        }
        let inner = Self(self.0.saturating_sub(1));
        match self.0 {
            0 => serializer.serialize_unit(),
            depth if depth % 3 == 0 => Pairs(vec![("in", inner)]).serialize(serializer),
            depth if depth % 3 == 1 => [inner].serialize(serializer),
            _ => In::Newtype(inner).serialize(serializer),
        }
    }
}

#[test]
fn nesting_is_refused_before_the_stack_ends() {
    assert!(text(&Nested(128)).is_ok());
    assert_eq!(text(&Nested(129)), Err(PayloadError::TooDeep));
    assert_eq!(text(&Nested(u32::MAX)), Err(PayloadError::TooDeep));

    let arrays = |depth| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(raw(&arrays(128)), Ok(arrays(128)));
    assert_eq!(raw(&arrays(129)), Err(PayloadError::TooDeep));
    assert_eq!(raw(&arrays(1_000_000)), Err(PayloadError::TooDeep));
    assert_eq!(raw(&r#"{"a":"#.repeat(1_000_000)), Err(PayloadError::TooDeep));
    // What is around raw JSON counts as well.
    let around = |depth| text(&[Verbatim(RAW_VALUE, &arrays(depth))]);
    assert!(around(127).is_ok());
    assert_eq!(around(128), Err(PayloadError::TooDeep));
}

/// A value in options or newtypes that go on for ever.
struct Wrapped {
    is_option: bool,
}

impl Serialize for Wrapped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_option {
            serializer.serialize_some(self)
        } else {
            serializer.serialize_newtype_struct("Wrapped", self)
        }
    }
}

#[test]
fn wrappers_are_refused_before_the_stack_ends() {
    for is_option in [true, false] {
        assert_eq!(text(&Wrapped { is_option }), Err(PayloadError::TooDeep));
    }
    // As the key of a map, an option is refused anyway.
    assert_eq!(
        text(&Pairs(vec![(Wrapped { is_option: false }, 0)])),
        Err(PayloadError::TooDeep)
    );
}

#[test]
fn half_a_megabyte_of_stack_is_enough() {
    let deep = std::thread::Builder::new().stack_size(512 * 1024);
    let thread = deep.spawn(|| (text(&Nested(129)), text(&Wrapped { is_option: true })));
    let refused = thread.expect("a thread").join().expect("no panic");
    assert_eq!(refused, (Err(PayloadError::TooDeep), Err(PayloadError::TooDeep)));
}

const SECRET: &str = "hunter2";

struct Refusing;

impl Serialize for Refusing {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(SECRET))
    }
}

/// Displays half of it, and then fails: `to_string` would panic.
struct Undisplayable;

impl fmt::Display for Undisplayable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SECRET)?;
        Err(fmt::Error)
    }
}

impl Serialize for Undisplayable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[test]
fn failures_of_a_serialize_are_told_apart_from_ours() {
    assert_eq!(text(&Refusing), Err(PayloadError::Unserializable));
    assert_eq!(text(&[Some(Refusing)]), Err(PayloadError::Unserializable));
    assert_eq!(text(&Undisplayable), Err(PayloadError::Unserializable));
    assert_eq!(
        text(&Pairs(vec![(Undisplayable, 0)])),
        Err(PayloadError::Unserializable)
    );
}

#[test]
fn a_failure_that_a_serialize_gets_over_is_a_failure() {
    /// Serialises what it can, as if the rest were not there.
    struct Tolerant;
    impl Serialize for Tolerant {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut list = serializer.serialize_seq(None)?;
            let _ = list.serialize_element(&[1.0, f64::NAN]);
            list.end()
        }
    }
    /// Tells of a failure in words of its own.
    struct Talking;
    impl Serialize for Talking {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_some(&f64::NAN).map_err(S::Error::custom)
        }
    }
    /// Leaves a member out when its key cannot be had.
    struct Keyless;
    impl Serialize for Keyless {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            let _ = map.serialize_key(&());
            map.end()
        }
    }
    /// Has JSON that is none, and is nothing instead.
    struct Wordless;
    impl Serialize for Wordless {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut value = serializer.serialize_struct(RAW_VALUE, 1)?;
            let _ = value.serialize_field(RAW_VALUE, "");
            value.end()
        }
    }
    assert_eq!(text(&Wordless), Err(PayloadError::InvalidJson));
    assert_eq!(text(&Tolerant), Err(PayloadError::NotFinite));
    assert_eq!(text(&Talking), Err(PayloadError::NotFinite));
    assert_eq!(text(&Keyless), Err(PayloadError::KeyNotText));
}

/// A map or struct that is serialised by these steps, whatever the protocol.
struct Steps(&'static str);

impl Serialize for Steps {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(fields) = self.0.strip_prefix("struct ") {
            let mut value = serializer.serialize_struct(NUMBER, 1)?;
            for field in fields.chars() {
                value.serialize_field(if field == 'n' { NUMBER } else { "other" }, "1")?;
            }
            return value.end();
        }
        let mut map = serializer.serialize_map(None)?;
        for step in self.0.chars() {
            // Gets over the failures.
            let _ = if step == 'k' {
                map.serialize_key("k")
            } else {
                map.serialize_value(&1)
            };
        }
        map.end()
    }
}

#[test]
fn a_serialize_that_breaks_the_protocol_is_refused() {
    assert_eq!(text(&Steps("kv")).as_deref(), Ok(r#"{"k":1}"#));
    assert_eq!(text(&Steps("struct n")).as_deref(), Ok("1"));
    for steps in [
        "v",
        "k",
        "kk",
        "kkv",
        "kvv",
        "struct ",
        "struct nn",
        "struct o",
        "struct no",
    ] {
        assert_eq!(text(&Steps(steps)), Err(PayloadError::Unserializable), "{steps}");
    }
}

#[test]
fn raw_json_that_is_not_valid_is_refused() {
    for json in [
        "",
        " ",
        "x",
        "nul",
        "nulll",
        "True",
        "\"",
        "\"a",
        "'a'",
        "\"a\\",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\u{1}\"",
        "\"a\"b",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "1 2",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1e",
        "1e+",
        "1.e1",
        "0x1",
        "1_0",
        "--1",
        "-01",
        "NaN",
        "Infinity",
        "1n",
        "\u{a0}1",
        "１",
    ] {
        assert_eq!(raw(json), Err(PayloadError::InvalidJson), "{json:?}");
        assert!(serde_json::from_str::<Value>(json).is_err(), "{json:?}");
    }
    for number in ["", " 1", "1 ", "NaN", "null", "\"1\"", "1n"] {
        assert_eq!(
            text(&Verbatim(NUMBER, number)),
            Err(PayloadError::InvalidJson),
            "{number:?}"
        );
    }
}

#[test]
fn nothing_of_the_payload_is_in_a_message() {
    let secret = Pairs(vec![(SECRET, f64::NAN)]);
    let twice = Pairs(vec![(SECRET, 1), (SECRET, 2)]);
    for refused in [
        text(&Refusing),
        text(&Undisplayable),
        text(&secret),
        text(&twice),
        text(&Pairs(vec![((SECRET, 1), 1)])),
        raw(SECRET),
        text(&Pairs(vec![(SECRET, Nested(200))])),
    ] {
        let error = refused.expect_err("refused");
        let told = format!("{error} {error:?} {error:#?}");
        assert!(!told.contains(SECRET), "{told}");
        let message = error.to_string();
        assert!(
            message.starts_with(char::is_lowercase) && message.contains(": "),
            "{message}"
        );
    }
}

#[test]
fn huge_objects_take_no_time() {
    // Backwards, so that they have to be sorted. What takes time with the square of them would not come back.
    let members: Vec<_> = (0..200_000_u32)
        .rev()
        .map(|number| (format!("{number:06}"), number))
        .collect();
    let text = text(&Pairs(members)).expect("a payload");
    assert!(text.starts_with(r#"{"000000":0,"000001":1,"#) && text.ends_with(r#""199999":199999}"#));
}

#[test]
fn a_payload_is_looked_at_once() {
    struct Counted<'a>(&'a Cell<u32>);
    impl Serialize for Counted<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.set(self.0.get() + 1);
            serializer.serialize_unit()
        }
    }
    let count = Cell::new(0);
    assert!(fingerprint(&[Counted(&count)], &["a"]).is_ok());
    assert_eq!(count.get(), 1);
}
