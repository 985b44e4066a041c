//! Keys, scopes and payloads of any characters: nothing panics, and nothing falls together.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use cache_core::idempotency::{
    IdempotencyError, IdempotencyStore, MemoryBackend, Outcome, RecordId, Request, ScopePart,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Tenant, principal, operation and key.
type Words = [String; 4];

/// Text of any characters, many of them such as joins and parsers stumble over.
fn text() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        '\0',
        '\u{1e}',
        '\u{1f}',
        ':',
        '/',
        '|',
        ',',
        '\n',
        '\'',
        '"',
        '\\',
        '%',
        '_',
        ' ',
        'a',
        'A',
        'ä',
        '\u{308}',
        '\u{feff}',
        '\u{10ffff}',
    ]);
    vec(prop_oneof![3 => odd, 1 => any::<char>()], 0..6).prop_map(String::from_iter)
}

fn words() -> impl Strategy<Value = Words> {
    [text(), text(), text(), text()]
}

/// The same characters, cut into words at other places.
fn cut(words: &Words, at: &[Index; 3]) -> Words {
    let all: Vec<char> = words.iter().flat_map(|word| word.chars()).collect();
    let mut cuts = [
        at[0].index(all.len() + 1),
        at[1].index(all.len() + 1),
        at[2].index(all.len() + 1),
    ];
    cuts.sort_unstable();
    let part = |from: usize, to: usize| all[from..to].iter().collect();
    [
        part(0, cuts[0]),
        part(cuts[0], cuts[1]),
        part(cuts[1], cuts[2]),
        part(cuts[2], all.len()),
    ]
}

fn record([tenant, principal, operation, key]: &Words) -> Result<RecordId, IdempotencyError> {
    RecordId::new(tenant, principal, operation, key)
}

/// What has to be refused.
fn is_refused(words: &Words) -> bool {
    let [scope @ .., key] = words;
    scope.iter().any(|word| word.is_empty() || word.contains('\u{1e}')) || key.is_empty() || key.contains('\0')
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn words_that_differ_have_records_that_differ(one in words(), other in words(), at: [Index; 3]) {
        for other in [other, cut(&one, &at)] {
            prop_assert_eq!(record(&other).is_err(), is_refused(&other));
            if let (Ok(first), Ok(second)) = (record(&one), record(&other)) {
                prop_assert_eq!(first == second, one == other);
                prop_assert_eq!(first.scope() == second.scope(), one[..3] == other[..3]);
                prop_assert_eq!(first.key() == second.key(), one[3] == other[3]);
                prop_assert_eq!(first.to_string() == second.to_string(), one == other);
            }
        }
    }

    #[test]
    fn a_refusal_shows_nothing_of_what_was_refused(words in words()) {
        if let Err(error) = record(&words) {
            let parts = [ScopePart::Tenant, ScopePart::Principal, ScopePart::Operation];
            let missing = parts.map(|part| IdempotencyError::NoScope { part });
            let invalid = parts.map(|part| IdempotencyError::InvalidScope { part });
            let keys = [IdempotencyError::EmptyKey, IdempotencyError::InvalidKey];
            let known = missing.iter().chain(&invalid).chain(&keys);
            let shown = format!("{error} {error:?}");
            prop_assert!(known.map(|error| format!("{error} {error:?}")).any(|known| known == shown), "{shown}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_store_does_what_a_map_would(
        pool in vec(words(), 1..4),
        requests in vec((any::<Index>(), any::<[Index; 3]>(), any::<bool>(), text()), 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = IdempotencyStore::new(MemoryBackend::new());
            let mut model: HashMap<Words, (String, usize)> = HashMap::new();
            for (number, (which, at, is_cut, payload)) in requests.into_iter().enumerate() {
                let words = which.get(&pool);
                let words = if is_cut { cut(words, &at) } else { words.clone() };
                let [tenant, principal, operation, key] = words.clone();
                let request = Request::new(operation).scope(tenant, principal).key(key).payload(&payload);
                let run = store.run(request, move || async move { Ok::<_, IdempotencyError>(number) }).await;
                if is_refused(&words) {
                    prop_assert!(run.is_err());
                    continue;
                }
                match model.entry(words) {
                    Entry::Vacant(free) => {
                        free.insert((payload, number));
                        prop_assert_eq!(run.unwrap(), Outcome::Fresh(number));
                    }
                    Entry::Occupied(ran) if ran.get().0 == payload => {
                        prop_assert_eq!(run.unwrap(), Outcome::Replayed(ran.get().1));
                    }
                    Entry::Occupied(_) => {
                        let is_conflict = matches!(run, Err(IdempotencyError::Conflict { .. }));
                        prop_assert!(is_conflict);
                    }
                }
            }
            prop_assert_eq!(store.backend().len(), model.len());
            Ok(())
        })?;
    }
}
