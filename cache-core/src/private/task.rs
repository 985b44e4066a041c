//! What the functions expand to whose loads run as tasks of their own.
//!
//! Such a load may outlive its call, so everything that it is made of has to be its own and has to be able to go to another
//! thread. An expansion asks the types whether that is so, by autoref specialisation, since they may be generic: what comes
//! back either serves or is complained of, once, at the place of the type. It serves in the second case too, so that nothing
//! else is complained of.

use std::borrow::Cow;
use std::future::{Future, pending};
use std::marker::PhantomData;

use super::elements::ShowsAll;
use super::handle::{self, Handle};
use super::labels::Labels;
use super::parts::Lookup;
use super::{Miss, look};
use crate::cache::Cache;
use crate::detached::{self, OnTimeout};
use crate::freshness::LoadTimeout;
use crate::key::{Key, Value};
use crate::outcome::{Kind, Outcome};

/// It can be the load's own.
#[derive(Debug)]
pub struct Goes;

/// It cannot.
#[derive(Debug)]
pub struct Stays;

/// Asks whether something that is lent to the call can be copied for the load: `kind` is called on `&&LentProbe`.
#[derive(Debug)]
pub struct LentProbe<'l, T: ?Sized>(pub &'l T);

/// The same, if it is there.
#[derive(Debug)]
pub struct OptionProbe<'l, T: ?Sized>(pub Option<&'l T>);

/// The same of something that the call has been given.
#[derive(Debug)]
pub struct GivenProbe<'l, T>(pub &'l T);

/// If it can.
pub trait Fits {
    /// As a value.
    fn kind(&self) -> Goes {
        Goes
    }
}

/// If it cannot.
pub trait Unfits {
    /// As a value.
    fn kind(&self) -> Stays {
        Stays
    }
}

impl<T: ToOwned<Owned: Send + Sync + 'static> + Sync + ?Sized + 'static> Fits for &LentProbe<'_, T> {}
impl<T: ?Sized> Unfits for LentProbe<'_, T> {}
impl<T: ToOwned<Owned: Send + Sync + 'static> + Sync + ?Sized + 'static> Fits for &OptionProbe<'_, T> {}
impl<T: ?Sized> Unfits for OptionProbe<'_, T> {}
impl<T: Send + 'static> Fits for &GivenProbe<'_, T> {}
impl<T> Unfits for GivenProbe<'_, T> {}

/// Makes the load's own of what is lent to the call.
#[diagnostic::on_unimplemented(
    message = "`{T}` is lent to the call, and the load may outlive that",
    label = "has to be `Clone + Send + Sync + 'static`, so that the load can have its own",
    note = "derive `Clone` if that is cheap, or take it behind an `Arc`, as in `&Arc<{T}>`"
)]
pub trait Own<T: ?Sized> {
    /// What it is copied to.
    type Owned;

    /// Copies it.
    fn own(self, lent: &T) -> Self::Owned;
}

#[diagnostic::do_not_recommend]
impl<T: ToOwned + ?Sized> Own<T> for Goes {
    type Owned = T::Owned;

    fn own(self, lent: &T) -> T::Owned {
        lent.to_owned()
    }
}

/// Makes the load's own of what is lent to the call.
// The type comes first, so that it is known when there is something to complain of.
pub fn own<T: ?Sized, K: Own<T>>(lent: &T, kind: K) -> K::Owned {
    kind.own(lent)
}

/// The same of what may not be there.
pub fn own_option<T: ?Sized, K: Own<T>>(lent: Option<&T>, kind: K) -> Option<K::Owned> {
    lent.map(|lent| kind.own(lent))
}

/// Lends it again.
pub fn lend_option<T: ?Sized, O: std::borrow::Borrow<T>>(owned: &Option<O>) -> Option<&T> {
    owned.as_ref().map(O::borrow)
}

/// Makes a `Cow` of the load's own.
pub fn own_cow<T: ToOwned + ?Sized>(cow: Cow<'_, T>) -> Cow<'static, T> {
    Cow::Owned(cow.into_owned())
}

/// Hands on what the call has been given.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot go along with a load that may outlive the call",
    label = "has to be `Send + 'static`",
    note = "the load runs on any thread, with arguments of its own: take something of which it can have one, such as an `Arc`"
)]
pub trait Hand<T> {
    /// Itself.
    type Handed;

    /// Does nothing to it.
    fn hand(self, given: T) -> Self::Handed;
}

#[diagnostic::do_not_recommend]
impl<T> Hand<T> for Goes {
    type Handed = T;

    fn hand(self, given: T) -> T {
        given
    }
}

