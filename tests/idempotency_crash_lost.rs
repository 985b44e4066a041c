//! Connections that are lost while a request runs: ended by the server, or cut on the way, with a question or an answer on it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod crash;

use crash::gate::{Gate, Turn, When};
use crash::process::{Told, Worker};
use crash::worker::{CLAIMED, EFFECT, OVER, SETTLED};
use crash::{Mode, World};

#[test]
fn worker_process() {
    crash::worker::work();
}

/// Has the server end the connections of a worker, that of its effects apart, and waits until they are gone.
async fn terminate(world: &World, name: &str) {
    let ended: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity, LATERAL (SELECT pg_terminate_backend(pid, 60000) AS ended) AS done
         WHERE datname = current_database() AND application_name = $1 AND ended",
    )
    .bind(name)
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(ended, 1, "of {name}");
}

/// What a worker is told whose connection is ended at this place, and what a repeat.
async fn terminated(world: &World, mode: Mode, place: &'static str) -> [Told; 2] {
    let mut plan = world.plan("cut_off", mode, "a");
    plan.holds = vec![place];
    let mut worker = Worker::start(&plan);
    worker.reaches(place).await;
    terminate(world, "cut_off").await;
    worker.go_on();
    [worker.outcome().await, world.repeat("second", mode, "a").await]
}

#[tokio::test]
async fn a_worker_whose_connection_is_ended_settles_over_another() {
    for (mode, place) in [
        (Mode::Refuse, CLAIMED),
        (Mode::Refuse, EFFECT),
        (Mode::Rerun, CLAIMED),
        (Mode::Rerun, EFFECT),
    ] {
        let world = World::new().await;
        let told = terminated(&world, mode, place).await;
        let effects = world.effects("a").await;
        let [effect] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!(
            told,
            [Told::Fresh(effect.clone()), Told::Replayed(effect.clone())],
            "{mode}, {place}"
        );
    }
}

#[tokio::test]
async fn a_transaction_whose_connection_is_ended_has_not_happened() {
    for (place, error) in [(CLAIMED, "Database"), (EFFECT, "Unsettled"), (SETTLED, "Database")] {
        let world = World::new().await;
        let told = terminated(&world, Mode::Transaction, place).await;
        let effects = world.effects("a").await;
        let [effect] = &effects[..] else { panic!("{effects:?}") };
        assert!(effect.starts_with("second/"), "{effect}");
        assert_eq!(
            told,
            [Told::Refused(error.to_owned()), Told::Fresh(effect.clone())],
            "{place}"
        );
    }
}

/// What a worker says to the server, but for its farewell.
async fn turns(world: &World, mode: Mode) -> Vec<String> {
    let gate = Gate::open(&world.options, None).await;
    let mut plan = world.plan("clean", mode, "clean");
    plan.options = gate.options(&plan.options);
    let mut worker = Worker::start(&plan);
    while worker.says().await.is_some() {}
    gate.is_left().await;
    let mut turns = gate.turns();
    // Nothing is lost with that.
    assert_eq!(turns.pop().unwrap(), "the farewell");
    turns
}

/// What a worker is told whose connection is cut there, and what a repeat.
async fn cut(world: &World, mode: Mode, key: &str, turn: usize, when: When) -> [Told; 2] {
    let gate = Gate::open(&world.options, Some((Turn::Listed(turn), when))).await;
    let mut plan = world.plan("cut_off", mode, key);
    plan.options = gate.options(&plan.options);
    // It is not gone when it was told that it failed.
    plan.holds = vec![OVER];
    let mut worker = Worker::start(&plan);
    gate.stops().await;
    gate.cut();
    [worker.outcome().await, world.repeat("second", mode, key).await]
}

#[tokio::test]
async fn a_commit_that_is_cut_off_leaves_exactly_one_effect() {
    let world = World::new().await;
    for (turn, what) in turns(&world, Mode::Transaction).await.iter().enumerate() {
        for when in [When::Before, When::After] {
            let key = format!("{turn}-{when:?}");
            let [worker, repeat] = cut(&world, Mode::Transaction, &key, turn, when).await;
            let effects = world.effects(&key).await;
            let [effect] = &effects[..] else {
                panic!("{what}, {when:?}: {effects:?}")
            };
            assert_eq!(repeat.reply(), Some(effect.as_str()), "{what}, {when:?}");
            // Who is told that it did not work may be wrong, and who is told that it did is right.
            if what == "COMMIT" {
                let is_there = matches!(repeat, Told::Replayed(_));
                assert!(matches!(worker, Told::Refused(_)), "{when:?}: {worker:?}");
                assert_eq!(is_there, when == When::After, "{when:?}: {repeat:?}");
            }
            if let Some(reply) = worker.reply() {
                assert_eq!(reply, effect, "{what}, {when:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_claim_that_is_cut_off_is_taken_back_and_a_settle_sent_again() {
    for mode in [Mode::Refuse, Mode::Rerun] {
        let world = World::new().await;
        let turns = turns(&world, mode).await;
        let claim = turns.iter().position(|what| what == "the claim").unwrap();
        for (turn, what) in turns.iter().enumerate() {
            // What the handler loses is its own.
            if what.contains("effect") {
                continue;
            }
            for when in [When::Before, When::After] {
                let key = format!("{turn}-{when:?}");
                let told = cut(&world, mode, &key, turn, when).await;
                let effects = world.effects(&key).await;
                let [effect] = &effects[..] else {
                    panic!("{mode}, {what}, {when:?}: {effects:?}")
                };
                let (fresh, replayed) = (Told::Fresh(effect.clone()), Told::Replayed(effect.clone()));
                let expected = if turn <= claim {
                    // It did not run, and has seen to it that its claim does not stand in the way.
                    [Told::Refused("Unavailable".to_owned()), fresh]
                } else {
                    [fresh, replayed]
                };
                assert_eq!(told, expected, "{mode}, cut {when:?} {what}");
            }
        }
    }
}
