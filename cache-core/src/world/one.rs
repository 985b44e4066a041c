//! There is one world, and caches are on.

use std::ops::Deref;
use std::sync::Arc;

use crate::registry::Kind;
use crate::shared::Shared;
use crate::tag::Tag;

/// What a cache is where it is used.
pub(crate) struct Here<'c, K, V>(&'c Arc<Shared<K, V>>);

impl<'c, K, V> Here<'c, K, V> {
    #[inline]
    pub(crate) fn of(cache: &'c Arc<Shared<K, V>>) -> Self {
        Self(cache)
    }
}

impl<K, V> Deref for Here<'_, K, V> {
    type Target = Arc<Shared<K, V>>;

    #[inline]
    fn deref(&self) -> &Arc<Shared<K, V>> {
        self.0
    }
}

/// Which world.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WorldId;

impl WorldId {
    pub(crate) const fn current() -> Self {
        Self
    }
}

/// The worlds that a cache is of.
#[derive(Clone, Copy)]
pub(crate) struct Worlds;

impl Worlds {
    /// Of a cache that is being made.
    pub(crate) const fn of_new(_: Kind) -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "there may be other worlds")]
    pub(crate) const fn has(self, _: WorldId) -> bool {
        true
    }

    /// Tags as its entries have them.
    #[expect(clippy::unused_self, reason = "there may be other worlds")]
    pub(crate) fn put_on(self, tags: Vec<Tag>) -> Vec<Tag> {
        tags
    }
}

/// Where a task is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place;

impl Place {
    pub(crate) const fn current() -> Self {
        Self
    }

    /// Puts a future there.
    #[expect(clippy::unused_self, reason = "there may be other places")]
    pub(crate) fn scope<F>(self, future: F) -> F {
        future
    }
}

/// Whether nothing is to be found nor kept.
pub(crate) const fn is_disabled() -> bool {
    false
}