/// The type of something.
pub fn type_of<T>(_: &T) -> PhantomData<T> {
    PhantomData
}

/// Hands on what the call has been given.
pub fn hand<T, K: Hand<T>>(_: PhantomData<T>, kind: K, given: T) -> K::Handed {
    kind.hand(given)
}

/// Asks whether an outcome can come back from another thread: `task` is called on `&&&ReturnProbe`. And, for caches that may
/// have such a limit, whether there is one of who has waited too long: `on_timeout` is called on `&&ReturnProbe`.
#[derive(Debug)]
pub struct ReturnProbe<R>(PhantomData<R>);

/// The probe of a return type.
pub fn returned<R>() -> ReturnProbe<R> {
    ReturnProbe(PhantomData)
}

/// Runs loads as tasks.
#[derive(Debug)]
pub struct Task;

/// Stands where a task would be, so that one complaint is all, which is made elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct NoTask;

/// The same, with a complaint.
#[derive(Clone, Copy, Debug)]
pub struct NoTaskForError(NoTask);

impl std::ops::Deref for NoTaskForError {
    type Target = NoTask;

    fn deref(&self) -> &NoTask {
        &self.0
    }
}

/// The outcome can come back.
pub trait ComesBack {
    /// As a value.
    fn task(&self) -> Task {
        Task
    }
}

/// Its error cannot.
pub trait ErrorStays {
    /// As a value.
    fn task(&self) -> NoTaskForError {
        NoTaskForError(NoTask)
    }
}

/// It cannot, because it cannot be kept in the first place.
pub trait AllStays {
    /// As a value.
    fn task(&self) -> NoTask {
        NoTask
    }
}

impl<R: Send + 'static> ComesBack for &&ReturnProbe<R> {}
impl<V: Value, E> ErrorStays for &ReturnProbe<Result<V, E>> {}
impl<R> AllStays for ReturnProbe<R> {}

/// What a load in the background can return.
#[diagnostic::on_unimplemented(
    message = "`{R}` cannot come back from a load in the background",
    label = "its error has to be `Send + 'static`",
    note = "write `Box<dyn Error + Send + Sync>` for `Box<dyn Error>`, or return an error type of your own"
)]
pub trait Returns<R> {}

#[diagnostic::do_not_recommend]
impl<R> Returns<R> for Task {}
#[diagnostic::do_not_recommend]
impl<R> Returns<R> for NoTask {}

/// What runs the loads of a function that returns this. The one place that complains if nothing can.
pub fn of<R, T: Returns<R>>(task: T) -> T {
    task
}

/// A return type that can tell of a failure.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no `Result`, so that a load never fails",
    label = "`stale_if_error`, `err_ttl` and `load_timeout` are for functions that return a `Result`",
    note = "return a `Result`, or leave them out"
)]
pub trait Fails: Sized {
    /// What tells of it.
    type Error;

    /// Named by the expansion, so that the bound is asked for.
    const OK: () = ();

    /// A failure.
    fn failed(error: Self::Error) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T, E> Fails for Result<T, E> {
    type Error = E;

    fn failed(error: E) -> Self {
        Err(error)
    }
}

/// Errors that `err_ttl` can keep. The one place that complains if it cannot.
///
/// It is not implemented for `ALONE`, whose number is the default so that the compiler does not spell it out. What is no
/// `Result` has been complained of already.
#[diagnostic::on_unimplemented(
    message = "the error of `{Self}` cannot be kept",
    label = "`err_ttl` needs an error that is `Clone + Send + Sync + 'static`",
    note = "derive `Clone` for it, return it behind an `Arc`, or leave `err_ttl` out"
)]
pub trait KeepsErrors<T = Kind<2>> {
    /// Named by the expansion, so that the bound is asked for.
    const OK: () = ();
}

const _: () = assert!(crate::outcome::ALONE == 2, "the default of `KeepsErrors`");

impl<R> KeepsErrors<Kind<{ crate::outcome::PLAIN }>> for R {}
impl<R> KeepsErrors<Kind<{ crate::outcome::SHARED }>> for R {}
impl<R> KeepsErrors<Kind<{ crate::outcome::UNFIT }>> for R {}
impl<R> KeepsErrors<Kind<{ crate::outcome::BATCHED }>> for R {}

