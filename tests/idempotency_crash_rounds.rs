//! Two workers at once with the same requests, killed at random and started again, for a number of rounds: `CRASH_ROUNDS`. Where they die
//! follows from a seed, which is printed, and can be given as `CRASH_SEED`; who is faster does not.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and says with which seed"
)]

mod crash;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crash::gate::{Gate, Turn, When};
use crash::process::{Told, Worker, told};
use crash::{Mode, World};

const ROUNDS: u64 = 6;
const KEYS: usize = 6;
/// How often each of two workers is killed and started again, at most.
const DEATHS: usize = 3;
/// Of those who are killed. Long enough that a machine has to be very busy to have a worker taken for dead that is not.
const LEASE: Duration = Duration::from_secs(1);
/// Before which turn it dies, counted from when it was started: in one of its first requests, because later it has to wait for others more
/// than it runs.
const TURNS: usize = 14;

#[test]
fn worker_process() {
    crash::worker::work();
}

/// A small generator (Marsaglia, 2003).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 20).unwrap() % limit
    }

    fn shuffle(&mut self, keys: &mut [String]) {
        for last in (1..keys.len()).rev() {
            keys.swap(last, self.below(last + 1));
        }
    }
}

/// What came of a round.
#[derive(Default, Debug)]
struct Round {
    /// Who was killed.
    killed: BTreeSet<String>,
    /// What was told of each key, and to whom.
    told: BTreeMap<String, Vec<(String, Told)>>,
}

impl Round {
    /// Takes down what a worker says. `false` if it has ended.
    fn hears(&mut self, name: &str, line: Option<String>) -> bool {
        let Some(line) = line else { return false };
        if let Some((key, what)) = line.split_once(' ')
            && let Some(told) = told(what)
        {
            self.told
                .entry(key.to_owned())
                .or_default()
                .push((name.to_owned(), told));
        }
        true
    }

    fn add(&mut self, other: Self) {
        self.killed.extend(other.killed);
        for (key, told) in other.told {
            self.told.entry(key).or_default().extend(told);
        }
    }
}

/// One of the two: it does all of the requests, and begins again when it was killed.
async fn slot(world: &World, mode: Mode, name: &str, keys: &[String], mut chance: Chance) -> Round {
    let mut round = Round::default();
    for life in 0..=DEATHS {
        let when = [When::Before, When::After][chance.below(2)];
        let turn = Turn::Listed(chance.below(TURNS));
        let gate = Gate::open(&world.options, (life < DEATHS).then_some((turn, when))).await;
        let mut plan = world.plan(&format!("{name}.{life}"), mode, "");
        plan.keys = keys.to_vec();
        chance.shuffle(&mut plan.keys);
        plan.options = gate.options(&plan.options);
        if mode != Mode::Transaction {
            plan.lease = LEASE;
        }
        let mut worker = Worker::start(&plan);
        let has_died = loop {
            tokio::select! {
                () = gate.stops() => break true,
                line = worker.says() => if !round.hears(&plan.name, line) { break false },
            }
        };
        if !has_died {
            break;
        }
        worker.kill();
        gate.cut();
        round.killed.insert(plan.name.clone());
        while round.hears(&plan.name, worker.says().await) {}
    }
    round
}

async fn rounds(mode: Mode) {
    let given = |name: &str| env::var(name).ok().map(|given| given.parse::<u64>().unwrap());
    let seed = given("CRASH_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        now.as_secs() << 20 | u64::from(now.subsec_micros())
    });
    let world = World::new().await;
    let (mut deaths, mut doubled, mut missing) = (0, 0, 0);
    for number in 0..given("CRASH_ROUNDS").unwrap_or(ROUNDS) {
        println!("{mode}: CRASH_SEED={seed}, round {number}");
        let keys: Vec<_> = (0..KEYS).map(|key| format!("{number}-{key}")).collect();
        let of = |slot: u64| Chance((seed ^ number << 8 ^ slot).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let (one, other) = (format!("{number}a"), format!("{number}b"));
        let (mut round, second) = tokio::join!(
            slot(&world, mode, &one, &keys, of(1)),
            slot(&world, mode, &other, &keys, of(2))
        );
        round.add(second);
        deaths += round.killed.len();
        for key in &keys {
            let effects = check(&world, mode, &round, key).await;
            doubled += usize::from(effects > 1);
            missing += usize::from(effects == 0);
        }
    }
    println!("{mode}: {deaths} killed, {doubled} requests with more than one effect, {missing} with none");
    assert!(deaths > 0, "nobody died");
}

/// What there is of a request in the end, and what was told of it, against what is promised. Returns how many effects there are.
async fn check(world: &World, mode: Mode, round: &Round, key: &str) -> usize {
    let (effects, told) = (world.effects(key).await, &round.told[key]);
    let context = format!("{key}: {effects:?}, {told:?}, killed: {:?}", round.killed);
    let at_most_one = mode != Mode::Rerun;
    let at_least_one = mode != Mode::Refuse;
    assert!(effects.len() <= 1 || !at_most_one, "{context}");
    assert!(!effects.is_empty() || !at_least_one, "{context}");

    // All who are told a reply are told the same.
    let replies: BTreeSet<&str> = told.iter().filter_map(|(_, told)| told.reply()).collect();
    assert!(replies.len() <= 1, "{context}");
    let reply = replies.first().copied();
    for (_, told) in told {
        if let Told::Refused(error) = told {
            let may_be = match mode {
                Mode::Refuse => "Abandoned",
                // Who was too slow.
                Mode::Rerun => "LeaseLost",
                Mode::Transaction => "nothing of the kind",
            };
            assert_eq!(error, may_be, "{context}");
        }
    }
    // Who died, or was too slow, is the only one whose effect is not the one that is told of.
    let has_failed = |worker: &str| {
        let is_lost = |(name, told): &(String, Told)| name == worker && matches!(told, Told::Refused(_));
        round.killed.contains(worker) || told.iter().any(is_lost)
    };
    for effect in &effects {
        let (worker, _) = effect.split_once('/').unwrap();
        assert!(reply == Some(effect) || has_failed(worker), "{context}");
    }
    // And what is told of is there, now and later.
    let again = world.repeat("later", mode, key).await;
    match reply {
        Some(reply) => {
            assert!(effects.iter().any(|effect| effect == reply), "{context}");
            assert_eq!(again, Told::Replayed(reply.to_owned()), "{context}");
        }
        None => assert_eq!(again, Told::Refused("Abandoned".to_owned()), "{context}"),
    }
    assert_eq!(world.effects(key).await, effects, "{context}");
    effects.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_die_at_random_have_exactly_one_effect_in_a_transaction() {
    rounds(Mode::Transaction).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_die_at_random_have_at_most_one_effect_if_nobody_takes_over() {
    rounds(Mode::Refuse).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_die_at_random_have_at_least_one_effect_if_somebody_takes_over() {
    rounds(Mode::Rerun).await;
}
