//! What the functions expand to that load many keys at once.
//!
//! The return type is asked whether it is one of those: a `Result` of a map from the key. What it returns for one key is made of
//! that. If it is not, it is complained of, once, and the rest compiles with stand-ins.

use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::elements::{Elements, ShowsAll};
use super::handle;
use super::parts::Lookup;
use crate::batch::{self, Batches, Body, Found};
use crate::cache::Cache;
use crate::detached::OnTimeout;
use crate::freshness::LoadTimeout;
use crate::key::{Key, Value};
use crate::outcome::{Kind, Unfit};

/// What kind of outcome comes of one key.
pub const KIND: u8 = crate::outcome::BATCHED;

/// The batches of a function.
pub type Shared<K, V> = Arc<Batches<K, V>>;

/// Makes them.
pub fn new<K: Key, V: Value>(
    window: Duration,
    max_batch: usize,
    keep_if: impl Fn(&V) -> bool + Send + Sync + 'static,
) -> Shared<K, V> {
    Batches::new(window, max_batch, keep_if)
}

/// Asks a return type, in a constant, what it is to a key. As [`Ask`](super::Ask) does.
#[derive(Debug)]
pub struct AskBatch<R, K>(PhantomData<(R, K)>);

/// The answers where nothing better is known.
pub trait OtherwiseBatch {
    /// It is no `Result` of a map.
    const IS_BATCH: bool = false;
    /// Its values cannot be kept.
    const KEEPS_VALUES: bool = false;
    /// Its error cannot be copied.
    const SHARES_ERROR: bool = false;
}

impl<R, K> OtherwiseBatch for AskBatch<R, K> {}

impl<K, V, E, M: IntoIterator<Item = (K, V)>> AskBatch<Result<M, E>, K> {
    /// It is a `Result` of a map.
    pub const IS_BATCH: bool = true;
}

impl<K, V: Value, E, M: IntoIterator<Item = (K, V)>> AskBatch<Result<M, E>, K> {
    /// Its values can be kept.
    pub const KEEPS_VALUES: bool = true;
}

impl<K, M, E: Clone + Send + Sync + 'static> AskBatch<Result<M, E>, K> {
    /// Its error can be copied.
    pub const SHARES_ERROR: bool = true;
}

/// What is wrong with it: 0 for nothing.
pub const fn flaw(is_batch: bool, keeps_values: bool, shares_error: bool) -> u8 {
    match (is_batch, keeps_values, shares_error) {
        (true, true, true) => 0,
        (false, ..) => 1,
        (true, false, _) => 2,
        (true, true, false) => 3,
    }
}

/// A return type of batches. The one place that complains if it is none.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a batch returns",
    label = "has to be a `Result` of a map from the key, such as `Result<HashMap<{K}, V>, E>`",
    note = "a key that has no value is left out of the map; a `BTreeMap` and a `Vec` of pairs serve as well"
)]
pub trait IsBatch<K, T = Kind<1>> {
    /// Named by the expansion, so that the bound is asked for.
    const OK: () = ();
}

impl<R, K> IsBatch<K, Kind<0>> for R {}
impl<R, K> IsBatch<K, Kind<2>> for R {}
impl<R, K> IsBatch<K, Kind<3>> for R {}

/// One whose values can be kept, likewise.
#[diagnostic::on_unimplemented(
    message = "the values of `{Self}` cannot be cached",
    label = "they have to be `Clone + Send + Sync + 'static`",
    note = "derive `Clone`, or return them behind an `Arc`"
)]
pub trait KeepsValues<T = Kind<2>> {
    /// Named by the expansion, so that the bound is asked for.
    const OK: () = ();
}

impl<R> KeepsValues<Kind<0>> for R {}
impl<R> KeepsValues<Kind<1>> for R {}
impl<R> KeepsValues<Kind<3>> for R {}

/// One whose error can be copied, likewise.
#[diagnostic::on_unimplemented(
    message = "the error of `{Self}` cannot reach all callers of a batch",
    label = "each of them gets it, so it has to be `Clone + Send + Sync + 'static`",
    note = "derive `Clone` for it, or return it behind an `Arc`"
)]
pub trait SharesError<T = Kind<3>> {
    /// Named by the expansion, so that the bound is asked for.
    const OK: () = ();
}

