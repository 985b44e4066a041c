//! What `#[idempotent]` expands to.
//!
//! The types are asked what they can do, by autoref specialisation, since they may be generic: what comes back either serves or is
//! complained of, once, at the place of the user's that is to blame. It serves in the second case too, so that nothing else is
//! complained of. See [`task`](super::task), of which a handler is one: it may outlive its call.

use std::fmt;
use std::future::{Future, pending};
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use super::task::ReturnProbe;
pub use super::task::{GivenProbe, Goes, LentProbe, OptionProbe, Stays, lend_option, own_cow, returned, type_of};
use crate::idempotency::{Backend, IdempotencyError, IdempotencyKey, IdempotencyStore, Outcome, Request};

/// A store, or something that points to one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no `IdempotencyStore`",
    label = "this has to be the store, or a reference or an `Arc` of it",
    note = "write where it is, as in `store = app.replay`"
)]
pub trait Store {
    /// Where its records are.
    type Backend: Backend;

    /// It.
    fn store(&self) -> &IdempotencyStore<Self::Backend>;
}

impl<B: Backend> Store for IdempotencyStore<B> {
    type Backend = B;

    fn store(&self) -> &IdempotencyStore<B> {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<P: Deref<Target: Store> + ?Sized> Store for P {
    type Backend = <P::Target as Store>::Backend;

    fn store(&self) -> &IdempotencyStore<Self::Backend> {
        (**self).store()
    }
}

/// A store of the call's own, which may be one of an argument that goes to the handler.
pub fn store<S: Store + ?Sized>(store: &S) -> IdempotencyStore<S::Backend> {
    store.store().clone()
}

/// Says under which key.
pub fn key<K: IdempotencyKey + ?Sized>(request: Request, key: &K) -> Request {
    request.key(key)
}

/// Asks what a part of the scope is: `kind` is called on `&&&ScopeProbe`.
#[derive(Debug)]
pub struct ScopeProbe<'p, T: ?Sized>(pub &'p T);

/// It can be shown.
#[derive(Debug)]
pub struct Shown;

/// It may be missing.
#[derive(Debug)]
pub struct MayMiss;

/// Neither.
#[derive(Debug)]
pub struct Unknown;

/// If it can be shown.
pub trait IsShown {
    /// As a value.
    fn kind(&self) -> Shown {
        Shown
    }
}

/// If it may be missing.
pub trait IsOptional {
    /// As a value.
    fn kind(&self) -> MayMiss {
        MayMiss
    }
}

/// If neither.
pub trait IsUnknown {
    /// As a value.
    fn kind(&self) -> Unknown {
        Unknown
    }
}

impl<T: fmt::Display + ?Sized> IsShown for &&ScopeProbe<'_, T> {}
impl<T: Optional + ?Sized> IsOptional for &ScopeProbe<'_, T> {}
impl<T: ?Sized> IsUnknown for ScopeProbe<'_, T> {}

/// An `Option`, or a reference to one.
pub trait Optional {}

impl<T> Optional for Option<T> {}
impl<T: Optional + ?Sized> Optional for &T {}

/// Complains of what may be missing.
#[diagnostic::on_unimplemented(
    message = "a part of the scope is an `Option`",
    label = "who is meant when it is `None`?",
    note = "decide that before, as in `tenant.as_deref().unwrap_or(\"nobody\")`, or refuse the call: all who have none would \
            share their keys"
)]
pub trait Decided<T: ?Sized> {}

impl<T: ?Sized> Decided<T> for Shown {}
impl<T: ?Sized> Decided<T> for Unknown {}

/// Complains of what cannot be shown.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot be a part of the scope",
    label = "has to be `Display`, so that it can be told from others",
    note = "write what names it, such as a text or a number"
)]
pub trait Shows<T: ?Sized> {
    /// Shows it.
    fn show(shown: &T, to: &mut fmt::Formatter<'_>) -> fmt::Result;
}

#[diagnostic::do_not_recommend]
impl<T: fmt::Display + ?Sized> Shows<T> for Shown {
    fn show(shown: &T, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown.fmt(to)
    }
}

#[diagnostic::do_not_recommend]
impl<T: ?Sized> Shows<T> for MayMiss {
    fn show(_: &T, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        unreachable!("does not compile")
    }
}

/// A part of the scope.
#[allow(missing_debug_implementations, reason = "what it shows is not for logs")]
pub struct ScopePart<'p, T: ?Sized>(&'p T, fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result);

impl<T: ?Sized> fmt::Display for ScopePart<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.1)(self.0, f)
    }
}

/// One.
pub fn scope_part<T: ?Sized, K: Decided<T> + Shows<T>>(_kind: K, part: &T) -> ScopePart<'_, T> {
    ScopePart(part, K::show)
}

/// Asks whether a payload can be compared: `kind` is called on `&&PayloadProbe`.
#[derive(Debug)]
pub struct PayloadProbe<'p, T: ?Sized>(pub &'p T);

