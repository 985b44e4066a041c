//! Where removed entries wait until they can be dropped by us, and where nobody holds a lock.
//!
//! Dropping a value or a key is foreign code: it may take its time, panic, or call the cache. The concurrent maps drop
//! what was removed when the last reader has left, which may be anywhere, under their locks or ours. So each removed
//! entry gets one more reference here, which makes that of the map never the last; burying drops those of which it has
//! become the last.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::entry::Kept;
use crate::sync::{Mutex, lock};

/// Drops each by itself: the panic of one value's drop is not that of whoever happens to be here, nor of the next value.
pub(crate) fn drop_each<T>(all: impl IntoIterator<Item = T>) {
    for it in all {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(it)));
    }
}

pub(super) struct Morgue {
    dead: Mutex<VecDeque<Arc<dyn Kept>>>,
    /// How many they are, for who need not know exactly.
    count: AtomicUsize,
    /// How many have come since somebody last looked at them.
    fresh: AtomicUsize,
}

impl Morgue {
    pub(super) fn new() -> Self {
        Self {
            dead: Mutex::new(VecDeque::new()),
            count: AtomicUsize::new(0),
            fresh: AtomicUsize::new(0),
        }
    }

    pub(super) fn take_in(&self, dead: Arc<dyn Kept>) {
        let mut all = lock(&self.dead);
        all.push_back(dead);
        self.count.store(all.len(), Ordering::Relaxed);
        self.fresh.fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps everybody out meanwhile, to stop a store half way.
    #[cfg(all(test, not(cache_core_model)))]
    pub(super) fn closed(&self) -> impl Sized {
        lock(&self.dead)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Drops what nobody else holds any more, of as many as the work of those who brought them is worth: a reader that
    /// takes its time must not make everybody look at all that has died meanwhile. Only where no lock is held.
    pub(super) fn bury_some(&self) {
        let fresh = self.fresh.swap(0, Ordering::Relaxed);
        if fresh > 0 {
            self.bury(fresh.saturating_mul(4));
        }
    }

    /// The same for all of them. `false` if some are still held.
    pub(super) fn bury_all(&self) -> bool {
        self.is_empty() || self.bury(usize::MAX)
    }

    fn bury(&self, looks: usize) -> bool {
        let (free, is_empty) = {
            let mut dead = lock(&self.dead);
            let mut free = Vec::new();
            for _ in 0..looks.min(dead.len()) {
                let Some(it) = dead.pop_front() else { break };
                if Arc::strong_count(&it) == 1 {
                    free.push(it);
                } else {
                    dead.push_back(it);
                }
            }
            // Room for a burst is not kept for ever.
            if dead.is_empty() && dead.capacity() > 1024 {
                *dead = VecDeque::new();
            }
            self.count.store(dead.len(), Ordering::Relaxed);
            (free, dead.is_empty())
        };
        drop_each(free);
        is_empty
    }
}

#[cfg(all(test, not(cache_core_model)))]
mod tests {
    use std::sync::Mutex;

    use super::super::entry::{Entry, Life};
    use super::*;

    const FOR_EVER: Life = Life {
        begins_at: 0,
        ttl: None,
        tti: None,
        staleness: None,
    };

    #[derive(Clone)]
    struct Noisy(Arc<Mutex<Vec<u8>>>, u8);

    impl Drop for Noisy {
        fn drop(&mut self) {
            self.0.lock().expect("no panic under this lock").push(self.1);
            assert_ne!(self.1, 2, "told to panic");
        }
    }

    #[test]
    fn what_others_hold_waits_and_a_panic_stops_nothing() {
        let dropped = Arc::new(Mutex::new(Vec::new()));
        let morgue = Morgue::new();
        let held: Vec<Arc<dyn Kept>> = (0..4)
            .map(|n| Arc::new(Entry::new(0, (), Noisy(Arc::clone(&dropped), n), 1, &FOR_EVER)) as _)
            .collect();
        for it in &held {
            morgue.take_in(Arc::clone(it));
        }
        assert!(!morgue.bury_all());
        assert_eq!(dropped.lock().map(|it| it.len()).ok(), Some(0));
        drop(held);
        assert_eq!(dropped.lock().map(|it| it.len()).ok(), Some(0));
        assert!(morgue.bury_all());
        assert_eq!(dropped.lock().map(|it| it.clone()).ok(), Some(vec![0, 1, 2, 3]));
    }
}
