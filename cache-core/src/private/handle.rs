//! What the handle of a free function does, written once for all of them.
//!
//! An expansion implements [`Handle`], which says what differs, and each of its companions is one call of a function here.
//! The compiler checks a function's body wherever it stands, and an `async fn` costs it many times what a call does: so
//! the futures are made here, and the expansion hands them on.

use std::future::Future;

use super::elements::{Elements, ShowsAll};
use super::parts::Lookup;
use super::slot::{Own, Settings};
use crate::cache::Cache;
use crate::key::Value;
use crate::load::{Load, obtain};
use crate::mutation::MutationGuard;
use crate::outcome::Outcome;
use crate::stats::Stats;

/// The handle of a function.
pub trait Handle: Sized {
    /// What its key is made of.
    type Elements: Elements;

    /// What kind of outcome it returns, and so what is kept of it.
    type Kind;

    /// What it returns, with `'static` for its lifetimes.
    type Returns: Outcome<Self::Kind>;

    /// Where its cache is.
    fn own() -> &'static OwnOf<Self>;

    /// Makes the cache, when it is asked for first.
    fn make(settings: &Settings) -> CacheOf<Self> {
        settings.build()
    }
}

/// What a function is keyed by.
pub type Key<H> = <<H as Handle>::Elements as Elements>::Key;

/// What is kept of its results.
pub type Kept<H> = <<H as Handle>::Returns as Outcome<<H as Handle>::Kind>>::Value;

/// A cache of its results.
pub type CacheOf<H> = Cache<Key<H>, Kept<H>>;

/// Where the cache of its results is.
pub type OwnOf<H> = Own<Key<H>, Kept<H>>;

/// The handle's `cache`.
#[inline]
pub fn cache<H: Handle>() -> &'static CacheOf<H> {
    H::own().cache(H::make)
}

/// The function itself, and its `refresh`.
pub fn call<H, G, R, F>(
    is_refresh: bool,
    given: G,
    keep_if: impl FnOnce(&Kept<H>) -> bool,
    load: impl FnOnce(G) -> F,
) -> impl Future<Output = R>
where
    H: Handle<Elements: ShowsAll<G>>,
    R: Outcome<H::Kind, Value = Kept<H>>,
    F: Future<Output = R>,
{
    let look = move |given: &G| look::<H::Elements, _, _>(cache::<H>(), is_refresh, false, given);
    obtain(given, look, keep_if, load)
}

/// The first look, for all functions of the same types.
pub(super) fn look<E: ShowsAll<G>, V: Value, G>(
    cache: &Cache<E::Key, V>,
    is_refresh: bool,
    in_background: bool,
    given: &G,
) -> Result<V, Load<E::Key, V>> {
    let (shared, lookup) = (cache.shared(), E::parts(given));
    let hash = shared.hash(&lookup);
    if lookup.is_outside() {
        return Err(Load::outside(&shared, lookup.key()));
    }
    if is_refresh {
        return Err(Load::again(&shared, hash, lookup.key(), None));
    }
    shared
        .see(hash, &lookup, in_background)
        .map_err(|claim| Load::first(&shared, hash, lookup.key(), None).with(claim))
}

/// The handle's `invalidate`.
#[expect(
    clippy::unused_async,
    reason = "a tier shared between processes will have to hear of it"
)]
pub async fn invalidate<H: Handle<Elements: ShowsAll<G>>, G>(given: G) -> bool {
    cache::<H>().invalidate_local(&H::Elements::parts(&given))
}

/// The handle's `clear`.
pub async fn clear<H: Handle>() {
    super::clear(cache::<H>()).await;
}

/// The handle's `peek`.
pub fn peek<H: Handle<Elements: ShowsAll<G>>, G>(given: &G) -> Option<Kept<H>> {
    cache::<H>().peek(&H::Elements::parts(given))
}

/// The handle's `insert`.
pub async fn insert<H: Handle<Elements: ShowsAll<G>>, G>(given: G, value: Kept<H>) {
    // The borrow that makes the lookup must not last across the await.
    let key = {
        let lookup = H::Elements::parts(&given);
        (!lookup.is_outside()).then(|| lookup.key())
    };
    if let Some(key) = key {
        cache::<H>().insert(key, value).await;
    }
}

/// The handle's `stats`.
pub fn stats<H: Handle>() -> Stats {
    cache::<H>().stats()
}

/// Begins the mutation of a key, made of what was lent.
pub fn begin<H: Handle<Elements: ShowsAll<G>>, G>(lent: &G) -> MutationGuard {
    super::begin(&H::Elements::parts(lent), cache::<H>())
}
