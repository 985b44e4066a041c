//! What the tests of the promise load from: a source whose every read can be held up.

#![allow(dead_code, reason = "each test uses its part")]

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};

/// A value that readers read at once and hand over only when they are told to.
pub struct Source {
    current: AtomicU64,
    reads: AtomicU64,
    started: mpsc::UnboundedSender<Read>,
    reading: Mutex<mpsc::UnboundedReceiver<Read>>,
}

/// A read that is under way.
pub struct Read {
    /// What it has read.
    pub value: u64,
    go_on: oneshot::Sender<Fate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Return,
    Fail,
    Panic,
}

impl Source {
    pub fn new(value: u64) -> Self {
        let (started, reading) = mpsc::unbounded_channel();
        Self {
            current: AtomicU64::new(value),
            reads: AtomicU64::new(0),
            started,
            reading: Mutex::new(reading),
        }
    }

    pub fn set(&self, value: u64) {
        self.current.store(value, Ordering::SeqCst);
    }

    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }

    /// Reads now, returns when told.
    pub async fn read(&self) -> u64 {
        self.try_read().await.expect("this read was not to fail")
    }

    pub async fn try_read(&self) -> Result<u64, &'static str> {
        let value = self.current.load(Ordering::SeqCst);
        self.reads.fetch_add(1, Ordering::SeqCst);
        let (go_on, told) = oneshot::channel();
        self.started.send(Read { value, go_on }).expect("the source lives");
        match told.await.expect("a read is told how to end") {
            Fate::Return => Ok(value),
            Fate::Fail => Err("failed"),
            Fate::Panic => panic!("told to panic"),
        }
    }

    /// The next read that starts.
    pub async fn started(&self) -> Read {
        let mut reading = self.reading.lock().await;
        soon(reading.recv()).await.expect("the source lives")
    }

    /// Whether another read has started already.
    pub async fn has_started(&self) -> bool {
        !self.reading.lock().await.is_empty()
    }
}

impl Read {
    pub fn go_on(self) {
        self.end(Fate::Return);
    }

    pub fn end(self, fate: Fate) {
        // The reader may have been dropped, which is the point of some tests.
        let _ = self.go_on.send(fate);
    }
}

/// Fails a test that would hang. Not a measure of time: nothing that works comes near it.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("this should not hang")
}

/// Waits until something has come true that other tasks bring about.
pub async fn until(mut holds: impl FnMut() -> bool) {
    soon(async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// The same without a runtime. Not a measure of time either.
pub fn wait_until(mut holds: impl FnMut() -> bool) {
    let give_up = std::time::Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(std::time::Instant::now() < give_up, "this should not hang");
        std::thread::yield_now();
    }
}
