//! The store of a cache, whichever its policy asks for.

use std::sync::Arc;

use equivalent::Equivalent;

use super::{
    Bound, Cleared, Due, Each, Entry, Journal, Look, Policy, Put, RecencyStore, Standing, Store, TinyLfuStore,
};
use crate::clock::{Clock, Nanos};
use crate::key::{Key, Value};

#[expect(
    clippy::large_enum_variant,
    reason = "one for each cache, and behind its `Arc` already"
)]
pub(crate) enum EitherStore<K, V> {
    Recency(RecencyStore<K, V>),
    TinyLfu(TinyLfuStore),
}

impl<K: Key, V: Value> EitherStore<K, V> {
    pub(crate) fn new(policy: Policy, bound: Bound, journal: Arc<dyn Journal>) -> Self {
        match policy {
            Policy::Lru => Self::Recency(RecencyStore::new(bound, journal)),
            Policy::TinyLfu => Self::TinyLfu(TinyLfuStore::new(bound, journal)),
        }
    }
}

/// Calls the method of the store that there is.
macro_rules! of_either {
    ($store:expr, $method:ident($($argument:expr),*)) => {
        match $store {
            EitherStore::Recency(store) => Store::<K, V>::$method(store $(, $argument)*),
            EitherStore::TinyLfu(store) => Store::<K, V>::$method(store $(, $argument)*),
        }
    };
}

impl<K: Key, V: Value> Store<K, V> for EitherStore<K, V> {
    #[inline]
    fn look<Q, R>(
        &self,
        hash: u64,
        key: &Q,
        look: Look,
        clock: &Clock,
        read: impl FnOnce(&Arc<Entry<K, V>>, Standing) -> R,
    ) -> Option<R>
    where
        Q: Equivalent<K> + ?Sized,
    {
        of_either!(self, look(hash, key, look, clock, read))
    }

    fn during<R>(&self, f: impl FnOnce() -> R) -> R {
        of_either!(self, during(f))
    }

    fn contains<Q>(&self, hash: u64, key: &Q) -> bool
    where
        Q: Equivalent<K> + ?Sized,
    {
        of_either!(self, contains(hash, key))
    }

    fn put(&self, entry: Arc<Entry<K, V>>, clock: &Clock) -> Put<K, V> {
        of_either!(self, put(entry, clock))
    }

    fn remove<Q>(&self, hash: u64, key: &Q) -> Option<Arc<Entry<K, V>>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        of_either!(self, remove(hash, key))
    }

    fn remove_entry(&self, entry: &Arc<Entry<K, V>>) -> bool {
        of_either!(self, remove_entry(entry))
    }

    fn clear_and(&self, each: Option<Each<'_>>) -> Cleared {
        of_either!(self, clear_and(each))
    }

    fn discard(&self, cleared: Cleared) {
        of_either!(self, discard(cleared));
    }

    fn due(&self, now: Nanos, limit: usize) -> Vec<Due> {
        of_either!(self, due(now, limit))
    }

    fn remove_expired(&self, due: &Due, clock: &Clock) -> bool {
        of_either!(self, remove_expired(due, clock))
    }

    fn bury(&self) {
        of_either!(self, bury());
    }

    fn is_settled(&self) -> bool {
        of_either!(self, is_settled())
    }

    fn settle(&self) -> bool {
        of_either!(self, settle())
    }

    fn next_deadline(&self) -> Option<Nanos> {
        of_either!(self, next_deadline())
    }

    fn len(&self) -> u64 {
        of_either!(self, len())
    }

    fn evictions(&self) -> u64 {
        of_either!(self, evictions())
    }

    fn age(&self) {
        of_either!(self, age());
    }
}
