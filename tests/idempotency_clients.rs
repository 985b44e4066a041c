//! Clients that wait, clients that go away, at each point at which they can, and runtimes that end under them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::idempotency::{
    Backend, Claim, Claimed, Full, IdempotencyError, IdempotencyStore, MemoryBackend, OnAbandoned, Outcome, RecordId,
    Reply, Request, Token,
};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

type Run = Result<Outcome<String>, IdempotencyError>;

const HOUR: Duration = Duration::from_secs(3600);

/// Records in memory. Claims are counted, and each settlement waits for a permit.
#[derive(Clone)]
struct Gated {
    inner: MemoryBackend,
    settlements: Arc<Semaphore>,
    claims: Arc<AtomicU64>,
}

impl Gated {
    fn open() -> Self {
        Self {
            inner: MemoryBackend::new(),
            settlements: Arc::new(Semaphore::new(100)),
            claims: Arc::default(),
        }
    }

    fn shut() -> Self {
        Self {
            settlements: Arc::new(Semaphore::new(0)),
            ..Self::open()
        }
    }
}

impl Backend for Gated {
    type Error = Full;

    async fn claim(&self, record: &RecordId, claim: Claim) -> Result<Claimed, Full> {
        self.claims.fetch_add(1, Ordering::SeqCst);
        self.inner.claim(record, claim).await
    }

    async fn renew(&self, record: &RecordId, token: Token, lease: Duration, ttl: Duration) -> Result<bool, Full> {
        self.inner.renew(record, token, lease, ttl).await
    }

    async fn settle(&self, record: &RecordId, token: Token, reply: &Reply, ttl: Duration) -> Result<bool, Full> {
        self.settlements.acquire().await.unwrap().forget();
        self.inner.settle(record, token, reply, ttl).await
    }

    async fn release(&self, record: &RecordId, token: Token) -> Result<bool, Full> {
        self.inner.release(record, token).await
    }

    async fn delete_expired(&self, batch: u32) -> Result<u64, Full> {
        self.inner.delete_expired(batch).await
    }
}

fn store(backend: &Gated) -> IdempotencyStore<Gated> {
    IdempotencyStore::builder(backend.clone()).wait(HOUR).build().unwrap()
}

fn request() -> Request {
    Request::new("orders::create")
        .scope("acme", "ada")
        .key("8e03978e")
        .payload("shoes")
}

