//! What cannot be seen from outside: that nothing is left behind.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Barrier};

use super::*;
use crate::registry::Kind;
use crate::world::Worlds;

const TIMES: usize = 1_000_000;

#[test]
fn a_million_observers_that_came_and_went_leave_nothing_behind() {
    let cache = Cache::<u64, u64>::builder().build();
    let captured = Arc::new(());
    for turn in 0..TIMES {
        let captured = Arc::clone(&captured);
        let id = cache.add_observer(move |_| drop(Arc::clone(&captured)));
        if turn % 16 == 0 {
            futures::executor::block_on(cache.insert(1, 1));
        }
        assert!(cache.remove_observer(id));
    }
    assert_eq!(Arc::strong_count(&captured), 1);
    for _ in 0..TIMES / 10 {
        let captured = Arc::clone(&captured);
        drop(cache.observe(move |_| drop(Arc::clone(&captured))));
    }
    assert_eq!(Arc::strong_count(&captured), 1);
    // All caches together counted as one, for the other tests here do nothing of the kind.
    assert!(cache.shared().observers().is_untouched());
}

/// Something different each time (Knuth's multiplicative hash), and for each thread.
fn random(round: usize) -> usize {
    let address = std::ptr::from_ref(&round) as usize;
    (round ^ (address >> 12)).wrapping_mul(2_654_435_761) >> 16
}

/// Two threads change something at the same moment, and then nobody does anything any more.
#[test]
fn nobody_leaves_mail_to_one_who_has_stopped_looking() {
    const ROUNDS: usize = 50_000;
    let observers = Observers::new("mail".into(), false, Worlds::of_new(Kind::Builder));
    let told = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&told);
    observers.add(Arc::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    let step = Barrier::new(2);
    let round = |round: usize| {
        step.wait();
        // Not always at the same distance.
        for _ in 0..random(round) % 64 {
            std::hint::spin_loop();
        }
        observers.write_failure(|| 1_u64);
        observers.deliver();
        step.wait();
        let all = told.load(Ordering::Relaxed) == 2 * (round + 1);
        step.wait();
        all
    };
    let missed: usize = std::thread::scope(|scope| {
        let other = scope.spawn(|| (0..ROUNDS).filter(|it| !round(*it)).count());
        let mine = (0..ROUNDS).filter(|it| !round(*it)).count();
        mine + other.join().expect("no panic")
    });
    assert_eq!(missed, 0);
}
