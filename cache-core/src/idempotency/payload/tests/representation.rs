//! What becomes what, and what stays apart.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{NUMBER, Verbatim, fingerprint, raw, text};

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Newtype<T>(T);

#[derive(Serialize)]
struct Pair(u8, char);

#[derive(Serialize)]
enum Choice {
    Nothing,
    One(u8),
    Two(u8, u8),
    Fields { b: bool, a: Option<u8> },
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Tagged {
    Card { number: u8 },
}

#[derive(Serialize)]
struct Everything {
    unit: Unit,
    none: Option<u8>,
    some: Option<Newtype<u8>>,
    pair: Pair,
    choices: [Choice; 4],
    tagged: Tagged,
    empty: ((), [u8; 0], BTreeMap<u8, u8>),
    negative: i8,
    letter: char,
}

/// Bytes by the method for bytes, which a `Vec<u8>` does not use.
struct Bytes(&'static [u8]);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

#[test]
fn values_are_represented_as_by_serde_json() {
    let payload = Everything {
        unit: Unit,
        none: None,
        some: Some(Newtype(7)),
        pair: Pair(1, 'é'),
        choices: [
            Choice::Nothing,
            Choice::One(1),
            Choice::Two(1, 2),
            Choice::Fields { b: true, a: None },
        ],
        tagged: Tagged::Card { number: 4 },
        empty: ((), [], BTreeMap::new()),
        negative: -5,
        letter: '"',
    };
    let expected = "{\"choices\":[\"Nothing\",{\"One\":1},{\"Two\":[1,2]},{\"Fields\":{\"a\":null,\"b\":true}}],\
                    \"empty\":[null,[],{}],\"letter\":\"\\\"\",\"negative\":-5,\"none\":null,\"pair\":[1,\"é\"],\"some\":7,\
                    \"tagged\":{\"number\":4,\"type\":\"Card\"},\"unit\":null}";
    assert_eq!(text(&payload).as_deref(), Ok(expected));
    // What `serde_json` makes of it is sorted by chance, so that this is its text as well.
    assert_eq!(serde_json::to_value(&payload).expect("JSON").to_string(), expected);
    assert_eq!(text(&Bytes(b"\0\xff")).as_deref(), Ok("[0,255]"));
    assert_eq!(text(&()).as_deref(), Ok("null"));
    assert_eq!(text("unsized").as_deref(), Ok("\"unsized\""));
}

#[test]
fn integers_beyond_the_exact_floats_do_not_collapse() {
    const EXACT: i128 = 1 << 53;
    let plain = [0, 1, -1, EXACT - 1, EXACT, -EXACT];
    let marked = [
        EXACT + 1,
        EXACT + 2,
        -EXACT - 1,
        i128::from(i64::MIN),
        i128::from(i64::MAX),
        i128::from(u64::MAX) - 1,
        i128::from(u64::MAX),
        i128::MIN,
        i128::MAX,
    ];
    for number in plain {
        assert_eq!(text(&number), Ok(number.to_string()));
    }
    for number in marked {
        assert_eq!(text(&number), Ok(format!("{number}n")));
    }
    assert_eq!(text(&u128::MAX), Ok(format!("{}n", u128::MAX)));
    assert_eq!(text(&i64::MIN), Ok(format!("{}n", i64::MIN)));
    assert_eq!(text(&u64::MAX), Ok(format!("{}n", u64::MAX)));

    let distinct: BTreeSet<_> = plain
        .iter()
        .chain(&marked)
        .map(|number| fingerprint(number, &[]))
        .map(Result::ok)
        .collect();
    assert_eq!(distinct.len(), plain.len() + marked.len());
}

#[test]
fn a_number_has_one_text_as_a_float_and_as_an_integer() {
    for number in [0, 1, -1, 1_000_000, 9_007_199_254_740_992_i64, -9_007_199_254_740_992] {
        #[allow(clippy::cast_precision_loss, reason = "these are exact")]
        let float = number as f64;
        assert_eq!(text(&float), text(&number));
    }
    assert_eq!(text(&-0.0), text(&0));
    assert_eq!(text(&0.5_f32), text(&0.5_f64));
    assert_eq!(text(&0.1_f32).as_deref(), Ok("0.10000000149011612"));
    // These are floats, but who sends an integer means one.
    assert_ne!(
        text(&18_446_744_073_709_551_616.0),
        text(&18_446_744_073_709_551_616_u128)
    );
}

#[test]
fn the_order_of_members_does_not_matter() {
    let pairs: Vec<_> = (0..1000).map(|number: u32| (format!("{number}"), number)).collect();
    let forwards: HashMap<_, _> = pairs.iter().cloned().collect();
    let backwards: HashMap<_, _> = pairs.iter().rev().cloned().collect();
    let sorted: BTreeMap<_, _> = pairs.into_iter().collect();
    let expected = fingerprint(&sorted, &[]);
    assert!(expected.is_ok());
    assert_eq!(fingerprint(&forwards, &[]), expected);
    assert_eq!(fingerprint(&backwards, &[]), expected);
}

#[test]
fn keys_of_maps_are_texts() {
    #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
    enum Name {
        Unit,
    }
    fn one<K: Serialize + Ord>(key: K) -> Result<String, super::PayloadError> {
        text(&BTreeMap::from([(key, 0)]))
    }
    struct Shown;
    impl Serialize for Shown {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            map.serialize_entry(&format_args!("{}-{}", 1, 2), &0)?;
            map.end()
        }
    }
    assert_eq!(one("a\n").as_deref(), Ok(r#"{"a\n":0}"#));
    assert_eq!(one('x').as_deref(), Ok(r#"{"x":0}"#));
    assert_eq!(one(true).as_deref(), Ok(r#"{"true":0}"#));
    assert_eq!(one(-7_i8).as_deref(), Ok(r#"{"-7":0}"#));
    assert_eq!(one(u128::MAX), Ok(format!("{{\"{}\":0}}", u128::MAX)));
    assert_eq!(one(Name::Unit).as_deref(), Ok(r#"{"Unit":0}"#));
    assert_eq!(text(&HashMap::from([(7_u64, Newtype(0))])).as_deref(), Ok(r#"{"7":0}"#));
    assert_eq!(text(&Shown).as_deref(), Ok(r#"{"1-2":0}"#));
    assert_eq!(
        text(&Pairs(vec![(Newtype(Newtype("id")), 0)])).as_deref(),
        Ok(r#"{"id":0}"#)
    );
}

/// A map with the keys it is given, in their order.
pub(super) struct Pairs<K, V>(pub(super) Vec<(K, V)>);

impl<K: Serialize, V: Serialize> Serialize for Pairs<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[test]
fn raw_json_is_what_it_says() {
    let json = " { \"b\" : [ 1.0 , \"\\u00e9\\ud83d\\ude00\\/\" , true , null , { } , [ ] ] ,\n\t\"a\":-0 }\r\n";
    let value: Value = serde_json::from_str(json).expect("JSON");
    let raw_value: Box<RawValue> = serde_json::from_str(json).expect("JSON");
    assert_eq!(
        text(&raw_value).as_deref(),
        Ok(r#"{"a":0,"b":[1,"é😀/",true,null,{},[]]}"#)
    );
    assert_eq!(text(&raw_value), text(&value));
    assert_eq!(
        text(&json!({ "in": [value] })),
        text(&BTreeMap::from([("in", [raw_value])]))
    );
}

#[test]
fn numbers_in_raw_json_do_not_collapse() {
    // Integers are exact, of whatever size.
    for (number, expected) in [
        ("-0", "0"),
        ("9007199254740992", "9007199254740992"),
        ("9007199254740993", "9007199254740993n"),
        ("-9007199254740993", "-9007199254740993n"),
        ("18446744073709551616", "18446744073709551616n"),
        (
            "1000000000000000000000000000000000000000000",
            "1000000000000000000000000000000000000000000n",
        ),
        // Others are floats, as if they had been read as such, in any notation.
        ("1.0", "1"),
        ("10e-1", "1"),
        ("0.1e1", "1"),
        ("-0.0", "0"),
        ("0e99999999999999999999", "0"),
        ("1E21", "1e+21"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("123.4560e+2", "12345.6"),
        ("5e-324", "5e-324"),
        ("9007199254740994.0", "9007199254740994"),
        // If there is one with these digits.
        ("0.10000000000000001", "10000000000000001e-17n"),
        ("9007199254740993.0", "9007199254740993e0n"),
        ("-1e400", "-1e400n"),
        ("1e-400", "1e-400n"),
        ("4e-324", "4e-324n"),
    ] {
        assert_eq!(raw(number).as_deref(), Ok(expected), "{number} as raw JSON");
        assert_eq!(
            text(&Verbatim(NUMBER, number)).as_deref(),
            Ok(expected),
            "{number} of arbitrary precision"
        );
    }
}