/// A call whose handler returns what it is sent, and says when it has begun.
fn call(store: &IdempotencyStore<Gated>) -> (JoinHandle<Run>, oneshot::Receiver<()>, oneshot::Sender<&'static str>) {
    let ((begun, has_begun), (end, ends)) = (oneshot::channel(), oneshot::channel::<&'static str>());
    let store = store.clone();
    let call = tokio::spawn(async move {
        let handler = move || async move {
            begun.send(()).unwrap();
            Ok(ends.await.unwrap().to_owned())
        };
        store.run(request(), handler).await
    });
    (call, has_begun, end)
}

/// A call whose handler is not to run.
fn repeat(store: &IdempotencyStore<Gated>) -> JoinHandle<Run> {
    let store = store.clone();
    tokio::spawn(async move { store.run(request(), || async { Ok("never".to_owned()) }).await })
}

async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it does not come to that");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_while_its_reply_is_stored_does_not_stop_that() {
    let backend = Gated::shut();
    let store = store(&backend);
    let (client, _begun, end) = call(&store);
    end.send("reply").unwrap();
    let waiting = repeat(&store);
    until(|| store.stats().waits == 1).await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    backend.settlements.add_permits(1);
    assert_eq!(waiting.await.unwrap().unwrap(), Outcome::Replayed("reply".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_while_it_asks_for_others_leaves_that_to_them() {
    let backend = Gated::open();
    let (elsewhere, here) = (store(&backend), store(&backend));
    let (running, begun, end) = call(&elsewhere);
    begun.await.unwrap();
    // The first of these asks, and the others wait for it.
    let asks = repeat(&here);
    until(|| here.stats().waits == 1).await;
    let others = [repeat(&here), repeat(&here)];
    until(|| here.stats().waits == 3).await;
    asks.abort();
    assert!(asks.await.unwrap_err().is_cancelled());
    end.send("reply").unwrap();
    assert_eq!(running.await.unwrap().unwrap(), Outcome::Fresh("reply".to_owned()));
    for other in others {
        assert_eq!(other.await.unwrap().unwrap(), Outcome::Replayed("reply".to_owned()));
    }
    assert_eq!((here.stats().waits, here.stats().replayed), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_while_it_waits_disturbs_nobody() {
    let backend = Gated::open();
    let store = store(&backend);
    let (running, begun, end) = call(&store);
    begun.await.unwrap();
    let waiting = repeat(&store);
    until(|| store.stats().waits == 1).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    end.send("reply").unwrap();
    assert_eq!(running.await.unwrap().unwrap(), Outcome::Fresh("reply".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn patience_is_for_all_of_a_call_and_looks_less_and_less_often() {
    let backend = Gated::open();
    let (_running, begun, _end) = call(&store(&backend));
    begun.await.unwrap();
    let minute = Duration::from_secs(60);
    let here = IdempotencyStore::builder(backend.clone()).wait(minute).build().unwrap();
    let began = tokio::time::Instant::now();
    let told = tokio::time::timeout(HOUR, repeat(&here))
        .await
        .expect("it ends")
        .unwrap();
    let told = told.unwrap_err();
    assert!(matches!(told, IdempotencyError::InProgress { .. }), "{told:?}");
    assert!(
        began.elapsed() >= minute && began.elapsed() < 2 * minute,
        "{:?}",
        began.elapsed()
    );
    // Often at first, and then twice a second.
    let claims = backend.claims.load(Ordering::SeqCst);
    assert!((120..=140).contains(&claims), "{claims}");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_take_the_reply_from_who_asked() {
    let backend = Gated::open();
    let store = store(&backend);
    let (running, begun, end) = call(&store);
    begun.await.unwrap();
    let others: Vec<_> = (0..10).map(|_| repeat(&store)).collect();
    until(|| store.stats().waits == 10).await;
    end.send("reply").unwrap();
    assert_eq!(running.await.unwrap().unwrap(), Outcome::Fresh("reply".to_owned()));
    for other in others {
        assert_eq!(other.await.unwrap().unwrap(), Outcome::Replayed("reply".to_owned()));
    }
    assert_eq!(backend.claims.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn another_payload_is_refused_while_others_ask() {
    let backend = Gated::open();
    let (elsewhere, here) = (store(&backend), store(&backend));
    let (_running, begun, _end) = call(&elsewhere);
    begun.await.unwrap();
    let _asks = repeat(&here);
    until(|| here.stats().waits == 1).await;
    let other = here.run(request().payload("boots"), || async { Ok("never".to_owned()) });
    let told: Run = tokio::time::timeout(HOUR / 2, other).await.expect("it need not wait");
    let told = told.unwrap_err();
    assert!(matches!(told, IdempotencyError::Conflict { .. }), "{told:?}");
}

/// One of two that have the same store.
fn runtime() -> Runtime {
    Runtime::new().unwrap()
}

#[test]
fn a_runtime_that_ends_is_like_a_worker_that_died() {
    let store = IdempotencyStore::builder(Gated::open())
        .wait(HOUR)
        .lease(Duration::from_millis(100))
        .on_abandoned(OnAbandoned::Rerun)
        .build()
        .unwrap();
    let (dies, lives) = (runtime(), runtime());
    let call_that_dies = dies.block_on(async {
        let (running, begun, end) = call(&store);
        begun.await.unwrap();
        (running, end)
    });
    // It waits in the process, for a flight that ends without a word.
    let waits = lives.spawn({
        let store = store.clone();
        async move { store.run(request(), || async { Ok("again".to_owned()) }).await }
    });
    lives.block_on(until(|| store.stats().waits == 1));
    drop(dies);
    drop(call_that_dies);
    let run: Run = lives.block_on(waits).unwrap();
    assert_eq!(run.unwrap(), Outcome::Fresh("again".to_owned()));
    assert_eq!(store.stats().abandoned, 1);
}

#[test]
fn a_caller_from_elsewhere_learns_that_the_runtime_has_ended() {
    for key in [Some("8e03978e"), None] {
        let store = store(&Gated::open());
        let runtime = runtime();
        let handle = runtime.handle().clone();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let caller = std::thread::spawn(move || {
            let _entered = handle.enter();
            let handler = move || async move {
                begun.send(()).unwrap();
                std::future::pending::<Result<String, IdempotencyError>>().await
            };
            futures::executor::block_on(store.run(request().key(key), handler))
        });
        has_begun.recv().unwrap();
        runtime.shutdown_background();
        let error = caller.join().unwrap().unwrap_err();
        assert!(
            matches!(&error, IdempotencyError::Interrupted { record } if record.is_some() == key.is_some()),
            "{error:?}"
        );
        assert_eq!((error.has_run(), error.http_status()), (None, 500));
        assert!(error.to_string().contains("shut down while"), "{error}");
    }
}

#[test]
fn no_runtime_is_needed() {
    let store = store(&Gated::open());
    let run = |reply: &'static str| -> Run {
        futures::executor::block_on(store.run(request(), move || async move { Ok(reply.to_owned()) }))
    };
    assert_eq!(run("reply").unwrap(), Outcome::Fresh("reply".to_owned()));
    assert_eq!(run("never").unwrap(), Outcome::Replayed("reply".to_owned()));
}

#[tokio::test]
async fn a_handler_runs_in_the_span_of_its_caller() {
    use tracing::Instrument as _;

    let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry());
    let store = IdempotencyStore::new(MemoryBackend::new());
    for key in [Some("8e03978e"), None] {
        let span = tracing::info_span!("request");
        let caller = span.id().map(|id| id.into_u64());
        assert!(caller.is_some());
        let handler = || async { Ok::<_, IdempotencyError>(tracing::Span::current().id().map(|id| id.into_u64())) };
        let outcome = store.run(request().key(key), handler).instrument(span).await;
        assert_eq!(outcome.unwrap(), Outcome::Fresh(caller));
    }
}
