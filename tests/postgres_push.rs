//! Push mode: answers from memory while the listener is certain to be current, and from the database otherwise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/proxy.rs"]
mod proxy;

use std::time::Duration;

use cache_core::postgres::{Listen, Listening, Revisions, RevisionsError, TableRevisions};
use postgres::server;
use proxy::Proxy;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};

async fn run(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(pool)
        .await
        .unwrap();
}

const TABLES: [&str; 2] = ["tasks", "topics"];

struct World {
    /// Not by way of a proxy.
    direct: PgPool,
    asking: Revisions,
    /// What calls go through, and what the listener does.
    calls: Proxy,
    listener: Proxy,
    pushed: Revisions,
}

impl World {
    async fn new(notify: bool, listen: Listen) -> Self {
        let options = server().new_database().await;
        let direct = PgPool::connect_with(options.clone()).await.unwrap();
        run(&direct, "CREATE TABLE topics (id int); CREATE TABLE tasks (id int)").await;
        let asking = Revisions::builder()
            .notify(notify)
            .install(&direct, &TABLES)
            .await
            .unwrap();
        let (calls, listener) = (Proxy::start(&options).await, Proxy::start(&options).await);
        let pool = PgPoolOptions::new()
            .max_connections(2)
            .connect_with(calls.options(&options))
            .await
            .unwrap();
        let listen = listen.connection(listener.options(&options).application_name("listener"));
        let pushed = Revisions::new(pool).listen(listen).unwrap();
        Self {
            direct,
            asking,
            calls,
            listener,
            pushed,
        }
    }

    fn listening(&self) -> Listening {
        self.pushed.listening().unwrap()
    }

    /// Whether a call is answered without a question, and what it says.
    async fn recalled(&self) -> (bool, TableRevisions) {
        let before = self.calls.queries();
        let revision = self.pushed.revision(&TABLES).await.unwrap();
        (self.calls.queries() == before, revision)
    }

