//! Workers whose clocks are two hours fast or slow, by `faketime`. Leases end and records expire by the clock of the server, so nobody
//! takes over too early or too late.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod crash;

use std::time::{SystemTime, UNIX_EPOCH};

use crash::process::{Plan, Told, Worker};
use crash::worker::CLAIMED;
use crash::{LONG, Mode, SHORT, World};

const HOUR: u64 = 3600;
/// How often another worker is told that the first one is at it, before that is believed to last.
const OFTEN: usize = 5;

#[test]
fn worker_process() {
    crash::worker::work();
}

/// A worker whose clock is this much off, as faketime has it: `+2h`, `-2h`, or right.
fn plan(world: &World, name: &str, mode: Mode, off: &str) -> Plan {
    let mut plan = world.plan(name, mode, "a");
    if off != RIGHT {
        // What measures time goes on as it is. The clock on the wall is wrong.
        plan.run_by = ["faketime", "--exclude-monotonic", "-f", off].map(str::to_owned).into();
    }
    plan
}

const RIGHT: &str = "+0h";

/// Starts it, and sees to it that its clock is as wrong as it is meant to be.
async fn start(plan: &Plan, off: &str) -> Worker {
    let mut worker = Worker::start(plan);
    let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let there = worker.clock().await;
    let is_off = match off {
        "+2h" => there > here + HOUR,
        "-2h" => there < here - HOUR,
        _ => there.abs_diff(here) < HOUR,
    };
    assert!(is_off, "{off}: {there} there, {here} here");
    worker
}

/// Who claims, and who comes later.
const CLOCKS: [[&str; 2]; 5] = [
    ["+2h", RIGHT],
    ["-2h", RIGHT],
    [RIGHT, "+2h"],
    [RIGHT, "-2h"],
    ["-2h", "+2h"],
];

#[tokio::test]
async fn a_claim_that_is_alive_is_not_taken_over_by_a_worker_with_another_clock() {
    for mode in [Mode::Refuse, Mode::Rerun] {
        for clocks in CLOCKS {
            let world = World::new().await;
            let mut first = plan(&world, "first", mode, clocks[0]);
            first.holds = vec![CLAIMED];
            let mut first = start(&first, clocks[0]).await;
            first.reaches(CLAIMED).await;
            let mut second = start(&plan(&world, "second", mode, clocks[1]), clocks[1]).await;
            for _ in 0..OFTEN {
                second.reaches("waits").await;
            }
            first.go_on();
            let told = [first.outcome().await, second.outcome().await];
            let effects = world.effects("a").await;
            let [effect] = &effects[..] else {
                panic!("{mode}, {clocks:?}: {effects:?}")
            };
            let expected = [Told::Fresh(effect.clone()), Told::Replayed(effect.clone())];
            assert_eq!(told, expected, "{mode}, {clocks:?}");
        }
    }
}

#[tokio::test]
async fn a_claim_that_has_ended_is_taken_over_by_a_worker_with_another_clock() {
    for mode in [Mode::Refuse, Mode::Rerun] {
        for clocks in CLOCKS {
            let world = World::new().await;
            let mut first = plan(&world, "first", mode, clocks[0]);
            (first.lease, first.holds) = (SHORT, vec![CLAIMED]);
            let mut first = start(&first, clocks[0]).await;
            first.reaches(CLAIMED).await;
            first.end();
            let mut second = start(&plan(&world, "second", mode, clocks[1]), clocks[1]).await;
            let told = second.outcome().await;
            let expected = match &world.effects("a").await[..] {
                [] => Told::Refused("Abandoned".to_owned()),
                [effect] => Told::Fresh(effect.clone()),
                more => panic!("{mode}, {clocks:?}: {more:?}"),
            };
            assert_eq!(told, expected, "{mode}, {clocks:?}");
            assert_eq!(
                matches!(told, Told::Fresh(_)),
                mode == Mode::Rerun,
                "{mode}, {clocks:?}: {told:?}"
            );
        }
    }
}

/// The shortest time that a reply can be kept is shorter than the clocks are off.
#[tokio::test]
async fn a_reply_is_replayed_for_as_long_as_the_server_says() {
    for mode in Mode::ALL {
        for clocks in CLOCKS {
            let world = World::new().await;
            let mut first = plan(&world, "first", mode, clocks[0]);
            first.lease = LONG;
            let told = start(&first, clocks[0]).await.outcome().await;
            let effects = world.effects("a").await;
            let [effect] = &effects[..] else {
                panic!("{mode}, {clocks:?}: {effects:?}")
            };
            assert_eq!(told, Told::Fresh(effect.clone()), "{mode}, {clocks:?}");
            let second = plan(&world, "second", mode, clocks[1]);
            let told = start(&second, clocks[1]).await.outcome().await;
            assert_eq!(told, Told::Replayed(effect.clone()), "{mode}, {clocks:?}");
            // It has expired when the server's clock says so, whatever that of the worker does.
            sqlx::query("UPDATE idempotency_records SET expires_at = clock_timestamp()")
                .execute(&world.pool)
                .await
                .unwrap();
            let third = plan(&world, "third", mode, clocks[1]);
            let told = start(&third, clocks[1]).await.outcome().await;
            let effects = world.effects("a").await;
            let [_, effect] = &effects[..] else {
                panic!("{mode}, {clocks:?}: {effects:?}")
            };
            assert_eq!(told, Told::Fresh(effect.clone()), "{mode}, {clocks:?}");
        }
    }
}