/// If it can.
pub trait IsCompared {
    /// As a value.
    fn kind(&self) -> Goes {
        Goes
    }
}

/// If it cannot.
pub trait IsIncomparable {
    /// As a value.
    fn kind(&self) -> Stays {
        Stays
    }
}

impl<T: Serialize + ?Sized> IsCompared for &PayloadProbe<'_, T> {}
impl<T: ?Sized> IsIncomparable for PayloadProbe<'_, T> {}

/// Complains of what cannot be compared.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot be compared as a payload",
    label = "has to be `Serialize`",
    note = "derive `serde::Serialize` for it, or write what of it makes the request, as in `payload = (req.item, req.count)`"
)]
pub trait Compares<T: ?Sized> {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Compares<T> for Goes {}

/// Serialises what was probed.
pub trait Serializes<T: ?Sized> {
    /// Does it.
    fn serialize<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error>;
}

impl<T: Serialize + ?Sized> Serializes<T> for Goes {
    fn serialize<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }
}

impl<T: ?Sized> Serializes<T> for Stays {
    fn serialize<S: Serializer>(_: &T, _: S) -> Result<S::Ok, S::Error> {
        unreachable!("does not compile")
    }
}

/// A payload, or a part of one.
#[allow(missing_debug_implementations, reason = "payloads are not for logs")]
pub struct PayloadPart<'p, T: ?Sized, K>(&'p T, PhantomData<K>);

impl<T: ?Sized, K: Serializes<T>> Serialize for PayloadPart<'_, T, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        K::serialize(self.0, serializer)
    }
}

/// One.
pub fn payload_part<T: ?Sized, K: Compares<T>>(_kind: K, part: &T) -> PayloadPart<'_, T, K> {
    PayloadPart(part, PhantomData)
}

/// A return type of an idempotent function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no `Result`",
    label = "an idempotent function returns one, because its key can be refused",
    note = "return a `Result<T, E>`, with an error that is `From<cache_core::idempotency::IdempotencyError>`"
)]
pub trait Returns: Sized {
    /// What is stored of it.
    type Value;

    /// What tells of a failure.
    type Error;

    /// The same, with whether it was replayed.
    type Outcome;

    /// Leaves out whether it was.
    fn inner(outcome: Self::Outcome) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T, E> Returns for Result<T, E> {
    type Value = T;
    type Error = E;
    type Outcome = Result<Outcome<T>, E>;

    fn inner(outcome: Result<Outcome<T>, E>) -> Self {
        outcome.map(Outcome::into_inner)
    }
}

/// What the function returns of what its `outcome` does.
pub fn inner<R: Returns>(outcome: R::Outcome) -> R {
    R::inner(outcome)
}

/// What can be stored and replayed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored",
    label = "what is replayed has to be `Serialize + DeserializeOwned`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it"
)]
pub trait Stored {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Stored for T {}

/// An error that can tell of a key that is refused.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not made from an `IdempotencyError`",
    label = "a key that is refused has to come back as an error of the function",
    note = "write `impl From<cache_core::idempotency::IdempotencyError> for {Self}`"
)]
pub trait Refuses {}

#[diagnostic::do_not_recommend]
impl<E: From<IdempotencyError>> Refuses for E {}

/// Runs handlers.
#[derive(Debug)]
pub struct Task;

/// Stands where they would be run, so that one complaint is all, which is made elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct NoTask;

/// The same, with a complaint.
#[derive(Clone, Copy, Debug)]
pub struct NoWayBack(NoTask);

impl Deref for NoWayBack {
    type Target = NoTask;

    fn deref(&self) -> &NoTask {
        &self.0
    }
}

/// All is well: `task` is called on `&&&ReturnProbe`.
pub trait Runs {
    /// As a value.
    fn task(&self) -> Task {
        Task
    }
}

/// Something is missing.
pub trait Falls {
    /// As a value.
    fn task(&self) -> NoTask {
        NoTask
    }
}

/// It could not come back from a task in any case.
pub trait RemainsThere {
    /// As a value.
    fn task(&self) -> NoWayBack {
        NoWayBack(NoTask)
    }
}

impl<T, E> Runs for &&ReturnProbe<Result<T, E>>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: From<IdempotencyError> + Send + 'static,
{
}
impl<R: Send + 'static> Falls for &ReturnProbe<R> {}
impl<R> RemainsThere for ReturnProbe<R> {}

/// A handler can return this.
#[diagnostic::on_unimplemented(
    message = "`{R}` cannot come back from a handler",
    label = "it runs as a task of its own, so what it returns has to be `Send + 'static`",
    note = "return something owned, and for `Box<dyn Error>` an error type of your own"
)]
pub trait ComesBack<R> {}

#[diagnostic::do_not_recommend]
impl<R> ComesBack<R> for Task {}
#[diagnostic::do_not_recommend]
impl<R> ComesBack<R> for NoTask {}

