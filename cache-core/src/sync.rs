//! The locks, atomics and thread-locals that the promise rests on, so that the model checker can put its own in their
//! place.
//!
//! `RUSTFLAGS="--cfg cache_core_model"` swaps in shuttle's, which explores interleavings. It is a `cfg` and not
//! a feature, because features are unified across a build and this one would break every other user of it.

#[cfg(cache_core_model)]
pub(crate) use shuttle::{
    sync::{Mutex, MutexGuard, atomic::AtomicU64},
    thread_local,
};
#[cfg(not(cache_core_model))]
pub(crate) use std::{
    sync::{Mutex, MutexGuard, atomic::AtomicU64},
    thread_local,
};

/// Locks, whether or not another holder panicked.
///
/// What stands behind these locks is changed in steps that cannot panic half way, so a poisoned lock still guards a valid
/// value. The only foreign code that runs under one is that of keys: `Eq`, `Clone`, and the drop of a clone.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
