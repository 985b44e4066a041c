//! What a backend does with records.

use std::sync::Arc;

use futures_util::future::{join, join_all};

use super::{HOUR, NOW, ok, token, unique};
use crate::idempotency::{Backend, Claim, Claimed, RecordId, Reply, Token};

/// A record that no other test has.
fn record() -> RecordId {
    RecordId::new("contract", "principal", "operation", &unique()).unwrap_or_else(|error| panic!("{error}"))
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
    let rivals = (0..20).map(|_| claims(backend, record, Claim { takes_over, ..claim(1) }));
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
        ok(backend.settle(&record, token, &value(b"second"), HOUR).await),
        "the first answer may have been lost on the way"
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

/// It is not the same request: what the worker may have done, it did for another one.
pub async fn abandoned_record_is_not_taken_over_for_another_payload<B: Backend>(backend: &Arc<B>) {
    let (record, token) = over(backend, true).await;
    let other = Claim {
        takes_over: true,
        ..claim(2)
    };
    assert_eq!(
        claims(backend, &record, other).await,
        Claimed::Abandoned { payload: [1; 32] }
    );
    assert!(ok(backend.renew(&record, token, NOW, NOW).await));
    assert_eq!(
        claims(backend, &record, other).await,
        OURS,
        "it has expired, and is as good as missing"
    );
}

/// It can neither overwrite its successor's reply, nor keep or drop its claim.
pub async fn worker_taken_for_dead_changes_nothing<B: Backend>(backend: &Arc<B>) {
    let (record, dead) = over(backend, true).await;
    let successor = Claim {
        takes_over: true,
        ..claim(1)
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
    let answer = claims(backend, &record, claim(1)).await;
    let alive = value(b"alive");
    assert!(
        matches!(&answer, Claimed::Settled { payload: [1, ..], reply } if *reply == alive),
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
    // Another test may sweep ours away, but not each time.
    let mut removed = 0;
    for _ in 0..100 {
        over(backend, false).await;
        removed += ok(backend.delete_expired(1).await);
    }
    assert!(removed > 0, "what has expired is removed, and counted");
}

/// A record that somebody takes over while it is being swept is his.
pub async fn sweep_and_takeover_in_either_order<B: Backend>(backend: &Arc<B>) {
    for round in 0..20 {
        let (record, _) = over(backend, false).await;
        let wanted = claim(2);
        let sweep = async { ok(backend.delete_expired(1_000_000).await) };
        let take = claims(backend, &record, wanted);
        let answer = if round % 2 == 0 {
            join(sweep, take).await.1
        } else {
            join(take, sweep).await.0
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
