//! The thread that drops expired entries nobody asks for, and what has left a store and is not free yet.
//!
//! One for the process, started when there is first something of the kind. It wakes twice a second while there is and
//! sleeps while there is not. Caches are known to it weakly: it keeps none alive.
//!
//! A thread and not a task, because caches outlive the runtimes that use them, and may be used without one. Where it
//! cannot be started, caches still reclaim what has expired whenever they store or are measured.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// How long an expired entry may wait to be dropped.
const TICK: Duration = Duration::from_millis(500);

/// Something with entries that time can end.
pub(crate) trait Reclaim: Send + Sync {
    /// Drops what has expired. `false` if nothing is left that ever could.
    fn reclaim(&self) -> bool;
}

struct Reaper {
    watched: Mutex<Vec<Weak<dyn Reclaim>>>,
    wake: Condvar,
    /// Set while the thread sleeps until it is woken.
    idle: AtomicBool,
    started: AtomicBool,
}

static REAPER: Reaper = Reaper {
    watched: Mutex::new(Vec::new()),
    wake: Condvar::new(),
    idle: AtomicBool::new(false),
    started: AtomicBool::new(false),
};

/// Looks after a cache from now on.
pub(crate) fn watch(cache: Weak<dyn Reclaim>) {
    // A thread of the system's has no place in a model.
    if cfg!(cache_core_model) {
        return;
    }
    REAPER.lock().push(cache);
    if !REAPER.started.swap(true, Ordering::Relaxed) {
        let spawned = std::thread::Builder::new()
            .name("cache-core-reaper".to_owned())
            .spawn(|| REAPER.run());
        if spawned.is_err() {
            REAPER.started.store(false, Ordering::Relaxed);
        }
    }
}

/// Tells the reaper that there is an entry to look after.
///
/// The caller has put that entry into an index behind a lock, which the reaper also takes, after it has set `idle`
/// and before it goes to sleep: one of the two sees what the other did.
pub(crate) fn nudge() {
    if REAPER.idle.load(Ordering::SeqCst) {
        let _watched = REAPER.lock();
        REAPER.idle.store(false, Ordering::SeqCst);
        REAPER.wake.notify_all();
    }
}

impl Reaper {
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<dyn Reclaim>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        loop {
            if self.sweep() {
                std::thread::sleep(TICK);
                continue;
            }
            self.idle.store(true, Ordering::SeqCst);
            if self.sweep() {
                self.idle.store(false, Ordering::SeqCst);
                continue;
            }
            let mut watched = self.lock();
            while self.idle.load(Ordering::SeqCst) {
                watched = self.wake.wait(watched).unwrap_or_else(PoisonError::into_inner);
            }
            drop(watched);
            // Not at once: who woke it goes on, and would wake it for each entry that goes, when many can go together.
            std::thread::sleep(TICK);
        }
    }

    /// Whether anything is left that will expire.
    fn sweep(&self) -> bool {
        // Foreign code runs when values are dropped, so not under the lock.
        let caches = {
            let mut watched = self.lock();
            watched.retain(|cache| cache.strong_count() > 0);
            watched.clone()
        };
        let mut more = false;
        // One at a time: while the values of one take their time, the others must not be kept alive from here.
        for cache in caches.iter().filter_map(Weak::upgrade) {
            // This may be the last handle of the cache, whose values then go with it, here.
            let swept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || cache.reclaim()));
            more |= swept.unwrap_or(true);
        }
        more
    }
}
