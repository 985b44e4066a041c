//! Records in Postgres, in the orders that happen seldom: each is brought about on purpose, by a lock that somebody holds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/records.rs"]
mod records;

use cache_core::idempotency::{Backend, Claim, Claimed, PgBackend};
use futures::future::join_all;
use postgres::server;
use records::{
    HOUR, OURS, TAKEN_OVER, backend, careful, claim, ended, expire, is, is_running, record, reply, run, settled, soon,
    token, until_waiting,
};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::task::JoinHandle;

/// A database with the table, and how to connect to it.
async fn database() -> (PgPool, PgConnectOptions, PgBackend) {
    let options = server().new_database().await;
    let pool = PgPool::connect_with(options.clone()).await.unwrap();
    let backend = backend(&pool).await;
    (pool, options, backend)
}

fn claims(backend: &PgBackend, wanted: Claim) -> JoinHandle<Claimed> {
    let backend = backend.clone();
    tokio::spawn(async move { backend.claim(&record("a"), wanted).await.unwrap() })
}

/// Reads rows one by one, each only when a gate is open: what reads has begun by then, and sees what was committed before.
struct Gate {
    pool: PgPool,
    closed: sqlx::Transaction<'static, sqlx::Postgres>,
}

impl Gate {
    /// A backend whose reads of rows wait at it. It is a policy of row-level security, which a superuser passes by, and so cheap that it
    /// comes before all else that is asked of a row.
    async fn close(pool: &PgPool, options: &PgConnectOptions) -> (Self, PgBackend) {
        let role = format!("gated_{}", options.get_database().unwrap());
        run(
            pool,
            &format!(
                "CREATE ROLE {role} LOGIN; GRANT ALL ON idempotency_records TO {role}; \
                 CREATE FUNCTION gate() RETURNS bool LANGUAGE plpgsql COST 0.000001 AS $$ BEGIN \
                     PERFORM pg_advisory_xact_lock_shared(7); RETURN true; END $$; \
                 CREATE POLICY gated ON idempotency_records USING (gate()) WITH CHECK (true); \
                 ALTER TABLE idempotency_records ENABLE ROW LEVEL SECURITY"
            ),
        )
        .await;
        let mut closed = pool.begin().await.unwrap();
        run(&mut *closed, "SELECT pg_advisory_xact_lock(7)").await;
        let gated = PgPool::connect_with(options.clone().username(&role)).await.unwrap();
        let gate = Self {
            pool: pool.clone(),
            closed,
        };
        (gate, PgBackend::new(gated))
    }

