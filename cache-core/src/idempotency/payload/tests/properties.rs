//! Properties of any payload, against a model of what is the same.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use serde::ser::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::representation::Pairs;
use super::{PayloadError, canonical, fingerprint, raw, text};

/// Up to here all integers are floats of their own.
const EXACT: u128 = 1 << 53;

/// A payload, with its members in some order.
#[derive(Debug, Clone)]
enum Json {
    Null,
    Bool(bool),
    Int(i128),
    Large(u128),
    Float(f64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i128(*value),
            Self::Large(value) => serializer.serialize_u128(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Array(elements) => serializer.collect_seq(elements),
            Self::Object(members) => serializer.collect_map(members.iter().map(|(name, value)| (name, value))),
        }
    }
}

/// What a payload is, however it is spelled. Two are the same if these are equal.
#[derive(Debug, PartialEq, Eq)]
enum Model {
    Null,
    Bool(bool),
    /// A number that is an integer and no larger than [`EXACT`], or an integer that is.
    Integer(bool, u128),
    /// Any other float, as its bits.
    Float(u64),
    Text(String),
    Array(Vec<Model>),
    Object(BTreeMap<String, Model>),
}

impl Model {
    fn of(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Int(value) => Self::Integer(*value < 0, value.unsigned_abs()),
            Json::Large(value) => Self::Integer(false, *value),
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                reason = "it is small, and has no fraction"
            )]
            Json::Float(value) => {
                if value.fract() == 0.0 && value.abs() <= EXACT as f64 {
                    Self::of(&Json::Int(*value as i128))
                } else {
                    Self::Float(value.to_bits())
                }
            }
            Json::Text(value) => Self::Text(value.clone()),
            Json::Array(elements) => Self::Array(elements.iter().map(Self::of).collect()),
            Json::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(name, value)| (name.clone(), Self::of(value)))
                    .collect(),
            ),
        }
    }
}

/// The same payload in other words: members in another order, integers as floats where these are the same.
fn respelled(json: &Json, choices: &mut impl Iterator<Item = u8>) -> Json {
    let mut choose = || choices.next().unwrap_or(0);
    match json {
        #[allow(clippy::cast_precision_loss, reason = "these are exact")]
        Json::Int(value) if value.unsigned_abs() <= EXACT && choose() % 2 == 1 => Json::Float(*value as f64),
        Json::Float(0.0) if choose() % 2 == 1 => Json::Float(-0.0),
        Json::Array(elements) => Json::Array(elements.iter().map(|element| respelled(element, choices)).collect()),
        Json::Object(members) => {
            let mut members: Vec<_> = members
                .iter()
                .map(|(name, value)| (choices.next().unwrap_or(0), name.clone(), respelled(value, choices)))
                .collect();
            members.sort_by_key(|(choice, ..)| *choice);
            Json::Object(members.into_iter().map(|(_, name, value)| (name, value)).collect())
        }
        same => same.clone(),
    }
}

/// The payload without what is at a path.
fn without(json: Json, path: &[String]) -> Json {
    match (json, path) {
        (Json::Array(elements), _) => Json::Array(elements.into_iter().map(|element| without(element, path)).collect()),
        (Json::Object(members), [name, rest @ ..]) => Json::Object(
            members
                .into_iter()
                .filter(|(member, _)| !rest.is_empty() || member != name)
                .map(|(member, value)| {
                    let value = if member == *name { without(value, rest) } else { value };
                    (member, value)
                })
                .collect(),
        ),
        (other, _) => other,
    }
}

/// Few of them, so that members of two payloads often have one name.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(&["a", "b", "a.b", "\\", "", "\"", "\n", "é", "\u{fb33}", "😀", "a\0"][..]).prop_map(String::from),
        1 => any::<String>(),
    ]
}

