//! What a call costs in round trips, and the connections it goes over: lost ones, few ones, pooled ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/pooler.rs"]
mod pooler;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/records.rs"]
mod records;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use cache_core::idempotency::{
    Backend, Claimed, IdempotencyError, IdempotencyStore, Outcome, PgBackend, PgBackendError, Request,
};
use futures::future::join_all;
use pooler::pooler;
use postgres::server;
use proxy::Proxy;
use records::{
    HOUR, OURS, backend, careful, claim, ended, is, record, reply, run, settled, soon, token, until_waiting,
};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// A proxy in front of a database with the table, and a pool that goes through it.
async fn proxied(connections: u32) -> (Proxy, PgPool, PgPool, PgBackend) {
    let options = server().new_database().await;
    let direct = PgPool::connect_with(options.clone()).await.unwrap();
    backend(&direct).await;
    let proxy = Proxy::start(&options).await;
    let pool = PgPoolOptions::new().max_connections(connections);
    let pool = pool.connect_with(proxy.options(&options)).await.unwrap();
    let backend = PgBackend::new(pool.clone());
    (proxy, direct, pool, backend)
}

/// Lets the pool's own tasks put connections back.
async fn settle(pool: &PgPool) {
    while pool.num_idle() < pool.size() as usize {
        tokio::task::yield_now().await;
    }
}

/// Round trips of all kinds, and connections.
fn sent(proxy: &Proxy) -> (u64, u64, u64) {
    (proxy.queries(), proxy.syncs(), proxy.connections())
}

#[tokio::test]
async fn each_thing_a_backend_does_is_one_round_trip() {
    let (proxy, _, pool, backend) = proxied(4).await;
    settle(&pool).await;
    let mut before = sent(&proxy);
    let mut one_more = async |what: &str| {
        before.0 += 1;
        assert_eq!(sent(&proxy), before, "{what}");
        // The pool sees whether a connection is alive when it gets it back. Nobody waits for that.
        settle(&pool).await;
        before = sent(&proxy);
    };
    assert_eq!(backend.claim(&record("a"), claim(1)).await.unwrap(), OURS);
    one_more("claim").await;
    backend.claim(&record("a"), claim(2)).await.unwrap();
    one_more("claim of what is running").await;
    assert!(backend.renew(&record("a"), token(1), HOUR, HOUR).await.unwrap());
    one_more("renew").await;
    assert!(
        backend
            .settle(&record("a"), token(1), &reply("yes"), HOUR)
            .await
            .unwrap()
    );
    one_more("settle").await;
    assert_eq!(backend.claim(&record("a"), claim(2)).await.unwrap(), settled("yes"));
    one_more("replay").await;
    backend.claim(&record("b"), ended(1)).await.unwrap();
    one_more("claim of another").await;
    backend.claim(&record("b"), careful(2)).await.unwrap();
    one_more("claim of what was given up").await;
    backend.claim(&record("b"), claim(2)).await.unwrap();
    one_more("takeover").await;
    assert!(backend.release(&record("b"), token(2)).await.unwrap());
    one_more("release").await;
    backend.delete_expired(100).await.unwrap();
    one_more("sweep").await;
    backend.check_schema().await.unwrap();
    one_more("check").await;
    backend.create_schema().await.unwrap();
    one_more("what is there need not be made").await;
}

fn request(key: &str) -> Request {
    Request::new("orders::create")
        .scope("acme", "ada")
        .key(key)
        .payload("shoes")
}

#[tokio::test]
async fn a_fresh_call_is_two_round_trips_and_a_replay_one() {
    let (proxy, _, _, backend) = proxied(4).await;
    let store = IdempotencyStore::new(backend);
    let order = || async { Ok::<_, IdempotencyError>(7) };
    for _ in 0..3 {
        let key = format!("key {}", proxy.queries());
        let before = proxy.queries();
        assert_eq!(store.run(request(&key), order).await.unwrap(), Outcome::Fresh(7));
        assert_eq!(proxy.queries(), before + 2);
        assert_eq!(store.run(request(&key), order).await.unwrap(), Outcome::Replayed(7));
        assert_eq!(proxy.queries(), before + 3);
    }
}

#[tokio::test]
async fn in_a_transaction_it_is_two_statements_more_than_the_handlers() {
    let (proxy, _, pool, backend) = proxied(4).await;
    let store = IdempotencyStore::new(backend);
    // Of the transaction alone, with one statement.
    let before = proxy.queries();
    let mut tx = pool.begin().await.unwrap();
    run(&mut *tx, "SELECT 1").await;
    tx.commit().await.unwrap();
    let bare = proxy.queries() - before;
    for statements in [2, 0] {
        let before = proxy.queries();
        let mut tx = pool.begin().await.unwrap();
        let outcome = store.in_transaction(&mut tx, request("a"), async |tx| {
            run(tx, "SELECT 1").await;
            Ok::<_, IdempotencyError>(7)
        });
        outcome.await.unwrap();
        tx.commit().await.unwrap();
        // A replay has its claim in the place of the handler's statement.
        assert_eq!(proxy.queries(), before + bare + statements);
    }
}

