//! Workers that are frozen, with SIGSTOP, until they are taken for dead, and thaw when another one has been there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod crash;

use crash::gate::{Gate, SETTLE, Turn, When};
use crash::process::{Told, Worker};
use crash::worker::{CLAIMED, EFFECT, SETTLED};
use crash::{Mode, SHORT, World};

#[test]
fn worker_process() {
    crash::worker::work();
}

/// What a worker was told that was frozen at this place, another meanwhile, and one that came later.
async fn freeze(world: &World, mode: Mode, place: &'static str) -> [Told; 3] {
    let mut plan = world.plan("frozen", mode, "a");
    plan.lease = SHORT;
    plan.holds = vec![place];
    let mut frozen = Worker::start(&plan);
    frozen.reaches(place).await;
    frozen.freeze();
    let rival = world.repeat("rival", mode, "a").await;
    // What it waits for is there when it thaws.
    frozen.go_on();
    frozen.thaw();
    let thawed = frozen.outcome().await;
    [thawed, rival, world.repeat("third", mode, "a").await]
}

fn refused(error: &str) -> Told {
    Told::Refused(error.to_owned())
}

#[tokio::test]
async fn a_worker_frozen_before_its_effect_does_not_have_it_when_another_took_over() {
    let world = World::new().await;
    let told = freeze(&world, Mode::Rerun, CLAIMED).await;
    let effects = world.effects("a").await;
    let [effect] = &effects[..] else { panic!("{effects:?}") };
    assert!(effect.starts_with("rival/"), "{effect}");
    let (fresh, replayed) = (Told::Fresh(effect.clone()), Told::Replayed(effect.clone()));
    assert_eq!(told, [refused("LeaseLost"), fresh, replayed]);
}

/// Here there are two effects.
#[tokio::test]
async fn a_worker_frozen_after_its_effect_does_not_overwrite_the_reply_of_its_successor() {
    let world = World::new().await;
    let told = freeze(&world, Mode::Rerun, EFFECT).await;
    let effects = world.effects("a").await;
    let [first, second] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert!(
        first.starts_with("frozen/") && second.starts_with("rival/"),
        "{effects:?}"
    );
    let (fresh, replayed) = (Told::Fresh(second.clone()), Told::Replayed(second.clone()));
    assert_eq!(told, [refused("LeaseLost"), fresh, replayed]);
}

/// With its settle on the way, which comes last: it is known by its token.
#[tokio::test]
async fn a_settle_that_arrives_after_a_takeover_is_refused() {
    let world = World::new().await;
    let gate = Gate::open(&world.options, Some((Turn::Of(SETTLE), When::Before))).await;
    let mut plan = world.plan("frozen", Mode::Rerun, "a");
    plan.lease = SHORT;
    plan.options = gate.options(&plan.options);
    let mut frozen = Worker::start(&plan);
    gate.stops().await;
    frozen.freeze();
    let rival = world.repeat("rival", Mode::Rerun, "a").await;
    gate.go_on();
    frozen.thaw();
    let told = [
        frozen.outcome().await,
        rival,
        world.repeat("third", Mode::Rerun, "a").await,
    ];
    let effects = world.effects("a").await;
    let [_, effect] = &effects[..] else {
        panic!("{effects:?}")
    };
    let (fresh, replayed) = (Told::Fresh(effect.clone()), Told::Replayed(effect.clone()));
    assert_eq!(told, [refused("LeaseLost"), fresh, replayed]);
}

#[tokio::test]
async fn a_worker_without_a_possible_successor_finishes_when_it_thaws() {
    for place in [CLAIMED, EFFECT] {
        let world = World::new().await;
        let told = freeze(&world, Mode::Refuse, place).await;
        let effects = world.effects("a").await;
        let [effect] = &effects[..] else { panic!("{effects:?}") };
        assert!(effect.starts_with("frozen/"), "{effect}");
        let (fresh, replayed) = (Told::Fresh(effect.clone()), Told::Replayed(effect.clone()));
        assert_eq!(told, [fresh, refused("Abandoned"), replayed], "{place}");
    }
}

#[tokio::test]
async fn a_worker_frozen_in_a_transaction_cannot_commit_when_another_took_over() {
    // In front of its effect, its settle and its commit.
    for (place, error) in [(CLAIMED, "Database"), (EFFECT, "Unsettled"), (SETTLED, "Database")] {
        let world = World::new().await;
        let told = freeze(&world, Mode::Transaction, place).await;
        let effects = world.effects("a").await;
        let [effect] = &effects[..] else { panic!("{effects:?}") };
        assert!(effect.starts_with("rival/"), "{effect}");
        let (fresh, replayed) = (Told::Fresh(effect.clone()), Told::Replayed(effect.clone()));
        assert_eq!(told, [refused(error), fresh, replayed], "{place}");
    }
}
