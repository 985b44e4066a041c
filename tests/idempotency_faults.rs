//! Handlers, types and backends that misbehave: what they may not do to others, and to the promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/odd.rs"]
mod odd;

use std::sync::atomic::Ordering;
use std::time::Duration;

use cache_core::Clock;
use cache_core::idempotency::{IdempotencyError, MemoryBackend, OnAbandoned, Outcome};
use tokio::sync::Semaphore;

use odd::{Does, Odd, Run, request, runs, worker};

#[tokio::test]
async fn a_full_backend_does_not_forget_who_was_abandoned() {
    let backend = MemoryBackend::new().max_bytes(6).clock(Clock::manual());
    let store = |on_abandoned| worker(backend.clone(), on_abandoned);
    let (refuses, reruns) = (store(OnAbandoned::Refuse), store(OnAbandoned::Rerun));
    let dies = tokio::spawn({
        let store = refuses.clone();
        async move {
            let run: Run<String> = store.run(request("a"), || async { panic!("it dies") }).await;
            run
        }
    });
    dies.await.unwrap_err();
    runs(&refuses, "b", "reply").await.unwrap();
    // There is room for its record already, and so it is taken over.
    assert_eq!(runs(&refuses, "c", "reply").await.unwrap_err().http_status(), 503);
    let refused = runs(&refuses, "a", "never").await.unwrap_err();
    assert!(matches!(refused, IdempotencyError::Abandoned { .. }), "{refused:?}");
    assert_eq!(
        runs(&reruns, "a", "again").await.unwrap(),
        Outcome::Fresh("again".to_owned())
    );
    assert_eq!(reruns.stats().abandoned, 1);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_that_does_not_wait_gets_a_reply_that_is_there() {
    let backend = Odd::new();
    let store = worker(backend.clone(), OnAbandoned::Refuse);
    runs(&store, "a", "reply").await.unwrap();
    // The next claim takes its time, and the others come meanwhile.
    backend.claims.forget_permits(Semaphore::MAX_PERMITS);
    let repeats: Vec<_> = (0..3)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { runs(&store, "a", "never").await })
        })
        .collect();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(backend.claimed.load(Ordering::SeqCst), 2, "one asks for all");
    backend.claims.add_permits(1);
    for repeat in repeats {
        assert_eq!(repeat.await.unwrap().unwrap(), Outcome::Replayed("reply".to_owned()));
    }
    assert_eq!(store.stats().in_progress, 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_one_that_failed() {
    let backend = Odd::new();
    let store = worker(backend.clone(), OnAbandoned::Refuse);
    let limit = Duration::from_secs(600);
    backend.set(|ways| ways.claim = Does::Hangs);
    let run = tokio::time::timeout(limit, runs(&store, "a", "reply")).await;
    let error = run.expect("it comes to an end").unwrap_err();
    assert!(matches!(error, IdempotencyError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("no answer"), "{error}");
    assert_eq!(store.stats().fresh, 0);
    backend.set(|ways| (ways.claim, ways.settle) = (Does::Answers, Does::Hangs));
    let run = tokio::time::timeout(limit, runs(&store, "a", "reply")).await;
    let error = run.expect("it comes to an end").unwrap_err();
    assert!(matches!(error, IdempotencyError::Unsettled { .. }), "{error:?}");
    assert_eq!(store.stats().unsettled, 1);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_fails_at_once_is_taken_back() {
    let backend = Odd::new();
    let store = worker(backend.clone(), OnAbandoned::Refuse);
    backend.set(|ways| ways.claim = Does::FailsAfterwards);
    let error = runs(&store, "a", "never").await.unwrap_err();
    assert!(matches!(error, IdempotencyError::Unavailable { .. }), "{error:?}");
    backend.set(|ways| ways.claim = Does::Answers);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(
        runs(&store, "a", "reply").await.unwrap(),
        Outcome::Fresh("reply".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_arrives_after_it_was_taken_back_is_taken_back_again() {
    let backend = Odd::new();
    let store = worker(backend.clone(), OnAbandoned::Refuse);
    backend.set(|ways| ways.claim = Does::FailsBefore);
    runs(&store, "a", "never").await.unwrap_err();
    backend.set(|ways| ways.claim = Does::Answers);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(backend.inner.len(), 1, "it has arrived");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(backend.inner.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_panics_does_so_to_the_caller_and_no_other() {
    for panics_at_once in [true, false] {
        let backend = Odd::new();
        let store = worker(backend.clone(), OnAbandoned::Refuse);
        backend.set(|ways| ways.claim = Does::Panics);
        if !panics_at_once {
            backend.claims.forget_permits(Semaphore::MAX_PERMITS);
        }
        let caller = tokio::spawn({
            let store = store.clone();
            async move { runs(&store, "a", "never").await }
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(caller.is_finished(), panics_at_once);
        if !panics_at_once {
            backend.claims.add_permits(2);
        }
        let panic = caller.await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"the backend's panic"));
        backend.set(|ways| ways.claim = Does::Answers);
        assert_eq!(
            runs(&store, "a", "reply").await.unwrap(),
            Outcome::Fresh("reply".to_owned())
        );
    }
}

#[tokio::test]
async fn a_panic_without_a_key_reaches_the_caller() {
    let store = worker(MemoryBackend::new(), OnAbandoned::Refuse);
    let panicking = tokio::spawn(async move {
        let handler = || async { panic!("the handler's panic") };
        let run: Run<String> = store.run(request("a").key(None::<&str>), handler).await;
        run
    });
    let panic = panicking.await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the handler's panic"));
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_fails_is_tried_again_the_next_time() {
    let minute = Duration::from_secs(60);
    let backend = Odd::new();
    backend.set(|ways| ways.sweep = Does::FailsAfterwards);
    let _sweeper = worker(backend.clone(), OnAbandoned::Refuse).sweep_every(minute);
    tokio::time::sleep(5 * minute + minute / 2).await;
    assert_eq!(backend.swept.load(Ordering::SeqCst), 5);
}

#[tokio::test(start_paused = true)]
async fn a_sweeper_without_an_interval_leaves_others_their_turn() {
    let backend = Odd::new();
    let _sweeper = worker(backend.clone(), OnAbandoned::Refuse).sweep_every(Duration::ZERO);
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(backend.swept.load(Ordering::SeqCst), 0, "no time has passed");
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(backend.swept.load(Ordering::SeqCst) >= 5);
}

/// Panics when it is dropped.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "the panic of a drop");
    }
}

#[tokio::test]
async fn a_handler_that_panics_when_it_is_dropped_is_like_one_that_panics() {
    let store = worker(MemoryBackend::new(), OnAbandoned::Refuse);
    let panicking = tokio::spawn({
        let store = store.clone();
        async move {
            let handler = || {
                let grenade = Grenade;
                let mut is_done = false;
                // Unlike an `async` block, it keeps what it has until it is dropped.
                std::future::poll_fn(move |_| {
                    let _ = &grenade;
                    assert!(!std::mem::replace(&mut is_done, true));
                    std::task::Poll::Ready(Ok::<_, IdempotencyError>(7))
                })
            };
            store.run(request("a"), handler).await
        }
    });
    let panic = panicking.await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the panic of a drop"));
    let repeat = runs(&store, "a", "never").await.unwrap_err();
    assert!(matches!(repeat, IdempotencyError::Abandoned { .. }), "{repeat:?}");
}

#[tokio::test]
async fn a_reply_that_panics_when_it_is_serialised_is_like_a_handler_that_panics() {
    #[derive(Debug, serde::Deserialize)]
    struct Mine;
    impl serde::Serialize for Mine {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("the reply's panic")
        }
    }
    let store = worker(MemoryBackend::new(), OnAbandoned::Refuse);
    let panicking = tokio::spawn({
        let store = store.clone();
        async move {
            let run: Run<Mine> = store.run(request("a"), || async { Ok(Mine) }).await;
            run
        }
    });
    let panic = panicking.await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the reply's panic"));
    let repeat = runs(&store, "a", "never").await.unwrap_err();
    assert!(matches!(repeat, IdempotencyError::Abandoned { .. }), "{repeat:?}");
}
