//! Where the cache of an annotated function lives: a static.
//!
//! For a free function that can be one of the right type ([`Own`]). Elsewhere neither the type of a `key = expr` nor `Self`
//! can be named in a static, so it does not name its types ([`Slot`]). The type is checked on the way out instead, which
//! costs a hit a comparison.
//!
//! The reader's path takes no lock: the first cache is in a once-cell, and further ones (a method in a generic `impl` has
//! one for each type it is used with) hang behind it in a list of once-cells that only grows.

use std::any::{Any, TypeId};
use std::sync::OnceLock;
use std::time::Duration;

use crate::builder::Builder;
use crate::cache::Cache;
use crate::freshness::Jitter;
use crate::key::{Key, Value};
use crate::registry::Kind;
use crate::store::Policy;

/// Holds the cache of a function, and knows how to set it up as far as a constant can say it.
#[derive(Debug)]
pub struct Own<K, V> {
    settings: Settings,
    cache: OnceLock<Cache<K, V>>,
}

impl<K, V> Own<K, V> {
    /// No cache yet.
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            cache: OnceLock::new(),
        }
    }
}

impl<K: Key, V: Value> Own<K, V> {
    /// The cache, made at the first call.
    ///
    /// `make` is a pointer and not a closure, so that this is compiled once for a pair of types and not for each function.
    #[inline]
    pub fn cache(&'static self, make: fn(&Settings) -> Cache<K, V>) -> &'static Cache<K, V> {
        self.cache.get_or_init(|| make(&self.settings))
    }
}

/// Holds the cache of a function, or of a method for each type.
#[derive(Debug, Default)]
pub struct Slot {
    here: OnceLock<Occupied>,
}

/// How a cache is set up. What is not said stays as it is by default.
#[derive(Debug)]
pub struct Settings {
    name: &'static str,
    max_size: Option<usize>,
    ttl: Option<Duration>,
    tti: Option<Duration>,
    policy: Policy,
    kind: Kind,
    refresh_ahead: Option<f64>,
    jitter: Option<Jitter>,
    stale_while_revalidate: Option<Duration>,
    stale_if_error: Option<Duration>,
    retry_after: Option<Duration>,
    err_ttl: Option<Duration>,
    none_ttl: Option<Duration>,
    soft_timeout: Option<Duration>,
    load_timeout: Option<Duration>,
}

impl Settings {
    /// Of a cache of this name that keeps everything.
    pub const fn unbounded(name: &'static str) -> Self {
        Self {
            name,
            max_size: None,
            ttl: None,
            tti: None,
            policy: Policy::Lru,
            kind: Kind::CachedLru,
            refresh_ahead: None,
            jitter: None,
            stale_while_revalidate: None,
            stale_if_error: None,
            retry_after: None,
            err_ttl: None,
            none_ttl: None,
            soft_timeout: None,
            load_timeout: None,
        }
    }

    /// Of a cache of this name and size.
    pub const fn sized(name: &'static str, max_size: usize) -> Self {
        let mut settings = Self::unbounded(name);
        settings.max_size = Some(max_size);
        settings
    }

    /// Sets the age at which an entry is gone.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets the idle time after which an entry is gone.
    #[must_use]
    pub const fn tti(mut self, tti: Duration) -> Self {
        self.tti = Some(tti);
        self
    }

    /// Sets who goes first.
    #[must_use]
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets what makes the cache.
    #[must_use]
    pub const fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets the share of the TTL after which a hit has a refresh started.
    #[must_use]
    pub const fn refresh_ahead(mut self, refresh_ahead: f64) -> Self {
        self.refresh_ahead = Some(refresh_ahead);
        self
    }

    /// Sets the spread of expiry.
    #[must_use]
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// Sets the time after the TTL in which the old value is served.
    #[must_use]
    pub const fn stale_while_revalidate(mut self, stale_while_revalidate: Duration) -> Self {
        self.stale_while_revalidate = Some(stale_while_revalidate);
        self
    }

    /// Sets the time after the TTL in which the old value serves for failed loads.
    #[must_use]
    pub const fn stale_if_error(mut self, stale_if_error: Duration) -> Self {
        self.stale_if_error = Some(stale_if_error);
        self
    }

    /// Sets the time that a failed load keeps the next one away.
    #[must_use]
    pub const fn retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    /// Sets the time for which an error is kept.
    #[must_use]
    pub const fn err_ttl(mut self, err_ttl: Duration) -> Self {
        self.err_ttl = Some(err_ttl);
        self
    }

    /// Sets the time for which it is kept that there is nothing.
    #[must_use]
    pub const fn none_ttl(mut self, none_ttl: Duration) -> Self {
        self.none_ttl = Some(none_ttl);
        self
    }

    /// Sets the time that a caller with an old value waits.
    #[must_use]
    pub const fn soft_timeout(mut self, soft_timeout: Duration) -> Self {
        self.soft_timeout = Some(soft_timeout);
        self
    }

    /// Sets the time that a caller waits.
    #[must_use]
    pub const fn load_timeout(mut self, load_timeout: Duration) -> Self {
        self.load_timeout = Some(load_timeout);
        self
    }

    /// Makes a cache.
    pub fn build<K: Key, V: Value>(&self) -> Cache<K, V> {
        self.builder().build()
    }

    /// Sets a cache up.
    pub fn builder<K: Key, V: Value>(&self) -> Builder<K, V> {
        let mut builder = of_kind(Cache::builder(), self.kind).name(self.name).policy(self.policy);
        builder = match self.max_size {
            Some(entries) => builder.max_size(entries),
            None => builder.unbounded(),
        };
        if let Some(ttl) = self.ttl {
            builder = builder.ttl(ttl);
        }
        if let Some(tti) = self.tti {
            builder = builder.tti(tti);
        }
        if let Some(jitter) = self.jitter {
            builder = builder.jitter(jitter);
        }
        if let Some(share) = self.refresh_ahead {
            builder = builder.refresh_ahead(share);
        }
        let times: [(_, Setter<K, V>); 7] = [
            (self.stale_while_revalidate, Builder::stale_while_revalidate),
            (self.stale_if_error, Builder::stale_if_error),
            (self.retry_after, Builder::retry_after),
            (self.err_ttl, Builder::err_ttl),
            (self.none_ttl, Builder::none_ttl),
            (self.soft_timeout, Builder::soft_timeout),
            (self.load_timeout, Builder::load_timeout),
        ];
        for (time, set) in times {
            if let Some(time) = time {
                builder = set(builder, time);
            }
        }
        builder
    }
}

/// Sets a time.
type Setter<K, V> = fn(Builder<K, V>, Duration) -> Builder<K, V>;

/// Says what makes a cache, where that is not [`Settings`].
pub fn of_kind<K: Key, V: Value>(mut builder: Builder<K, V>, kind: Kind) -> Builder<K, V> {
    builder.kind = kind;
    builder
}

#[derive(Debug)]
struct Occupied {
    owner: TypeId,
    what: &'static (dyn Any + Send + Sync),
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
        self.get(owner, make)
    }

    /// The same of something that a function has beside its cache.
    pub fn get<T: Any + Send + Sync>(&'static self, owner: TypeId, make: fn() -> T) -> &'static T {
        let mut slot = self;
        loop {
            let occupied = slot.here.get_or_init(|| Occupied {
                owner,
                // For the life of the process, as the static it stands for.
                what: Box::leak(Box::new(make())),
                next: Box::default(),
            });
            if occupied.owner == owner
                && let Some(what) = occupied.what.downcast_ref()
            {
                return what;
            }
            slot = &occupied.next;
        }
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
