//! Batches that are open: they gather loads until their window is over, or they are full.
//!
//! Who closes a batch takes it out of the list, under the lock, and has what is in it from then on. So each batch is closed
//! once: by the caller who fills it, by its task at the end of the window, or, when that is gone, by the dropping of its
//! [`Seat`].
//!
//! # Lock order
//! The list has a lock of its own, which is never held together with any other. Of foreign code, that of keys (`Eq`) runs under
//! it, as under the locks of the flight table.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashTable;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Body;
use super::run::run;
use crate::background::{self, Context};
use crate::flight::FlightId;
use crate::key::{Key, Value};
use crate::load::Load;
use crate::sync::{Mutex, lock};

/// Whether a value is to be kept.
pub(crate) type KeepIf<V> = Box<dyn Fn(&V) -> bool + Send + Sync>;

/// The batches of one body.
pub struct Batches<K: Key, V: Value> {
    pub(super) window: Duration,
    max_batch: usize,
    pub(super) keep_if: KeepIf<V>,
    open: Mutex<Vec<Open<K, V>>>,
}

/// A batch that is open.
struct Open<K: Key, V: Value> {
    id: FlightId,
    /// What is around the callers whose loads are in it: the body runs in one of their stead.
    context: Context,
    orders: Orders<K, V>,
    /// To its task.
    full: oneshot::Sender<Orders<K, V>>,
}

impl<K: Key, V: Value> Batches<K, V> {
    pub(crate) fn new(
        window: Duration,
        max_batch: usize,
        keep_if: impl Fn(&V) -> bool + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            window,
            max_batch: max_batch.max(1),
            keep_if: Box::new(keep_if),
            open: Mutex::new(Vec::new()),
        })
    }

    /// Adds a load to the batch that is open for callers like this one. If there is none, this opens one, and returns its
    /// task.
    pub(crate) fn add(self: &Arc<Self>, load: Load<K, V>, body: impl FnOnce() -> Body<K, V>) -> Option<JoinHandle<()>> {
        let context = Context::current();
        let (opened, filled) = {
            let mut open = lock(&self.open);
            let mut opened = None;
            let at = open
                .iter()
                .position(|it| it.context.is_like(&context))
                .unwrap_or_else(|| {
                    let (full, when_full) = oneshot::channel();
                    let id = FlightId::next();
                    open.push(Open {
                        id,
                        context: context.clone(),
                        orders: Orders::new(),
                        full,
                    });
                    opened = Some((id, when_full));
                    open.len() - 1
                });
            open[at].orders.add(load);
            let is_full = open[at].orders.all.len() >= self.max_batch;
            (opened, is_full.then(|| open.swap_remove(at)))
        };
        if let Some(batch) = filled {
            // If its task is gone, the loads are dropped here, and who waits for them asks again.
            drop(batch.full.send(batch.orders));
        }
        let (id, when_full) = opened?;
        let seat = Seat {
            batches: Arc::clone(self),
            id,
        };
        // If there is nothing to run it on, it is dropped, and with it what is in the batch.
        background::spawn(context.wrap(run(seat, when_full, body()))).ok()
    }

    /// Closes a batch, if nobody has yet.
    fn close(&self, id: FlightId) -> Option<Orders<K, V>> {
        let mut open = lock(&self.open);
        let at = open.iter().position(|it| it.id == id)?;
        Some(open.swap_remove(at).orders)
    }

    /// For tests of what is left behind.
    #[cfg(all(test, not(cache_core_model)))]
    pub(super) fn occupancy(&self) -> usize {
        lock(&self.open).iter().map(|it| it.orders.all.len()).sum()
    }
}

impl<K: Key, V: Value> fmt::Debug for Batches<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("window", &self.window)
            .field("max_batch", &self.max_batch)
            .finish_non_exhaustive()
    }
}

/// The place of a batch's task, which closes it when it goes.
pub(super) struct Seat<K: Key, V: Value> {
    pub(super) batches: Arc<Batches<K, V>>,
    pub(super) id: FlightId,
}

impl<K: Key, V: Value> Seat<K, V> {
    pub(super) fn close(&self) -> Option<Orders<K, V>> {
        self.batches.close(self.id)
    }
}

impl<K: Key, V: Value> Drop for Seat<K, V> {
    fn drop(&mut self) {
        drop(self.close());
    }
}

/// The loads in a batch, by key.
pub(super) struct Orders<K: Key, V: Value> {
    /// In the order in which they came.
    pub(super) all: Vec<Order<K, V>>,
    places: HashTable<usize>,
}

/// The loads of one key: a second one if an invalidation has detached the first meanwhile.
pub(super) struct Order<K: Key, V: Value> {
    pub(super) last: Load<K, V>,
    pub(super) others: Vec<Load<K, V>>,
}

impl<K: Key, V: Value> Order<K, V> {
    pub(super) fn loads(&self) -> impl Iterator<Item = &Load<K, V>> {
        self.others.iter().chain([&self.last])
    }
}

impl<K: Key, V: Value> Orders<K, V> {
    fn new() -> Self {
        Self {
            all: Vec::new(),
            places: HashTable::new(),
        }
    }

    fn add(&mut self, load: Load<K, V>) {
        let hash = load.hash();
        if let Some(place) = self.place(hash, load.key()) {
            let order = &mut self.all[place];
            order.others.push(std::mem::replace(&mut order.last, load));
            return;
        }
        let all = &self.all;
        self.places
            .insert_unique(hash, all.len(), |&place| all[place].last.hash());
        self.all.push(Order {
            last: load,
            others: Vec::new(),
        });
    }

    /// Where a key is.
    pub(super) fn place(&self, hash: u64, key: &K) -> Option<usize> {
        let is_it = |&place: &usize| {
            let load = &self.all[place].last;
            load.hash() == hash && load.key() == key
        };
        self.places.find(hash, is_it).copied()
    }
}