    /// Calls until one is answered from memory. All that ask in between have to be right.
    async fn remembered(&self) -> TableRevisions {
        loop {
            let (from_memory, revision) = self.recalled().await;
            if from_memory {
                return revision;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn asked(&self) -> TableRevisions {
        self.asking.revision(&TABLES).await.unwrap()
    }

    async fn until(&self, what: impl Fn(&Listening) -> bool) {
        while !what(&self.listening()) {
            tokio::task::yield_now().await;
        }
    }
}

/// So rarely that nothing in a test is due to it.
fn never() -> Listen {
    let long = Duration::from_secs(3600);
    Listen::new().heartbeat(long).lease(2 * long)
}

#[tokio::test]
async fn memory_answers_without_a_question_and_says_the_same() {
    let world = World::new(true, never()).await;
    let asked = world.asked().await;
    assert_eq!(world.remembered().await, asked);
    let before = world.calls.queries();
    for _ in 0..1000 {
        assert_eq!(world.pushed.revision(&TABLES).await.unwrap(), asked);
        assert_eq!(
            world.pushed.revision(&["topics", "tasks", "topics"]).await.unwrap(),
            asked
        );
    }
    assert_eq!(world.calls.queries(), before);
    let listening = world.listening();
    assert!(
        listening.is_current && listening.in_memory == 2 && listening.round_trip.is_some(),
        "{listening:?}"
    );
    // What nobody has asked for yet is asked for, and by then known.
    world.pushed.revision(&["public.topics"]).await.unwrap();
    assert_eq!(world.calls.queries(), before + 1);
    world.until(|listening| listening.in_memory == 3).await;
}

#[tokio::test]
async fn a_notification_makes_calls_ask_until_memory_knows_better() {
    let world = World::new(true, never()).await;
    world.remembered().await;
    for (sql, tables) in [
        ("INSERT INTO topics VALUES (1)", 1),
        ("UPDATE topics SET id = 2", 1),
        ("DELETE FROM topics", 1),
        ("TRUNCATE topics", 1),
        (
            "BEGIN; INSERT INTO tasks VALUES (1); INSERT INTO topics VALUES (1); COMMIT",
            2,
        ),
    ] {
        let (before, notifications) = (world.asked().await, world.listening().notifications);
        run(&world.direct, sql).await;
        world
            .until(|listening| listening.notifications == notifications + tables)
            .await;
        // From here on, nothing older is ever said.
        let after = world.asked().await;
        assert_ne!(after, before, "{sql}");
        assert_eq!(world.recalled().await.1, after, "{sql}");
        assert_eq!(world.remembered().await, after, "{sql}");
    }
    assert_eq!(world.listening().notifications, 6);
}

#[tokio::test]
async fn what_is_rolled_back_notifies_nobody() {
    let world = World::new(true, never()).await;
    world.remembered().await;
    run(
        &world.direct,
        "BEGIN; INSERT INTO topics VALUES (1); ROLLBACK; INSERT INTO tasks VALUES (1)",
    )
    .await;
    world.until(|listening| listening.notifications == 1).await;
    assert_eq!(world.remembered().await, world.asked().await);
    assert_eq!(world.listening().notifications, 1);
}

#[tokio::test]
async fn calls_ask_while_the_listener_is_not_connected_and_it_connects_again() {
    let world = World::new(true, never()).await;
    let known = world.remembered().await;
    world.listener.cut();
    world.until(|listening| !listening.is_current).await;
    assert!(matches!(
        world.listening().last_error,
        Some(RevisionsError::Database(_))
    ));
    let before = world.calls.queries();
    run(&world.direct, "INSERT INTO topics VALUES (1)").await;
    let asked = world.asked().await;
    assert_ne!(asked, known);
    assert_eq!(world.pushed.revision(&TABLES).await.unwrap(), asked);
    assert!(world.calls.queries() > before || world.listening().connections == 2);
    assert_eq!(world.remembered().await, asked);
    assert_eq!(world.listening().connections, 2);
    assert!(world.listening().last_error.is_none());

    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE datname = current_database() AND query LIKE '%cache_core%' AND pid <> pg_backend_pid()";
    run(&world.direct, terminate).await;
    world.until(|listening| listening.connections == 3).await;
    assert_eq!(world.remembered().await, asked);
}

#[tokio::test]
async fn a_listener_that_never_connects_leaves_calls_asking() {
    let options = server().new_database().await;
    let pool = PgPool::connect_with(options.clone()).await.unwrap();
    run(&pool, "CREATE TABLE topics (id int)").await;
    let asking = Revisions::builder()
        .notify(true)
        .install(&pool, &["topics"])
        .await
        .unwrap();
    let pushed = asking.listen(never().connection(options.port(1))).unwrap();
    while pushed.listening().unwrap().last_error.is_none() {
        let revision = pushed.revision(&["topics"]).await.unwrap();
        assert_eq!(revision, asking.revision(&["topics"]).await.unwrap());
    }
    run(&pool, "INSERT INTO topics VALUES (1)").await;
    assert_eq!(
        pushed.revision(&["topics"]).await.unwrap(),
        asking.revision(&["topics"]).await.unwrap()
    );
    assert!(!pushed.listening().unwrap().is_current);
}

#[tokio::test]
async fn a_connection_that_is_dead_without_a_word_is_trusted_no_longer_than_the_lease() {
    let (heartbeat, lease) = (Duration::from_millis(50), Duration::from_millis(300));
    let world = World::new(true, Listen::new().heartbeat(heartbeat).lease(lease)).await;
    world.remembered().await;
    world.listener.swallow();
    run(&world.direct, "INSERT INTO topics VALUES (1)").await;
    let asked = world.asked().await;
    while world.recalled().await.1 != asked {
        tokio::task::yield_now().await;
    }
    world
        .until(|listening| listening.connections == 2 && listening.is_current)
        .await;
    assert_eq!(world.remembered().await, asked);
}

#[tokio::test]
async fn what_sends_no_notification_is_found_by_the_heartbeat() {
    let (heartbeat, lease) = (Duration::from_millis(20), Duration::from_secs(3600));
    let world = World::new(true, Listen::new().heartbeat(heartbeat).lease(lease)).await;
    let before = world.remembered().await;
    run(&world.direct, "ALTER TABLE topics ADD COLUMN added int").await;
    while world.remembered().await == before {
        tokio::task::yield_now().await;
    }
    run(&world.direct, "DROP TABLE topics").await;
    let error = loop {
        match world.pushed.revision(&TABLES).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, RevisionsError::Unwatched(_)), "{error}");
    // The others are known as before.
    let before = world.calls.queries();
    world.pushed.revision(&["tasks"]).await.unwrap();
    assert_eq!(world.calls.queries(), before);
}

#[tokio::test]
async fn tables_without_notifications_are_asked_for_unless_polling_is_allowed() {
    let (heartbeat, lease) = (Duration::from_millis(20), Duration::from_secs(3600));
    let listen = Listen::new().heartbeat(heartbeat).lease(lease);
    let world = World::new(false, listen.clone()).await;
    world.until(|listening| listening.is_current).await;
    for _ in 0..20 {
        let before = world.listening();
        assert!(!world.recalled().await.0);
        tokio::task::yield_now().await;
        assert_eq!(before.in_memory, 0);
    }
    let world = World::new(false, listen.poll(true)).await;
    let before = world.remembered().await;
    run(&world.direct, "INSERT INTO topics VALUES (1)").await;
    while world.remembered().await == before {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.remembered().await, world.asked().await);
    assert_eq!(world.listening().notifications, 0);
}

#[tokio::test]
async fn installing_with_another_setting_changes_it() {
    let world = World::new(false, never()).await;
    world.until(|listening| listening.is_current).await;
    let before = world.asked().await;
    Revisions::builder()
        .notify(true)
        .install(&world.direct, &TABLES)
        .await
        .unwrap();
    assert_ne!(world.asked().await, before);
    run(&world.direct, "INSERT INTO topics VALUES (1)").await;
    world.until(|listening| listening.notifications == 1).await;
}

#[tokio::test]
async fn the_listener_ends_with_its_last_handle() {
    let world = World::new(true, never()).await;
    world.remembered().await;
    let World { direct, pushed, .. } = world;
    let count = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'listener'")
            .fetch_one(&direct)
            .await
            .unwrap()
    };
    let clone = pushed.clone();
    drop(pushed);
    clone.revision(&TABLES).await.unwrap();
    assert_eq!(count().await, 1);
    assert!(clone.listening().unwrap().is_current);
    drop(clone);
    while count().await > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_lease_for_ever_is_none_too_long() {
    let listen = Listen::new().heartbeat(Duration::MAX / 2).lease(Duration::MAX);
    let world = World::new(true, listen).await;
    assert_eq!(world.remembered().await, world.asked().await);
}

#[tokio::test]
async fn a_lease_that_ends_before_the_heartbeat_is_refused() {
    let asking = Revisions::new(
        PgPoolOptions::new()
            .connect_lazy("postgres://127.0.0.1:1/none")
            .unwrap(),
    );
    let second = Duration::from_secs(1);
    for listen in [Listen::new().lease(second), Listen::new().heartbeat(Duration::ZERO)] {
        let error = asking.listen(listen).unwrap_err();
        assert!(matches!(error, RevisionsError::Lease { .. }), "{error}");
    }
}

#[test]
fn memory_ends_with_the_runtime_of_the_listener() {
    for runtime in [
        tokio::runtime::Builder::new_current_thread(),
        tokio::runtime::Builder::new_multi_thread(),
    ] {
        let mut runtime = runtime;
        let runtime = runtime.enable_all().build().unwrap();
        let world = runtime.block_on(async {
            let world = World::new(true, never()).await;
            world.remembered().await;
            world
        });
        // Memory answers anywhere.
        futures::executor::block_on(world.pushed.revision(&TABLES)).unwrap();
        drop(runtime);
        let error = futures::executor::block_on(world.pushed.revision(&TABLES)).unwrap_err();
        assert!(matches!(error, RevisionsError::NoRuntime), "{error}");
        assert!(!world.listening().is_current);
    }
}
