//! Workers that are killed, with SIGKILL, before and after everything they say to the server: what a repeat of the request gets from
//! another worker, and how many effects there are then.
//!
//! Where that can be is found out from a run in which nobody dies, so that a new statement has its rows as well. What comes of it all
//! stands in a table for users, [`TABLE`], which is compared.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on fails")]

mod crash;

use std::fmt::Write;

use crash::gate::{Gate, HEARTBEAT, SETTLE, Stop, Turn, When};
use crash::process::{Told, Worker};
use crash::worker::{CLAIMED, EFFECT, SETTLED};
use crash::{Mode, SHORT, World};
use futures::{StreamExt, stream};

/// Where the tables stand that users read.
const TABLE: &str = "docs/idempotency-crash-table.md";
/// How many workers die at a time.
const AT_A_TIME: usize = 4;

/// Where a worker is killed.
#[derive(Clone, Copy, Debug)]
enum Point {
    At(Stop),
    /// In the handler, or after it.
    In(&'static str),
}

/// How far a request has come, as others see it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Phase {
    Unclaimed,
    Claimed,
    HadEffect,
    Settled,
}

/// A point, in words, and the phase in which it is.
type Row = (String, Point, Phase);

/// How many effects there are in the end, and what the repeat is told.
fn expected(mode: Mode, phase: Phase) -> (usize, &'static str) {
    match (mode, phase) {
        (_, Phase::Unclaimed) | (Mode::Rerun, Phase::Claimed) => (1, "Fresh"),
        (_, Phase::Settled) => (1, "Replayed"),
        (Mode::Refuse, Phase::Claimed) => (0, "Abandoned"),
        (Mode::Refuse, Phase::HadEffect) => (1, "Abandoned"),
        (Mode::Rerun, Phase::HadEffect) => (2, "Fresh"),
        (Mode::Transaction, _) => unreachable!("nobody sees a transaction before it is committed"),
    }
}

/// What is said in a run in which nobody dies.
async fn turns(world: &World, mode: Mode) -> Vec<String> {
    let (key, gate) = (format!("{mode}-clean"), Gate::open(&world.options, None).await);
    let mut plan = world.plan("first", mode, &key);
    plan.options = gate.options(&plan.options);
    let mut worker = Worker::start(&plan);
    let effects = match worker.outcome().await {
        Told::Fresh(reply) => vec![reply],
        other => panic!("{other:?}"),
    };
    assert_eq!(world.effects(&key).await, effects);
    while worker.says().await.is_some() {}
    gate.is_left().await;
    let turns = gate.turns();
    assert_eq!(turns.last().unwrap(), "the farewell", "{turns:?}");
    turns
}

/// Every point at which a worker can die that says all this.
fn rows(mode: Mode, turns: &[String]) -> Vec<Row> {
    let only = |what: &str| {
        let mut found = (0..turns.len()).filter(|turn| turns[*turn] == what);
        let turn = found.next().unwrap_or_else(|| panic!("no {what} in {turns:?}"));
        assert_eq!(found.next(), None, "a second {what} in {turns:?}");
        turn
    };
    let marks: Vec<(usize, Phase)> = match mode {
        Mode::Transaction => vec![(only("COMMIT"), Phase::Settled)],
        Mode::Refuse | Mode::Rerun => vec![
            (only("the claim"), Phase::Claimed),
            (only("the effect"), Phase::HadEffect),
            (only(SETTLE), Phase::Settled),
        ],
    };
    let reached = |turn: usize, when: When| {
        let is_reached = |mark: &&(usize, Phase)| (mark.0, When::After) <= (turn, when);
        marks.iter().filter(is_reached).map(|mark| mark.1).max()
    };
    // A pool takes its connection back first.
    let begins = only("the claim") + usize::from(mode != Mode::Transaction);
    let mut rows = Vec::new();
    for (turn, what) in turns.iter().enumerate() {
        for (when, word) in [(When::Before, "before"), (When::After, "after")] {
            let phase = reached(turn, when).unwrap_or(Phase::Unclaimed);
            let point = Point::At((Turn::Listed(turn), when));
            rows.push((format!("{word} {what}"), point, phase));
        }
        // What is done in between, with nothing said.
        let phase = reached(turn, When::After).unwrap_or(Phase::Unclaimed);
        let mut within = |words: &str, point| rows.push((words.to_owned(), point, phase));
        if turn == begins {
            within("in the handler, before its effect", Point::In(CLAIMED));
        }
        if turn == begins && mode != Mode::Transaction {
            within(
                &format!("before a {HEARTBEAT}"),
                Point::At((Turn::Of(HEARTBEAT), When::Before)),
            );
            within(
                &format!("after a {HEARTBEAT}"),
                Point::At((Turn::Of(HEARTBEAT), When::After)),
            );
        }
        if what == "the effect" {
            within("in the handler, after its effect", Point::In(EFFECT));
        }
        if what == SETTLE && mode == Mode::Transaction {
            within("after the call, before COMMIT", Point::In(SETTLED));
        }
    }
    rows
}