#[tokio::test]
async fn connections_that_were_lost_while_idle_are_no_error() {
    let (proxy, direct, pool, backend) = proxied(4).await;
    let all_idle = async || {
        let all = join_all((0..4).map(|_| pool.acquire())).await;
        drop(all);
        settle(&pool).await;
    };
    let cut = async || {
        all_idle().await;
        proxy.cut();
    };
    let terminate = async || {
        all_idle().await;
        run(
            &direct,
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    };
    for key in ["a", "b"] {
        let lose = async || if key == "a" { cut().await } else { terminate().await };
        lose().await;
        assert_eq!(backend.claim(&record(key), claim(1)).await.unwrap(), OURS);
        lose().await;
        assert!(backend.renew(&record(key), token(1), HOUR, HOUR).await.unwrap());
        lose().await;
        assert!(
            backend
                .settle(&record(key), token(1), &reply("yes"), HOUR)
                .await
                .unwrap()
        );
        lose().await;
        assert_eq!(backend.claim(&record(key), claim(2)).await.unwrap(), settled("yes"));
        lose().await;
        assert_eq!(backend.delete_expired(10).await.unwrap(), 0);
        backend.claim(&record(&format!("{key} again")), claim(1)).await.unwrap();
        lose().await;
        assert!(
            backend
                .release(&record(&format!("{key} again")), token(1))
                .await
                .unwrap()
        );
        lose().await;
        backend.create_schema().await.unwrap();
    }
}

/// The first attempt is done by the server, and nobody hears of it.
#[tokio::test]
async fn a_statement_whose_answer_is_lost_is_sent_again() {
    let (proxy, direct, pool, backend) = proxied(2).await;
    let lock = async |sql: &str| {
        let mut lock = direct.begin().await.unwrap();
        run(&mut *lock, sql).await;
        lock
    };
    backend.claim(&record("a"), ended(1)).await.unwrap();
    // The server works on it, and its client is cut off.
    let held = lock("SELECT FROM idempotency_records FOR UPDATE").await;
    let other = backend.clone();
    let claiming = tokio::spawn(async move { other.claim(&record("a"), claim(2)).await });
    until_waiting(&direct, 1).await;
    proxy.cut();
    let error = soon(claiming).await.unwrap().unwrap_err();
    // Its first attempt is still under way, and has its turn: it may come to something yet.
    assert!(matches!(error, PgBackendError::Database(_)), "{error}");
    held.commit().await.unwrap();
    // Another connection that was cut may be found now, while that attempt ends.
    let claimed = async || backend.claim(&record("a"), claim(2)).await.ok();
    soon(async { while claimed().await != Some(Claimed::Ours { took_over: true }) {} }).await;
    // What was cut off has ended: it would be taken for what is to wait now.
    let idle = "count(*) = 0 FROM pg_stat_activity \
                WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()";
    soon(async { while !is(&direct, idle).await {} }).await;
    // Nor is a connection left that was cut: each time that is found costs an attempt.
    let both = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    drop(both);
    settle(&pool).await;

    let held = lock("SELECT FROM idempotency_records FOR UPDATE").await;
    let other = backend.clone();
    let settling = tokio::spawn(async move { other.settle(&record("a"), token(2), &reply("yes"), HOUR).await });
    until_waiting(&direct, 1).await;
    proxy.cut();
    until_waiting(&direct, 2).await;
    held.commit().await.unwrap();
    assert!(soon(settling).await.unwrap().unwrap());
    assert_eq!(backend.claim(&record("a"), claim(3)).await.unwrap(), settled("yes"));
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_waits_leaves_its_connection_usable() {
    let (_, direct, _, backend) = proxied(1).await;
    backend.claim(&record("a"), ended(1)).await.unwrap();
    let mut lock = direct.begin().await.unwrap();
    run(&mut *lock, "SELECT FROM idempotency_records FOR UPDATE").await;
    let other = backend.clone();
    let claiming = tokio::spawn(async move { other.claim(&record("a"), claim(2)).await });
    until_waiting(&direct, 1).await;
    claiming.abort();
    assert!(claiming.await.unwrap_err().is_cancelled());
    lock.commit().await.unwrap();
    // It is the claim's that nobody waits for, or still to be had.
    let again = soon(backend.claim(&record("a"), claim(2))).await.unwrap();
    assert_eq!(again, Claimed::Ours { took_over: true });
}

#[tokio::test]
async fn one_connection_is_enough_for_many() {
    let (_, direct, _, backend) = proxied(1).await;
    let calls = (0..100).map(|number| {
        let backend = backend.clone();
        tokio::spawn(async move {
            let key = (number / 2).to_string();
            let claimed = backend.claim(&record(&key), claim(number)).await.unwrap();
            claimed == OURS
                && backend
                    .settle(&record(&key), token(number), &reply(&key), HOUR)
                    .await
                    .unwrap()
        })
    });
    let ran = soon(join_all(calls.collect::<Vec<_>>())).await;
    assert_eq!(ran.into_iter().filter(|ran| *ran.as_ref().unwrap()).count(), 50);
    assert!(is(&direct, "count(outcome) = 50 FROM idempotency_records").await);
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pool = runtime.block_on(async {
        PgPoolOptions::new()
            .connect_lazy("postgres://127.0.0.1:1/none")
            .unwrap()
    });
    let backend = PgBackend::new(pool);
    let error = |error| assert!(matches!(error, PgBackendError::NoRuntime), "{error}");
    let (a, one) = (record("a"), token(1));
    error(futures::executor::block_on(backend.claim(&a, claim(1))).unwrap_err());
    error(futures::executor::block_on(backend.renew(&a, one, HOUR, HOUR)).unwrap_err());
    error(futures::executor::block_on(backend.settle(&a, one, &reply("yes"), HOUR)).unwrap_err());
    error(futures::executor::block_on(backend.release(&a, one)).unwrap_err());
    error(futures::executor::block_on(backend.delete_expired(1)).unwrap_err());
    error(futures::executor::block_on(backend.create_schema()).unwrap_err());
    error(futures::executor::block_on(backend.check_schema()).unwrap_err());
    drop(runtime.enter());
}

/// Workers with stores of their own send each request twice, in either way, over fewer connections than there are workers.
async fn many_workers(pooled: PgConnectOptions, direct: &PgPool) {
    run(direct, "CREATE TABLE effects (key text)").await;
    let failed = Arc::new(AtomicU64::new(0));
    let errors: Arc<Mutex<Vec<String>>> = Arc::default();
    let workers = (0..12u32).map(|worker| {
        let (options, failed, errors) = (pooled.clone(), Arc::clone(&failed), Arc::clone(&errors));
        tokio::spawn(async move {
            let pool = PgPoolOptions::new()
                .max_connections(2)
                .connect_with(options)
                .await
                .unwrap();
            let store = IdempotencyStore::new(PgBackend::new(pool.clone()));
            store.create_schema().await.unwrap();
            for number in 0..60 {
                let key = format!("{} {number}", worker / 2);
                let sql = format!("INSERT INTO effects VALUES ('{key}')");
                let done = if number % 2 == 0 {
                    let effects = pool.clone();
                    store
                        .run(request(&key), move || async move {
                            run(&effects, &sql).await;
                            Ok::<_, IdempotencyError>(key)
                        })
                        .await
                        .map(drop)
                } else {
                    let mut tx = pool.begin().await.unwrap();
                    let handler = async |tx: &mut sqlx::PgConnection| {
                        run(tx, &sql).await;
                        Ok::<_, IdempotencyError>(key.clone())
                    };
                    let done = store.in_transaction(&mut tx, request(&key), handler).await;
                    tx.commit().await.unwrap();
                    done.map(drop)
                };
                if let Err(error) = done {
                    failed.fetch_add(1, Ordering::SeqCst);
                    errors.lock().unwrap().push(error.to_string());
                }
            }
        })
    });
    for worker in join_all(workers.collect::<Vec<_>>()).await {
        worker.unwrap();
    }
    assert_eq!(failed.load(Ordering::SeqCst), 0, "{:?}", errors.lock().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_transaction_mode_makes_no_difference() {
    let options = server().new_database().await;
    let direct = PgPool::connect_with(options.clone()).await.unwrap();
    let (_pooler, pooled) = pooler(&options);
    many_workers(pooled, &direct).await;
    assert!(is(&direct, "count(*) = 360 AND count(DISTINCT key) = 360 FROM effects").await);
    assert!(
        is(
            &direct,
            "count(outcome) = 360 AND count(*) = 360 FROM idempotency_records"
        )
        .await
    );
    // What belongs to a claim's transaction does not stay with the pooler's connection.
    assert!(
        is(
            &direct,
            "count(*) = 0 FROM pg_locks WHERE locktype = 'advisory' \
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        .await
    );
}
