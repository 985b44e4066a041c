//! Caches whose entries carry no tag, one that all share, one of their own, or several; and a check that they do.
//!
//! The index of tags is one for the process, so there is one such cache at a time.

#![allow(dead_code, reason = "each benchmark uses some of it")]

use std::borrow::Cow;

use cache_benches::once::{poll_once, poll_through};
use cache_core::{Builder, Cache, invalidate_tag};

/// A tag that all entries share.
pub(crate) const SHARED: &str = "everybody";
const SHARED_TOO: &str = "everybody's cart";

/// A tag that one entry has to itself.
pub(crate) fn own(id: u64) -> String {
    format!("user:{id}")
}

fn own_too(id: u64) -> String {
    format!("cart:{id}")
}

/// Which tags the entries of a cache carry.
pub(crate) struct Tagging {
    pub(crate) name: &'static str,
    set_up: fn(Builder<u64, u64>) -> Builder<u64, u64>,
    shared: &'static [&'static str],
    own: &'static [fn(u64) -> String],
}

pub(crate) const NO_TAG: Tagging = Tagging {
    name: "no tag",
    set_up: |builder| builder,
    shared: &[],
    own: &[],
};

pub(crate) const ONE_SHARED: Tagging = Tagging {
    name: "one tag, shared by all",
    set_up: |builder| builder.tags(|_| [SHARED]),
    shared: &[SHARED],
    own: &[],
};

pub(crate) const ONE_OWN: Tagging = Tagging {
    name: "one tag of its own",
    set_up: |builder| builder.tags(|id| [own(*id)]),
    shared: &[],
    own: &[own],
};

const FOUR: Tagging = Tagging {
    name: "four tags, two of its own",
    set_up: |builder| {
        builder.tags(|id| {
            [
                Cow::Borrowed(SHARED),
                Cow::Borrowed(SHARED_TOO),
                Cow::Owned(own(*id)),
                Cow::Owned(own_too(*id)),
            ]
        })
    },
    shared: &[SHARED, SHARED_TOO],
    own: &[own, own_too],
};

const OF_VALUE: Tagging = Tagging {
    name: "one tag of its own, by tag_fn",
    set_up: |builder| builder.tag_fn(|value| [own(*value)]),
    shared: &[],
    own: &[own],
};

pub(crate) const ALL: [Tagging; 5] = [NO_TAG, ONE_SHARED, ONE_OWN, FOUR, OF_VALUE];

impl Tagging {
    /// The one of this name.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn named(name: &str) -> Self {
        let mut all = ALL.into_iter();
        all.find(|tagging| tagging.name == name)
            .unwrap_or_else(|| panic!("there is no `{name}`"))
    }

    /// A cache. Values have to be the same as their keys, because some are tagged by the one and some by the other.
    pub(crate) fn cache(&self, max_size: usize) -> Cache<u64, u64> {
        (self.set_up)(Cache::builder().max_size(max_size)).build()
    }

    /// Asserts that a tag of its own evicts one entry, and a shared one all. Afterwards the cache is empty if it has any of
    /// those.
    pub(crate) fn check(&self, cache: &Cache<u64, u64>, id: u64) {
        let name = self.name;
        for own in self.own {
            poll_once(cache.insert(id, id));
            assert_eq!(poll_through(invalidate_tag(own(id))), 1, "{name}");
            assert_eq!(cache.peek(&id), None, "{name}");
        }
        for shared in self.shared {
            poll_once(cache.insert(id, id));
            let entries = cache.len();
            assert_eq!(poll_through(invalidate_tag(shared)), entries, "{name}");
            assert!(cache.is_empty(), "{name}");
        }
    }
}
