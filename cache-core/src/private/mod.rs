//! What the attributes expand to calls of. Not for anybody else: it changes with the macros, which are pinned.
//!
//! An expansion is thin: it names the types, and everything it does is here, written once.

mod arguments;
pub mod batch;
mod elements;
mod freshness;
pub mod handle;
#[cfg(feature = "idempotency")]
pub mod idempotent;
mod labels;
mod parts;
pub mod revision;
mod slot;
pub mod task;

use std::any::Any;
use std::future::Future;

pub use self::arguments::*;
pub use self::elements::*;
pub use self::freshness::*;
pub use self::labels::*;
pub use self::parts::*;
pub use self::slot::{Own, Settings, Slot, of_kind, owner};
pub use crate::agent::AgentFunction;
use crate::cache::Cache;
pub use crate::freshness::Jitter;
use crate::key::Value;
use crate::load::{Load, obtain};
use crate::mutation::MutationGuard;
pub use crate::outcome::{
    AloneKind, Ask, Kind, KindProbe, Mapped, Otherwise, Outcome, PlainKind, SharedKind, UnfitKind, kind,
};
use crate::shared::Claim;
pub use inventory;

/// What is kept of a return type.
pub type Kept<R, const KIND: u8> = <R as Outcome<Kind<KIND>>>::Value;

/// A return type that can be cached. The one place that complains if it cannot.
///
/// It is not implemented for `UNFIT`, whose number is the default so that the compiler does not spell it out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cached",
    label = "what is kept of it has to be `Clone + Send + Sync + 'static`",
    note = "derive `Clone`, or return it behind an `Arc`"
)]
pub trait Cacheable<T = Kind<3>> {
    /// Named by the expansion, so that the bound is asked for.
    const OK: () = ();
}

const _: () = assert!(crate::outcome::UNFIT == 3, "the default of `Cacheable`");

impl<R> Cacheable<Kind<{ crate::outcome::PLAIN }>> for R {}
impl<R> Cacheable<Kind<{ crate::outcome::SHARED }>> for R {}
impl<R> Cacheable<Kind<{ crate::outcome::ALONE }>> for R {}

/// A lookup that found nothing: what it has to go on with.
#[derive(Debug)]
pub struct Miss<K> {
    hash: u64,
    key: K,
    /// By session, outside of any.
    is_outside: bool,
    /// There is a value to serve, and this is to bring a new one.
    claim: Option<Claim>,
    /// It is of one who did not look.
    is_reload: bool,
}

impl<K: crate::Key> Miss<K> {
    fn of<L: Lookup<Key = K>>(hash: u64, lookup: &L, claim: Option<Claim>) -> Self {
        Self {
            hash,
            key: lookup.key(),
            is_outside: lookup.is_outside(),
            claim,
            is_reload: false,
        }
    }

    /// What goes on with it.
    fn load<V: Value>(self, cache: &Cache<K, V>, labels: Option<Labels<V>>) -> Load<K, V> {
        if self.is_outside {
            Load::outside(&cache.shared(), self.key)
        } else if self.is_reload {
            Load::again(&cache.shared(), self.hash, self.key, labels)
        } else {
            Load::first(&cache.shared(), self.hash, self.key, labels).with(self.claim)
        }
    }
}

/// The first look. A hit takes none of our locks and waits for no load.
pub fn find<const KIND: u8, K, V, R, L>(_kind: Kind<KIND>, cache: &Cache<K, V>, lookup: &L) -> Result<R, Miss<K>>
where
    K: crate::Key,
    V: Value,
    L: Lookup<Key = K>,
    R: Outcome<Kind<KIND>, Value = V>,
{
    look(cache, lookup, false).map(R::hit)
}

fn look<K, V, L>(cache: &Cache<K, V>, lookup: &L, in_background: bool) -> Result<V, Miss<K>>
where
    K: crate::Key,
    V: Value,
    L: Lookup<Key = K>,
{
    let shared = cache.shared();
    let hash = shared.hash(lookup);
    shared
        .see(hash, lookup, in_background)
        .map_err(|claim| Miss::of(hash, lookup, claim))
}

/// The cache a user named, if it is one for these keys and this return type.
pub fn own<'c, const KIND: u8, L: Lookup, R: Outcome<Kind<KIND>>>(
    _kind: Kind<KIND>,
    _lookup: &L,
    _returns: std::marker::PhantomData<R>,
    cache: &'c Cache<L::Key, Kept<R, KIND>>,
) -> &'c Cache<L::Key, Kept<R, KIND>> {
    cache
}

