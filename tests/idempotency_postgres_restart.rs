//! The server crashes in the middle: what was claimed and settled stays so, and workers go on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/records.rs"]
mod records;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cache_core::idempotency::{Backend, Claim, Claimed, PgBackend, PgBackendError, Token};
use futures::future::join_all;
use postgres::server;
use records::{BUSY, HOUR, OURS, backend, claim, record, reply, settled, token};
use sqlx::postgres::PgPoolOptions;

/// Each worker claims and settles records of its own, with the same token until it has an answer.
async fn work(backend: PgBackend, worker: u64, done: Arc<AtomicBool>, settled: Arc<AtomicU64>) -> u64 {
    // The server is away, or was while it worked on this.
    let is_database = |error: &PgBackendError| assert!(matches!(error, PgBackendError::Database(_)), "{error}");
    let mut number = 0;
    while !done.load(Ordering::SeqCst) {
        let key = format!("{worker} {number}");
        let token = Token::from_bytes(u128::from(number << 8 | worker).to_be_bytes());
        let claim = Claim { token, ..claim(0) };
        loop {
            match backend.claim(&record(&key), claim).await {
                Ok(OURS) => break,
                // An attempt before this one may be under way still.
                Ok(BUSY) => {}
                Ok(claimed) => panic!("{key} is {claimed:?}"),
                Err(error) => is_database(&error),
            }
        }
        loop {
            match backend.settle(&record(&key), token, &reply(&key), HOUR).await {
                Ok(is_settled) => break assert!(is_settled, "{key} has gone"),
                Err(error) => is_database(&error),
            }
        }
        settled.fetch_add(1, Ordering::SeqCst);
        number += 1;
    }
    number
}

/// The one test of this program, since it takes the server away from all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_loses_no_claim_and_no_reply() {
    let options = server().new_database().await;
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .connect_with(options)
        .await
        .unwrap();
    let backend = backend(&pool).await;
    backend.claim(&record("a"), claim(1)).await.unwrap();
    tokio::task::spawn_blocking(|| server().crash()).await.unwrap();
    // Between claim and settle.
    assert!(matches!(
        backend.claim(&record("a"), claim(2)).await.unwrap(),
        Claimed::Running { .. }
    ));
    assert!(
        backend
            .settle(&record("a"), token(1), &reply("yes"), HOUR)
            .await
            .unwrap()
    );
    tokio::task::spawn_blocking(|| server().crash()).await.unwrap();
    assert_eq!(backend.claim(&record("a"), claim(2)).await.unwrap(), settled("yes"));

    let (done, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let workers = (0..4).map(|worker| {
        let (done, count) = (Arc::clone(&done), Arc::clone(&count));
        tokio::spawn(work(backend.clone(), worker, done, count))
    });
    let workers: Vec<_> = workers.collect();
    let more = async |than: u64| {
        while count.load(Ordering::SeqCst) < than {
            tokio::task::yield_now().await;
        }
    };
    for _ in 0..3 {
        more(count.load(Ordering::SeqCst) + 50).await;
        tokio::task::spawn_blocking(|| server().crash()).await.unwrap();
    }
    more(count.load(Ordering::SeqCst) + 50).await;
    done.store(true, Ordering::SeqCst);
    for (worker, numbers) in join_all(workers).await.into_iter().enumerate() {
        for number in 0..numbers.unwrap() {
            let key = format!("{worker} {number}");
            assert_eq!(backend.claim(&record(&key), claim(9)).await.unwrap(), settled(&key));
        }
    }
}
