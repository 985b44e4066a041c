//! What a call asks for: by which store, under which key, for whom, with which payload.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use super::super::task::{Goes, Stays};
use super::returns::Returns;
use crate::idempotency::{Backend, IdempotencyKey, IdempotencyStore, Request};

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

#[diagnostic::do_not_recommend]
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

#[diagnostic::do_not_recommend]
impl<T: ?Sized> Decided<T> for Shown {}
#[diagnostic::do_not_recommend]
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
// The type comes first, so that it is known when there is something to complain of.
pub fn scope_part<T: ?Sized, K: Decided<T> + Shows<T>>(part: &T, _kind: K) -> ScopePart<'_, T> {
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
pub fn payload_part<T: ?Sized, K: Compares<T>>(part: &T, _kind: K) -> PayloadPart<'_, T, K> {
    PayloadPart(part, PhantomData)
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
