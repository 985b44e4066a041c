//! Several keys at once: the shards that they touch are locked together, each once, and the keys are gone through in the
//! order in which they were given. So what a caller puts in last is newest to the store, whatever its hash.

use equivalent::Equivalent;

use super::{Flights, SHARDS, Shard, index_of};
use crate::sync::{MutexGuard, lock};

/// Shards that are locked, by their index.
struct Held<'f, K, T>([Option<MutexGuard<'f, Shard<K, T>>>; SHARDS]);

impl<'f, K, T> Held<'f, K, T> {
    /// Takes the locks of these hashes, in index order.
    fn of(flights: &'f Flights<K, T>, hashes: impl Iterator<Item = u64>) -> Self {
        let mut touched = [false; SHARDS];
        for hash in hashes {
            touched[index_of(hash)] = true;
        }
        Self(std::array::from_fn(|index| {
            touched[index].then(|| lock(&flights.shards[index]))
        }))
    }

    fn shard(&mut self, hash: u64) -> Option<&mut Shard<K, T>> {
        self.0[index_of(hash)].as_deref_mut()
    }
}

impl<K, T> Flights<K, T> {
    /// Takes away what must go for each of several keys, as [`evict`](Self::evict) does for one.
    pub(crate) fn evict_many<Q>(&self, keys: &[(u64, &Q)], mut remove: impl FnMut(u64, &Q))
    where
        Q: Equivalent<K> + ?Sized,
    {
        // Declared before the locks, and so dropped after them.
        let mut former = Vec::new();
        let mut held = Held::of(self, keys.iter().map(|(hash, _)| *hash));
        for (hash, key) in keys {
            former.extend(held.shard(*hash).and_then(|shard| shard.detach(*hash, *key)));
            remove(*hash, key);
        }
    }

    /// Several values from the caller, as [`put`](Self::put) does for one: `write` is called with the place of each whose
    /// key is not fenced.
    pub(crate) fn put_many<'k>(&self, keys: impl Iterator<Item = (u64, &'k K)> + Clone, mut write: impl FnMut(usize))
    where
        K: Eq + 'k,
    {
        let mut former = Vec::new();
        let mut held = Held::of(self, keys.clone().map(|(hash, _)| hash));
        for (place, (hash, key)) in keys.enumerate() {
            let Some(shard) = held.shard(hash) else { continue };
            let is_fenced = shard.fences > 0 || shard.find(hash, key).is_some_and(|slot| slot.fences > 0);
            former.extend(shard.detach(hash, key));
            if !is_fenced {
                write(place);
            }
        }
    }
}
