//! Where the cache of an annotated function lives: a static that does not name its types.
//!
//! It cannot, because neither the type of a `key = expr` nor `Self` can be named in a static. The type is checked on
//! the way out instead, which costs a hit a comparison.
//!
//! The reader's path takes no lock: the first cache is in a once-cell, and further ones (a method in a generic `impl` has
//! one for each type it is used with) hang behind it in a list of once-cells that only grows.

use std::any::{Any, TypeId};
use std::sync::OnceLock;

use crate::cache::Cache;
use crate::key::{Key, Value};

/// Holds the cache of one function.
#[derive(Debug)]
pub struct Slot {
    here: OnceLock<Occupied>,
}

#[derive(Debug)]
struct Occupied {
    owner: TypeId,
    cache: &'static (dyn Any + Send + Sync),
    next: Box<Slot>,
}

/// The type whose method it is, which need not be `'static`.
pub fn owner<T: ?Sized>() -> TypeId {
    typeid::of::<T>()
}

impl Slot {
    /// An empty slot.
    pub const fn new() -> Self {
        Self { here: OnceLock::new() }
    }

    /// The cache, made at the first call.
    ///
    /// `make` is a pointer and not a closure, so that this is compiled once for a pair of types and not for each function.
    pub fn cache<K: Key, V: Value>(&'static self, owner: TypeId, make: fn() -> Cache<K, V>) -> &'static Cache<K, V> {
        let mut slot = self;
        loop {
            let occupied = slot.here.get_or_init(|| Occupied {
                owner,
                // For the life of the process, as the static it stands for.
                cache: Box::leak(Box::new(make())),
                next: Box::default(),
            });
            if occupied.owner == owner
                && let Some(cache) = occupied.cache.downcast_ref()
            {
                return cache;
            }
            slot = &occupied.next;
        }
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_numbers() -> Cache<u64, u64> {
        Cache::builder().build()
    }

    fn of_texts() -> Cache<u64, String> {
        Cache::builder().build()
    }

    #[test]
    fn each_owner_and_each_pair_of_types_has_its_cache_made_once() {
        static SLOT: Slot = Slot::new();
        let (a, b) = (owner::<Vec<u8>>(), owner::<Vec<u16>>());
        let first = SLOT.cache(a, of_numbers);
        let second = SLOT.cache(b, of_numbers);
        let third = SLOT.cache(a, of_texts);
        assert!(std::ptr::eq(first, SLOT.cache(a, of_numbers)));
        assert!(std::ptr::eq(second, SLOT.cache(b, of_numbers)));
        assert!(std::ptr::eq(third, SLOT.cache(a, of_texts)));
        assert!(!std::ptr::eq(first, second));
    }
}
