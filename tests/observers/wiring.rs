//! Who is told: coming, going, from inside, from everywhere, and what is left of it.

use super::order::{Step, check_history, check_stats, step, take_step};
use super::*;

#[tokio::test]
async fn who_observes_is_who_did_when_it_happened() {
    let cache = plain(Policy::Lru, 10);
    let (early, late) = (Log::default(), Log::default());
    let doomed = Arc::new(Mutex::new(None::<ObserverId>));
    let is_done = AtomicBool::new(false);
    let (handle, writer, victim) = (cache.clone(), late.clone(), Arc::clone(&doomed));
    // Before the other one, so that this is called first.
    let first = cache.add_observer(move |event| {
        if *event.key() == 1 && !is_done.swap(true, Ordering::SeqCst) {
            handle.add_observer(writer.writer());
            let victim = victim.lock().unwrap().unwrap();
            assert!(handle.remove_observer(victim));
        }
    });
    *doomed.lock().unwrap() = Some(cache.add_observer(early.writer()));
    cache.insert(1, 1).await;
    assert_eq!(early.take(), [inserted(1, 1)], "removed after it happened");
    assert_eq!(late.take(), [], "added after it happened");
    cache.insert(2, 2).await;
    assert_eq!((early.take(), late.take()), (vec![], vec![inserted(2, 2)]));
    // It holds the cache.
    assert!(cache.remove_observer(first));
}

/// What happened while an observer was called is told later, but to those who observed when it happened.
#[tokio::test]
async fn who_comes_and_goes_before_it_is_told_does_not_matter() {
    let cache = plain(Policy::Lru, 10);
    let (early, late) = (Log::default(), Log::default());
    let doomed = cache.add_observer(early.writer());
    let (handle, writer) = (cache.clone(), late.clone());
    let nested = cache.add_observer(move |event| {
        if *event.key() == 1 {
            block_on(handle.insert(2, 2));
            assert!(handle.remove_observer(doomed));
            handle.add_observer(writer.writer());
        }
    });
    cache.insert(1, 1).await;
    assert_eq!(
        (early.take(), late.take()),
        (vec![inserted(1, 1), inserted(2, 2)], vec![])
    );
    assert!(cache.remove_observer(nested));
}

#[tokio::test]
async fn an_observer_may_remove_itself() {
    let cache = plain(Policy::Lru, 10);
    let calls = Arc::new(AtomicUsize::new(0));
    let own = Arc::new(OnceLock::new());
    let (counter, id, handle) = (Arc::clone(&calls), Arc::clone(&own), cache.clone());
    let added = cache.add_observer(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        assert!(handle.remove_observer(*id.get().unwrap()));
    });
    own.set(added).unwrap();
    cache.insert(1, 1).await;
    cache.insert(2, 2).await;
    assert_eq!((calls.load(Ordering::SeqCst), Arc::strong_count(&calls)), (1, 1));
    assert!(!cache.remove_observer(added));
}

/// Changes from inside come after what is being told, for all observers.
#[tokio::test]
async fn an_observer_may_change_the_same_key() {
    for policy in POLICIES {
        let cache = plain(policy, 10);
        let (before, after) = (Log::of(&cache), Log::default());
        let depth = AtomicUsize::new(0);
        let handle = cache.clone();
        let id = cache.add_observer(move |event| {
            assert_eq!(depth.fetch_add(1, Ordering::SeqCst), 0, "not from inside of itself");
            match event.value().copied() {
                Some(value) if value < 3 => block_on(handle.insert(*event.key(), value + 1)),
                Some(3) => drop(block_on(handle.invalidate(event.key()))),
                _ => {}
            }
            depth.fetch_sub(1, Ordering::SeqCst);
        });
        cache.add_observer(after.writer());
        cache.insert(7, 0).await;
        let all = vec![
            inserted(7, 0),
            replaced(7, 0, 1),
            replaced(7, 1, 2),
            replaced(7, 2, 3),
            gone(7, Cause::Invalidated(Reason::Key), 3),
        ];
        assert_eq!((before.take(), after.take()), (all.clone(), all));
        cache.remove_observer(id);
    }
}

