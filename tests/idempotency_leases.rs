//! Claims that are kept, lost and taken over, and stores that fail in between.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::idempotency::{
    Backend, Claim, Claimed, IdempotencyError, IdempotencyStore, MemoryBackend, OnAbandoned, Outcome, RecordId, Reply,
    Request, Token,
};
use tokio::sync::{Semaphore, oneshot};

type Run<T> = Result<Outcome<T>, IdempotencyError>;

const LEASE: Duration = Duration::from_secs(30);

/// What is done with what a backend is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Fate {
    #[default]
    Done,
    /// It is not done, and that is said.
    Refused,
    /// It is done, and the answer is lost.
    Lost,
}

#[derive(Default)]
struct Fates {
    claim: Fate,
    renew: Fate,
    settle: Fate,
    release: Fate,
}

/// Records in memory, over a line that fails.
#[derive(Clone)]
struct Faulty {
    inner: MemoryBackend,
    fates: Arc<Mutex<Fates>>,
    /// How many renewals may go through.
    renewals: Arc<Semaphore>,
    renewed: Arc<AtomicU64>,
    told: Arc<AtomicU64>,
}

#[derive(Debug, thiserror::Error)]
#[error("the line is down")]
struct Down;

impl Faulty {
    fn new() -> Self {
        Self {
            inner: MemoryBackend::new(),
            fates: Arc::default(),
            renewals: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            renewed: Arc::default(),
            told: Arc::default(),
        }
    }

    fn set(&self, change: impl FnOnce(&mut Fates)) {
        change(&mut self.fates.lock().unwrap());
    }

    async fn through<T>(&self, fate: impl Fn(&Fates) -> Fate, done: impl Future<Output = T>) -> Result<T, Down> {
        let fate = fate(&self.fates.lock().unwrap());
        self.told.fetch_add(1, Ordering::SeqCst);
        // Like a line, it takes its time.
        tokio::task::yield_now().await;
        if fate == Fate::Refused {
            return Err(Down);
        }
        let answer = done.await;
        if fate == Fate::Lost { Err(Down) } else { Ok(answer) }
    }
}

impl Backend for Faulty {
    type Error = Down;

    async fn claim(&self, record: &RecordId, claim: Claim) -> Result<Claimed, Down> {
        let done = async { self.inner.claim(record, claim).await.unwrap() };
        self.through(|fates| fates.claim, done).await
    }

    async fn renew(&self, record: &RecordId, token: Token, lease: Duration, ttl: Duration) -> Result<bool, Down> {
        self.renewals.acquire().await.unwrap().forget();
        let done = async { self.inner.renew(record, token, lease, ttl).await.unwrap() };
        let renewed = self.through(|fates| fates.renew, done).await;
        self.renewed.fetch_add(1, Ordering::SeqCst);
        renewed
    }

    async fn settle(&self, record: &RecordId, token: Token, reply: &Reply, ttl: Duration) -> Result<bool, Down> {
        let done = async { self.inner.settle(record, token, reply, ttl).await.unwrap() };
        self.through(|fates| fates.settle, done).await
    }

    async fn release(&self, record: &RecordId, token: Token) -> Result<bool, Down> {
        let done = async { self.inner.release(record, token).await.unwrap() };
        self.through(|fates| fates.release, done).await
    }

    async fn delete_expired(&self, batch: u32) -> Result<u64, Down> {
        Ok(self.inner.delete_expired(batch).await.unwrap())
    }
}

fn worker(backend: &Faulty, on_abandoned: OnAbandoned) -> IdempotencyStore<Faulty> {
    IdempotencyStore::builder(backend.clone())
        .lease(LEASE)
        .wait(Duration::ZERO)
        .on_abandoned(on_abandoned)
        .build()
        .unwrap()
}

fn request() -> Request {
    Request::new("orders::create")
        .scope("acme", "ada")
        .key("8e03978e")
        .payload("shoes")
}

async fn runs(store: &IdempotencyStore<Faulty>, reply: u64) -> Run<u64> {
    store.run(request(), move || async move { Ok(reply) }).await
}

