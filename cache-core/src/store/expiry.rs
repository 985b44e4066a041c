//! Which entries expire when: every mortal entry once, in the order of its deadline.
//!
//! An entry is listed when it is stored and struck off when it leaves the store, so the index never holds what the
//! store does not. A use of an entry with an idle limit moves its deadline but not its place here: the place says
//! when to look next, and who looks too early lists it again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Due, Entry};
use crate::clock::{NEVER, Nanos};

/// Deadline and serial in order, with the entries they stand for.
type Listed<K, V> = BTreeMap<(Nanos, u64), Due<K, V>>;

pub(super) struct ExpiryIndex<K, V> {
    /// Unique in the process, so that what was due in one index is not looked for in its successor.
    pub(super) id: u64,
    listed: Mutex<Listed<K, V>>,
}

impl<K, V> ExpiryIndex<K, V> {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            listed: Mutex::new(BTreeMap::new()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Listed<K, V>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists an entry that is about to be stored, if time can end it.
    pub(super) fn list(&self, entry: &Arc<Entry<V>>, hash: u64, key: impl FnOnce() -> K) {
        let deadline = entry.deadline();
        if deadline != NEVER {
            let due = Due {
                index: self.id,
                hash,
                key: key(),
                entry: Arc::downgrade(entry),
            };
            let mut listed = self.lock();
            // Struck off already if it left the store before it was listed again.
            if !entry.has_left.load(Ordering::Relaxed) {
                entry.listed_at.store(deadline, Ordering::Relaxed);
                listed.insert((deadline, entry.serial), due);
            }
        }
    }

    /// Strikes off an entry that has left the store. Whoever calls drops what comes back, which holds a key.
    #[must_use]
    pub(super) fn strike(&self, entry: &Entry<V>) -> Option<Due<K, V>> {
        if !entry.is_mortal() {
            return None;
        }
        let mut listed = self.lock();
        entry.has_left.store(true, Ordering::Relaxed);
        let deadline = entry.listed_at.load(Ordering::Relaxed);
        listed.remove(&(deadline, entry.serial))
    }

    /// Strikes off and returns what is due.
    pub(super) fn due(&self, now: Nanos, limit: usize) -> Vec<Due<K, V>> {
        let mut found = Vec::new();
        let mut listed = self.lock();
        while found.len() < limit {
            let Some(first) = listed.first_entry() else { break };
            if first.key().0 > now {
                break;
            }
            found.push(first.remove());
        }
        found
    }

    pub(super) fn next(&self) -> Option<Nanos> {
        self.lock().first_key_value().map(|((deadline, _), _)| *deadline)
    }
}
