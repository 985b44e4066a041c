//! Records in memory: how much room they take, and when they go.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use cache_core::Clock;
use cache_core::idempotency::{Backend, Claim, Claimed, MemoryBackend, RecordId, Reply, Token};

const HOUR: Duration = Duration::from_secs(3600);
/// An hour, but for a nanosecond.
const ALMOST: Duration = Duration::from_nanos(3_600_000_000_000 - 1);
const OURS: Claimed = Claimed::Ours { took_over: false };

fn record(key: &str) -> RecordId {
    RecordId::new("acme", "ada", "orders::create", key).unwrap()
}

fn claim(token: u8) -> Claim {
    Claim {
        token: Token::from_bytes([token; 16]),
        payload: [0; 32],
        lease: HOUR,
        ttl: HOUR,
        takes_over: false,
    }
}

/// Settles a record with so many bytes, for an hour.
async fn settles(backend: &MemoryBackend, key: &str, bytes: usize) {
    assert_eq!(backend.claim(&record(key), claim(1)).await, Ok(OURS));
    let reply = Reply::Success(vec![b'1'; bytes]);
    assert_eq!(
        backend.settle(&record(key), claim(1).token, &reply, HOUR).await,
        Ok(true)
    );
}

#[tokio::test]
async fn a_record_expires_on_time_whoever_is_swept_before_it() {
    let clock = Clock::manual();
    let backend = MemoryBackend::new().clock(clock.clone());
    for key in ["a", "b", "c"] {
        settles(&backend, key, 1).await;
    }
    clock.advance(ALMOST);
    let answer = backend.claim(&record("c"), claim(2)).await;
    assert!(matches!(answer, Ok(Claimed::Settled { .. })), "{answer:?}");
    clock.advance(Duration::from_nanos(1));
    // With this one, two others go, and not itself.
    assert_eq!(backend.claim(&record("c"), claim(2)).await, Ok(OURS));
    assert_eq!(backend.len(), 1);
}

#[tokio::test]
async fn all_that_has_expired_makes_room() {
    let clock = Clock::manual();
    let backend = MemoryBackend::new().max_bytes(100).clock(clock.clone());
    for (key, bytes) in [("a", 1), ("b", 1), ("c", 100)] {
        settles(&backend, key, bytes).await;
    }
    assert!(backend.claim(&record("new"), claim(2)).await.is_err());
    clock.advance(HOUR);
    // The two that go with each claim would not be enough.
    assert_eq!(backend.claim(&record("new"), claim(2)).await, Ok(OURS));
    assert_eq!(backend.len(), 1);
    // What has gone is not counted any more, and what is there is, to the byte.
    settles(&backend, "d", 99).await;
    settles(&backend, "e", 1).await;
    let full = backend.claim(&record("f"), claim(2)).await.unwrap_err();
    assert_eq!((full.records, full.bytes), (3, 100));
}

#[tokio::test]
async fn a_record_that_was_renewed_does_not_go_when_it_would_have_gone() {
    let clock = Clock::manual();
    let backend = MemoryBackend::new().clock(clock.clone());
    assert_eq!(backend.claim(&record("a"), claim(1)).await, Ok(OURS));
    let renewed = backend.renew(&record("a"), claim(1).token, 4 * HOUR, HOUR).await;
    assert_eq!(renewed, Ok(true));
    clock.advance(3 * HOUR);
    assert_eq!(backend.delete_expired(10).await, Ok(0));
    let answer = backend.claim(&record("a"), claim(2)).await;
    assert!(matches!(answer, Ok(Claimed::Running { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_record_that_was_released_leaves_nothing_behind() {
    let clock = Clock::manual();
    let backend = MemoryBackend::new().clock(clock.clone());
    assert_eq!(backend.claim(&record("a"), claim(1)).await, Ok(OURS));
    assert_eq!(backend.release(&record("a"), claim(1).token).await, Ok(true));
    assert_eq!(backend.delete_expired(10).await, Ok(0));
    clock.advance(HOUR);
    assert_eq!(backend.claim(&record("a"), claim(2)).await, Ok(OURS));
    clock.advance(HOUR);
    // Two hours after the first claim, its end is nobody's.
    assert_eq!(backend.delete_expired(10).await, Ok(0));
    assert_eq!(backend.len(), 1);
}