/// Numbers around those where something changes, and any others.
fn number() -> impl Strategy<Value = Json> {
    const EDGES: [i128; 10] = [
        0,
        1,
        (1 << 53) - 1,
        1 << 53,
        (1 << 53) + 1,
        (1 << 53) + 2,
        i64::MAX as i128,
        u64::MAX as i128 - 1,
        u64::MAX as i128,
        i128::MAX,
    ];
    const FLOATS: [f64; 10] = [
        0.0,
        -0.0,
        1.0,
        9_007_199_254_740_992.0,
        9_007_199_254_740_994.0,
        18_446_744_073_709_551_616.0,
        1e21,
        0.1,
        0.1_f32 as f64,
        5e-324,
    ];
    prop_oneof![
        (prop::sample::select(&EDGES[..]), any::<bool>()).prop_map(|(number, negative)| Json::Int(if negative {
            -number
        } else {
            number
        })),
        prop::sample::select(&FLOATS[..]).prop_map(Json::Float),
        any::<i128>().prop_map(Json::Int),
        any::<i32>().prop_map(|number| Json::Int(number.into())),
        any::<u128>().prop_map(Json::Large),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(Json::Float),
    ]
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        number(),
        number(),
        name().prop_map(Json::Text)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let members = vec((name(), inner.clone()), 0..5).prop_map(|mut members| {
            let mut names = BTreeSet::new();
            members.retain(|(name, _)| names.insert(name.clone()));
            Json::Object(members)
        });
        prop_oneof![vec(inner, 0..4).prop_map(Json::Array), members]
    })
}

/// Two numbers that are next to each other as integers, or as floats, or one as both.
fn neighbours() -> impl Strategy<Value = (Json, Json)> {
    let large = (any::<u128>(), 0..128_u32).prop_map(|(number, shift)| number >> shift);
    prop_oneof![
        large
            .clone()
            .prop_map(|number| (Json::Large(number), Json::Large(number ^ 1))),
        large.prop_map(|number| {
            #[allow(clippy::cast_precision_loss, reason = "this is about what gets lost")]
            let nearest = number as f64;
            (Json::Large(number), Json::Float(nearest))
        }),
        any::<f64>()
            .prop_map(|float| (float, f64::from_bits(float.to_bits() ^ 1)))
            .prop_filter_map("finite", |(a, b)| {
                (a.is_finite() && b.is_finite()).then_some((Json::Float(a), Json::Float(b)))
            }),
    ]
}

/// A payload, and one that may be the same, or the same but for a bit.
fn two() -> impl Strategy<Value = (Json, Json)> {
    let small = prop_oneof![
        number(),
        name().prop_map(Json::Text),
        Just(Json::Object(vec![])),
        Just(Json::Array(vec![]))
    ];
    prop_oneof![
        neighbours(),
        (small.clone(), small.clone()),
        (json(), json()),
        (json(), small.clone(), small).prop_map(|(json, a, b)| {
            let with = |part| Json::Array(vec![json.clone(), part]);
            (with(a), with(b))
        }),
    ]
}

/// A path as it is written.
fn path(names: &[String]) -> String {
    let escaped: Vec<_> = names
        .iter()
        .map(|name| name.replace('\\', r"\\").replace('.', r"\."))
        .collect();
    escaped.join(".")
}

/// Whether reparsed JSON is this payload, of which large integers have been taken out.
#[allow(clippy::cast_precision_loss, reason = "those that are large have been floats")]
fn is_same(parsed: &Value, json: &Json) -> bool {
    match (parsed, json) {
        (Value::Null, Json::Null) => true,
        (Value::Bool(parsed), Json::Bool(value)) => parsed == value,
        (Value::Number(parsed), Json::Int(value)) => parsed.as_f64() == Some(*value as f64),
        (Value::Number(parsed), Json::Float(value)) => parsed.as_f64() == Some(*value),
        (Value::String(parsed), Json::Text(value)) => parsed == value,
        (Value::Array(parsed), Json::Array(elements)) => {
            parsed.len() == elements.len()
                && parsed
                    .iter()
                    .zip(elements)
                    .all(|(parsed, element)| is_same(parsed, element))
        }
        (Value::Object(parsed), Json::Object(members)) => {
            parsed.len() == members.len()
                && members
                    .iter()
                    .all(|(name, value)| parsed.get(name).is_some_and(|parsed| is_same(parsed, value)))
        }
        _ => false,
    }
}