/// Not only this thread could go on, but any.
#[tokio::test(flavor = "multi_thread")]
async fn an_observer_is_called_where_no_lock_is_held() {
    for policy in POLICIES {
        let (cache, clock) = timed(policy, 4, seconds(1));
        let calls = Arc::new(AtomicUsize::new(0));
        let (counter, handle) = (Arc::clone(&calls), cache.clone());
        let id = cache.add_observer(move |event| {
            if counter.fetch_add(1, Ordering::SeqCst) > 100 {
                return;
            }
            let (handle, key) = (handle.clone(), *event.key());
            let other = std::thread::spawn(move || {
                block_on(async {
                    handle.invalidate(&key).await;
                    handle.get_or_load(key, || async { 1 }).await;
                    handle.insert(key + 1, 2).await;
                    handle.begin_mutation_all().await.finish().await;
                    handle.clear().await;
                    handle.insert(key, 3).await;
                    observer::remove_observer(handle.add_observer(|_| ()));
                    cache_core::registry::caches();
                    handle.len()
                })
            });
            other.join().unwrap();
        });
        let (handle, counter) = (cache.clone(), Arc::clone(&calls));
        let changes = tokio::task::spawn_blocking(move || {
            block_on(async {
                for key in 0..8 {
                    handle.insert(key, key).await;
                }
                let _ = handle.try_get_or_load(100, || async { Err(()) }).await;
                clock.advance(seconds(1));
                handle.len();
                handle.insert(1, 1).await;
                handle.clear().await;
            });
            counter.load(Ordering::SeqCst)
        });
        assert!(soon(changes).await.unwrap() > 100);
        cache.remove_observer(id);
    }
}

#[test]
fn one_of_many_removes_an_observer() {
    let cache = plain(Policy::Lru, 10);
    for turn in 0..200 {
        let of_all = turn % 2 == 0;
        let id = if of_all {
            observer::add_observer(|_| ())
        } else {
            cache.add_observer(|_| ())
        };
        let begin = Barrier::new(8);
        let removed: usize = std::thread::scope(|scope| {
            let remove = || {
                begin.wait();
                usize::from(remove(&cache, of_all, id))
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(remove)).collect();
            threads.into_iter().map(|it| it.join().unwrap()).sum()
        });
        assert_eq!(removed, 1);
    }
}

#[test]
fn an_observer_belongs_to_its_cache() {
    let (a, b) = (plain(Policy::Lru, 10), plain(Policy::Lru, 10));
    let id = a.add_observer(|_| ());
    let everywhere = observer::add_observer(|_| ());
    assert!(!b.remove_observer(id) && !observer::remove_observer(id) && !a.remove_observer(everywhere));
    assert!(a.remove_observer(id) && observer::remove_observer(everywhere));
}

/// Tells the other threads of a test that it is over, also when it has failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Writers write the time. Removed at a time, an observer is told of nothing that was begun later; one that was added is
/// told of everything that is.
#[test]
fn nothing_later_arrives_after_a_removal_and_all_after_an_addition() {
    let cache = plain(Policy::Lru, 4);
    let (now, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let steady = Log::of(&cache);
    let wrong = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (cache, now, over) = (&cache, &now, &over);
            scope.spawn(move || {
                let _over = Over(over);
                for turn in 0_u64.. {
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    block_on(cache.insert(writer * 8 + turn % 8, now.load(Ordering::SeqCst)));
                }
            });
        }
        let _over = Over(&over);
        for round in 1..500 {
            let wrong = Arc::clone(&wrong);
            let own = Log::default();
            let writer = own.writer();
            let of_all = round % 2 == 0;
            let judge = move |event: &Event<u64, u64>| {
                writer(event);
                if event.value().is_some_and(|value| *value >= round) {
                    wrong.fetch_add(1, Ordering::SeqCst);
                }
            };
            if of_all {
                let own = own.clone();
                let name = cache.name().to_owned();
                let id = observer::add_observer(move |event| {
                    if event.cache() == name && event.value_as::<u64>().is_some_and(|value| *value >= round) {
                        own.0.lock().unwrap().push(failed(0));
                    }
                });
                block_on(cache.insert(100, round - 1));
                assert!(observer::remove_observer(id));
            } else {
                let id = cache.add_observer(judge);
                block_on(cache.insert(100, round - 1));
                assert!(cache.remove_observer(id));
            }
            now.store(round, Ordering::SeqCst);
            assert!(!own.take().contains(&failed(0)));
        }
    });
    assert_eq!(wrong.load(Ordering::SeqCst), 0);
    // Who observed all the time has missed nothing of it.
    check_history(&steady.take());
}

