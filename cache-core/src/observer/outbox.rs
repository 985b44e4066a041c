//! From a change to those who are to hear of it.
//!
//! A change is *written* where the order of changes is decided, under the lock that decides it: that of its key in the
//! table of flights, or that of the store for what the store lets go by itself. What is written is a record of the change
//! and of who observed at that moment, and it goes into a queue that needs no lock. Records are *delivered* later, where
//! nobody holds a lock, because observers are foreign code, and so are the drops of the values that records keep.
//!
//! One thread delivers at a time, so that nobody hears of changes in another order than they were written in. Who finds
//! that another thread delivers leaves its records to that one; so does an observer that changes the cache it observes.
//!
//! It knows nothing of the types of keys and values, so it is compiled once.
//!
//! # Orderings
//! - Who changes a cache looks at one word, relaxed: whether anybody observes. Who has added an observer before, in
//!   whatever way that is known, has also changed this word before.
//! - No record is left behind. Who wrote one sets the *mail* bit after it (release), then tries to become the one who
//!   delivers. If the bit has been cleared meanwhile, then by one who read it (acquire) and looks into the queue after that.
//!   If somebody else delivers, then that one has yet to give up the turn, by a swap that reads what this one's swap
//!   wrote (acquire, release): it sees the bit when it looks once more after that.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arc_swap::ArcSwapOption;
use crossbeam_queue::SegQueue;

use super::ObserverId;
use super::event::{AnyEvent, Cause, Concerns, Happening, Reason};
use crate::store::{Journal, Kept};
use crate::world::{WorldId, Worlds};

/// There may be something in the queue.
const MAIL: usize = 1;

/// One who observes.
const OBSERVER: usize = 2;

/// Those who are told of the changes of one cache, and what they have not been told yet.
pub(crate) struct Observers {
    name: Arc<str>,
    worlds: Worlds,
    /// The number of observers times two, all those of the process together counting as one, and the mail bit.
    state: AtomicUsize,
    own: Set,
    queue: SegQueue<Record>,
    /// Whether some thread delivers.
    delivering: AtomicBool,
}

/// A change, and who is to hear of it.
struct Record {
    event: AnyEvent,
    own: Members,
    everywhere: Members,
}

pub(super) type Callback = dyn Fn(&AnyEvent) + Send + Sync;

#[derive(Clone)]
struct Observer {
    id: ObserverId,
    /// Where it was added, if it is one of all caches: it is told of those of that world.
    world: WorldId,
    callback: Arc<Callback>,
    /// Whether it has panicked before, which is said once.
    has_panicked: Arc<AtomicBool>,
}

type Members = Option<Arc<Vec<Observer>>>;

/// A set of observers, as it stands at some moment.
pub(super) struct Set(ArcSwapOption<Vec<Observer>>);

impl Set {
    pub(super) const fn new() -> Self {
        Self(ArcSwapOption::const_empty())
    }

    fn now(&self) -> Members {
        self.0.load_full()
    }

    pub(super) fn add(&self, callback: Arc<Callback>) -> ObserverId {
        let observer = Observer {
            id: ObserverId::next(),
            world: WorldId::current(),
            callback,
            has_panicked: Arc::default(),
        };
        self.0.rcu(|members| {
            let members = members.iter().flat_map(|members| members.iter());
            Some(Arc::new(members.chain([&observer]).cloned().collect()))
        });
        observer.id
    }

    /// What there was before, for the one who took it out: to be dropped when all else is done, because what an observer
    /// has captured goes with it.
    pub(super) fn remove(&self, id: ObserverId) -> Option<impl Sized + use<>> {
        let (count, former) = self.retain(|observer| observer.id != id);
        (count > 0).then_some(former)
    }

    /// Takes out those that were added in a world. How many, and what there was before.
    #[cfg(feature = "test-util")]
    pub(super) fn remove_of(&self, world: WorldId) -> (usize, impl Sized + use<>) {
        self.retain(|observer| observer.world != world)
    }

    fn retain(&self, stays: impl Fn(&Observer) -> bool) -> (usize, Members) {
        let mut count = 0;
        // Whoever loses a race looks again at what the other one left, so the last look is the one that counts.
        let former = self.0.rcu(|members| {
            count = 0;
            let members = members.as_ref()?;
            let rest: Vec<_> = members.iter().filter(|it| stays(it)).cloned().collect();
            count = members.len() - rest.len();
            if count == 0 {
                return Some(Arc::clone(members));
            }
            (!rest.is_empty()).then(|| Arc::new(rest))
        });
        (count, former)
    }
}

/// Those of all caches.
pub(super) static EVERYWHERE: Set = Set::new();

