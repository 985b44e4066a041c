//! A backend in memory that can be told to misbehave.

#![allow(dead_code, unreachable_pub, reason = "each program uses a part of it")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::idempotency::{
    Backend, Claim, Claimed, IdempotencyError, IdempotencyStore, MemoryBackend, OnAbandoned, Outcome, RecordId, Reply,
    Request, Token,
};
use tokio::sync::Semaphore;

pub type Run<T> = Result<Outcome<T>, IdempotencyError>;

pub const LEASE: Duration = Duration::from_secs(30);

/// What a backend does when it is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Does {
    #[default]
    Answers,
    /// It is done, and an error comes at once.
    FailsAfterwards,
    /// An error comes at once, and it is done after that.
    FailsBefore,
    /// The answer takes its time.
    AnswersAfter(Duration),
    /// No answer comes.
    Hangs,
    Panics,
}

#[derive(Default)]
pub struct Ways {
    pub claim: Does,
    pub renew: Does,
    pub settle: Does,
    pub sweep: Does,
}

/// Records in memory, and what goes wrong on the way there.
#[derive(Clone)]
pub struct Odd {
    pub inner: MemoryBackend,
    pub ways: Arc<Mutex<Ways>>,
    /// Claims wait for one of these first.
    pub claims: Arc<Semaphore>,
    pub claimed: Arc<AtomicU64>,
    pub swept: Arc<AtomicU64>,
}

#[derive(Debug, thiserror::Error)]
#[error("the backend failed")]
pub struct Failed;

impl Odd {
    pub fn new() -> Self {
        Self {
            inner: MemoryBackend::new(),
            ways: Arc::default(),
            claims: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            claimed: Arc::default(),
            swept: Arc::default(),
        }
    }

    pub fn set(&self, change: impl FnOnce(&mut Ways)) {
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
            Does::AnswersAfter(time) => {
                let answer = done.await;
                tokio::time::sleep(time).await;
                Ok(answer)
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
        self.swept.fetch_add(1, Ordering::SeqCst);
        let done = async { self.inner.delete_expired(batch).await.unwrap() };
        self.does(|ways| ways.sweep, done).await
    }
}

pub fn worker<B: Backend>(backend: B, on_abandoned: OnAbandoned) -> IdempotencyStore<B> {
    IdempotencyStore::builder(backend)
        .lease(LEASE)
        .wait(Duration::ZERO)
        .on_abandoned(on_abandoned)
        .build()
        .unwrap()
}

pub fn request(key: &str) -> Request {
    Request::new("orders::create")
        .scope("acme", "ada")
        .key(key)
        .payload("shoes")
}

pub async fn runs<B: Backend>(store: &IdempotencyStore<B>, key: &str, reply: &'static str) -> Run<String> {
    store
        .run(request(key), move || async move { Ok(reply.to_owned()) })
        .await
}
