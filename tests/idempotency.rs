//! Requests that run once: what a store does, on the embedded backend.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::Clock;
use cache_core::idempotency::{
    Backend, IdempotencyError, IdempotencyStore, MemoryBackend, OnAbandoned, Outcome, Request, ScopePart,
};
use tokio::sync::oneshot;

type Run<T> = Result<Outcome<T>, IdempotencyError>;

fn store() -> IdempotencyStore {
    IdempotencyStore::new(MemoryBackend::new())
}

fn request() -> Request {
    Request::new("orders::create")
        .scope("acme", "ada")
        .key("8e03978e")
        .payload("shoes")
}

/// Runs a handler that says how often handlers of this counter ran.
async fn count<B: Backend>(store: &IdempotencyStore<B>, request: Request, runs: &Arc<AtomicU64>) -> Run<u64> {
    let runs = Arc::clone(runs);
    store
        .run(
            request,
            move || async move { Ok(runs.fetch_add(1, Ordering::SeqCst) + 1) },
        )
        .await
}

#[tokio::test]
async fn a_repeat_gets_the_stored_reply() {
    let (store, runs) = (store(), Arc::default());
    assert_eq!(count(&store, request(), &runs).await.unwrap(), Outcome::Fresh(1));
    for _ in 0..3 {
        assert_eq!(count(&store, request(), &runs).await.unwrap(), Outcome::Replayed(1));
    }
    let stats = store.stats();
    assert_eq!((stats.fresh, stats.replayed, stats.waits), (1, 3, 0));
}