impl Observers {
    /// Of a cache that is being made.
    pub(crate) fn new(name: Arc<str>, is_open: bool, worlds: Worlds) -> Self {
        Self {
            name,
            worlds,
            state: AtomicUsize::new(if is_open { OBSERVER } else { 0 }),
            own: Set::new(),
            queue: SegQueue::new(),
            delivering: AtomicBool::new(false),
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The worlds of the cache.
    pub(crate) fn worlds(&self) -> Worlds {
        self.worlds
    }

    /// Somebody will observe.
    pub(crate) fn open(&self) {
        self.state.fetch_add(OBSERVER, Ordering::Relaxed);
    }

    /// Somebody no longer does.
    pub(crate) fn close(&self) {
        self.state.fetch_sub(OBSERVER, Ordering::Relaxed);
    }

    pub(super) fn add(&self, callback: Arc<Callback>) -> ObserverId {
        self.open();
        self.own.add(callback)
    }

    pub(super) fn remove(&self, id: ObserverId) -> bool {
        let removed = self.own.remove(id);
        if removed.is_some() {
            self.close();
        }
        removed.is_some()
    }

    /// Writes a change down. Under the lock that decides the order of the changes of this key.
    pub(crate) fn write(&self, cause: Cause, old: Option<&Arc<dyn Kept>>, new: Option<&Arc<dyn Kept>>) {
        if self.is_open() {
            self.record(cause, || Concerns::Entries {
                old: old.map(Arc::clone),
                new: new.map(Arc::clone),
            });
        }
    }

    /// Writes down that an entry has been removed.
    pub(crate) fn write_removed(&self, reason: Reason, has_expired: bool, old: &Arc<dyn Kept>) {
        let cause = if has_expired {
            Cause::Expired
        } else {
            Cause::Invalidated(reason)
        };
        self.write(cause, Some(old), None);
    }

    /// Writes down that a load has failed. `key` makes a copy of the key, so not under a lock.
    pub(crate) fn write_failure<K: Any + Send + Sync>(&self, key: impl FnOnce() -> K) {
        if !self.is_open() {
            return;
        }
        // This is where a load is dropped, perhaps because its thread unwinds already.
        let mut copied = None;
        isolated(|| copied = Some(key()));
        if let Some(key) = copied {
            self.record(Cause::LoadFailed, || Concerns::Key(Box::new(key)));
        }
    }

    fn record(&self, cause: Cause, concerns: impl FnOnce() -> Concerns) {
        let (own, everywhere) = (self.own.now(), EVERYWHERE.now());
        if own.is_none() && everywhere.is_none() {
            return;
        }
        let happening = Happening {
            cache: Arc::clone(&self.name),
            cause,
            concerns: concerns(),
        };
        self.queue.push(Record {
            event: AnyEvent(Arc::new(happening)),
            own,
            everywhere,
        });
        self.state.fetch_or(MAIL, Ordering::Release);
    }

    /// Tells everybody what they have not been told yet, unless another thread is at it. Only where no lock is held.
    #[inline]
    pub(crate) fn deliver(&self) {
        if self.state.load(Ordering::Relaxed) & MAIL != 0 {
            self.deliver_mail();
        }
    }

    #[cold]
    fn deliver_mail(&self) {
        while self.state.load(Ordering::Relaxed) & MAIL != 0 {
            if self.delivering.swap(true, Ordering::AcqRel) {
                return;
            }
            let _turn = Turn(self);
            self.state.fetch_and(!MAIL, Ordering::AcqRel);
            while let Some(record) = self.queue.pop() {
                record.deliver(self.worlds);
            }
        }
    }
}

/// The right to deliver. Given up however that ends.
struct Turn<'o>(&'o Observers);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.0.queue.is_empty() {
            self.0.state.fetch_or(MAIL, Ordering::Release);
        }
        self.0.delivering.swap(false, Ordering::AcqRel);
    }
}

impl Record {
    fn deliver(self, worlds: Worlds) {
        let everywhere = self.everywhere.iter().flat_map(|members| members.iter());
        let everywhere = everywhere.filter(|observer| worlds.has(observer.world));
        for observer in self.own.iter().flat_map(|members| members.iter()).chain(everywhere) {
            observer.tell(&self.event);
        }
        // It may be the last to keep a value, or what an observer had captured.
        isolated(|| drop(self));
    }
}

impl Observer {
    fn tell(&self, event: &AnyEvent) {
        let Some(panic) = isolated(|| (self.callback)(event)) else {
            return;
        };
        if !self.has_panicked.swap(true, Ordering::Relaxed) {
            // A logger is foreign code like any other.
            isolated(|| {
                log::error!(
                    "cache `{}`: {} panicked and will be called again all the same: {panic}",
                    event.cache(),
                    self.id,
                );
            });
        }
    }
}

/// Runs foreign code whose panic must not be that of whoever happens to be here. What it says if it does panic.
fn isolated(run: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(run)).err()?;
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    // What it panicked with may panic when it is dropped; what that panics with is left alone.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
    Some(text.unwrap_or_else(|| "no message".to_owned()))
}

impl Journal for Observers {
    #[inline]
    fn is_open(&self) -> bool {
        self.state.load(Ordering::Relaxed) >= OBSERVER
    }

    fn came_in(&self, entry: &Arc<dyn Kept>, former: Option<(&Arc<dyn Kept>, bool)>) {
        match former {
            None => self.write(Cause::Inserted, None, Some(entry)),
            Some((former, false)) => self.write(Cause::Replaced, Some(former), Some(entry)),
            Some((former, true)) => {
                self.write(Cause::Expired, Some(former), None);
                self.write(Cause::Inserted, None, Some(entry));
            }
        }
    }

    fn evicted(&self, entry: &Arc<dyn Kept>) {
        self.write(Cause::Evicted, Some(entry), None);
    }
}

#[cfg(all(test, not(cache_core_model)))]
impl Observers {
    /// Whether nothing is left of observers and of what they were told.
    pub(super) fn is_untouched(&self) -> bool {
        self.state.load(Ordering::Relaxed) == 0 && self.own.now().is_none() && self.queue.is_empty()
    }
}
