//! The store and its bounds against a plain model that does the same in the most obvious way.

#![allow(
    clippy::unwrap_used,
    clippy::unused_async,
    clippy::items_after_statements,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

use std::time::Duration;

use cache_core::{Cache, Clock};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, u32),
    InsertWithTtl(u8, u32, u64),
    Get(u8),
    GetOrLoad(u8, u32),
    FailToLoad(u8),
    Refresh(u8, u32),
    Invalidate(u8),
    Mutate(u8),
    MutateAll,
    Clear,
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..12u8;
    prop_oneof![
        4 => (key.clone(), any::<u32>()).prop_map(|(key, value)| Step::Insert(key, value)),
        2 => (key.clone(), any::<u32>(), 0..8u64).prop_map(|(key, value, ttl)| Step::InsertWithTtl(key, value, ttl)),
        6 => key.clone().prop_map(Step::Get),
        6 => (key.clone(), any::<u32>()).prop_map(|(key, value)| Step::GetOrLoad(key, value)),
        1 => key.clone().prop_map(Step::FailToLoad),
        1 => (key.clone(), any::<u32>()).prop_map(|(key, value)| Step::Refresh(key, value)),
        2 => key.clone().prop_map(Step::Invalidate),
        1 => key.prop_map(Step::Mutate),
        1 => Just(Step::MutateAll),
        1 => Just(Step::Clear),
        3 => (1..6u64).prop_map(Step::Advance),
    ]
}

/// Entries in the order of their use, the last used last.
struct Model {
    capacity: usize,
    ttl: Option<u64>,
    tti: Option<u64>,
    now: u64,
    entries: Vec<Entry>,
}

struct Entry {
    key: u8,
    value: u32,
    expires_at: u64,
    used_at: u64,
}

impl Model {
    fn drop_expired(&mut self) {
        let (now, tti) = (self.now, self.tti);
        self.entries
            .retain(|entry| now < entry.expires_at && tti.is_none_or(|tti| now < entry.used_at + tti));
    }

    fn insert(&mut self, key: u8, value: u32, ttl: Option<u64>) {
        self.drop_expired();
        self.entries.retain(|entry| entry.key != key);
        self.entries.push(Entry {
            key,
            value,
            expires_at: ttl.map_or(u64::MAX, |ttl| self.now + ttl),
            used_at: self.now,
        });
        if self.entries.len() > self.capacity {
            self.entries.remove(0);
        }
    }

    fn get(&mut self, key: u8) -> Option<u32> {
        self.drop_expired();
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        let mut entry = self.entries.remove(at);
        entry.used_at = self.now;
        let value = entry.value;
        self.entries.push(entry);
        Some(value)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_cache_does_what_the_model_does(
        capacity in 0..9usize,
        ttl in prop::option::of(1..10u64),
        tti in prop::option::of(1..10u64),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let clock = Clock::manual();
        let mut builder = Cache::<u8, u32>::builder().max_size(capacity).clock(clock.clone());
        if let Some(ttl) = ttl {
            builder = builder.ttl(Duration::from_secs(ttl));
        }
        if let Some(tti) = tti {
            builder = builder.tti(Duration::from_secs(tti));
        }
        let cache = builder.build();
        let mut model = Model { capacity, ttl, tti, now: 0, entries: Vec::new() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for step in steps {
                match step.clone() {
                    Step::Insert(key, value) => {
                        cache.insert(key, value).await;
                        model.insert(key, value, model.ttl);
                    }
                    Step::InsertWithTtl(key, value, 0) => {
                        cache.insert_with_ttl(key, value, Duration::ZERO).await;
                        model.entries.retain(|entry| entry.key != key);
                    }
                    Step::InsertWithTtl(key, value, ttl) => {
                        cache.insert_with_ttl(key, value, Duration::from_secs(ttl)).await;
                        model.insert(key, value, Some(ttl));
                    }
                    Step::Get(key) => prop_assert_eq!(cache.get(&key), model.get(key), "{:?}", step),
                    Step::GetOrLoad(key, value) => {
                        let expected = model.get(key).unwrap_or_else(|| {
                            model.insert(key, value, model.ttl);
                            value
                        });
                        prop_assert_eq!(cache.get_or_load(key, || async { value }).await, expected, "{:?}", step);
                    }
                    Step::FailToLoad(key) => {
                        let expected = model.get(key).ok_or("failed");
                        prop_assert_eq!(cache.try_get_or_load(key, || async { Err("failed") }).await, expected);
                    }
                    Step::Refresh(key, value) => {
                        cache.refresh(key, || async { value }).await;
                        model.insert(key, value, model.ttl);
                    }
                    Step::Invalidate(key) => {
                        model.drop_expired();
                        let known = model.entries.iter().any(|entry| entry.key == key);
                        model.entries.retain(|entry| entry.key != key);
                        prop_assert_eq!(cache.invalidate(&key).await, known);
                    }
                    Step::Mutate(key) => {
                        let guard = cache.begin_mutation(&key).await;
                        cache.insert(key, 1).await;
                        guard.finish().await;
                        model.entries.retain(|entry| entry.key != key);
                    }
                    Step::MutateAll => {
                        let guard = cache.begin_mutation_all().await;
                        cache.insert(1, 1).await;
                        drop(guard);
                        model.entries.clear();
                    }
                    Step::Clear => {
                        cache.clear().await;
                        model.entries.clear();
                    }
                    Step::Advance(seconds) => {
                        clock.advance(Duration::from_secs(seconds));
                        model.now += seconds;
                    }
                }
                model.drop_expired();
                prop_assert_eq!(cache.len(), model.entries.len(), "{:?}", step);
            }
            Ok(())
        })?;
    }
}
