//! What every backend has to do, as tests: for those who write one.
//!
//! Each function is a test of one behaviour, and [`idempotency_contract!`](crate::idempotency_contract) makes a `#[tokio::test]` of each.
//! They need no time to pass: what is to be over, ends at once. All can run at the same time, over the same records.
//!
//! # Example: the tests of a backend
//! ```
//! use cache_core::idempotency::MemoryBackend;
//!
//! async fn backend() -> MemoryBackend {
//!     MemoryBackend::new()
//! }
//!
//! cache_core::idempotency_contract!(backend().await);
//! # fn main() {}
//! ```
#![expect(
    clippy::missing_panics_doc,
    reason = "each of them panics if the backend does not do what its name says"
)]

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use super::backend::{Backend, Claim, Claimed, Reply, Token};
use super::error::IdempotencyError;
use super::outcome::Outcome;
use super::record::RecordId;
use super::request::Request;
use super::store::IdempotencyStore;

const HOUR: Duration = Duration::from_secs(3600);
const NOW: Duration = Duration::ZERO;

macro_rules! cases {
    ($d:tt $($name:ident)*) => {
        /// Makes a test of each part of the contract of a backend: see [`idempotency::contract`](crate::idempotency::contract).
        ///
        /// It takes an expression that makes a backend, which may `.await`. The tests are `#[tokio::test]`, so `tokio` has to be among the
        /// dependencies, with its features `macros` and `rt`.
        ///
        /// # Example
        /// ```
        /// cache_core::idempotency_contract!(cache_core::idempotency::MemoryBackend::new());
        /// # fn main() {}
        /// ```
        #[macro_export]
        macro_rules! idempotency_contract {
            ($d($d make:tt)+) => {
                $(#[::tokio::test]
                async fn $name() {
                    let backend = ::std::sync::Arc::new({ $d($d make)+ });
                    $crate::idempotency::contract::$name(&backend).await;
                })*
            };
        }

        /// All of it, one after the other.
        ///
        /// # Example
        /// ```
        /// # use std::sync::Arc;
        /// # use cache_core::idempotency::{MemoryBackend, contract};
        /// # #[tokio::main(flavor = "current_thread")] async fn main() {
        /// contract::all(&Arc::new(MemoryBackend::new())).await;
        /// # }
        /// ```
        pub async fn all<B: Backend>(backend: &Arc<B>) {
            $($name(backend).await;)*
        }

        /// The names of all, in the order in which [`all`] runs them.
        ///
        /// # Example
        /// ```
        /// # use cache_core::idempotency::contract;
        /// assert!(contract::NAMES.contains(&"first_writer_wins"));
        /// ```
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

cases! { $
    first_writer_wins
    claim_sent_again_is_the_same_claim
    replay_is_byte_identical
    settled_record_is_not_claimed
    first_reply_stands
    owner_settles_after_the_end_of_its_lease
    released_record_can_be_claimed
    settled_record_is_not_released
    renewal_moves_the_end_of_the_lease
    running_record_does_not_expire_before_its_lease
    expired_record_is_taken_over_once_by_rivals
    abandoned_record_is_taken_over_once_by_rivals
    abandoned_record_is_left_to_who_does_not_take_over
    worker_taken_for_dead_changes_nothing
    scopes_and_keys_are_separate
    sweep_removes_what_has_expired_and_nothing_else
    sweep_removes_a_batch_at_most
    sweep_and_takeover_in_either_order
    unknown_records_are_nobodys
    conflict_is_refused
    duplicate_in_flight_is_told_to_try_again
    duplicate_waits_and_replays
    failed_handler_leaves_the_key_free
    thousand_duplicates_run_the_handler_once
}

/// A record that no other test has.
fn record() -> RecordId {
    RecordId::new("contract", "principal", "operation", &unique()).unwrap_or_else(|error| panic!("{error}"))
}

fn unique() -> String {
    format!("{:032x}", u128::from_be_bytes(token().to_bytes()))
}

fn token() -> Token {
    Token::draw().unwrap_or_else(|error| panic!("{error}"))
}

fn claim(payload: u8) -> Claim {
    Claim {
        token: token(),
        payload: [payload; 32],
        lease: HOUR,
        ttl: HOUR,
        takes_over: false,
    }
}

fn value(bytes: &[u8]) -> Reply {
    Reply::Success(bytes.to_vec())
}

const OURS: Claimed = Claimed::Ours { took_over: false };

/// What a backend answered.
#[track_caller]
fn ok<T, E: Debug>(answer: Result<T, E>) -> T {
    answer.unwrap_or_else(|error| panic!("the backend failed: {error:?}"))
}

async fn claims<B: Backend>(backend: &Arc<B>, record: &RecordId, claim: Claim) -> Claimed {
    ok(backend.claim(record, claim).await)
}

/// Claims a record that nobody has.
async fn claimed<B: Backend>(backend: &Arc<B>, record: &RecordId, wanted: Claim) -> Token {
    assert_eq!(
        claims(backend, record, wanted).await,
        OURS,
        "a record that is nobody's can be claimed"
    );
    wanted.token
}

/// A record that was settled and has expired, or one that was abandoned.
async fn over<B: Backend>(backend: &Arc<B>, is_abandoned: bool) -> (RecordId, Token) {
    let record = record();
    let token = claimed(backend, &record, claim(1)).await;
    if is_abandoned {
        assert!(ok(backend.renew(&record, token, NOW, HOUR).await));
    } else {
        assert!(ok(backend.settle(&record, token, &value(b"old"), NOW).await));
    }
    (record, token)
}

/// Of claims that come at the same time, those that got it.
async fn winners<B: Backend>(backend: &Arc<B>, record: &RecordId, takes_over: bool) -> Vec<Claimed> {
    let rivals = (0..20).map(|_| claims(backend, record, Claim { takes_over, ..claim(2) }));
    let answers = join_all(rivals).await;
    let (ours, others): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|answer| matches!(answer, Claimed::Ours { .. }));
    for other in others {
        assert!(
            matches!(other, Claimed::Running { .. }),
            "who comes too late is told so: {other:?}"
        );
    }
    ours
}

/// Of claims on a missing record at the same time, one gets it, and the others learn that it is running.
pub async fn first_writer_wins<B: Backend>(backend: &Arc<B>) {
    for _ in 0..10 {
        assert_eq!(winners(backend, &record(), false).await, [OURS]);
    }
    let record = record();
    claimed(backend, &record, claim(7)).await;
    match claims(backend, &record, claim(8)).await {
        Claimed::Running { payload, remaining } => {
            assert!(
                payload.is_none_or(|payload| payload == [7; 32]),
                "the payload is that of who has it"
            );
            assert!(
                remaining.is_none_or(|remaining| remaining <= HOUR),
                "the lease is that of who has it"
            );
        }
        other => panic!("it is running: {other:?}"),
    }
}

/// An answer may be lost, and the claim come again.
pub async fn claim_sent_again_is_the_same_claim<B: Backend>(backend: &Arc<B>) {
    let (record, wanted) = (record(), claim(1));
    claimed(backend, &record, wanted).await;
    claimed(backend, &record, wanted).await;
    assert!(ok(backend.settle(&record, wanted.token, &value(b"reply"), HOUR).await));
}

/// Whatever bytes a reply has, it comes back as it was.
pub async fn replay_is_byte_identical<B: Backend>(backend: &Arc<B>) {
    let every: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = every.iter().copied().cycle().take(300_000).collect();
    for reply in [
        Reply::Success(every.clone()),
        Reply::Success(Vec::new()),
        Reply::Success(large),
        Reply::Success(br#"{"b":1,  "a":"\u0000"}"#.to_vec()),
        Reply::Failure(every),
        Reply::Failure(Vec::new()),
        Reply::TooLarge,
        Reply::Unserializable,
    ] {
        let record = record();
        let token = claimed(backend, &record, claim(3)).await;
        assert!(ok(backend.settle(&record, token, &reply, HOUR).await));
        for _ in 0..2 {
            match claims(backend, &record, claim(4)).await {
                Claimed::Settled { payload, reply: stored } => {
                    assert_eq!(payload, [3; 32], "the payload is that of the request that ran");
                    // Their `Debug` shows nothing of what is in them.
                    assert!(stored == reply, "{reply:?} came back as {stored:?}");
                }
                other => panic!("it is settled: {other:?}"),
            }
        }
    }
}

/// Not even by who takes over.
pub async fn settled_record_is_not_claimed<B: Backend>(backend: &Arc<B>) {
    let record = record();
    let token = claimed(backend, &record, Claim { lease: NOW, ..claim(1) }).await;
    assert!(ok(backend.settle(&record, token, &value(b"reply"), HOUR).await));
    let wanted = Claim {
        takes_over: true,
        ..claim(1)
    };
    let answer = claims(backend, &record, wanted).await;
    assert!(matches!(answer, Claimed::Settled { .. }), "{answer:?}");
    assert!(!ok(backend.settle(&record, wanted.token, &value(b"other"), HOUR).await));
}

/// Settling is done once, and may be said twice.
pub async fn first_reply_stands<B: Backend>(backend: &Arc<B>) {
    let record = record();
    let token = claimed(backend, &record, claim(1)).await;
    assert!(ok(backend.settle(&record, token, &value(b"first"), HOUR).await));
    assert!(
        ok(backend.settle(&record, token, &value(b"first"), HOUR).await),
        "it may have been lost on the way"
    );
    let answer = claims(backend, &record, claim(1)).await;
    assert!(
        matches!(&answer, Claimed::Settled { reply, .. } if *reply == value(b"first")),
        "{answer:?}"
    );
}

/// Nobody took over, so its reply is as good as any.
pub async fn owner_settles_after_the_end_of_its_lease<B: Backend>(backend: &Arc<B>) {
    let (record, token) = over(backend, true).await;
    assert!(ok(backend.settle(&record, token, &value(b"late"), HOUR).await));
    let answer = claims(backend, &record, claim(1)).await;
    assert!(
        matches!(&answer, Claimed::Settled { reply, .. } if *reply == value(b"late")),
        "{answer:?}"
    );
}

/// As if it had never been claimed.
pub async fn released_record_can_be_claimed<B: Backend>(backend: &Arc<B>) {
    let record = record();
    let token = claimed(backend, &record, claim(1)).await;
    assert!(ok(backend.release(&record, token).await));
    assert!(!ok(backend.release(&record, token).await));
    assert!(!ok(backend.settle(&record, token, &value(b"late"), HOUR).await));
    assert_eq!(winners(backend, &record, false).await, [OURS]);
}

/// Its reply stays.
pub async fn settled_record_is_not_released<B: Backend>(backend: &Arc<B>) {
    let record = record();
    let token = claimed(backend, &record, claim(1)).await;
    assert!(ok(backend.settle(&record, token, &value(b"reply"), HOUR).await));
    assert!(!ok(backend.release(&record, token).await));
    assert!(!ok(backend.renew(&record, token, HOUR, HOUR).await));
    let answer = claims(backend, &record, claim(1)).await;
    assert!(matches!(answer, Claimed::Settled { .. }), "{answer:?}");
}

/// A heartbeat keeps a claim, and can give it up.
pub async fn renewal_moves_the_end_of_the_lease<B: Backend>(backend: &Arc<B>) {
    let (record, token) = over(backend, true).await;
    assert!(ok(backend.renew(&record, token, HOUR, HOUR).await));
    let taken = winners(backend, &record, true).await;
    assert_eq!(taken, [], "a lease that was renewed in time has not ended");
    assert!(ok(backend.renew(&record, token, NOW, HOUR).await));
    assert_eq!(
        winners(backend, &record, true).await,
        [Claimed::Ours { took_over: true }]
    );
}

/// However short it is to be kept.
pub async fn running_record_does_not_expire_before_its_lease<B: Backend>(backend: &Arc<B>) {
    let record = record();
    let token = claimed(backend, &record, Claim { ttl: NOW, ..claim(1) }).await;
    ok(backend.delete_expired(1_000).await);
    assert_eq!(winners(backend, &record, true).await, []);
    assert!(ok(backend.renew(&record, token, HOUR, NOW).await));
    assert_eq!(winners(backend, &record, true).await, []);
    // And then it is as good as missing, for who does not take over too.
    assert!(ok(backend.renew(&record, token, NOW, NOW).await));
    assert_eq!(winners(backend, &record, false).await, [OURS]);
}

/// One of many gets it, as if it were missing.
pub async fn expired_record_is_taken_over_once_by_rivals<B: Backend>(backend: &Arc<B>) {
    for takes_over in [false, true, false, true] {
        let (record, token) = over(backend, false).await;
        assert_eq!(winners(backend, &record, takes_over).await, [OURS]);
        assert!(
            !ok(backend.settle(&record, token, &value(b"old"), HOUR).await),
            "it is another's now"
        );
    }
}

/// One of many gets it, and knows that it took over.
pub async fn abandoned_record_is_taken_over_once_by_rivals<B: Backend>(backend: &Arc<B>) {
    for _ in 0..4 {
        let (record, _) = over(backend, true).await;
        assert_eq!(
            winners(backend, &record, true).await,
            [Claimed::Ours { took_over: true }]
        );
    }
}

/// Nothing is changed, and it is told of which payload it is.
pub async fn abandoned_record_is_left_to_who_does_not_take_over<B: Backend>(backend: &Arc<B>) {
    let (record, token) = over(backend, true).await;
    for _ in 0..2 {
        assert_eq!(
            claims(backend, &record, claim(2)).await,
            Claimed::Abandoned { payload: [1; 32] }
        );
    }
    assert!(ok(backend.settle(&record, token, &value(b"late"), HOUR).await));
}

/// It can neither overwrite its successor's reply, nor keep or drop its claim.
pub async fn worker_taken_for_dead_changes_nothing<B: Backend>(backend: &Arc<B>) {
    let (record, dead) = over(backend, true).await;
    let successor = Claim {
        takes_over: true,
        ..claim(2)
    };
    assert_eq!(
        claims(backend, &record, successor).await,
        Claimed::Ours { took_over: true }
    );
    for _ in 0..2 {
        assert!(!ok(backend.renew(&record, dead, NOW, NOW).await));
        assert!(!ok(backend.release(&record, dead).await));
        assert!(!ok(backend.settle(&record, dead, &value(b"dead"), HOUR).await));
        assert!(ok(backend
            .settle(&record, successor.token, &value(b"alive"), HOUR)
            .await));
    }
    let answer = claims(backend, &record, claim(2)).await;
    let alive = value(b"alive");
    assert!(
        matches!(&answer, Claimed::Settled { payload: [2, ..], reply } if *reply == alive),
        "{answer:?}"
    );
}

/// Whatever bytes the parts have, none passes for another.
pub async fn scopes_and_keys_are_separate<B: Backend>(backend: &Arc<B>) {
    let salt = unique();
    let parts = [
        ["a", "b", "c", "d"],
        ["ab", "c", "d", "e"],
        ["a", "bc", "d", "e"],
        ["a", "b", "cd", "e"],
        ["a", "b", "c", "de"],
        ["b", "a", "c", "d"],
        ["a", "c", "b", "d"],
        ["a:b", "c", "d", "e"],
        ["a", "b:c", "d", "e"],
        ["a\0b", "c", "d", "e"],
        ["a", "\0b\0c", "d", "e"],
        ["A", "b", "c", "d"],
        ["a", "b", "c", "D"],
        ["a", "b", "c", "d "],
        ["\u{e4}", "b", "c", "d"],
        ["a\u{308}", "b", "c", "d"],
        ["a", "b", "c", "\u{1e}d"],
        ["a", "b", "c", "';--"],
        ["a", "b", "c", "%"],
        ["a", "b", "c", "_"],
    ];
    for [tenant, principal, operation, key] in parts {
        let key = format!("{key}{salt}");
        let record = RecordId::new(tenant, principal, operation, &key).unwrap_or_else(|error| panic!("{error}"));
        claimed(backend, &record, claim(1)).await;
    }
}

/// And leaves what runs, what is kept, and what was abandoned and may be looked into.
pub async fn sweep_removes_what_has_expired_and_nothing_else<B: Backend>(backend: &Arc<B>) {
    let (expired, _) = over(backend, false).await;
    let (abandoned, _) = over(backend, true).await;
    let (running, settled) = (record(), record());
    claimed(backend, &running, claim(1)).await;
    let token = claimed(backend, &settled, claim(1)).await;
    assert!(ok(backend.settle(&settled, token, &value(b"reply"), HOUR).await));
    // Others may run this at the same time, and remove ours.
    ok(backend.delete_expired(1_000_000).await);
    assert_eq!(
        claims(backend, &abandoned, claim(1)).await,
        Claimed::Abandoned { payload: [1; 32] }
    );
    assert!(matches!(
        claims(backend, &running, claim(1)).await,
        Claimed::Running { .. }
    ));
    assert!(matches!(
        claims(backend, &settled, claim(1)).await,
        Claimed::Settled { .. }
    ));
    claimed(backend, &expired, claim(1)).await;
}

/// However many there are.
pub async fn sweep_removes_a_batch_at_most<B: Backend>(backend: &Arc<B>) {
    for _ in 0..8 {
        over(backend, false).await;
    }
    assert_eq!(ok(backend.delete_expired(0).await), 0);
    assert!(ok(backend.delete_expired(2).await) <= 2);
    while ok(backend.delete_expired(3).await) == 3 {}
}

/// A record that somebody takes over while it is being swept is his.
pub async fn sweep_and_takeover_in_either_order<B: Backend>(backend: &Arc<B>) {
    for round in 0..20 {
        let (record, _) = over(backend, false).await;
        let wanted = claim(2);
        let sweep = async { ok(backend.delete_expired(1_000_000).await) };
        let take = claims(backend, &record, wanted);
        let answer = if round % 2 == 0 {
            futures_util::future::join(sweep, take).await.1
        } else {
            futures_util::future::join(take, sweep).await.0
        };
        assert_eq!(answer, OURS);
        ok(backend.delete_expired(1_000_000).await);
        assert!(
            ok(backend.settle(&record, wanted.token, &value(b"mine"), HOUR).await),
            "the claim was swept away"
        );
    }
}

/// Nothing that is told of them is done, and none comes to be.
pub async fn unknown_records_are_nobodys<B: Backend>(backend: &Arc<B>) {
    let (record, token) = (record(), token());
    assert!(!ok(backend.renew(&record, token, HOUR, HOUR).await));
    assert!(!ok(backend.release(&record, token).await));
    assert!(!ok(backend.settle(&record, token, &value(b"reply"), HOUR).await));
    claimed(backend, &record, claim(1)).await;
}

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
async fn held<B: Backend>(
    store: &IdempotencyStore<Arc<B>>,
    key: &str,
) -> (tokio::task::JoinHandle<Run>, watch::Sender<bool>) {
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
