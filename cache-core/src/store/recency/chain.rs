//! What the index holds for one hash: the entry, and what came after it.
//!
//! Almost always that is one live entry. A second link is hung on when an entry is replaced, so that readers go from
//! the former value to the new one without a moment in which there is none, and when two keys have one hash. Links
//! are only ever hung on at the end, under the lock of the ledger; dead ones go when the chain is made anew.
//!
//! At most one link of a key is live. A reader that finds the last one dead and nothing behind it may be on a chain
//! that has been made anew since: it looks again, see [`Found::Dead`].

use std::sync::{Arc, OnceLock};

use equivalent::Equivalent;

use super::super::entry::Entry;

pub(super) struct Link<K, V> {
    entry: Arc<Entry<K, V>>,
    next: OnceLock<Box<Self>>,
}

pub(super) enum Found<'c, K, V> {
    Live(&'c Arc<Entry<K, V>>),
    /// None, but something was dead on the way.
    Dead,
    Nothing,
}

impl<K, V> Link<K, V> {
    pub(super) fn new(entry: Arc<Entry<K, V>>) -> Self {
        Self {
            entry,
            next: OnceLock::new(),
        }
    }

    pub(super) fn entry(&self) -> &Arc<Entry<K, V>> {
        &self.entry
    }

    /// Whether it can be a hit, at a time when the store has been cleared `generation` times.
    #[inline]
    pub(super) fn is_live(&self, generation: u64) -> bool {
        self.entry.facts.is_in(generation)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |link| link.next.get().map(|next| &**next))
    }

    #[inline]
    pub(super) fn find<Q: Equivalent<K> + ?Sized>(&self, key: &Q, generation: u64) -> Found<'_, K, V> {
        let mut link = self;
        let mut dead = false;
        loop {
            // Dead or alive is read before what comes next: who is dead has been replaced already, if it was that.
            if !link.is_live(generation) {
                dead = true;
            } else if key.equivalent(&link.entry.key) {
                return Found::Live(&link.entry);
            }
            match link.next.get() {
                Some(next) => link = next,
                None if dead => return Found::Dead,
                None => return Found::Nothing,
            }
        }
    }

    /// Hangs an entry on at the end, and says how long the chain was. Only under the lock of the ledger.
    pub(super) fn hang_on(&self, entry: Arc<Entry<K, V>>) -> usize {
        let mut new = Box::new(Self::new(entry));
        for (length, link) in self.iter().enumerate() {
            match link.next.set(new) {
                Ok(()) => return length + 1,
                Err(given_back) => new = given_back,
            }
        }
        unreachable!("a chain has an end, and nobody else hangs on")
    }

    /// The same chain without its dead.
    pub(super) fn without_dead(&self, generation: u64) -> Option<Self> {
        let mut live = self.iter().filter(|link| link.is_live(generation)).map(Self::entry);
        let first = Self::new(Arc::clone(live.next()?));
        let mut last = &first;
        for entry in live {
            last = last.next.get_or_init(|| Box::new(Self::new(Arc::clone(entry))));
        }
        Some(first)
    }
}

/// One after the other: a chain of keys whose hashes are all the same may be longer than a stack is deep.
impl<K, V> Drop for Link<K, V> {
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(mut link) = next {
            next = link.next.take();
        }
    }
}

#[cfg(all(test, not(cache_core_model)))]
mod tests {
    use super::super::super::Life;
    use super::*;

    #[test]
    fn a_chain_longer_than_the_stack_is_deep_can_be_dropped() {
        let life = Life {
            begins_at: 0,
            ttl: None,
            tti: None,
            staleness: None,
        };
        let link = |key: u64| {
            let entry = Entry::new(0, key, (), 1, &life);
            entry.facts.come_in(0);
            Link::new(Arc::new(entry))
        };
        let chain = (1..1_000_000).fold(link(0), |chain, key| {
            let longer = link(key);
            assert!(longer.next.set(Box::new(chain)).is_ok());
            longer
        });
        assert!(matches!(chain.find(&0, 0), Found::Live(entry) if entry.key == 0));
    }
}