/// What runs the handlers of a function that returns this. The one place that complains if nothing can.
pub fn of<R: Returns<Value: Stored, Error: Refuses>, T: ComesBack<R>>(task: T) -> T {
    task
}

impl Task {
    /// The function's `outcome`. That the futures are `Send` is said here, once for all.
    pub fn run<T, E, B, H, F>(
        self,
        store: IdempotencyStore<B>,
        request: Request,
        handler: H,
    ) -> impl Future<Output = Result<Outcome<T>, E>> + Send
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: From<IdempotencyError> + Send + 'static,
        B: Backend,
        H: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        async move { store.run(request, handler).await }
    }
}

/// As [`Task`], and asks for nothing.
impl NoTask {
    /// Does not compile.
    pub fn run<O, B, H, F>(self, _store: IdempotencyStore<B>, _request: Request, _handler: H) -> impl Future<Output = O>
    where
        H: FnOnce() -> F,
        F: Future,
    {
        pending()
    }
}

/// Makes the handler's own of what is lent to the call.
#[diagnostic::on_unimplemented(
    message = "`{T}` is lent to the call, and the handler may outlive that",
    label = "has to be `Clone + Send + Sync + 'static`, so that the handler can have its own",
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

/// Makes the handler's own of what is lent to the call.
// The type comes first, so that it is known when there is something to complain of.
pub fn own<T: ?Sized, K: Own<T>>(lent: &T, kind: K) -> K::Owned {
    kind.own(lent)
}

/// The same of what may not be there.
pub fn own_option<T: ?Sized, K: Own<T>>(lent: Option<&T>, kind: K) -> Option<K::Owned> {
    lent.map(|lent| kind.own(lent))
}

/// Hands on what the call has been given.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot go along with a handler that may outlive the call",
    label = "has to be `Send + 'static`",
    note = "the handler runs on any thread, with arguments of its own: take something of which it can have one, such as an `Arc`"
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

/// Hands on what the call has been given.
pub fn hand<T, K: Hand<T>>(_: PhantomData<T>, kind: K, given: T) -> K::Handed {
    kind.hand(given)
}

/// Asks whether an error can be stored: `rule` is called on `&&ErrorProbe`.
#[derive(Debug)]
pub struct ErrorProbe<R>(PhantomData<R>);

/// The probe of a return type.
pub fn error_of<R>() -> ErrorProbe<R> {
    ErrorProbe(PhantomData)
}

/// If it can.
pub trait ErrorIsStored {
    /// As a value.
    fn rule(&self) -> Goes {
        Goes
    }
}

/// If it cannot.
pub trait ErrorIsNotStored {
    /// As a value.
    fn rule(&self) -> Stays {
        Stays
    }
}

impl<T, E: Serialize + DeserializeOwned + 'static> ErrorIsStored for &ErrorProbe<Result<T, E>> {}
impl<R> ErrorIsNotStored for ErrorProbe<R> {}

/// Complains of an error that cannot be stored.
#[diagnostic::on_unimplemented(
    message = "`{E}` cannot be stored",
    label = "`store_error` needs an error that is `Serialize + DeserializeOwned`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it, or leave `store_error` out"
)]
pub trait StoresErrors<E> {}

#[diagnostic::do_not_recommend]
impl<E> StoresErrors<E> for Goes {}

/// Says which errors are stored, where they can be.
pub trait Rule<E> {
    /// Does so.
    fn apply(request: Request, is_stored: impl Fn(&E) -> bool + Send + Sync + 'static) -> Request;
}

impl<E: Serialize + DeserializeOwned + 'static> Rule<E> for Goes {
    fn apply(request: Request, is_stored: impl Fn(&E) -> bool + Send + Sync + 'static) -> Request {
        request.store_error(is_stored)
    }
}

impl<E> Rule<E> for Stays {
    fn apply(request: Request, _: impl Fn(&E) -> bool + Send + Sync + 'static) -> Request {
        request
    }
}

/// The kind of an error, once it has been complained of.
pub fn rule<R: Returns, K: StoresErrors<R::Error>>(kind: K) -> K {
    kind
}

/// Says which errors are stored. The bound is what types a closure's parameter.
pub fn store_error<R: Returns, K: Rule<R::Error>>(
    request: Request,
    _kind: K,
    is_stored: impl Fn(&R::Error) -> bool + Send + Sync + 'static,
) -> Request {
    K::apply(request, is_stored)
}

/// What has to be in scope for the probes.
pub mod probes {
    pub use super::super::task::{Fits as _, Unfits as _};
    pub use super::{
        ErrorIsNotStored as _, ErrorIsStored as _, Falls as _, IsCompared as _, IsIncomparable as _, IsOptional as _,
        IsShown as _, IsUnknown as _, RemainsThere as _, Runs as _,
    };
}