/// Has a worker die there, and the request repeated.
async fn die(world: &World, mode: Mode, key: &str, point: Point) -> (usize, String) {
    let stop = match point {
        Point::At(stop) => Some(stop),
        Point::In(_) => None,
    };
    let gate = Gate::open(&world.options, stop).await;
    let mut plan = world.plan("first", mode, key);
    plan.options = gate.options(&plan.options);
    if mode != Mode::Transaction {
        plan.lease = SHORT;
    }
    plan.holds = match point {
        Point::At((Turn::Listed(_), _)) => Vec::new(),
        // A handler that takes its time has heartbeats.
        Point::At((Turn::Of(_), _)) => vec![CLAIMED],
        Point::In(place) => vec![place],
    };
    let mut worker = Worker::start(&plan);
    match point {
        Point::At(_) => gate.stops().await,
        Point::In(place) => worker.reaches(place).await,
    }
    worker.kill();
    gate.cut();

    let told = world.repeat("second", mode, key).await;
    let effects = world.effects(key).await;
    // Who ran had its effect last, and who replays has the reply of who had it.
    if let Some(reply) = told.reply() {
        assert_eq!(Some(reply), effects.last().map(String::as_str), "{mode}: {key}");
        let by = if matches!(told, Told::Fresh(_)) {
            "second/"
        } else {
            "first/"
        };
        assert!(reply.starts_with(by), "{mode}: {key}: {told:?}");
        // And that stays so.
        let again = world.repeat("third", mode, key).await;
        assert_eq!(again, Told::Replayed(reply.to_owned()), "{mode}: {key}");
    }
    assert_eq!(world.effects(key).await, effects, "{mode}: {key}");
    (effects.len(), told.word().to_owned())
}

/// What comes of each row.
async fn die_everywhere(world: &World, mode: Mode, rows: &[Row]) -> Vec<(usize, String)> {
    let deaths = rows
        .iter()
        .enumerate()
        .map(|(number, (words, point, phase))| async move {
            let came = die(world, mode, &format!("{mode}-{number}"), *point).await;
            let (effects, word) = expected(mode, *phase);
            assert_eq!(came, (effects, word.to_owned()), "{mode}, killed {words}, {point:?}");
            came
        });
    stream::iter(deaths.collect::<Vec<_>>())
        .buffered(AT_A_TIME)
        .collect()
        .await
}

/// What users read is what came of it.
fn compare(table: &str) {
    println!("{table}");
    let file = format!("{}/{TABLE}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(file).unwrap_or_default();
    assert!(text.contains(table), "{TABLE} has another table than this:\n{table}");
}

#[test]
fn worker_process() {
    crash::worker::work();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_anywhere_under_a_lease_leaves_at_most_what_on_abandoned_says() {
    let world = World::new().await;
    let turns = turns(&world, Mode::Refuse).await;
    let rows = rows(Mode::Refuse, &turns);
    let refuse = die_everywhere(&world, Mode::Refuse, &rows).await;
    let rerun = die_everywhere(&world, Mode::Rerun, &rows).await;
    let mut table =
        "| killed | `Refuse`: effects | the repeat | `Rerun`: effects | the repeat |\n|---|---|---|---|---|\n"
            .to_owned();
    for ((row, refuse), rerun) in rows.iter().zip(refuse).zip(rerun) {
        let (words, ..) = row;
        writeln!(
            table,
            "| {words} | {} | `{}` | {} | `{}` |",
            refuse.0, refuse.1, rerun.0, rerun.1
        )
        .unwrap();
    }
    compare(&table);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_anywhere_in_a_transaction_leaves_exactly_one_effect() {
    let world = World::new().await;
    let turns = turns(&world, Mode::Transaction).await;
    let rows = rows(Mode::Transaction, &turns);
    let outcomes = die_everywhere(&world, Mode::Transaction, &rows).await;
    let mut table = "| killed | effects | the repeat |\n|---|---|---|\n".to_owned();
    for ((words, ..), (effects, word)) in rows.iter().zip(outcomes) {
        writeln!(table, "| {words} | {effects} | `{word}` |").unwrap();
    }
    compare(&table);
}