impl<R> SharesError<Kind<0>> for R {}
impl<R> SharesError<Kind<1>> for R {}
impl<R> SharesError<Kind<2>> for R {}

/// What is in it.
pub trait Returned<K, const FITS: bool> {
    /// What is kept.
    type Value: Value;

    /// What every caller of a batch gets.
    type Error: Clone + Send + Sync + 'static;
}

impl<K, V, E, M> Returned<K, true> for Result<M, E>
where
    V: Value,
    E: Clone + Send + Sync + 'static,
    M: IntoIterator<Item = (K, V)>,
{
    type Value = V;
    type Error = E;
}

impl<R, K> Returned<K, false> for R {
    type Value = Unfit;
    type Error = Unfit;
}

impl From<LoadTimeout> for Unfit {
    fn from(_: LoadTimeout) -> Self {
        unreachable!("does not compile")
    }
}

/// What comes of one key.
pub type One<R, K, const FITS: bool> = Found<<R as Returned<K, FITS>>::Value, <R as Returned<K, FITS>>::Error>;

/// What comes of several.
pub type Many<R, T, K, const FITS: bool> =
    Result<HashMap<K, <R as Returned<T, FITS>>::Value>, <R as Returned<T, FITS>>::Error>;

/// A return type that a batch's body can be made of. `T` is how the function takes a key, and `K` how it is kept.
pub trait Brings<T, K: Key, const FITS: bool>: Returned<T, FITS> {
    /// Makes it.
    fn body<F>(load: impl FnOnce(Vec<T>) -> F + Send + 'static) -> Body<K, Self::Value>
    where
        F: Future<Output = Self> + Send + 'static;
}

impl<K, V, E, M> Brings<K, K, true> for Result<M, E>
where
    K: Key,
    V: Value,
    E: Clone + Send + Sync + 'static,
    M: IntoIterator<Item = (K, V)>,
{
    fn body<F>(load: impl FnOnce(Vec<K>) -> F + Send + 'static) -> Body<K, V>
    where
        F: Future<Output = Self> + Send + 'static,
    {
        batch::body(load)
    }
}

impl<R, T, K: Key> Brings<T, K, false> for R {
    fn body<F>(_load: impl FnOnce(Vec<T>) -> F + Send + 'static) -> Body<K, Unfit> {
        unreachable!("does not compile")
    }
}

/// A body.
pub fn body<R, T, K, F, const FITS: bool>(
    _: PhantomData<R>,
    load: impl FnOnce(Vec<T>) -> F + Send + 'static,
) -> Body<K, R::Value>
where
    K: Key,
    R: Brings<T, K, FITS>,
    F: Future<Output = R> + Send + 'static,
{
    R::body(load)
}

/// The function for one key, and its `refresh`.
pub async fn call<S, V, G, E, B>(
    cache: &'static Cache<S::Key, V>,
    batches: &'static Shared<S::Key, V>,
    is_refresh: bool,
    given: G,
    on_timeout: Option<OnTimeout<Found<V, E>>>,
    body: B,
) -> Found<V, E>
where
    S: ShowsAll<G>,
    V: Value,
    E: Clone + Send + Sync + 'static,
    B: Fn() -> Body<S::Key, V>,
{
    let found = handle::look::<S, _, _>(cache, is_refresh, true, &given);
    batch::ask(batches, found, on_timeout, body).await
}

/// The handle's `many`.
pub async fn many<S, V, I, E, B>(
    cache: &'static Cache<S::Key, V>,
    batches: &'static Shared<S::Key, V>,
    given: I,
    on_timeout: Option<OnTimeout<Found<V, E>>>,
    body: B,
) -> Result<HashMap<S::Key, V>, E>
where
    S: Elements + ShowsAll<(I::Item,)>,
    V: Value,
    I: IntoIterator,
    E: Clone + Send + Sync + 'static,
    B: Fn() -> Body<S::Key, V>,
{
    let keys: Vec<_> = given.into_iter().map(|given| S::parts(&(given,)).key()).collect();
    batch::many(keys, |key| {
        let body = &body;
        async move {
            let found = batch::look(cache, &key, || key.clone());
            batch::ask(batches, found, on_timeout, body).await
        }
    })
    .await
}