/// Others come and go while it is told.
#[test]
fn coming_and_going_disturbs_nobody() {
    let cache = plain(Policy::Lru, 6);
    let steady = Log::of(&cache);
    let captured = Arc::new(());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (cache, captured) = (&cache, &captured);
            scope.spawn(move || {
                for turn in 0..5_000 {
                    let last = Mutex::new(HashMap::new());
                    let captured = Arc::clone(captured);
                    let judge = move |key: u64, value: Option<u64>| {
                        assert!(Arc::strong_count(&captured) > 1);
                        if let Some(value) = value {
                            let former = last.lock().unwrap().insert(key, value);
                            assert!(former.is_none_or(|former| former < value));
                        }
                    };
                    if turn % 2 == 0 {
                        drop(cache.observe(move |event| judge(*event.key(), event.value().copied())));
                    } else {
                        let name = cache.name().to_owned();
                        drop(observer::observe(move |event| {
                            if event.cache() == name {
                                judge(*event.key_as().unwrap(), event.value_as().copied());
                            }
                        }));
                    }
                }
            });
        }
        for writer in 0..2 {
            let cache = &cache;
            scope.spawn(move || {
                for turn in 0..5_000 {
                    // Each key has one writer, so its values go up.
                    block_on(cache.insert(turn % 8 * 2 + writer, turn));
                }
            });
        }
    });
    let told = steady.take();
    check_history(&told);
    check_stats(&told, &cache.stats());
    assert_eq!(told.iter().filter(|told| told.3.is_some()).count(), 10_000);
    // A thread of another test may be telling of a change of its own, to those who observed then.
    wait_until(|| Arc::strong_count(&captured) == 1);
}

/// What was logged in this process with such a text in it.
fn logged(part: &str) -> Vec<(log::Level, String)> {
    type Lines = Mutex<Vec<(log::Level, String)>>;
    struct Kept;
    static LINES: OnceLock<Lines> = OnceLock::new();
    static KEPT: Kept = Kept;

    impl log::Log for Kept {
        fn enabled(&self, _: &log::Metadata) -> bool {
            true
        }

        fn log(&self, record: &log::Record) {
            let line = (record.level(), record.args().to_string());
            LINES.get().unwrap().lock().unwrap().push(line);
        }

        fn flush(&self) {}
    }

    let lines = LINES.get_or_init(Lines::default);
    // Set by whoever is first.
    if log::set_logger(&KEPT).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
    let lines = lines.lock().unwrap();
    lines.iter().filter(|(_, text)| text.contains(part)).cloned().collect()
}

#[tokio::test]
async fn a_panic_of_an_observer_is_its_own() {
    logged("");
    let cache = Cache::builder().name("panicked at").build();
    let before = Log::of(&cache);
    let panicking = cache.add_observer(|event| assert!(*event.key() == 0, "told to panic"));
    let other = cache.add_observer(|_| std::panic::panic_any(7_u8));
    let after = Log::of(&cache);
    for key in 0..3 {
        cache.insert(key, key).await;
    }
    let all: Vec<_> = (0..3).map(|key| inserted(key, key)).collect();
    assert_eq!((before.take(), after.take()), (all.clone(), all));
    assert_eq!((cache.get(&2), cache.len()), (Some(2), 3));
    let lines = logged("panicked at");
    assert_eq!(lines.len(), 2, "once each: {lines:?}");
    for (id, text) in [(panicking, "told to panic"), (other, "no message")] {
        let line = lines.iter().find(|(_, line)| line.contains(&id.to_string())).unwrap();
        assert_eq!(line.0, log::Level::Error);
        assert!(line.1.contains(text), "{line:?}");
    }
}

