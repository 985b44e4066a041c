//! In which order, and that events are what the statistics count.

use super::*;

/// For each key: what goes or is replaced is what came last, and only what is there can go.
pub(super) fn check_history(all: &[Told]) -> HashMap<u64, u64> {
    let mut live = HashMap::new();
    for told in all {
        let (key, cause, old, new) = *told;
        if cause == Cause::LoadFailed {
            continue;
        }
        assert_eq!(live.get(&key).copied(), old, "{told:?}");
        let comes = matches!(cause, Cause::Inserted | Cause::Replaced);
        assert_eq!(old.is_some(), cause != Cause::Inserted, "{told:?}");
        assert!(comes || new.is_none(), "{told:?}");
        match new {
            Some(new) => live.insert(key, new),
            None => live.remove(&key),
        };
    }
    live
}

/// That there is one event for each thing that is counted.
pub(super) fn check_stats(all: &[Told], stats: &Stats) {
    let count = |is: &dyn Fn(&Told) -> bool| all.iter().filter(|told| is(told)).count() as u64;
    let counted = [
        count(&|told| told.3.is_some()),
        count(&|told| told.1 == Cause::Evicted),
        count(&|told| told.1 == Cause::Expired),
        count(&|told| matches!(told.1, Cause::Invalidated(_))),
        count(&|told| told.1 == Cause::LoadFailed),
    ];
    let known = [
        stats.insertions,
        stats.evictions,
        stats.expirations,
        stats.invalidations,
        stats.load_failures,
    ];
    assert_eq!(counted, known, "inserted, evicted, expired, invalidated, failed");
}

/// A small generator, so that a run needs nothing else (Marsaglia, 2003).
pub(super) fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Writers of a few keys in a cache that has to evict all the time, with invalidations, mutations, clears and expiry.
#[test]
fn the_history_of_each_key_is_told_in_order_and_once() {
    const WRITERS: u64 = 4;
    const STEPS: u64 = 3_000;
    for policy in POLICIES {
        for max_size in [1, 6, 40] {
            let (cache, clock) = timed(policy, max_size, seconds(100));
            let log = Log::of(&cache);
            std::thread::scope(|scope| {
                for writer in 0..WRITERS {
                    let (cache, clock) = (&cache, &clock);
                    scope.spawn(move || {
                        let mut state = writer + 1;
                        for step in 0..STEPS {
                            let (key, value) = (random(&mut state) % 16, step * WRITERS + writer);
                            block_on(async {
                                match random(&mut state) % 32 {
                                    0 => cache.clear().await,
                                    1 => cache.begin_mutation_all().await.finish().await,
                                    2 => cache.begin_mutation(&key).await.finish().await,
                                    3..6 => drop(cache.invalidate(&key).await),
                                    6 => clock.advance(seconds(30)),
                                    7 => drop(cache.try_get_or_load(key, || async { Err(()) }).await),
                                    8..12 => drop(cache.get_or_load(key, || async { value }).await),
                                    12 => drop(cache.refresh(key, || async { value }).await),
                                    13 => drop(cache.len()),
                                    _ => cache.insert(key, value).await,
                                }
                            });
                        }
                    });
                }
            });
            let stats = cache.stats();
            let told = log.take();
            let live = check_history(&told);
            check_stats(&told, &stats);
            let held: HashMap<_, _> = (0..16).filter_map(|key| Some((key, cache.peek(&key)?))).collect();
            assert_eq!(live, held, "{policy:?}, {max_size}");
            assert!(
                stats.insertions > 1_000 && (max_size == 40 || stats.evictions > 100),
                "{stats}"
            );
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Insert(u64, u64),
    InsertWithTtl(u64, u64, u64),
    Load(u64, u64),
    FailToLoad(u64),
    Refresh(u64, u64),
    Invalidate(u64),
    Mutate(u64),
    MutateAll,
    Clear,
    Get(u64),
    Len,
    Advance(u64),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let key = 0..10u64;
    prop_oneof![
        6 => (key.clone(), 1..9u64).prop_map(|(key, value)| Step::Insert(key, value)),
        2 => (key.clone(), 1..9u64, 0..8u64).prop_map(|(key, value, ttl)| Step::InsertWithTtl(key, value, ttl)),
        3 => (key.clone(), 1..9u64).prop_map(|(key, value)| Step::Load(key, value)),
        1 => key.clone().prop_map(Step::FailToLoad),
        2 => (key.clone(), 1..9u64).prop_map(|(key, value)| Step::Refresh(key, value)),
        2 => key.clone().prop_map(Step::Invalidate),
        1 => key.clone().prop_map(Step::Mutate),
        1 => Just(Step::MutateAll),
        1 => Just(Step::Clear),
        2 => key.prop_map(Step::Get),
        1 => Just(Step::Len),
        3 => (1..6u64).prop_map(Step::Advance),
    ]
}

pub(super) async fn take_step(cache: &Cache<u64, u64>, clock: &Clock, step: Step) {
    match step {
        Step::Insert(key, value) => cache.insert(key, value).await,
        Step::InsertWithTtl(key, value, ttl) => cache.insert_with_ttl(key, value, seconds(ttl)).await,
        Step::Load(key, value) => drop(cache.get_or_load(key, || async { value }).await),
        Step::FailToLoad(key) => drop(cache.try_get_or_load(key, || async { Err(()) }).await),
        Step::Refresh(key, value) => drop(cache.refresh(key, || async { value }).await),
        Step::Invalidate(key) => drop(cache.invalidate(&key).await),
        Step::Mutate(key) => cache.begin_mutation(&key).await.finish().await,
        Step::MutateAll => cache.begin_mutation_all().await.finish().await,
        Step::Clear => cache.clear().await,
        Step::Get(key) => drop(cache.get(&key)),
        Step::Len => drop(cache.len()),
        Step::Advance(by) => clock.advance(seconds(by)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn events_are_what_the_statistics_count(
        tiny_lfu: bool,
        by_weight: bool,
        capacity in 0..9u64,
        ttl in prop::option::of(1..10u64),
        tti in prop::option::of(1..10u64),
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let clock = Clock::manual();
        let mut builder = Cache::<u64, u64>::builder().clock(clock.clone()).policy(POLICIES[usize::from(tiny_lfu)]);
        builder = if by_weight {
            builder.max_weight(capacity, |_, value| u32::try_from(*value).unwrap())
        } else {
            builder.max_size(usize::try_from(capacity).unwrap())
        };
        if let Some(ttl) = ttl {
            builder = builder.ttl(seconds(ttl));
        }
        if let Some(tti) = tti {
            builder = builder.tti(seconds(tti));
        }
        let cache = builder.build();
        let log = Log::of(&cache);
        block_on(async {
            for step in steps {
                take_step(&cache, &clock, step).await;
            }
        });
        // Counted before it is looked at, because looking drops what has expired.
        let stats = cache.stats();
        let told = log.take();
        let live = check_history(&told);
        check_stats(&told, &stats);
        let held: HashMap<_, _> = (0..10).filter_map(|key| Some((key, cache.peek(&key)?))).collect();
        prop_assert_eq!(live, held);
    }
}