/// Waits for something that comes soon, or never.
async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it does not come to that");
}

/// A handler that waits before its effect.
struct Handler {
    call: tokio::task::JoinHandle<Run<u64>>,
    go_on: oneshot::Sender<()>,
    had_effect: Arc<AtomicBool>,
}

/// Begins one, which has begun when this returns.
async fn begun(store: &IdempotencyStore<Faulty>) -> Handler {
    let (begins, has_begun) = oneshot::channel();
    let (go_on, goes_on) = oneshot::channel();
    let had_effect = Arc::new(AtomicBool::new(false));
    let call = tokio::spawn({
        let (store, had_effect) = (store.clone(), Arc::clone(&had_effect));
        async move {
            let handler = move || async move {
                begins.send(()).unwrap();
                goes_on.await.unwrap();
                had_effect.store(true, Ordering::SeqCst);
                Ok(1)
            };
            store.run(request(), handler).await
        }
    });
    has_begun.await.unwrap();
    Handler {
        call,
        go_on,
        had_effect,
    }
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_keeps_a_claim_for_as_long_as_the_handler_takes() {
    let backend = Faulty::new();
    let (slow, rival) = (
        worker(&backend, OnAbandoned::Rerun),
        worker(&backend, OnAbandoned::Rerun),
    );
    let handler = begun(&slow).await;
    for _ in 0..100 {
        tokio::time::sleep(LEASE / 7).await;
        let told = runs(&rival, 2).await;
        assert!(matches!(told, Err(IdempotencyError::InProgress { .. })), "{told:?}");
    }
    handler.go_on.send(()).unwrap();
    assert_eq!(handler.call.await.unwrap().unwrap(), Outcome::Fresh(1));
    assert_eq!(runs(&rival, 2).await.unwrap(), Outcome::Replayed(1));
    // And ends with it.
    let renewed = backend.renewed.load(Ordering::SeqCst);
    assert!(renewed >= 3 * 100 / 7, "{renewed}");
    tokio::time::sleep(10 * LEASE).await;
    assert_eq!(backend.renewed.load(Ordering::SeqCst), renewed);
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_claim_was_taken_over_does_not_go_on() {
    let backend = Faulty::new();
    let (frozen, rival) = (
        worker(&backend, OnAbandoned::Rerun),
        worker(&backend, OnAbandoned::Rerun),
    );
    let handler = begun(&frozen).await;
    // Its heartbeat does not come through, as if the process had been stopped.
    backend.renewals.forget_permits(Semaphore::MAX_PERMITS);
    tokio::time::advance(LEASE).await;
    assert_eq!(runs(&rival, 2).await.unwrap(), Outcome::Fresh(2));
    assert_eq!(rival.stats().abandoned, 1);
    // It thaws, and what it waited for is there.
    handler.go_on.send(()).unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!handler.call.is_finished());
    backend.renewals.add_permits(1);
    let error = handler.call.await.unwrap().unwrap_err();
    assert!(matches!(error, IdempotencyError::LeaseLost { .. }), "{error:?}");
    assert!(!handler.had_effect.load(Ordering::SeqCst), "the other one had it");
    assert_eq!((frozen.stats().unsettled, error.has_run()), (1, None));
    assert_eq!(runs(&frozen, 3).await.unwrap(), Outcome::Replayed(2));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_was_frozen_and_has_its_claim_still_goes_on() {
    let backend = Faulty::new();
    let frozen = worker(&backend, OnAbandoned::Rerun);
    let handler = begun(&frozen).await;
    backend.renewals.forget_permits(Semaphore::MAX_PERMITS);
    tokio::time::advance(LEASE + Duration::from_millis(1)).await;
    handler.go_on.send(()).unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!handler.had_effect.load(Ordering::SeqCst), "not before it knows");
    backend.renewals.add_permits(2);
    assert_eq!(handler.call.await.unwrap().unwrap(), Outcome::Fresh(1));
}

#[tokio::test(start_paused = true)]
async fn a_handler_without_a_possible_successor_goes_on_without_its_lease() {
    let backend = Faulty::new();
    let (frozen, rival) = (
        worker(&backend, OnAbandoned::Refuse),
        worker(&backend, OnAbandoned::Refuse),
    );
    let handler = begun(&frozen).await;
    backend.renewals.forget_permits(Semaphore::MAX_PERMITS);
    tokio::time::advance(LEASE + Duration::from_millis(1)).await;
    let refused = runs(&rival, 2).await.unwrap_err();
    assert!(matches!(refused, IdempotencyError::Abandoned { .. }), "{refused:?}");
    handler.go_on.send(()).unwrap();
    assert_eq!(handler.call.await.unwrap().unwrap(), Outcome::Fresh(1));
    assert_eq!(runs(&rival, 2).await.unwrap(), Outcome::Replayed(1));
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_claim_cannot_be_confirmed_is_stopped() {
    let backend = Faulty::new();
    let worker = worker(&backend, OnAbandoned::Rerun);
    let handler = begun(&worker).await;
    backend.set(|fates| fates.renew = Fate::Refused);
    let error = handler.call.await.unwrap().unwrap_err();
    assert!(matches!(error, IdempotencyError::LeaseLost { .. }), "{error:?}");
    assert!(!handler.had_effect.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_fails_now_and_then_is_enough() {
    let backend = Faulty::new();
    let worker = worker(&backend, OnAbandoned::Rerun);
    let handler = begun(&worker).await;
    for fate in [Fate::Refused, Fate::Lost, Fate::Done].into_iter().cycle().take(30) {
        backend.set(|fates| fates.renew = fate);
        tokio::time::sleep(LEASE / 4).await;
    }
    handler.go_on.send(()).unwrap();
    assert_eq!(handler.call.await.unwrap().unwrap(), Outcome::Fresh(1));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_was_too_late_does_not_overwrite_its_successor() {
    let backend = Faulty::new();
    let late = worker(&backend, OnAbandoned::Refuse);
    let rival = worker(&backend, OnAbandoned::Rerun);
    let handler = begun(&late).await;
    backend.renewals.forget_permits(Semaphore::MAX_PERMITS);
    tokio::time::advance(LEASE + Duration::from_millis(1)).await;
    assert_eq!(runs(&rival, 2).await.unwrap(), Outcome::Fresh(2));
    handler.go_on.send(()).unwrap();
    let error = handler.call.await.unwrap().unwrap_err();
    assert!(matches!(error, IdempotencyError::LeaseLost { .. }), "{error:?}");
    assert_eq!(runs(&late, 3).await.unwrap(), Outcome::Replayed(2));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_given_up_does_not_run_for_another_payload() {
    let backend = Faulty::new();
    let dead = worker(&backend, OnAbandoned::Refuse);
    let handler = begun(&dead).await;
    backend.renewals.forget_permits(Semaphore::MAX_PERMITS);
    tokio::time::advance(LEASE + Duration::from_millis(1)).await;
    let rival = worker(&backend, OnAbandoned::Rerun);
    let other = request().payload("boots");
    let conflict = rival.run(other, || async { Ok::<_, IdempotencyError>(2) }).await;
    assert!(
        matches!(conflict, Err(IdempotencyError::Conflict { .. })),
        "{conflict:?}"
    );
    drop(handler);
    assert_eq!(runs(&rival, 2).await.unwrap(), Outcome::Fresh(2));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_before_the_handler_is_said_so_and_leaves_the_key_free() {
    for fate in [Fate::Refused, Fate::Lost] {
        let backend = Faulty::new();
        let store = worker(&backend, OnAbandoned::Refuse);
        backend.set(|fates| fates.claim = fate);
        let error = runs(&store, 1).await.unwrap_err();
        assert!(matches!(error, IdempotencyError::Unavailable { .. }), "{error:?}");
        assert!(error.to_string().contains("the line is down"), "{error}");
        assert_eq!((error.has_run(), error.http_status()), (Some(false), 503));
        assert_eq!(store.stats().fresh, 0);
        backend.set(|fates| fates.claim = Fate::Done);
        // What may have arrived is taken back, so that nobody has to wait for a lease that nobody uses.
        until(|| backend.inner.is_empty()).await;
        assert_eq!(runs(&store, 1).await.unwrap(), Outcome::Fresh(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_after_the_handler_is_said_so() {
    let backend = Faulty::new();
    let store = worker(&backend, OnAbandoned::Refuse);
    backend.set(|fates| fates.settle = Fate::Refused);
    let error = runs(&store, 1).await.unwrap_err();
    assert!(matches!(error, IdempotencyError::Unsettled { .. }), "{error:?}");
    assert_eq!((error.has_run(), error.http_status()), (Some(true), 500));
    assert_eq!((store.stats().fresh, store.stats().unsettled), (1, 1));
    // Nobody runs it again, but who is told to.
    tokio::time::sleep(2 * LEASE).await;
    let refused = runs(&store, 2).await.unwrap_err();
    assert!(matches!(refused, IdempotencyError::Abandoned { .. }), "{refused:?}");
    backend.set(|fates| fates.settle = Fate::Done);
    let rerun = worker(&backend, OnAbandoned::Rerun);
    assert_eq!(runs(&rerun, 2).await.unwrap(), Outcome::Fresh(2));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_a_moment_is_asked_again() {
    for fate in [Fate::Refused, Fate::Lost] {
        for is_error in [false, true] {
            let backend = Faulty::new();
            let store = worker(&backend, OnAbandoned::Refuse);
            backend.set(|fates| (fates.settle, fates.release) = (fate, fate));
            let call = tokio::spawn({
                let store = store.clone();
                async move {
                    let result = if is_error {
                        Err(IdempotencyError::EmptyKey)
                    } else {
                        Ok(1)
                    };
                    store.run(request(), move || async move { result }).await
                }
            });
            until(|| backend.told.load(Ordering::SeqCst) >= 4).await;
            tokio::time::sleep(LEASE / 2).await;
            assert!(!call.is_finished());
            backend.set(|fates| (fates.settle, fates.release) = (Fate::Done, Fate::Done));
            let soon = tokio::time::timeout(LEASE / 10, call).await;
            let run = soon.expect("it is asked often").unwrap();
            if is_error {
                assert!(matches!(run, Err(IdempotencyError::EmptyKey)), "{run:?}");
                assert_eq!(runs(&store, 2).await.unwrap(), Outcome::Fresh(2));
            } else {
                assert_eq!(run.unwrap(), Outcome::Fresh(1));
                assert_eq!(runs(&store, 2).await.unwrap(), Outcome::Replayed(1));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_handler_is_told_even_if_the_claim_cannot_be_released() {
    let backend = Faulty::new();
    let store = worker(&backend, OnAbandoned::Refuse);
    backend.set(|fates| fates.release = Fate::Refused);
    let failed: Run<u64> = store.run(request(), || async { Err(IdempotencyError::EmptyKey) }).await;
    assert!(matches!(failed, Err(IdempotencyError::EmptyKey)), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_while_it_claims_leaves_no_claim_behind() {
    let backend = Faulty::new();
    let store = worker(&backend, OnAbandoned::Refuse);
    // Polled once: the claim is on its way.
    let call = runs(&store, 1);
    {
        let mut call = std::pin::pin!(call);
        let once = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_ready()));
        assert!(!once.await);
    }
    until(|| store.stats().fresh == 1).await;
    // It ran to its end, and its reply is there.
    let again = worker(&backend, OnAbandoned::Refuse);
    let reply = tokio::time::timeout(LEASE, async {
        loop {
            match runs(&again, 2).await {
                Err(IdempotencyError::InProgress { .. }) => tokio::time::sleep(Duration::from_millis(1)).await,
                other => break other,
            }
        }
    });
    assert_eq!(reply.await.unwrap().unwrap(), Outcome::Replayed(1));
}