/// The same with zero for each large integer.
fn without_large(json: Json) -> Json {
    match json {
        Json::Int(value) if value.unsigned_abs() > EXACT => Json::Int(0),
        Json::Large(value) if value > EXACT => Json::Int(0),
        Json::Array(elements) => Json::Array(elements.into_iter().map(without_large).collect()),
        Json::Object(members) => Json::Object(
            members
                .into_iter()
                .map(|(name, value)| (name, without_large(value)))
                .collect(),
        ),
        same => same,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_payloads_look_alike_only_if_they_are((a, b) in two()) {
        let same = Model::of(&a) == Model::of(&b);
        prop_assert_eq!(text(&a)? == text(&b)?, same);
        prop_assert_eq!(fingerprint(&a, &[])? == fingerprint(&b, &[])?, same);
    }

    #[test]
    fn a_payload_in_other_words_looks_the_same(json in json(), choices in vec(any::<u8>(), 64)) {
        let other = respelled(&json, &mut choices.into_iter());
        prop_assert_eq!(Model::of(&json), Model::of(&other));
        prop_assert_eq!(text(&json)?, text(&other)?);
    }

    #[test]
    fn the_text_says_what_the_payload_is(json in json()) {
        let json = without_large(json);
        let parsed: Value = serde_json::from_str(&text(&json)?).expect("JSON");
        prop_assert!(is_same(&parsed, &json), "{}", parsed);
    }

    #[test]
    fn an_ignored_path_is_as_if_it_were_not_there(json in json(), paths in vec(vec(name(), 1..4), 0..4)) {
        let paths: Vec<Vec<String>> = paths.into_iter().filter(|path| path.iter().all(|name| !name.is_empty())).collect();
        let written: Vec<_> = paths.iter().map(|names| path(names)).collect();
        let ignored: Vec<_> = written.iter().map(String::as_str).collect();
        let rest = paths.iter().fold(json.clone(), |json, path| without(json, path));
        prop_assert_eq!(canonical(&json, &ignored)?, text(&rest)?);
        // In raw JSON as well.
        let raw_value = RawValue::from_string(serde_json::to_string_pretty(&json).expect("JSON")).expect("JSON");
        prop_assert_eq!(canonical(&raw_value, &ignored)?, text(&rest)?);
    }

    #[test]
    fn raw_json_is_what_serde_json_reads(text in r#"(\[|\]|\{|\}|"a":|"[a\\ntu0"]{0,3}"|,|:| |\n|-|\.|[0-9]{1,3}|e|E|\+|null|true|fals|e){0,12}"#) {
        match (raw(&text), serde_json::from_str::<Value>(&text)) {
            (Ok(canonical), Ok(value)) => {
                // What the value does not collapse is the same.
                let exact = super::text(&value)?;
                prop_assert!(canonical == exact || canonical.contains('n'), "{} {}", canonical, exact);
            }
            (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("number out of range"), "{}", error),
            (Err(error), Ok(_)) => prop_assert!(matches!(error, PayloadError::DuplicateKey), "{}", error),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn decimals_look_alike_only_if_they_are(a in decimal(), b in decimal()) {
        let shorter = format!("{}{}.{}e{}", if a.0 { "-" } else { "" }, a.1, a.2.trim_end_matches('0').to_owned() + "0", a.3);
        let written = |(negative, whole, fraction, exponent): &Decimal| {
            format!("{}{whole}.{fraction}e{exponent}", if *negative { "-" } else { "" })
        };
        prop_assert_eq!(raw(&written(&a))? == raw(&written(&b))?, scaled(&a) == scaled(&b));
        prop_assert_eq!(raw(&written(&a))?, raw(&shorter)?);
    }

    #[test]
    fn no_text_makes_a_panic(json in any::<String>(), path in r"[a.\\é]{0,6}|\PC*", name in any::<String>()) {
        let _ = raw(&json);
        let _ = canonical(&Pairs(vec![(name, json)]), &[&path]);
    }
}

/// Sign, digits before and after the point, and the exponent.
type Decimal = (bool, u32, String, i32);

fn decimal() -> impl Strategy<Value = Decimal> {
    // With many digits or few, so that both what is a float and what is between two is met.
    let fraction = prop_oneof!["[01]{1,2}", "[09]{16,20}", "10{15,18}1?"];
    (any::<bool>(), 0..3_u32, fraction, -2..3_i32)
}

/// The same as an integer, in units of 10^-22.
fn scaled((negative, whole, fraction, exponent): &Decimal) -> i128 {
    let digits: i128 = format!("{whole}{fraction:0<20}").parse().expect("digits");
    let scaled = digits * 10_i128.pow(u32::try_from(exponent + 2).expect("not negative"));
    if *negative { -scaled } else { scaled }
}