/// What a lookup would have to go on with, for one who does not look.
pub fn miss<K: crate::Key, V: Value, L: Lookup<Key = K>>(cache: &Cache<K, V>, lookup: &L) -> Miss<K> {
    Miss {
        is_reload: true,
        ..Miss::of(cache.shared().hash(lookup), lookup, None)
    }
}

/// A miss that has forgotten the type of its key.
#[derive(Debug)]
pub struct ErasedMiss {
    hash: u64,
    key: Box<dyn Any + Send + Sync>,
    is_outside: bool,
    claim: Option<Claim>,
    is_reload: bool,
}

/// Forgets the type of the key, and with it the borrow that a type without a name carries.
pub fn erase<K: crate::Key>(miss: Miss<K>) -> ErasedMiss {
    ErasedMiss {
        hash: miss.hash,
        key: Box::new(miss.key),
        is_outside: miss.is_outside,
        claim: miss.claim,
        is_reload: miss.is_reload,
    }
}

/// Remembers it.
///
/// # Panics
/// If it was another type, which no expansion does.
pub fn restore<K: crate::Key>(miss: ErasedMiss) -> Miss<K> {
    match miss.key.downcast::<K>() {
        Ok(key) => Miss {
            hash: miss.hash,
            key: *key,
            is_outside: miss.is_outside,
            claim: miss.claim,
            is_reload: miss.is_reload,
        },
        Err(_) => unreachable!("the key of another function"),
    }
}

/// What follows on a miss.
pub fn load<const KIND: u8, K, V, R, F>(
    _kind: Kind<KIND>,
    cache: &Cache<K, V>,
    miss: Miss<K>,
    keep_if: impl FnOnce(&V) -> bool,
    load: impl FnOnce() -> F,
) -> impl Future<Output = R>
where
    K: crate::Key,
    V: Value,
    R: Outcome<Kind<KIND>, Value = V>,
    F: Future<Output = R>,
{
    let look = move |(): &()| Err(miss.load(cache, None));
    obtain((), look, keep_if, move |()| load())
}

/// The handle's `refresh`.
pub fn refresh<const KIND: u8, K, V, R, F>(
    _kind: Kind<KIND>,
    cache: &Cache<K, V>,
    miss: Miss<K>,
    keep_if: impl FnOnce(&V) -> bool,
    load: impl FnOnce() -> F,
) -> impl Future<Output = R>
where
    K: crate::Key,
    V: Value,
    R: Outcome<Kind<KIND>, Value = V>,
    F: Future<Output = R>,
{
    let look = move |(): &()| Err(miss.load(cache, None));
    obtain((), look, keep_if, move |()| load())
}

/// The handle's `clear`.
pub async fn clear<K: crate::Key, V: Value>(cache: &Cache<K, V>) {
    cache.clear().await;
    cache.reset_stats();
}

/// Begins the mutation of one key.
pub fn begin<L: Lookup, V: Value>(lookup: &L, cache: &Cache<L::Key, V>) -> MutationGuard {
    if lookup.is_outside() {
        return MutationGuard::nothing();
    }
    let shared = cache.shared();
    MutationGuard::key(&shared, shared.hash(lookup), lookup.key())
}

/// Begins the mutation of all keys.
pub fn begin_all<K: crate::Key, V: Value>(cache: &Cache<K, V>) -> MutationGuard {
    MutationGuard::all(&cache.shared())
}

/// Ends mutations, in the order in which they began.
pub async fn finish<const N: usize>(guards: [MutationGuard; N]) {
    for guard in guards {
        guard.finish().await;
    }
}

/// Keeps every value.
pub fn always<V: ?Sized>(_: &V) -> bool {
    true
}

/// A value for code that is only there to be typed.
///
/// # Panics
/// Always; nothing calls it.
pub fn never<T>() -> T {
    unreachable!("only there to be typed")
}

/// The type of a lookup, of which a cache can be found without having one.
#[derive(Debug)]
pub struct LookupType<L>(std::marker::PhantomData<L>);

/// Of the lookup that a closure would make; it is not called.
pub fn lookup_made_by<L: Lookup>(_never_called: impl FnOnce() -> L) -> LookupType<L> {
    LookupType(std::marker::PhantomData)
}

/// Of a lookup at hand.
pub fn lookup_type<L: Lookup>(_lookup: &L) -> LookupType<L> {
    LookupType(std::marker::PhantomData)
}