#[tokio::test]
async fn another_payload_is_a_conflict() {
    let (store, runs) = (store(), Arc::default());
    count(&store, request(), &runs).await.unwrap();
    let conflict = count(&store, request().payload("boots"), &runs).await.unwrap_err();
    assert!(matches!(conflict, IdempotencyError::Conflict { .. }));
    assert_eq!((conflict.http_status(), conflict.has_run()), (422, None));
    assert_eq!((store.stats().conflicts, runs.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn without_a_key_it_runs_each_time_and_is_counted() {
    let (store, runs) = (store(), Arc::default());
    for run in 1..=3 {
        let request = request().key(None::<String>);
        assert_eq!(count(&store, request, &runs).await.unwrap(), Outcome::Fresh(run));
    }
    // Nor does it need a scope or a payload that can be compared.
    let request = Request::new("orders::create").payload(&f64::NAN);
    assert_eq!(count(&store, request, &runs).await.unwrap(), Outcome::Fresh(4));
    assert_eq!((store.stats().undeduplicated, store.stats().fresh), (4, 0));
    assert!(store.backend().is_empty());
}

#[tokio::test]
async fn bad_keys_are_refused_before_anything_runs() {
    let store = IdempotencyStore::builder(MemoryBackend::new())
        .max_key_len(8)
        .build()
        .unwrap();
    let runs = Arc::default();
    let refused = async |key: &str| count(&store, request().key(key), &runs).await.unwrap_err();
    assert!(matches!(refused("").await, IdempotencyError::EmptyKey));
    assert!(matches!(refused("a\0b").await, IdempotencyError::InvalidKey));
    assert!(matches!(
        refused("123456789").await,
        IdempotencyError::KeyTooLong { len: 9, max: 8 }
    ));
    // In bytes, not in characters.
    assert!(matches!(
        refused("äääää").await,
        IdempotencyError::KeyTooLong { len: 10, max: 8 }
    ));
    for key in ["", "a\0b", "123456789"] {
        let error = refused(key).await;
        assert_eq!((error.http_status(), error.has_run()), (400, Some(false)));
    }
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    assert!(store.backend().is_empty());
    count(&store, request().key("ääää"), &runs).await.unwrap();
}

#[tokio::test]
async fn a_key_without_its_scope_is_refused() {
    let (store, runs) = (store(), Arc::default());
    let bare = Request::new("orders::create").key("8e03978e");
    let error = count(&store, bare, &runs).await.unwrap_err();
    assert!(matches!(
        error,
        IdempotencyError::NoScope {
            part: ScopePart::Tenant
        }
    ));
    for (request, missing) in [
        (request().scope("", "ada"), ScopePart::Tenant),
        (request().scope("acme", ""), ScopePart::Principal),
        (
            Request::new("").scope("acme", "ada").key("8e03978e"),
            ScopePart::Operation,
        ),
    ] {
        let error = count(&store, request, &runs).await.unwrap_err();
        assert!(
            matches!(error, IdempotencyError::NoScope { part } if part == missing),
            "{error:?}"
        );
    }
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_separator_in_the_scope_is_refused() {
    struct Unwritable;
    impl std::fmt::Display for Unwritable {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }
    let (store, runs) = (store(), Arc::default());
    for (request, wrong) in [
        (request().scope("acme\u{1e}ada", "bob"), ScopePart::Tenant),
        (request().scope("acme", "\u{1e}"), ScopePart::Principal),
        (request().scope("acme", Unwritable), ScopePart::Principal),
        (
            Request::new("a\u{1e}b").scope("acme", "ada").key("8e03978e"),
            ScopePart::Operation,
        ),
    ] {
        let error = count(&store, request, &runs).await.unwrap_err();
        assert!(
            matches!(error, IdempotencyError::InvalidScope { part } if part == wrong),
            "{error:?}"
        );
    }
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    // In a key it is a character like any other.
    count(&store, request().key("a\u{1e}b"), &runs).await.unwrap();
}

#[tokio::test]
async fn tenants_principals_and_operations_do_not_share_keys() {
    let (store, runs) = (store(), Arc::default());
    let of = |operation: &'static str, tenant, principal| Request::new(operation).scope(tenant, principal).key("k");
    for (run, request) in [
        of("a", "b", "c"),
        of("a", "bc", "d"),
        of("a", "b", "cd"),
        of("ab", "c", "d"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(
            count(&store, request, &runs).await.unwrap(),
            Outcome::Fresh(run as u64 + 1)
        );
    }
}

#[tokio::test]
async fn a_payload_that_cannot_be_compared_is_refused() {
    let (store, runs) = (store(), Arc::default());
    let error = count(&store, request().payload(&f64::NAN), &runs).await.unwrap_err();
    assert!(matches!(error, IdempotencyError::Payload(_)));
    assert_eq!((error.http_status(), runs.load(Ordering::SeqCst)), (400, 0));
}

#[tokio::test]
async fn an_error_is_not_stored_and_a_repeat_runs() {
    let store = store();
    for _ in 0..2 {
        let failed: Run<u64> = store
            .run(request(), || async { Err(IdempotencyError::NoRandomness) })
            .await;
        assert!(matches!(failed, Err(IdempotencyError::NoRandomness)));
    }
    assert!(store.backend().is_empty());
    assert_eq!(
        count(&store, request(), &Arc::default()).await.unwrap(),
        Outcome::Fresh(1)
    );
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_stop_its_handler() {
    let store = store();
    let (begun, has_begun) = oneshot::channel();
    let (go_on, goes_on) = oneshot::channel();
    let (done, is_done) = oneshot::channel();
    let client = tokio::spawn({
        let store = store.clone();
        async move {
            let handler = move || async move {
                begun.send(()).unwrap();
                goes_on.await.unwrap();
                done.send(()).unwrap();
                Ok::<_, IdempotencyError>(7)
            };
            store.run(request(), handler).await
        }
    });
    has_begun.await.unwrap();
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    go_on.send(()).unwrap();
    is_done.await.unwrap();
    // Who repeats it waits for its end.
    assert_eq!(count_i32(&store).await.unwrap(), Outcome::Replayed(7));
}

async fn count_i32(store: &IdempotencyStore) -> Run<i32> {
    store.run(request(), || async { Ok(0) }).await
}

#[tokio::test]
async fn a_panic_reaches_the_caller_and_is_like_a_death() {
    for (on_abandoned, is_refused) in [(OnAbandoned::Refuse, true), (OnAbandoned::Rerun, false)] {
        let store = IdempotencyStore::builder(MemoryBackend::new())
            .on_abandoned(on_abandoned)
            .build()
            .unwrap();
        for panics_at_once in [true, false] {
            let key = if panics_at_once { "at once" } else { "later" };
            let panicking = tokio::spawn({
                let store = store.clone();
                async move {
                    let handler = move || {
                        assert!(!panics_at_once, "the handler's panic");
                        async move {
                            tokio::task::yield_now().await;
                            panic!("the handler's panic")
                        }
                    };
                    let run: Run<u64> = store.run(request().key(key), handler).await;
                    run
                }
            });
            let panic = panicking.await.unwrap_err().into_panic();
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"the handler's panic"));
            let repeat = count(&store, request().key(key), &Arc::default()).await;
            if is_refused {
                let error = repeat.unwrap_err();
                assert!(matches!(error, IdempotencyError::Abandoned { .. }), "{error:?}");
                assert_eq!((error.http_status(), error.has_run()), (409, None));
            } else {
                assert_eq!(repeat.unwrap(), Outcome::Fresh(1));
            }
        }
        assert_eq!(store.stats().abandoned, 2);
    }
}

#[tokio::test]
async fn a_reply_expires_by_the_clock_of_the_backend() {
    let clock = Clock::manual();
    let store = IdempotencyStore::builder(MemoryBackend::new().clock(clock.clone()))
        .ttl(Duration::from_secs(3600))
        .build()
        .unwrap();
    let runs = Arc::default();
    count(&store, request(), &runs).await.unwrap();
    clock.advance(Duration::from_secs(3599));
    assert_eq!(count(&store, request(), &runs).await.unwrap(), Outcome::Replayed(1));
    clock.advance(Duration::from_secs(1));
    // Also with another payload: it is a new key.
    let request = request().payload("boots");
    assert_eq!(count(&store, request, &runs).await.unwrap(), Outcome::Fresh(2));
}

#[tokio::test]
async fn a_full_backend_refuses_what_is_new_and_forgets_nothing() {
    let clock = Clock::manual();
    let backend = MemoryBackend::new().max_records(2).clock(clock.clone());
    let store = IdempotencyStore::new(backend);
    let runs = Arc::default();
    count(&store, request().key("a"), &runs).await.unwrap();
    count(&store, request().key("b"), &runs).await.unwrap();
    let error = count(&store, request().key("c"), &runs).await.unwrap_err();
    assert!(matches!(error, IdempotencyError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("`max_records`"), "{error}");
    assert_eq!((error.http_status(), error.has_run()), (503, Some(false)));
    assert_eq!(
        count(&store, request().key("a"), &runs).await.unwrap(),
        Outcome::Replayed(1)
    );
    clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(
        count(&store, request().key("c"), &runs).await.unwrap(),
        Outcome::Fresh(3)
    );
}

#[tokio::test]
async fn replies_are_bounded_in_bytes() {
    let store = IdempotencyStore::new(MemoryBackend::new().max_bytes(100));
    let run = async |key: &str| -> Run<String> { store.run(request().key(key), || async { Ok("x".repeat(58)) }).await };
    run("a").await.unwrap();
    run("b").await.unwrap();
    let error = run("c").await.unwrap_err();
    assert!(error.to_string().contains("120 bytes"), "{error}");
    assert!(run("a").await.unwrap().is_replayed());
}

#[tokio::test]
async fn expired_records_go_by_themselves_and_by_a_sweep() {
    let clock = Clock::manual();
    let store = IdempotencyStore::new(MemoryBackend::new().clock(clock.clone()));
    let runs = Arc::default();
    for key in 0..10 {
        count(&store, request().key(key.to_string()), &runs).await.unwrap();
    }
    clock.advance(Duration::from_secs(24 * 3600));
    count(&store, request().key("new"), &runs).await.unwrap();
    assert_eq!(store.backend().len(), 9, "each claim takes two along");
    assert_eq!(store.delete_expired(5).await.unwrap(), 5);
    assert_eq!(store.delete_expired(5).await.unwrap(), 3);
    assert_eq!(store.backend().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_sweeper_sweeps_until_it_is_dropped() {
    let clock = Clock::manual();
    let store = IdempotencyStore::new(MemoryBackend::new().clock(clock.clone()));
    let runs = Arc::default();
    let minute = Duration::from_secs(60);
    let sweeper = store.sweep_every(minute);
    for key in 0..2_500 {
        count(&store, request().key(key.to_string()), &runs).await.unwrap();
    }
    clock.advance(Duration::from_secs(24 * 3600));
    // More than one batch, at once.
    tokio::time::sleep(minute + Duration::from_millis(1)).await;
    assert!(store.backend().is_empty());
    drop(sweeper);
    count(&store, request(), &runs).await.unwrap();
    clock.advance(Duration::from_secs(24 * 3600));
    tokio::time::sleep(10 * minute).await;
    assert_eq!(store.backend().len(), 1);
}

#[test]
fn numbers_out_of_range_are_refused() {
    let builder = || IdempotencyStore::builder(MemoryBackend::new());
    let (minute, day) = (Duration::from_secs(60), Duration::from_secs(24 * 3600));
    let milli = Duration::from_millis(1);
    let nearly = |time: Duration| time.saturating_sub(milli);
    for (good, bad) in [
        (builder().ttl(minute), builder().ttl(nearly(minute))),
        (builder().ttl(30 * day), builder().ttl(30 * day + milli)),
        (builder().lease(100 * milli), builder().lease(99 * milli)),
        (builder().lease(60 * minute), builder().lease(Duration::MAX)),
        (builder().wait(Duration::ZERO), builder().wait(Duration::MAX)),
        (builder().max_key_len(1), builder().max_key_len(0)),
        (builder().max_key_len(4096), builder().max_key_len(usize::MAX)),
        (
            builder().max_response_bytes(0),
            builder().max_response_bytes(usize::MAX),
        ),
    ] {
        good.build().unwrap();
        let error = bad.build().unwrap_err();
        assert!(matches!(error, IdempotencyError::Config { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn nothing_that_is_shown_has_a_key_or_a_payload_in_it() {
    let store = store();
    let secret = || {
        Request::new("orders::create")
            .scope("tenant-x", "principal-x")
            .key("key-x")
            .payload("payload-x")
    };
    let reply: Run<String> = store.run(secret(), || async { Ok("reply-x".to_owned()) }).await;
    reply.unwrap();
    let conflict: Run<String> = store
        .run(secret().payload("other-x"), || async { Ok(String::new()) })
        .await;
    let conflict = conflict.unwrap_err();
    let shown = format!(
        "{:?} {:?} {conflict} {conflict:?} {:?}",
        secret(),
        store,
        store.backend()
    );
    assert!(!shown.contains("-x"), "{shown}");
}
