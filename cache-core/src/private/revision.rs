//! What `#[cached_revision]` expands to calls of.
//!
//! A call reads its revision, looks, and goes on from there ([`crate::revision`]). What the user wrote for a revision may be a
//! value or a future, of a revision or of a `Result` of one: the expansion asks its type, by autoref specialisation.

use std::error::Error;
use std::fmt::{Debug, Display};
use std::future::{Future, IntoFuture, Ready, pending, ready};
use std::marker::PhantomData;

use futures_util::future::FutureExt;

use super::elements::ShowsAll;
use super::handle::{self, Handle};
use super::parts::Lookup;
use super::task::{NoTask, Task};
use crate::builder::Builder;
use crate::cache::Cache;
use crate::key::{Key, Value};
use crate::outcome::{Kind, Mapped, Outcome};
use crate::revision::bring;
pub use crate::revision::bring::{Describe, Found};
pub use crate::revision::failure::SourceError;
pub use crate::revision::look::{Asked, Looked, Question};
use crate::revision::{BackgroundError, OnChange, Revised};

/// What is kept of a return type.
pub type Kept<R, const KIND: u8> = Revised<<R as Mapped<Kind<KIND>>>::Success>;

/// What a handle's cache takes for the return type.
pub type Returns<R, const KIND: u8> = <R as Mapped<Kind<KIND>>>::With<Kept<R, KIND>>;

/// What kind of outcome that is.
pub type KindOf<R, const KIND: u8> = <R as Mapped<Kind<KIND>>>::As;

/// What `lookup` returns.
pub type LookupOf<R, const KIND: u8> =
    <R as Mapped<Kind<KIND>>>::With<crate::revision::Lookup<<R as Mapped<Kind<KIND>>>::Success>>;

/// Says what becomes of a change.
pub fn rule<K: Key, V: Value>(
    builder: Builder<K, Revised<V>>,
    serves_stale: bool,
    max_stale: Option<std::time::Duration>,
) -> Builder<K, Revised<V>> {
    let on_change = if serves_stale {
        OnChange::Stale
    } else {
        OnChange::Reload
    };
    let builder = builder.on_change(on_change);
    match max_stale {
        Some(max_stale) => builder.max_stale(max_stale),
        None => builder,
    }
}

/// A weigher of values.
pub fn weigher<K, V>(
    weigher: impl Fn(&K, &V) -> u32 + Send + Sync + 'static,
) -> impl Fn(&K, &Revised<V>) -> u32 + Send + Sync + 'static {
    move |key, revised| weigher(key, revised.value())
}

/// An argument that tells the revision, and is left out of the key because it cannot be in it. The one place that complains
/// if it can.
#[diagnostic::on_unimplemented(
    message = "`{Self}` tells the revision, and could be part of the key as well",
    label = "say whether the result depends on which one it is",
    note = "if it does not, name the argument in `skip(..)`",
    note = "if it does, let `revision` begin with something else, as in `revision = path::to_function(argument)`: then it is in \
            the key"
)]
pub trait Source<const FIT: bool> {
    /// Named by the expansion, so that the bound is asked for.
    const OK: () = ();
}

impl<T: ?Sized> Source<false> for T {}

/// As that of other functions, which can also be told the key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a cache key",
    label = "a key has to be `Hash + Eq + Clone + Send + Sync + 'static`",
    note = "leave the argument out with `skip(..)` if the result does not depend on it"
)]
pub trait KeyArgument<const FIT: bool = false> {
    /// Named by the expansion, so that the bound is asked for.
    const OK: () = ();
}

impl<T: ?Sized> KeyArgument<true> for T {}

/// The revision is about to be read.
pub fn ask<K: Key, V: Value>(cache: &Cache<K, Revised<V>>) -> Asked {
    cache.shared().ask()
}

/// It has been read.
pub fn question<K: Key, V: Value, N>(
    cache: &Cache<K, Revised<V>>,
    asked: Asked,
    read: Result<N, SourceError>,
) -> Question<N> {
    cache.shared().asked(asked, read)
}

/// The look of a free function.
pub fn find<H, G, V, N>(is_forced: bool, given: &G, question: Question<N>) -> Looked<handle::Key<H>, V>
where
    H: Handle<Elements: ShowsAll<G>, Returns: Outcome<H::Kind, Value = Revised<V>>>,
    V: Value,
    N: Eq + Send + Sync + 'static,
{
    look(is_forced, handle::cache::<H>(), &H::Elements::parts(given), question)
}

/// The look of a method.
pub fn look<L: Lookup, V: Value, N: Eq + Send + Sync + 'static>(
    is_forced: bool,
    cache: &Cache<L::Key, Revised<V>>,
    lookup: &L,
    question: Question<N>,
) -> Looked<L::Key, V> {
    let shared = cache.shared();
    let hash = shared.hash(lookup);
    shared.look_revised(hash, lookup, || lookup.key(), question, None, is_forced)
}

