//! The model check of values with revisions: whatever the order in which callers read a revision, join loads and begin their own,
//! none is given data older than what it has read, and nothing is kept under a revision newer than its data.

use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;

use super::all_at_once;
use crate::flight::{Ending, Entered, Flights};
use crate::revision::{About, Gate, Revision, Rule};
use crate::sync::lock;
use crate::tag::NEVER;

const HASH: u64 = 7;
const RUNS: usize = 20_000;

/// A value is the version of the data that it was made of.
struct Made {
    version: u64,
    about: About,
}

/// Data whose version is its revision, since both are committed at once.
struct World {
    data: AtomicU64,
    floor: AtomicU64,
    gate: Gate,
    store: Mutex<Option<Arc<Made>>>,
    flights: Flights<(), Arc<Made>>,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            data: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            gate: Gate::new(Rule::default()),
            store: Mutex::new(None),
            flights: Flights::new(),
        })
    }

    fn stored(&self) -> Option<Arc<Made>> {
        lock(&self.store).clone()
    }

    fn change(&self) {
        self.data.fetch_add(1, Ordering::SeqCst);
    }

    fn invalidate(&self) {
        let version = self.data.load(Ordering::SeqCst);
        self.flights.evict(HASH, &(), || *lock(&self.store) = None);
        self.floor.fetch_max(version, Ordering::SeqCst);
    }

    /// A call that waits for a new value.
    fn call(&self) {
        let floor = self.floor.load(Ordering::SeqCst);
        let read = self.data.load(Ordering::SeqCst);
        let revision = Revision::new(read);
        let loads = self.gate.loads();
        let is_good = |made: &Arc<Made>| made.about.is_good_for(&revision, loads);
        let (mut too_old, mut cancelled) = (0, 0);
        let made = loop {
            if let Some(hit) = self.stored().filter(is_good) {
                break hit;
            }
            let look = || self.stored().filter(is_good);
            match self.flights.enter(HASH, &(), look, || 0, || None) {
                Entered::Present(made) => break made,
                Entered::Failed(_) => unreachable!("nothing fails here"),
                Entered::Leading(flight) => {
                    let cancel = cancelled < 2 && thread_rng().gen_bool(0.2);
                    cancelled += u32::from(cancel);
                    if let Some(made) = self.load(revision.clone(), &flight, cancel) {
                        break made;
                    }
                }
                Entered::Joined(waiter) => match shuttle::future::block_on(waiter) {
                    Ending::Loaded(made) if is_good(&made) => break made,
                    Ending::Loaded(_) => too_old += 1,
                    Ending::Abandoned => {}
                    _ => unreachable!("no load of this model ends like this"),
                },
            }
        };
        // One that was under way when it had read, and one whose number was taken before that and which registered after. The
        // next one is good for it.
        assert!(too_old <= 2, "it has waited for {too_old} loads in vain");
        assert!(
            made.version >= read,
            "version {} for one who has read {read}",
            made.version
        );
        assert!(
            made.version >= floor,
            "version {} after an invalidation of {floor}",
            made.version
        );
        Self::check(&made);
    }

    /// A refresh that nobody waits for, by one who has read the revision.
    fn refresh(&self) {
        let revision = Revision::new(self.data.load(Ordering::SeqCst));
        let is_wanted = || self.stored().is_some();
        if let Some(flight) = self.flights.begin(HASH, &(), is_wanted, || None) {
            self.load(revision, &flight, false);
        }
    }

    fn load(
        &self,
        revision: Revision,
        flight: &Arc<crate::flight::Flight<Arc<Made>>>,
        cancel: bool,
    ) -> Option<Arc<Made>> {
        let about = About::new(Some(revision), self.gate.begin(), 0);
        let version = self.data.load(Ordering::SeqCst);
        thread::yield_now();
        let made = Arc::new(Made { version, about });
        let ending = if cancel {
            Ending::Abandoned
        } else {
            Ending::Loaded(Arc::clone(&made))
        };
        self.flights.land(HASH, &(), flight, ending, |may_be_kept| {
            if may_be_kept {
                *lock(&self.store) = Some(Arc::clone(&made));
            }
            ((), NEVER)
        });
        (!cancel).then_some(made)
    }

    fn check(made: &Made) {
        let kept_under = made.about.revision().and_then(Revision::downcast_ref);
        assert!(
            kept_under <= Some(&made.version),
            "kept under {kept_under:?}, made of {}",
            made.version
        );
    }

    fn check_rest(&self) {
        let floor = self.floor.load(Ordering::SeqCst);
        if let Some(kept) = self.stored() {
            assert!(kept.version >= floor, "version {} < {floor} is kept", kept.version);
            Self::check(&kept);
        }
        assert_eq!(self.flights.occupancy(), 0);
    }
}

fn check(actions: &'static [fn(&World)]) {
    let run = move || {
        let world = World::new();
        all_at_once(&world, actions);
        world.check_rest();
        world.call();
        world.check_rest();
    };
    shuttle::check_random(run, RUNS);
    shuttle::check_pct(run, RUNS / 4, 3);
}

#[test]
fn a_call_is_given_nothing_older_than_it_has_read() {
    check(&[
        World::call,
        |world| {
            world.call();
            world.call();
        },
        |world| {
            world.change();
            world.call();
        },
        |world| {
            world.change();
            world.change();
        },
    ]);
}

#[test]
fn invalidations_and_refreshes_hold_beside_revisions() {
    check(&[
        |world| {
            world.call();
            world.call();
        },
        |world| {
            world.change();
            world.invalidate();
            world.call();
        },
        |world| {
            world.call();
            world.change();
            world.refresh();
        },
        |world| {
            world.change();
            world.refresh();
        },
    ]);
}
