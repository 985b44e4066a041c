//! Where removed entries wait until they can be dropped by us, and where nobody holds a lock.
//!
//! Dropping a value or a key is foreign code: it may take its time, panic, or call the cache. moka drops what it removed
//! wherever it happens to clean up, under its own locks and ours. So each removed entry gets one more reference here,
//! which makes that of moka never the last; [`bury`](Morgue::bury) drops those of which it has become the last.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) struct Morgue<T> {
    dead: Mutex<Vec<T>>,
}

/// Something that others may still hold.
pub(super) trait Held {
    /// Whether this is the last reference.
    fn is_last(&self) -> bool;
}

impl<T: Held> Morgue<T> {
    pub(super) fn new() -> Self {
        Self {
            dead: Mutex::new(Vec::new()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.dead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_in(&self, dead: T) {
        self.lock().push(dead);
    }

    /// Drops what nobody else holds any more, and says whether that was all. Only where no lock is held.
    pub(super) fn bury(&self) -> bool {
        let (free, is_empty) = {
            let mut dead = self.lock();
            let free: Vec<T> = dead.extract_if(.., |it| it.is_last()).collect();
            // Room for a burst is not kept for ever.
            if dead.is_empty() && dead.capacity() > 1024 {
                *dead = Vec::new();
            }
            (free, dead.is_empty())
        };
        for it in free {
            // The panic of one value's drop is not that of whoever happens to be here, nor of the next value.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(it)));
        }
        is_empty
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    struct Dead(Arc<Noisy>);

    struct Noisy(Arc<Mutex<Vec<u8>>>, u8);

    impl Held for Dead {
        fn is_last(&self) -> bool {
            Arc::strong_count(&self.0) == 1
        }
    }

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
        let held: Vec<_> = (0..4).map(|n| Arc::new(Noisy(Arc::clone(&dropped), n))).collect();
        for it in &held {
            morgue.take_in(Dead(Arc::clone(it)));
        }
        morgue.bury();
        assert_eq!(dropped.lock().map(|it| it.len()).ok(), Some(0));
        drop(held);
        assert_eq!(dropped.lock().map(|it| it.len()).ok(), Some(0));
        morgue.bury();
        assert_eq!(dropped.lock().map(|it| it.clone()).ok(), Some(vec![0, 1, 2, 3]));
    }
}