    /// Waits until somebody stands before it, does that, and opens it.
    async fn open_after<T>(self, done: impl Future<Output = T>) -> T {
        until_waiting(&self.pool, 1).await;
        let came = done.await;
        self.closed.commit().await.unwrap();
        came
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_fifty_gets_a_record() {
    let pool = server().database().await;
    let backend = backend(&pool).await;
    for round in 0..20 {
        let rivals = (0..50).map(|number| claims(&backend, claim(number)));
        let answers = join_all(rivals.collect::<Vec<_>>()).await;
        let ours: Vec<usize> = (0..50)
            .filter(|&rival| *answers[rival].as_ref().unwrap() == OURS)
            .collect();
        assert_eq!(ours.len(), 1, "{answers:?}");
        for answer in answers {
            let answer = answer.unwrap();
            assert!(
                matches!(answer, Claimed::Ours { .. } | Claimed::Running { .. }),
                "{answer:?}"
            );
        }
        assert!(is_running(&backend.claim(&record("a"), claim(99)).await.unwrap()));
        let winner = token(u8::try_from(ours[0]).unwrap());
        // Once missing, then expired, then settled and expired.
        match round % 3 {
            0 => assert!(backend.release(&record("a"), winner).await.unwrap()),
            1 => expire(&pool).await,
            _ => {
                assert!(backend.settle(&record("a"), winner, &reply("old"), HOUR).await.unwrap());
                expire(&pool).await;
            }
        }
    }
}

#[tokio::test]
async fn somebody_who_takes_an_expired_record_first_is_seen() {
    let (pool, options, backend) = database().await;
    backend.claim(&record("a"), claim(1)).await.unwrap();
    expire(&pool).await;
    let (gate, slow) = Gate::close(&pool, &options).await;
    // It has looked, and found it expired.
    let late = claims(&slow, claim(2));
    let first = gate.open_after(backend.claim(&record("a"), claim(3))).await;
    assert_eq!(first.unwrap(), OURS);
    let late = soon(late).await.unwrap();
    assert!(is_running(&late), "{late:?}");
    assert!(
        backend
            .settle(&record("a"), token(3), &reply("yes"), HOUR)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn somebody_who_settles_first_is_replayed() {
    let (pool, options, backend) = database().await;
    backend.claim(&record("a"), ended(1)).await.unwrap();
    let (gate, slow) = Gate::close(&pool, &options).await;
    let late = claims(&slow, claim(2));
    let settles = gate
        .open_after(backend.settle(&record("a"), token(1), &reply("yes"), HOUR))
        .await;
    assert!(settles.unwrap());
    assert_eq!(soon(late).await.unwrap(), settled("yes"));
}

#[tokio::test]
async fn a_sweep_that_began_before_a_takeover_leaves_the_record() {
    let (pool, options, backend) = database().await;
    backend.claim(&record("a"), claim(1)).await.unwrap();
    expire(&pool).await;
    let (gate, sweeper) = Gate::close(&pool, &options).await;
    // It has the expired row in sight.
    let sweep = tokio::spawn(async move { sweeper.delete_expired(10).await.unwrap() });
    let taken = gate.open_after(backend.claim(&record("a"), claim(2))).await;
    assert_eq!(taken.unwrap(), OURS);
    assert_eq!(soon(sweep).await.unwrap(), 0);
    assert!(
        backend
            .settle(&record("a"), token(2), &reply("yes"), HOUR)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_sweep_does_not_wait_for_a_takeover_and_leaves_the_record() {
    let (pool, _, backend) = database().await;
    backend.claim(&record("a"), claim(1)).await.unwrap();
    expire(&pool).await;
    let mut takeover = pool.begin().await.unwrap();
    run(
        &mut *takeover,
        "UPDATE idempotency_records SET expires_at = clock_timestamp() + interval '1 hour'",
    )
    .await;
    assert_eq!(soon(backend.delete_expired(10)).await.unwrap(), 0);
    takeover.commit().await.unwrap();
    assert_eq!(backend.delete_expired(10).await.unwrap(), 0);
    assert!(is_running(&backend.claim(&record("a"), claim(2)).await.unwrap()));
}

#[tokio::test]
async fn a_takeover_of_a_record_that_is_being_swept_comes_after_the_sweep() {
    for is_swept in [true, false] {
        let (pool, _, backend) = database().await;
        backend.claim(&record("a"), claim(1)).await.unwrap();
        expire(&pool).await;
        // As the sweep leaves it before it commits.
        let mut sweep = pool.begin().await.unwrap();
        run(&mut *sweep, "DELETE FROM idempotency_records").await;
        let taking = claims(&backend, claim(2));
        until_waiting(&pool, 1).await;
        if is_swept {
            sweep.commit().await.unwrap();
        } else {
            sweep.rollback().await.unwrap();
        }
        assert_eq!(soon(taking).await.unwrap(), OURS);
        assert_eq!(backend.delete_expired(10).await.unwrap(), 0);
        assert!(
            backend
                .settle(&record("a"), token(2), &reply("yes"), HOUR)
                .await
                .unwrap()
        );
    }
}

#[tokio::test]
async fn sweeps_at_once_remove_each_record_once() {
    let pool = server().database().await;
    let backend = backend(&pool).await;
    for number in 0..100 {
        backend.claim(&record(&number.to_string()), claim(1)).await.unwrap();
    }
    expire(&pool).await;
    backend.claim(&record("live"), claim(1)).await.unwrap();
    let sweeps = (0..40).map(|_| backend.delete_expired(5));
    let removed = join_all(sweeps).await.into_iter().map(Result::unwrap);
    assert_eq!(removed.inspect(|&removed| assert!(removed <= 5)).sum::<u64>(), 100);
    assert!(is(&pool, "count(*) = 1 FROM idempotency_records").await);
}

#[tokio::test]
async fn settles_that_are_sent_again_while_the_first_is_under_way_are_one() {
    let (pool, _, backend) = database().await;
    backend.claim(&record("a"), claim(1)).await.unwrap();
    let mut lock = pool.begin().await.unwrap();
    run(&mut *lock, "SELECT FROM idempotency_records FOR UPDATE").await;
    let settles: Vec<_> = (0..3)
        .map(|_| {
            let backend = backend.clone();
            tokio::spawn(async move { backend.settle(&record("a"), token(1), &reply("yes"), HOUR).await })
        })
        .collect();
    until_waiting(&pool, 3).await;
    lock.commit().await.unwrap();
    for settled in join_all(settles).await {
        assert!(settled.unwrap().unwrap());
    }
    assert_eq!(backend.claim(&record("a"), claim(2)).await.unwrap(), settled("yes"));
}

#[tokio::test]
async fn a_replay_takes_no_lock_and_writes_nothing() {
    let (pool, _, backend) = database().await;
    backend.claim(&record("a"), claim(1)).await.unwrap();
    backend
        .settle(&record("a"), token(1), &reply("yes"), HOUR)
        .await
        .unwrap();
    let place = "(SELECT format('%s %s %s', ctid, xmin, xmax) FROM idempotency_records)";
    let before: String = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT {place}")))
        .fetch_one(&pool)
        .await
        .unwrap();
    let mut lock = pool.begin().await.unwrap();
    run(&mut *lock, "SELECT FROM idempotency_records FOR UPDATE").await;
    for number in 2..5 {
        assert_eq!(
            soon(backend.claim(&record("a"), claim(number))).await.unwrap(),
            settled("yes")
        );
    }
    lock.rollback().await.unwrap();
    assert!(
        is(
            &pool,
            &format!("{place} LIKE split_part('{before}', ' ', 1) || ' ' || split_part('{before}', ' ', 2) || ' %'")
        )
        .await
    );
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_still_a_takeover() {
    let (_, _, backend) = database().await;
    backend.claim(&record("a"), ended(1)).await.unwrap();
    let abandoned = Claimed::Abandoned { payload: [7; 32] };
    assert_eq!(backend.claim(&record("a"), careful(2)).await.unwrap(), abandoned);
    for _ in 0..3 {
        assert_eq!(backend.claim(&record("a"), claim(2)).await.unwrap(), TAKEN_OVER);
    }
    // And it counts from the claim that came last.
    let again = Claim {
        lease: 2 * HOUR,
        ..claim(2)
    };
    assert_eq!(backend.claim(&record("a"), again).await.unwrap(), TAKEN_OVER);
    match backend.claim(&record("a"), claim(3)).await.unwrap() {
        Claimed::Running { remaining, .. } => assert!(remaining.unwrap() > HOUR),
        claimed => panic!("{claimed:?}"),
    }
}