/// An error that callers can be given who have waited too long.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not made from a `LoadTimeout`",
    label = "`load_timeout` needs an error that is `From<cache_core::LoadTimeout>`",
    note = "write `impl From<cache_core::LoadTimeout> for {Self}`"
)]
pub trait FromTimeout {
    /// Makes it.
    fn from_timeout(timeout: LoadTimeout) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<LoadTimeout>> FromTimeout for E {
    fn from_timeout(timeout: LoadTimeout) -> Self {
        timeout.into()
    }
}

/// What a caller returns that has waited too long.
pub fn timed_out<R: Fails<Error: FromTimeout>>(timeout: LoadTimeout) -> R {
    R::failed(R::Error::from_timeout(timeout))
}

/// There is such an outcome.
pub trait TimesOut<R> {
    /// What makes it.
    fn on_timeout(&self) -> Option<OnTimeout<R>>;
}

/// There is none, and callers wait as long as it takes.
pub trait Waits<R> {
    /// Nothing.
    fn on_timeout(&self) -> Option<OnTimeout<R>> {
        None
    }
}

impl<T, E: From<LoadTimeout>> TimesOut<Result<T, E>> for &ReturnProbe<Result<T, E>> {
    fn on_timeout(&self) -> Option<OnTimeout<Result<T, E>>> {
        Some(timed_out)
    }
}

impl<R> Waits<R> for ReturnProbe<R> {}

/// What has to be in scope for the probes.
pub mod probes {
    pub use super::{
        AllStays as _, ComesBack as _, ErrorStays as _, Fits as _, TimesOut as _, Unfits as _, Waits as _,
    };
}

/// The first look, for a load that runs as a task.
pub fn find<const KIND: u8, K, V, R, L>(_kind: Kind<KIND>, cache: &Cache<K, V>, lookup: &L) -> Result<R, Miss<K>>
where
    K: Key,
    V: Value,
    L: Lookup<Key = K>,
    R: Outcome<Kind<KIND>, Value = V>,
{
    look(cache, lookup, true).map(R::hit)
}

/// `on_timeout` makes the outcome of a caller that has waited too long, where the cache has such a limit.
///
/// That the futures are `Send` is said here, once for all, so that it need not be found out again for each function.
impl Task {
    /// A free function, and its handle's `refresh`.
    pub fn call<H, G, R, F>(
        self,
        is_refresh: bool,
        given: G,
        keep_if: fn(&handle::Kept<H>) -> bool,
        on_timeout: Option<OnTimeout<R>>,
        load: impl FnOnce(G) -> F + Send,
    ) -> impl Future<Output = R> + Send
    where
        H: Handle<Elements: ShowsAll<G>, Kind: 'static>,
        G: Send,
        R: Outcome<H::Kind, Value = handle::Kept<H>> + Send + 'static,
        F: Future<Output = R> + Send + 'static,
    {
        let look = move |given: &G| handle::look::<H::Elements, _, _>(handle::cache::<H>(), is_refresh, true, given);
        detached::obtain(given, look, keep_if, on_timeout, load)
    }

    /// What follows on a miss, and the handle's `refresh`.
    #[expect(clippy::too_many_arguments, reason = "all that a load is made of")]
    pub fn load<const KIND: u8, K, V, R, F>(
        self,
        _kind: Kind<KIND>,
        cache: &Cache<K, V>,
        miss: Miss<K>,
        labels: Option<Labels<V>>,
        keep_if: fn(&V) -> bool,
        on_timeout: Option<OnTimeout<R>>,
        load: impl FnOnce() -> F + Send,
    ) -> impl Future<Output = R> + Send
    where
        K: Key,
        V: Value,
        R: Outcome<Kind<KIND>, Value = V> + Send + 'static,
        F: Future<Output = R> + Send + 'static,
    {
        let look = move |(): &()| Err(miss.load(cache, labels));
        detached::obtain((), look, keep_if, on_timeout, move |()| load())
    }
}

/// As [`Task`], and asks for nothing.
impl NoTask {
    /// Does not compile.
    pub fn call<H, G, R, F>(
        self,
        _is_refresh: bool,
        _given: G,
        _keep_if: fn(&handle::Kept<H>) -> bool,
        _on_timeout: Option<OnTimeout<R>>,
        _load: impl FnOnce(G) -> F,
    ) -> impl Future<Output = R>
    where
        H: Handle,
        F: Future<Output = R>,
    {
        pending()
    }

    /// Does not compile.
    #[expect(clippy::too_many_arguments, reason = "as those of a task")]
    pub fn load<const KIND: u8, K, V, R, F>(
        self,
        _kind: Kind<KIND>,
        _cache: &Cache<K, V>,
        _miss: Miss<K>,
        _labels: Option<Labels<V>>,
        _keep_if: fn(&V) -> bool,
        _on_timeout: Option<OnTimeout<R>>,
        _load: impl FnOnce() -> F,
    ) -> impl Future<Output = R>
    where
        R: Outcome<Kind<KIND>>,
        F: Future<Output = R>,
    {
        pending()
    }
}