/// What follows, with a load that its caller runs.
pub fn here<const KIND: u8, K, V, R, F>(
    _kind: Kind<KIND>,
    looked: Looked<K, V>,
    keep_if: impl FnOnce(&V) -> bool,
    describe: Describe<R>,
    load: impl FnOnce() -> F,
) -> impl Future<Output = Found<Kind<KIND>, R>>
where
    K: Key,
    V: Value,
    R: Mapped<Kind<KIND>, Success = V, With<Revised<V>>: Outcome<R::As, Value = Revised<V>>>,
    F: Future<Output = R>,
{
    bring::obtain_here(looked, keep_if, describe, load)
}

impl Task {
    /// What follows, with a load that is a task of its own.
    pub fn revised<const KIND: u8, K, V, R, F>(
        self,
        _kind: Kind<KIND>,
        looked: Looked<K, V>,
        keep_if: fn(&V) -> bool,
        describe: Describe<R>,
        load: impl FnOnce() -> F + Send,
    ) -> impl Future<Output = Found<Kind<KIND>, R>> + Send
    where
        K: Key,
        V: Value,
        R: Mapped<
                Kind<KIND>,
                Success = V,
                As: 'static,
                With<Revised<V>>: Outcome<R::As, Value = Revised<V>> + Send + 'static,
            > + Send
            + 'static,
        F: Future<Output = R> + Send + 'static,
    {
        bring::obtain_spawned(looked, keep_if, describe, load)
    }
}

/// As [`Task`], and asks for nothing.
impl NoTask {
    /// Does not compile.
    pub fn revised<const KIND: u8, K, V, R, F>(
        self,
        _kind: Kind<KIND>,
        _looked: Looked<K, V>,
        _keep_if: fn(&V) -> bool,
        _describe: Describe<R>,
        _load: impl FnOnce() -> F,
    ) -> impl Future<Output = Found<Kind<KIND>, R>>
    where
        K: Key,
        V: Value,
        R: Mapped<Kind<KIND>, Success = V>,
        F: Future<Output = R>,
    {
        pending()
    }
}

/// The function itself, and `force`.
pub fn value_of<T, R: Mapped<T>>(call: impl Future<Output = Found<T, R>>) -> impl Future<Output = R> {
    FutureExt::map(call, Found::returned)
}

/// The handle's `lookup`.
pub fn lookup_of<T, R: Mapped<T>>(
    call: impl Future<Output = Found<T, R>>,
) -> impl Future<Output = R::With<crate::revision::Lookup<R::Success>>> {
    FutureExt::map(call, Found::lookup)
}

/// The handle's `last_error`.
pub fn last_error<K: Key, V: Value>(cache: &Cache<K, Revised<V>>) -> Option<BackgroundError> {
    cache.last_error()
}

/// Asks what the user wrote for a revision whether it has to be awaited: `kind` is called on `&&ReadProbe`.
#[derive(Debug)]
pub struct ReadProbe<'r, T>(pub &'r T);

/// It has to be.
#[derive(Debug)]
pub struct Awaited;

/// It is there.
#[derive(Debug)]
pub struct There;

/// If it has to be.
pub trait IsAwaited {
    /// As a value.
    fn kind(&self) -> Awaited {
        Awaited
    }
}

/// If it is there.
pub trait IsThere {
    /// As a value.
    fn kind(&self) -> There {
        There
    }
}

impl<T: IntoFuture> IsAwaited for &ReadProbe<'_, T> {}
impl<T> IsThere for ReadProbe<'_, T> {}

impl Awaited {
    /// What it comes to.
    pub fn read<T: IntoFuture>(self, read: T) -> T::IntoFuture {
        read.into_future()
    }
}

impl There {
    /// Itself.
    pub fn read<T>(self, read: T) -> Ready<T> {
        ready(read)
    }
}

/// Asks what was read whether it is a revision or the failure to tell one: `kind` is called on `&&&&&&ToldProbe`.
#[derive(Debug)]
pub struct ToldProbe<'r, T>(pub &'r T);

/// It is a reference to a revision.
#[derive(Debug)]
pub struct IsLent;

/// It may be that it could not be told.
#[derive(Debug)]
pub struct MayFail;

/// It is a revision.
#[derive(Debug)]
pub struct IsRevision;

/// It can be neither.
#[derive(Debug)]
pub struct IsNothing;

/// If it may be that it could not be told.
pub trait ToldOrNot {
    /// As a value.
    fn kind(&self) -> MayFail {
        MayFail
    }
}

/// If it is always the same.
pub trait ToldNothing {
    /// As a value.
    fn kind(&self) -> IsNothing {
        IsNothing
    }
}

