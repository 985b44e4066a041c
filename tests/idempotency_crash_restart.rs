//! A server that crashes, and comes back, while requests run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod crash;

use crash::postgres::server;
use crash::process::{Told, Worker};
use crash::worker::{CLAIMED, EFFECT, SETTLED};
use crash::{LONG, Mode, PATIENCE, SHORT, World};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// There is one server, and each test wants it for itself.
static SERVER: Mutex<()> = Mutex::const_new(());

#[test]
fn worker_process() {
    crash::worker::work();
}

/// How a request is run, and where its worker is when the server crashes.
type Case = (Mode, &'static str);

fn key((mode, place): Case) -> String {
    format!("{mode}-{place}")
}

/// Workers that are where they are to be.
async fn begun(world: &World, cases: &[Case], is_to_be_lost: bool) -> Vec<Worker> {
    let mut workers = Vec::new();
    for case in cases {
        let mut plan = world.plan("first", case.0, &key(*case));
        plan.holds = vec![case.1];
        plan.lease = if is_to_be_lost { SHORT } else { LONG };
        workers.push(Worker::start(&plan));
    }
    for (worker, case) in workers.iter_mut().zip(cases) {
        worker.reaches(case.1).await;
    }
    workers
}

async fn stop() {
    spawn_blocking(|| server().stop("immediate")).await.unwrap();
}

async fn start_again(world: &World) {
    spawn_blocking(|| server().start_again()).await.unwrap();
    // Uses up what the pool has left of before.
    let connects = async { while sqlx::query("SELECT").execute(&world.pool).await.is_err() {} };
    timeout(PATIENCE, connects).await.unwrap();
}

/// The only effect of a request.
async fn effect(world: &World, case: Case) -> String {
    let effects = world.effects(&key(case)).await;
    let [effect] = &effects[..] else {
        panic!("{case:?}: {effects:?}")
    };
    effect.clone()
}

/// A worker has run its request, once, and a repeat is told so.
async fn has_run(world: &World, case: Case, worker: &mut Worker) {
    let told = worker.outcome().await;
    let repeat = world.repeat("second", case.0, &key(case)).await;
    let effect = effect(world, case).await;
    assert_eq!(
        [told, repeat],
        [Told::Fresh(effect.clone()), Told::Replayed(effect)],
        "{case:?}"
    );
}

#[tokio::test]
async fn a_request_goes_on_when_the_server_crashed_and_came_back() {
    let _server = SERVER.lock().await;
    let world = World::new().await;
    let cases = [
        (Mode::Refuse, CLAIMED),
        (Mode::Refuse, EFFECT),
        (Mode::Rerun, CLAIMED),
        (Mode::Rerun, EFFECT),
    ];
    let mut workers = begun(&world, &cases, false).await;
    stop().await;
    start_again(&world).await;
    for (worker, case) in workers.iter_mut().zip(cases) {
        worker.go_on();
        has_run(&world, case, worker).await;
    }
}

#[tokio::test]
async fn a_reply_is_stored_as_soon_as_the_server_is_back() {
    let _server = SERVER.lock().await;
    let world = World::new().await;
    let cases = [(Mode::Refuse, EFFECT), (Mode::Rerun, EFFECT)];
    let mut workers = begun(&world, &cases, false).await;
    stop().await;
    workers.iter_mut().for_each(Worker::go_on);
    start_again(&world).await;
    for (worker, case) in workers.iter_mut().zip(cases) {
        has_run(&world, case, worker).await;
    }
}

#[tokio::test]
async fn a_claim_of_a_worker_that_died_with_the_server_is_still_there() {
    let _server = SERVER.lock().await;
    let world = World::new().await;
    let cases = [
        ((Mode::Refuse, CLAIMED), "Abandoned", 0),
        ((Mode::Refuse, EFFECT), "Abandoned", 1),
        ((Mode::Rerun, CLAIMED), "Fresh", 1),
        ((Mode::Rerun, EFFECT), "Fresh", 2),
    ];
    let mut workers = begun(&world, &cases.map(|(case, ..)| case), true).await;
    workers.iter_mut().for_each(Worker::kill);
    stop().await;
    start_again(&world).await;
    for (case, word, count) in cases {
        let told = world.repeat("second", case.0, &key(case)).await;
        let effects = world.effects(&key(case)).await;
        assert_eq!((told.word(), effects.len()), (word, count), "{case:?}: {effects:?}");
    }
}

#[tokio::test]
async fn a_transaction_that_the_server_crashed_in_has_not_happened() {
    let _server = SERVER.lock().await;
    let world = World::new().await;
    let cases = [
        ((Mode::Transaction, CLAIMED), "Database"),
        ((Mode::Transaction, EFFECT), "Unsettled"),
        ((Mode::Transaction, SETTLED), "Database"),
    ];
    let mut workers = begun(&world, &cases.map(|(case, _)| case), false).await;
    stop().await;
    start_again(&world).await;
    for (worker, (case, error)) in workers.iter_mut().zip(cases) {
        worker.go_on();
        let told = worker.outcome().await;
        let repeat = world.repeat("second", case.0, &key(case)).await;
        let effect = effect(&world, case).await;
        assert!(effect.starts_with("second/"), "{case:?}: {effect}");
        assert_eq!(
            [told, repeat],
            [Told::Refused(error.into()), Told::Fresh(effect)],
            "{case:?}"
        );
    }
}

#[tokio::test]
async fn what_was_told_to_a_client_is_replayed_after_a_crash_of_the_server() {
    let _server = SERVER.lock().await;
    let world = World::new().await;
    let cases = Mode::ALL.map(|mode| (mode, "over"));
    let mut told = Vec::new();
    for case in cases {
        told.push(world.repeat("first", case.0, &key(case)).await);
    }
    stop().await;
    start_again(&world).await;
    for (told, case) in told.into_iter().zip(cases) {
        let effect = effect(&world, case).await;
        assert_eq!(told, Told::Fresh(effect.clone()), "{case:?}");
        let repeat = world.repeat("second", case.0, &key(case)).await;
        assert_eq!(repeat, Told::Replayed(effect), "{case:?}");
    }
}
