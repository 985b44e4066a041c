//! A server that crashes, and comes back, while a request runs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod crash;

use crash::postgres::server;
use crash::process::{Told, Worker};
use crash::worker::{CLAIMED, EFFECT, SETTLED};
use crash::{Mode, PATIENCE, SHORT, World};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// There is one server, and each test wants it for itself.
static SERVER: Mutex<()> = Mutex::const_new(());

#[test]
fn worker_process() {
    crash::worker::work();
}

async fn crash_server(world: &World) {
    tokio::task::spawn_blocking(|| server().crash()).await.unwrap();
    // What the pool has left is of before.
    let connects = async { while sqlx::query("SELECT").execute(&world.pool).await.is_err() {} };
    timeout(PATIENCE, connects).await.unwrap();
}

/// What a worker is told that is at this place when the server crashes, and what a repeat.
async fn crashed(world: &World, mode: Mode, place: &'static str) -> [Told; 2] {
    let mut plan = world.plan("first", mode, "a");
    plan.holds = vec![place];
    let mut first = Worker::start(&plan);
    first.reaches(place).await;
    crash_server(world).await;
    first.go_on();
    [first.outcome().await, world.repeat("second", mode, "a").await]
}

#[tokio::test]
async fn a_request_goes_on_when_the_server_crashed_and_came_back() {
    let _server = SERVER.lock().await;
    for mode in [Mode::Refuse, Mode::Rerun] {
        for place in [CLAIMED, EFFECT] {
            let world = World::new().await;
            let told = crashed(&world, mode, place).await;
            let effects = world.effects("a").await;
            let [effect] = &effects[..] else {
                panic!("{mode}, {place}: {effects:?}")
            };
            let expected = [Told::Fresh(effect.clone()), Told::Replayed(effect.clone())];
            assert_eq!(told, expected, "{mode}, {place}");
        }
    }
}

#[tokio::test]
async fn a_claim_of_a_worker_that_died_with_the_server_is_still_there() {
    let _server = SERVER.lock().await;
    for (mode, place, expected, count) in [
        (Mode::Refuse, CLAIMED, "Abandoned", 0),
        (Mode::Refuse, EFFECT, "Abandoned", 1),
        (Mode::Rerun, CLAIMED, "Fresh", 1),
        (Mode::Rerun, EFFECT, "Fresh", 2),
    ] {
        let world = World::new().await;
        let mut plan = world.plan("first", mode, "a");
        (plan.lease, plan.holds) = (SHORT, vec![place]);
        let mut first = Worker::start(&plan);
        first.reaches(place).await;
        first.kill();
        crash_server(&world).await;
        let told = world.repeat("second", mode, "a").await;
        assert_eq!(told.word(), expected, "{mode}, {place}");
        assert_eq!(world.effects("a").await.len(), count, "{mode}, {place}");
    }
}

#[tokio::test]
async fn a_transaction_that_the_server_crashed_in_has_not_happened() {
    let _server = SERVER.lock().await;
    for (place, error) in [(CLAIMED, "Database"), (EFFECT, "Unsettled"), (SETTLED, "Database")] {
        let world = World::new().await;
        let told = crashed(&world, Mode::Transaction, place).await;
        let effects = world.effects("a").await;
        let [effect] = &effects[..] else {
            panic!("{place}: {effects:?}")
        };
        assert!(effect.starts_with("second/"), "{place}: {effect}");
        assert_eq!(
            told,
            [Told::Refused(error.to_owned()), Told::Fresh(effect.clone())],
            "{place}"
        );
    }
}

#[tokio::test]
async fn what_was_told_to_a_client_is_replayed_after_a_crash_of_the_server() {
    let _server = SERVER.lock().await;
    for mode in Mode::ALL {
        let world = World::new().await;
        let told = world.repeat("first", mode, "a").await;
        crash_server(&world).await;
        let effects = world.effects("a").await;
        let [effect] = &effects[..] else {
            panic!("{mode}: {effects:?}")
        };
        assert_eq!(told, Told::Fresh(effect.clone()), "{mode}");
        let told = world.repeat("second", mode, "a").await;
        assert_eq!(told, Told::Replayed(effect.clone()), "{mode}");
    }
}