/// A value whose drop panics, or changes the cache it was in.
#[derive(Clone)]
struct Noisy(#[expect(dead_code, reason = "held to be dropped")] Arc<Drops>);

struct Drops {
    cache: Arc<OnceLock<Cache<u64, Noisy>>>,
    key: u64,
}

impl Drop for Drops {
    fn drop(&mut self) {
        if let Some(cache) = self.cache.get() {
            cache.invalidate_local(&(self.key + 1));
            assert!(!self.key.is_multiple_of(3), "told to panic");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_an_event_was_the_last_to_hold_may_do_what_they_like() {
    for policy in POLICIES {
        let cell = Arc::new(OnceLock::new());
        let cache = Cache::builder().max_size(8).policy(policy).build();
        assert!(cell.set(cache.clone()).is_ok());
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&seen);
        let _events = cache.events_with_capacity(4);
        cache.add_observer(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let value = |key| {
            let cache = Arc::clone(&cell);
            Noisy(Arc::new(Drops { cache, key }))
        };
        for turn in 0..500_u64 {
            let inserted = AssertUnwindSafe(cache.insert(turn % 20, value(turn % 20)));
            let _ = soon(inserted.catch_unwind()).await;
            if turn % 50 == 0 {
                let _ = soon(AssertUnwindSafe(cache.clear()).catch_unwind()).await;
            }
        }
        assert!(seen.load(Ordering::SeqCst) >= 500);
    }
}

#[tokio::test]
async fn observers_of_the_process_hear_of_all_caches() {
    let before = Cache::<u64, u64>::builder().name("everywhere before").build();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&seen);
    let note = move |event: &AnyEvent| {
        if event.cache().starts_with("everywhere") {
            let key = event.key_as::<u64>().map(u64::to_string);
            let key = key.or_else(|| event.key_as::<String>().cloned()).unwrap();
            assert!(event.key_as::<u8>().is_none() && event.value_as::<u8>().is_none());
            let values = (event.old_value_as::<u64>().copied(), event.value_as::<u64>().copied());
            lines
                .lock()
                .unwrap()
                .push((event.cache().to_owned(), key, event.cause(), values));
        }
    };
    let subscription = observer::observe(note);
    let after = Cache::<String, u64>::builder().name("everywhere after").build();
    before.insert(1, 10).await;
    before.insert(1, 11).await;
    after.insert("two".to_owned(), 20).await;
    after.invalidate("two").await;
    drop(subscription);
    before.insert(1, 12).await;
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    let line = |cache: &str, key: &str, cause, values| (format!("everywhere {cache}"), key.to_owned(), cause, values);
    assert_eq!(
        seen,
        [
            line("before", "1", Cause::Inserted, (None, Some(10))),
            line("before", "1", Cause::Replaced, (Some(10), Some(11))),
            line("after", "two", Cause::Inserted, (None, Some(20))),
            line("after", "two", Cause::Invalidated(Reason::Key), (Some(20), None)),
        ]
    );
}

/// It has no way to be printed, nor to be compared.
#[derive(Clone)]
struct Opaque;

#[tokio::test]
async fn an_event_owns_what_it_tells_and_can_be_printed() {
    let cache = Cache::<u64, Opaque>::builder().name("opaque").build();
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    cache.add_observer(move |event| *keep.lock().unwrap() = Some(event.clone()));
    cache.insert(7, Opaque).await;
    drop(cache);
    let event = kept.lock().unwrap().take().unwrap();
    assert_eq!(
        (event.cache(), *event.key(), event.value().is_some()),
        ("opaque", 7, true)
    );
    let shown = format!("{event:?}");
    assert!(shown.contains("opaque") && shown.contains("Inserted"), "{shown}");
}

#[tokio::test]
async fn a_subscription_ends_when_it_is_dropped_and_keeps_nothing_alive() {
    fn is_shared<T: Send + Sync + 'static>(_: &T) {}
    let cache = plain(Policy::Lru, 10);
    let log = Log::default();
    let subscription = cache.observe(log.writer());
    is_shared::<Subscription>(&subscription);
    is_shared(&subscription.id());
    cache.insert(1, 1).await;
    drop(subscription);
    cache.insert(2, 2).await;
    assert_eq!(log.take(), [inserted(1, 1)]);
    assert_eq!(Arc::strong_count(&log.0), 1);

    let subscription = cache.observe(log.writer());
    let name = cache.name().to_owned();
    drop(cache);
    assert!(cache_core::registry::get(&name).is_none());
    assert_eq!(Arc::strong_count(&log.0), 1, "observers go with the cache");
    drop(subscription);
}

#[test]
fn a_million_observers_that_came_and_went_leave_nothing_behind() {
    const TIMES: usize = 1_000_000;
    let cache = plain(Policy::Lru, 4);
    let captured = Arc::new(());
    for turn in 0..TIMES {
        let held = Arc::clone(&captured);
        if turn % 2 == 0 {
            let id = cache.add_observer(move |_| drop(Arc::clone(&held)));
            if turn % 100 == 0 {
                block_on(cache.insert(turn as u64, 1));
            }
            assert!(cache.remove_observer(id));
        } else {
            let id = observer::add_observer(move |_| drop(Arc::clone(&held)));
            if turn % 101 == 0 {
                block_on(cache.insert(turn as u64, 1));
            }
            assert!(observer::remove_observer(id));
        }
    }
    // A thread of another test may be telling of a change of its own, to those who observed then.
    wait_until(|| Arc::strong_count(&captured) == 1);
}

fn remove(cache: &Cache<u64, u64>, of_all: bool, id: ObserverId) -> bool {
    if of_all {
        observer::remove_observer(id)
    } else {
        cache.remove_observer(id)
    }
}

#[derive(Clone, Debug)]
enum Wiring {
    Add,
    AddEverywhere,
    Remove(prop::sample::Index),
    Change(Step),
}

fn wiring() -> impl Strategy<Value = Wiring> {
    prop_oneof![
        2 => Just(Wiring::Add),
        1 => Just(Wiring::AddEverywhere),
        2 => any::<prop::sample::Index>().prop_map(Wiring::Remove),
        8 => step().prop_map(Wiring::Change),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Who is added first observes all the time, and what the others are told is a part of that.
    #[test]
    fn each_observer_is_told_what_happened_while_it_was_there(wirings in prop::collection::vec(wiring(), 1..120)) {
        let (cache, clock) = timed(Policy::Lru, 4, seconds(9));
        let all = Log::of(&cache);
        let mut so_far = Vec::new();
        // Those who observe, and what they should have been told.
        let mut present: Vec<(bool, ObserverId, Log, Vec<Told>)> = Vec::new();
        let mut past = Vec::new();
        for wiring in wirings {
            match wiring {
                Wiring::Add => {
                    let log = Log::default();
                    present.push((false, cache.add_observer(log.writer()), log, Vec::new()));
                }
                Wiring::AddEverywhere => {
                    let (log, name) = (Log::default(), cache.name().to_owned());
                    let lines = Arc::clone(&log.0);
                    let id = observer::add_observer(move |event| {
                        if event.cache() == name {
                            let (old, new) = (event.old_value_as().copied(), event.value_as().copied());
                            lines.lock().unwrap().push((*event.key_as().unwrap(), event.cause(), old, new));
                        }
                    });
                    present.push((true, id, log, Vec::new()));
                }
                Wiring::Remove(index) if !present.is_empty() => {
                    let gone = present.swap_remove(index.index(present.len()));
                    prop_assert!(remove(&cache, gone.0, gone.1));
                    past.push(gone);
                }
                Wiring::Remove(_) => {}
                Wiring::Change(step) => {
                    block_on(take_step(&cache, &clock, step));
                    let told = all.take();
                    for observer in &mut present {
                        observer.3.extend(&told);
                    }
                    so_far.extend(told);
                }
            }
        }
        for (of_all, id, ..) in &present {
            prop_assert!(remove(&cache, *of_all, *id));
        }
        for (_, _, log, expected) in present.iter().chain(&past) {
            prop_assert_eq!(&log.take(), expected);
        }
        // Which drops what has expired.
        let stats = cache.stats();
        so_far.extend(all.take());
        check_stats(&so_far, &stats);
    }
}