/// If it is a reference to a revision.
pub trait ToldByReference {
    /// As a value.
    fn kind(&self) -> IsLent {
        IsLent
    }
}

/// If it cannot be said why it could not be told, or what was told is no revision.
pub trait ToldBadly {
    /// As a value.
    fn kind(&self) -> IsNothing {
        IsNothing
    }
}

/// If it is a revision.
pub trait Told {
    /// As a value.
    fn kind(&self) -> IsRevision {
        IsRevision
    }
}

/// If it is none.
pub trait NotTold {
    /// As a value.
    fn kind(&self) -> IsNothing {
        IsNothing
    }
}

impl<N, E> ToldOrNot for &&&&&ToldProbe<'_, Result<N, E>>
where
    N: Eq + Clone + Send + Sync + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
}
impl ToldNothing for &&&&ToldProbe<'_, ()> {}
impl<N: ToOwned<Owned: Eq + Clone + Send + Sync + 'static> + ?Sized> ToldByReference for &&&ToldProbe<'_, &N> {}
impl<N, E> ToldBadly for &&ToldProbe<'_, Result<N, E>> {}
impl<N: Eq + Clone + Send + Sync + 'static> Told for &ToldProbe<'_, N> {}
impl<T> NotTold for ToldProbe<'_, T> {}

/// What can be made a revision of. The one place that complains if it cannot.
#[diagnostic::on_unimplemented(
    message = "`{T}` is no revision",
    label = "has to be `Eq + Clone + Send + Sync + 'static`, or a `Result` of that with an error that can be shown",
    note = "a revision is a number, a text, or anything else that can be compared and changes with the data",
    note = "an error is anything that implements `Error + Send + Sync`, a text, or a `Box<dyn Error + Send + Sync>`"
)]
pub trait Tell<T> {
    /// What is compared.
    type Revision: Eq + Send + Sync + 'static;

    /// Makes it.
    fn tell(self, told: T) -> Result<Self::Revision, SourceError>;
}

#[diagnostic::do_not_recommend]
impl<N: Eq + Send + Sync + 'static> Tell<N> for IsRevision {
    type Revision = N;

    fn tell(self, told: N) -> Result<N, SourceError> {
        Ok(told)
    }
}

#[diagnostic::do_not_recommend]
impl<N: ToOwned<Owned: Eq + Send + Sync + 'static> + ?Sized> Tell<&N> for IsLent {
    type Revision = N::Owned;

    fn tell(self, told: &N) -> Result<N::Owned, SourceError> {
        Ok(told.to_owned())
    }
}

#[diagnostic::do_not_recommend]
impl<N: Eq + Send + Sync + 'static, E: Into<Box<dyn Error + Send + Sync>>> Tell<Result<N, E>> for MayFail {
    type Revision = N;

    fn tell(self, told: Result<N, E>) -> Result<N, SourceError> {
        told.map_err(SourceError::from)
    }
}

/// Makes a revision of what was read.
// The type comes first, so that it is known when there is something to complain of.
pub fn told<T, K: Tell<T>>(told: T, kind: K) -> Result<K::Revision, SourceError> {
    kind.tell(told)
}

/// Asks a return type whether its error can be put in words: `describe` is called on `&&&DescribeProbe`.
#[derive(Debug)]
pub struct DescribeProbe<R>(PhantomData<R>);

/// The probe of a return type.
pub fn returned<R>() -> DescribeProbe<R> {
    DescribeProbe(PhantomData)
}

/// For those who read it.
pub trait Displays<R> {
    /// What makes the words.
    fn describe(&self) -> Describe<R>;
}

/// For those who wrote it.
pub trait Debugs<R> {
    /// What makes the words.
    fn describe(&self) -> Describe<R>;
}

/// It cannot.
pub trait Silent<R> {
    /// What makes none.
    fn describe(&self) -> Describe<R>;
}

impl<T, E: Display> Displays<Result<T, E>> for &&DescribeProbe<Result<T, E>> {
    fn describe(&self) -> Describe<Result<T, E>> {
        |outcome| outcome.as_ref().err().map(ToString::to_string)
    }
}

impl<T, E: Debug> Debugs<Result<T, E>> for &DescribeProbe<Result<T, E>> {
    fn describe(&self) -> Describe<Result<T, E>> {
        |outcome| outcome.as_ref().err().map(|error| format!("{error:?}"))
    }
}

impl<R> Silent<R> for DescribeProbe<R> {
    fn describe(&self) -> Describe<R> {
        |_| None
    }
}

/// What has to be in scope for the probes.
pub mod probes {
    pub use super::{
        Debugs as _, Displays as _, IsAwaited as _, IsThere as _, NotTold as _, Silent as _, Told as _, ToldBadly as _,
        ToldByReference as _, ToldNothing as _, ToldOrNot as _,
    };
}
