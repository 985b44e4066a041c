//! Requests that run once, on the embedded backend.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend, Outcome, Request};

fn request() -> Request {
    Request::new("orders::create")
        .scope("acme", "ada")
        .key("k")
        .payload("shoes")
}

#[tokio::test]
async fn a_thousand_duplicates_run_the_handler_once() {
    let store = IdempotencyStore::new(MemoryBackend::new());
    let runs = Arc::new(AtomicU64::new(0));
    let mut calls = Vec::new();
    for _ in 0..1_000 {
        let (store, runs) = (store.clone(), Arc::clone(&runs));
        calls.push(tokio::spawn(async move {
            let handler = move || async move {
                tokio::task::yield_now().await;
                Ok::<_, IdempotencyError>(runs.fetch_add(1, Ordering::SeqCst))
            };
            store.run(request(), handler).await.unwrap()
        }));
    }
    let mut fresh = 0;
    for call in calls {
        let outcome = call.await.unwrap();
        fresh += u64::from(!outcome.is_replayed());
        assert_eq!(outcome.into_inner(), 0);
    }
    assert_eq!((fresh, runs.load(Ordering::SeqCst)), (1, 1));
    let stats = store.stats();
    assert_eq!((stats.fresh, stats.replayed), (1, 999));
}

#[tokio::test]
async fn an_error_that_is_not_stored_lets_a_repeat_run() {
    let store = IdempotencyStore::new(MemoryBackend::new());
    let failed = store
        .run(request(), || async { Err::<u64, _>(IdempotencyError::EmptyKey) })
        .await;
    failed.unwrap_err();
    let outcome = store
        .run(request(), || async { Ok::<_, IdempotencyError>(1) })
        .await
        .unwrap();
    assert_eq!(outcome, Outcome::Fresh(1));
}
