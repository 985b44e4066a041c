//! Handlers, types and backends that misbehave: what they may not do to others, and to the promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::Clock;
use cache_core::idempotency::{
    Backend, Claim, Claimed, IdempotencyError, IdempotencyStore, MemoryBackend, OnAbandoned, Outcome, RecordId, Reply,
    Request, Token,
};
use tokio::sync::{Notify, Semaphore};

type Run<T> = Result<Outcome<T>, IdempotencyError>;

const LEASE: Duration = Duration::from_secs(30);

/// What a backend does when it is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Does {
    #[default]
    Answers,
    /// It is done, and an error comes at once.
    FailsAfterwards,
    /// An error comes at once, and it is done after that.
    FailsBefore,
    /// No answer comes.
    Hangs,
    Panics,
}

#[derive(Default)]
struct Ways {
    claim: Does,
    renew: Does,
    settle: Does,
}

/// Records in memory, and what goes wrong on the way there.
#[derive(Clone)]
struct Odd {
    inner: MemoryBackend,
    ways: Arc<Mutex<Ways>>,
    /// Claims wait for one of these first.
    claims: Arc<Semaphore>,
    claimed: Arc<AtomicU64>,
}

#[derive(Debug, thiserror::Error)]
#[error("the backend failed")]
struct Failed;

impl Odd {
    fn new() -> Self {
        Self {
            inner: MemoryBackend::new(),
            ways: Arc::default(),
            claims: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            claimed: Arc::default(),
        }
    }

    fn set(&self, change: impl FnOnce(&mut Ways)) {
        change(&mut self.ways.lock().unwrap());
    }

    async fn does<T>(&self, way: impl Fn(&Ways) -> Does, done: impl Future<Output = T>) -> Result<T, Failed> {
        let way = way(&self.ways.lock().unwrap());
        match way {
            Does::Answers => Ok(done.await),
            Does::FailsBefore => Err(Failed),
            Does::FailsAfterwards => {
                done.await;
                Err(Failed)
            }
            Does::Hangs => std::future::pending().await,
            Does::Panics => panic!("the backend's panic"),
        }
    }
}

impl Backend for Odd {
    type Error = Failed;

    async fn claim(&self, record: &RecordId, claim: Claim) -> Result<Claimed, Failed> {
        self.claimed.fetch_add(1, Ordering::SeqCst);
        if self.ways.lock().unwrap().claim == Does::FailsBefore {
            let (inner, record) = (self.inner.clone(), record.clone());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(300)).await;
                inner.claim(&record, claim).await.unwrap();
            });
            return Err(Failed);
        }
        self.claims.acquire().await.unwrap().forget();
        let done = async { self.inner.claim(record, claim).await.unwrap() };
        self.does(|ways| ways.claim, done).await
    }

    async fn renew(&self, record: &RecordId, token: Token, lease: Duration, ttl: Duration) -> Result<bool, Failed> {
        let done = async { self.inner.renew(record, token, lease, ttl).await.unwrap() };
        self.does(|ways| ways.renew, done).await
    }

    async fn settle(&self, record: &RecordId, token: Token, reply: &Reply, ttl: Duration) -> Result<bool, Failed> {
        let done = async { self.inner.settle(record, token, reply, ttl).await.unwrap() };
        self.does(|ways| ways.settle, done).await
    }

    async fn release(&self, record: &RecordId, token: Token) -> Result<bool, Failed> {
        Ok(self.inner.release(record, token).await.unwrap())
    }

    async fn delete_expired(&self, batch: u32) -> Result<u64, Failed> {
        Ok(self.inner.delete_expired(batch).await.unwrap())
    }
}

fn worker<B: Backend>(backend: B, on_abandoned: OnAbandoned) -> IdempotencyStore<B> {
    IdempotencyStore::builder(backend)
        .lease(LEASE)
        .wait(Duration::ZERO)
        .on_abandoned(on_abandoned)
        .build()
        .unwrap()
}

fn request(key: &str) -> Request {
    Request::new("orders::create")
        .scope("acme", "ada")
        .key(key)
        .payload("shoes")
}

async fn runs<B: Backend>(store: &IdempotencyStore<B>, key: &str, reply: &'static str) -> Run<String> {
    store
        .run(request(key), move || async move { Ok(reply.to_owned()) })
        .await
}

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
async fn a_heartbeat_that_panics_does_not_hang_its_handler() {
    for (on_abandoned, is_lost) in [(OnAbandoned::Rerun, true), (OnAbandoned::Refuse, false)] {
        let backend = Odd::new();
        let store = worker(backend.clone(), on_abandoned);
        backend.set(|ways| ways.renew = Does::Panics);
        let handler = || async {
            tokio::time::sleep(3 * LEASE).await;
            Ok(7)
        };
        let run = tokio::time::timeout(10 * LEASE, store.run(request("a"), handler)).await;
        let run: Run<i32> = run.expect("it comes to an end");
        if is_lost {
            let error = run.unwrap_err();
            assert!(matches!(error, IdempotencyError::LeaseLost { .. }), "{error:?}");
        } else {
            assert_eq!(run.unwrap(), Outcome::Fresh(7));
        }
    }
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

/// A renewal that was on its way when the handler panicked comes after the end of the lease, and would begin it anew.
#[derive(Clone)]
struct Slow {
    inner: MemoryBackend,
    renews: Arc<Notify>,
    ends: Arc<Notify>,
    has_ended: Arc<AtomicBool>,
}

impl Backend for Slow {
    type Error = Failed;

    async fn claim(&self, record: &RecordId, claim: Claim) -> Result<Claimed, Failed> {
        Ok(self.inner.claim(record, claim).await.unwrap())
    }

    async fn renew(&self, record: &RecordId, token: Token, lease: Duration, ttl: Duration) -> Result<bool, Failed> {
        if !lease.is_zero() {
            self.renews.notify_one();
            self.ends.notified().await;
        }
        let renewed = self.inner.renew(record, token, lease, ttl).await.unwrap();
        if lease.is_zero() {
            self.ends.notify_one();
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.has_ended.store(true, Ordering::SeqCst);
        }
        Ok(renewed)
    }

    async fn settle(&self, record: &RecordId, token: Token, reply: &Reply, ttl: Duration) -> Result<bool, Failed> {
        Ok(self.inner.settle(record, token, reply, ttl).await.unwrap())
    }

    async fn release(&self, record: &RecordId, token: Token) -> Result<bool, Failed> {
        Ok(self.inner.release(record, token).await.unwrap())
    }

    async fn delete_expired(&self, batch: u32) -> Result<u64, Failed> {
        Ok(self.inner.delete_expired(batch).await.unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_ended_is_not_renewed() {
    let backend = Slow {
        inner: MemoryBackend::new(),
        renews: Arc::default(),
        ends: Arc::default(),
        has_ended: Arc::default(),
    };
    let store = worker(backend.clone(), OnAbandoned::Refuse);
    let panicking = tokio::spawn({
        let (store, renews) = (store.clone(), Arc::clone(&backend.renews));
        async move {
            let handler = move || async move {
                renews.notified().await;
                panic!("the handler's panic")
            };
            let run: Run<String> = store.run(request("a"), handler).await;
            run
        }
    });
    panicking.await.unwrap_err();
    assert!(backend.has_ended.load(Ordering::SeqCst));
    let repeat = runs(&store, "a", "never").await.unwrap_err();
    assert!(matches!(repeat, IdempotencyError::Abandoned { .. }), "{repeat:?}");
}
