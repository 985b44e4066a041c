//! Where the cache of an annotated function lives: a static that does not name its types.
//!
//! It cannot, because neither the type of a `key = expr` nor `Self` can be named in a static. The type is checked on
//! the way out instead, which costs a hit a comparison.

use std::any::Any;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::cache::Cache;
use crate::key::{Key, Value};

type Erased = &'static (dyn Any + Send + Sync);

/// Holds the cache of one function, and of a method in a generic `impl` one for each type it is used with.
#[derive(Debug)]
pub struct Slot {
    first: OnceLock<(&'static str, Erased)>,
    others: Mutex<Vec<(&'static str, Erased)>>,
}

impl Slot {
    /// An empty slot.
    pub const fn new() -> Self {
        Self {
            first: OnceLock::new(),
            others: Mutex::new(Vec::new()),
        }
    }

    /// The cache, made at the first call. `owner` is the name of the type whose method it caches.
    ///
    /// A pointer and not a closure, so that this is compiled once for a pair of types and not for each function.
    pub fn cache<K: Key, V: Value>(
        &'static self,
        owner: &'static str,
        make: fn() -> Cache<K, V>,
    ) -> &'static Cache<K, V> {
        if let Some(found) = self.first.get().and_then(|slot| typed(*slot, owner)) {
            return found;
        }
        self.make(owner, make)
    }

    #[cold]
    fn make<K: Key, V: Value>(&'static self, owner: &'static str, make: fn() -> Cache<K, V>) -> &'static Cache<K, V> {
        // Before the lock: the settings of a cache are expressions of the user's.
        let made = make();
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.first.get().into_iter().chain(&*others);
        if let Some(found) = known.copied().find_map(|slot| typed(slot, owner)) {
            return found;
        }
        // For the life of the process, as the static it stands for.
        let cache: &'static Cache<K, V> = Box::leak(Box::new(made));
        if self.first.set((owner, cache)).is_err() {
            others.push((owner, cache));
        }
        cache
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::new()
    }
}

fn typed<K: Key, V: Value>((owner, cache): (&'static str, Erased), wanted: &str) -> Option<&'static Cache<K, V>> {
    if owner == wanted { cache.downcast_ref() } else { None }
}
