//! What workers do that share a backend: each has a store of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{HOUR, NOW, ok, unique};
use crate::idempotency::{Backend, IdempotencyError, IdempotencyStore, Outcome, Request};

type Run = Result<Outcome<String>, IdempotencyError>;

/// A request of its own, with a payload.
fn request(key: &str, payload: u8) -> Request {
    Request::new("contract")
        .scope("tenant", "principal")
        .key(key)
        .payload(&payload)
}

fn store<B: Backend>(backend: &Arc<B>, wait: Duration) -> IdempotencyStore<Arc<B>> {
    let store = IdempotencyStore::builder(Arc::clone(backend)).wait(wait).build();
    store.unwrap_or_else(|error| panic!("{error}"))
}

async fn runs<B: Backend>(store: &IdempotencyStore<Arc<B>>, key: &str, payload: u8, reply: &'static str) -> Run {
    store
        .run(request(key, payload), move || async move { Ok(reply.to_owned()) })
        .await
}

/// Of another payload, whether the first request runs, has ended, or is asked for elsewhere.
pub async fn conflict_is_refused<B: Backend>(backend: &Arc<B>) {
    let (here, elsewhere, key) = (store(backend, HOUR), store(backend, HOUR), unique());
    assert_eq!(
        ok(runs(&here, &key, 1, "reply").await),
        Outcome::Fresh("reply".to_owned())
    );
    for store in [&here, &elsewhere] {
        let conflict = runs(store, &key, 2, "never").await;
        assert!(
            matches!(conflict, Err(IdempotencyError::Conflict { .. })),
            "{conflict:?}"
        );
        assert_eq!(
            ok(runs(store, &key, 1, "never").await),
            Outcome::Replayed("reply".to_owned())
        );
    }
    let key = unique();
    let (running, _end) = held(&here, &key).await;
    for store in [&here, &elsewhere] {
        let conflict = runs(store, &key, 2, "never").await;
        assert!(
            matches!(conflict, Err(IdempotencyError::Conflict { .. })),
            "{conflict:?}"
        );
    }
    drop(running);
}

/// Runs a handler that has begun when this returns, and that ends when it is told to, or when who could tell it has gone.
async fn held<B: Backend>(store: &IdempotencyStore<Arc<B>>, key: &str) -> (JoinHandle<Run>, watch::Sender<bool>) {
    let (begun, mut has_begun) = watch::channel(false);
    let (end, mut ends) = watch::channel(false);
    let (store, request) = (store.clone(), request(key, 1));
    let call = tokio::spawn(async move {
        let handler = move || async move {
            begun.send_replace(true);
            let _ = ends.wait_for(|ends| *ends).await;
            Ok("reply".to_owned())
        };
        store.run(request, handler).await
    });
    assert!(
        has_begun.wait_for(|begun| *begun).await.is_ok(),
        "the handler of a new key runs"
    );
    (call, end)
}

/// If it does not wait, or not as long as the handler takes.
pub async fn duplicate_in_flight_is_told_to_try_again<B: Backend>(backend: &Arc<B>) {
    let (here, elsewhere, key) = (store(backend, NOW), store(backend, NOW), unique());
    let (running, end) = held(&here, &key).await;
    for store in [&here, &elsewhere] {
        let told = runs(store, &key, 1, "never").await;
        assert!(
            matches!(told, Err(IdempotencyError::InProgress { retry_after, .. }) if !retry_after.is_zero()),
            "{told:?}"
        );
        assert_eq!(store.stats().in_progress, 1);
    }
    end.send_replace(true);
    assert_eq!(ok(ok(running.await)), Outcome::Fresh("reply".to_owned()));
    assert_eq!(
        ok(runs(&elsewhere, &key, 1, "never").await),
        Outcome::Replayed("reply".to_owned())
    );
}

/// Here and elsewhere.
pub async fn duplicate_waits_and_replays<B: Backend>(backend: &Arc<B>) {
    let (here, elsewhere, key) = (store(backend, HOUR), store(backend, HOUR), unique());
    let (running, end) = held(&here, &key).await;
    let waits = |store: IdempotencyStore<Arc<B>>, key: String| async move { runs(&store, &key, 1, "never").await };
    let duplicates: Vec<_> = [&here, &elsewhere, &here, &elsewhere]
        .map(|store| tokio::spawn(waits(store.clone(), key.clone())))
        .into();
    // They wait, as far as can be seen.
    while here.stats().waits < 2 || elsewhere.stats().waits < 2 {
        tokio::task::yield_now().await;
    }
    end.send_replace(true);
    assert_eq!(ok(ok(running.await)), Outcome::Fresh("reply".to_owned()));
    for duplicate in duplicates {
        assert_eq!(ok(ok(duplicate.await)), Outcome::Replayed("reply".to_owned()));
    }
}

/// Its error is not stored, and a repeat runs.
pub async fn failed_handler_leaves_the_key_free<B: Backend>(backend: &Arc<B>) {
    let (store, key) = (store(backend, HOUR), unique());
    let failed: Run = store
        .run(request(&key, 1), || async { Err(IdempotencyError::EmptyKey) })
        .await;
    assert!(matches!(failed, Err(IdempotencyError::EmptyKey)), "{failed:?}");
    assert_eq!(
        ok(runs(&store, &key, 1, "second").await),
        Outcome::Fresh("second".to_owned())
    );
}

/// At the same time, from several workers.
pub async fn thousand_duplicates_run_the_handler_once<B: Backend>(backend: &Arc<B>) {
    let workers = [store(backend, HOUR), store(backend, HOUR), store(backend, HOUR)];
    let (key, effects) = (unique(), Arc::new(AtomicU64::new(0)));
    let calls: Vec<_> = (0..1_000)
        .map(|number: usize| {
            let (store, effects) = (workers[number % workers.len()].clone(), Arc::clone(&effects));
            let request = request(&key, 1);
            tokio::spawn(async move {
                let handler = move || async move {
                    tokio::task::yield_now().await;
                    Ok::<_, IdempotencyError>(effects.fetch_add(1, Ordering::SeqCst))
                };
                store.run(request, handler).await
            })
        })
        .collect();
    let mut fresh = 0;
    for call in calls {
        let outcome = ok(ok(call.await));
        fresh += u64::from(!outcome.is_replayed());
        assert_eq!(outcome.into_inner(), 0, "all get the same reply");
    }
    assert_eq!((fresh, effects.load(Ordering::SeqCst)), (1, 1));
    let ran: u64 = workers.iter().map(|store| store.stats().fresh).sum();
    assert_eq!(ran, 1);
}
