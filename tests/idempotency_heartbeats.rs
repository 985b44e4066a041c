//! Heartbeats that fail, hang or come late, and what the handlers do that they are for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/odd.rs"]
mod odd;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cache_core::idempotency::{
    Backend, Claim, Claimed, IdempotencyError, MemoryBackend, OnAbandoned, Outcome, RecordId, Reply, Token,
};
use tokio::sync::Notify;

use odd::{Does, Failed, LEASE, Odd, Run, request, runs, worker};

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
async fn a_claim_that_was_lost_before_its_answer_came_runs_nothing() {
    let backend = Odd::new();
    let (late, rival) = (
        worker(backend.clone(), OnAbandoned::Rerun),
        worker(backend.clone(), OnAbandoned::Rerun),
    );
    backend.set(|ways| ways.claim = Does::AnswersAfter(LEASE + LEASE / 3));
    let had_effect = Arc::new(AtomicBool::new(false));
    let call = tokio::spawn({
        let had_effect = Arc::clone(&had_effect);
        let handler =
            move || async move { Ok::<_, IdempotencyError>(had_effect.swap(true, Ordering::SeqCst).to_string()) };
        async move { late.run(request("a"), handler).await }
    });
    tokio::time::sleep(LEASE + Duration::from_millis(1)).await;
    backend.set(|ways| ways.claim = Does::Answers);
    assert_eq!(
        runs(&rival, "a", "rival").await.unwrap(),
        Outcome::Fresh("rival".to_owned())
    );
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, IdempotencyError::LeaseLost { .. }), "{error:?}");
    assert!(!had_effect.load(Ordering::SeqCst), "the rival had it");
}

#[tokio::test(start_paused = true)]
async fn a_lease_counts_from_when_its_renewal_was_sent() {
    let second = Duration::from_secs(1);
    let backend = Odd::new();
    let (slow, rival) = (
        worker(backend.clone(), OnAbandoned::Rerun),
        worker(backend.clone(), OnAbandoned::Rerun),
    );
    // One is sent after 10 seconds, and its answer comes after 25. No other gets through.
    backend.set(|ways| ways.renew = Does::AnswersAfter(LEASE / 2));
    let had_effect = Arc::new(AtomicBool::new(false));
    let call = tokio::spawn({
        let had_effect = Arc::clone(&had_effect);
        let handler = move || async move {
            tokio::time::sleep(LEASE / 3 + LEASE + 2 * second).await;
            Ok::<_, IdempotencyError>(had_effect.swap(true, Ordering::SeqCst).to_string())
        };
        async move { slow.run(request("a"), handler).await }
    });
    tokio::time::sleep(LEASE / 3 + second).await;
    backend.set(|ways| ways.renew = Does::Hangs);
    tokio::time::sleep(LEASE).await;
    assert_eq!(
        runs(&rival, "a", "rival").await.unwrap(),
        Outcome::Fresh("rival".to_owned())
    );
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, IdempotencyError::LeaseLost { .. }), "{error:?}");
    assert!(!had_effect.load(Ordering::SeqCst), "the rival had it");
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_without_an_answer_stops_its_handler_only_if_there_may_be_a_successor() {
    for (on_abandoned, is_lost) in [(OnAbandoned::Rerun, true), (OnAbandoned::Refuse, false)] {
        let backend = Odd::new();
        let store = worker(backend.clone(), on_abandoned);
        backend.set(|ways| ways.renew = Does::Hangs);
        let handler = || async {
            tokio::time::sleep(5 * LEASE).await;
            Ok(7)
        };
        let begun = tokio::time::Instant::now();
        let run: Run<i32> = store.run(request("a"), handler).await;
        if is_lost {
            let error = run.unwrap_err();
            assert!(matches!(error, IdempotencyError::LeaseLost { .. }), "{error:?}");
            assert!(begun.elapsed() < 2 * LEASE, "{:?}", begun.elapsed());
        } else {
            assert_eq!(run.unwrap(), Outcome::Fresh(7));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_learns_of_its_successor_does_not_go_on() {
    let backend = Odd::new();
    let (refuses, reruns) = (
        worker(backend.clone(), OnAbandoned::Refuse),
        worker(backend.clone(), OnAbandoned::Rerun),
    );
    backend.set(|ways| ways.renew = Does::Hangs);
    let had_effect = Arc::new(AtomicBool::new(false));
    let call = tokio::spawn({
        let had_effect = Arc::clone(&had_effect);
        let handler = move || async move {
            tokio::time::sleep(5 * LEASE).await;
            Ok::<_, IdempotencyError>(had_effect.swap(true, Ordering::SeqCst).to_string())
        };
        async move { refuses.run(request("a"), handler).await }
    });
    tokio::time::sleep(LEASE + Duration::from_millis(1)).await;
    assert_eq!(
        runs(&reruns, "a", "rival").await.unwrap(),
        Outcome::Fresh("rival".to_owned())
    );
    backend.set(|ways| ways.renew = Does::Answers);
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, IdempotencyError::LeaseLost { .. }), "{error:?}");
    assert!(!had_effect.load(Ordering::SeqCst), "the rival had it");
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
