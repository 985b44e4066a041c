//! What is left out.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{Error as _, Serializer};
use serde_json::json;

use super::{PayloadError, RAW_VALUE, Verbatim, canonical, fingerprint};

#[test]
fn ignored_members_are_as_if_they_were_not_there() {
    let payload = json!({
        "id": 7,
        "metadata": {"trace_id": "x", "tenant": "y", "deep": {"trace_id": 1}},
        "items": [{"sku": 1, "note": "a"}, {"sku": 2}, [{"note": "b"}], "note"],
        "trace_id": "stays",
    });
    assert_eq!(
        canonical(&payload, &["metadata.trace_id", "items.note"]).as_deref(),
        Ok(
            r#"{"id":7,"items":[{"sku":1},{"sku":2},[{}],"note"],"metadata":{"deep":{"trace_id":1},"tenant":"y"},"trace_id":"stays"}"#
        )
    );
    assert_eq!(
        canonical(&payload, &["metadata", "metadata.tenant", "items", "metadata"]).as_deref(),
        Ok(r#"{"id":7,"trace_id":"stays"}"#)
    );
    // What is not there, or has no members, is not missed.
    assert_eq!(
        fingerprint(&payload, &["nothing", "id.nothing", "metadata.tenant.nothing"]),
        fingerprint(&payload, &[])
    );
    assert_eq!(canonical(&[[json!({"a": 1})]], &["a"]).as_deref(), Ok("[[{}]]"));
}

#[test]
fn only_what_is_ignored_may_differ() {
    let ignored = ["a.b"];
    let different = [
        json!({"a": {"b": 1}}),
        json!({"a": {"c": 1}}),
        json!({"a": {"b": 1, "c": 2}}),
        json!({"a": {}, "b": 1}),
        json!({"a": [{"b": 1}]}),
        json!({"a": "b"}),
        json!({"a.b": 1}),
        json!({"c": {"a": {"b": 1}}}),
        json!({}),
    ];
    for (at, one) in different.iter().enumerate() {
        for other in &different[..at] {
            assert_ne!(
                fingerprint(one, &ignored),
                fingerprint(other, &ignored),
                "{one} and {other}"
            );
        }
    }
}

#[derive(Serialize)]
enum Choice {
    Newtype(f64),
    Tuple(f64, f64),
    Fields { x: f64, y: f64 },
}

#[test]
fn what_is_ignored_is_not_looked_at() {
    struct Refusing;
    impl Serialize for Refusing {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("no"))
        }
    }
    #[derive(Serialize)]
    struct Payload {
        at: f64,
        refusing: Refusing,
        id: u8,
    }
    let payload = Payload {
        at: f64::NAN,
        refusing: Refusing,
        id: 7,
    };
    assert_eq!(canonical(&payload, &["at", "refusing"]).as_deref(), Ok(r#"{"id":7}"#));
    assert_eq!(canonical(&payload, &["refusing"]), Err(PayloadError::NotFinite));

    let nan = f64::NAN;
    let choices = [
        Choice::Newtype(nan),
        Choice::Tuple(nan, nan),
        Choice::Fields { x: nan, y: nan },
        Choice::Newtype(1.0),
    ];
    assert_eq!(
        canonical(&choices, &["Newtype", "Tuple", "Fields"]).as_deref(),
        Ok("[{},{},{},{}]")
    );
    assert_eq!(
        canonical(&Choice::Fields { x: nan, y: 1.0 }, &["Fields.x"]).as_deref(),
        Ok(r#"{"Fields":{"y":1}}"#)
    );
}

#[test]
fn members_of_raw_json_are_ignored_too() {
    let cases = [
        (r#"{"a":1,"b":2}"#, r#"{"b":2}"#),
        (r#"{ "b" : 2 , "a" : "}\"\\" }"#, r#"{"b":2}"#),
        (
            r#"{"a":[1,{"c":"]"},[]],"b":{"a":0,"c":[{}]}}"#,
            r#"{"b":{"a":0,"c":[{}]}}"#,
        ),
        (
            r#"[{"\u0061":{"c":1,"c":2}},{"a":1e99999999999999999999},{"a":"\ud800"}]"#,
            "[{},{},{}]",
        ),
        (r#"{"a":{}}"#, "{}"),
        (r#"{"a":true,"a":false}"#, "{}"),
    ];
    for (json, expected) in cases {
        assert_eq!(
            canonical(&Verbatim(RAW_VALUE, json), &["a"]).as_deref(),
            Ok(expected),
            "{json}"
        );
    }
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert_eq!(canonical(&Verbatim(RAW_VALUE, &deep), &["a"]).as_deref(), Ok("{}"));
    for json in [
        r#"{"a":}"#,
        r#"{"a":,"b":1}"#,
        r#"{"a":"#,
        r#"{"a":[}"#,
        r#"{"a":[1}"#,
        r#"{"a":1 2}"#,
        r#"{"a":"}"#,
        r#"{"a":]}"#,
    ] {
        assert_eq!(
            canonical(&Verbatim(RAW_VALUE, json), &["a"]),
            Err(PayloadError::InvalidJson),
            "{json}"
        );
    }
    assert_eq!(
        canonical(
            &BTreeMap::from([("x", [Verbatim(RAW_VALUE, r#"{"a":1,"b":2}"#)])]),
            &["x.b"]
        )
        .as_deref(),
        Ok(r#"{"x":[{"a":1}]}"#)
    );
}

#[test]
fn dots_and_backslashes_in_names_are_escaped() {
    let payload = json!({"a.b": 1, "a": {"b": 2}, "c\\": 3, "\\.": 4, "": 5});
    assert_eq!(
        canonical(&payload, &[r"a\.b"]).as_deref(),
        Ok(r#"{"":5,"\\.":4,"a":{"b":2},"c\\":3}"#)
    );
    assert_eq!(
        canonical(&payload, &["a.b", r"c\\", r"\\\."]).as_deref(),
        Ok(r#"{"":5,"a":{},"a.b":1}"#)
    );
}

#[test]
fn paths_that_name_nothing_are_refused() {
    for path in ["", ".", ".a", "a.", "a..b", "\\", "a\\", r"a\n", r"\a", r"a\ b", "a.\\"] {
        match fingerprint(&(), &["fine", path]) {
            Err(PayloadError::InvalidIgnore { path: told, why }) => {
                assert_eq!(told, path);
                assert!(!why.is_empty());
            }
            other => panic!("{path:?}: {other:?}"),
        }
    }
    let deepest = vec!["a"; 128].join(".");
    assert!(fingerprint(&(), &[&deepest]).is_ok());
    let deeper = vec!["a"; 1_000_000].join(".");
    assert!(matches!(
        fingerprint(&(), &[&deeper]),
        Err(PayloadError::InvalidIgnore { .. })
    ));
}
