//! What a load returns, and which part of it is kept: of a `Result` the success, of anything else all of it.
//!
//! Whether a return type is a `Result`, behind however many aliases, and whether its error can be copied to
//! everybody who waited, is a question to the type and not to its spelling. The answer is a number, so that it can
//! be asked in a constant and then name the kept type in a signature.

use std::fmt;
use std::marker::PhantomData;

use crate::flight::SharedError;
use crate::key::Value;

/// All of it is kept.
pub(crate) const PLAIN: u8 = 0;
/// A `Result` whose error is `Clone + Send + Sync + 'static`, so that one failure serves all who waited.
pub(crate) const SHARED: u8 = 1;
/// A `Result` whose error cannot be copied: who waited has to load for himself.
pub(crate) const ALONE: u8 = 2;
/// A `Result` of a batch: whether there is a value for a key, or an error that is `Clone + Send + Sync + 'static`.
pub(crate) const BATCHED: u8 = 4;
/// Something that cannot be kept at all. The macro has said so already; this lets the rest compile.
pub(crate) const UNFIT: u8 = 3;

/// How to take what a load returned apart and to make it again from what was kept. `T` is its [`Kind`].
pub trait Outcome<T>: Sized {
    /// What is kept.
    type Value: Value;

    /// The return value of a hit.
    fn hit(value: Self::Value) -> Self;

    /// What may be kept of this one, if it is a success.
    fn success(&self) -> Option<&Self::Value>;

    /// The error of this one for those who waited, if they can have it.
    fn failure(&self) -> Option<SharedError> {
        None
    }

    /// Whether it is no success only because there is nothing to keep.
    fn is_nothing(&self) -> bool {
        false
    }

    /// The return value of one who waited for a failure.
    fn from_failure(_error: &SharedError) -> Option<Self> {
        None
    }
}

impl<V: Value> Outcome<Kind<PLAIN>> for V {
    type Value = V;

    fn hit(value: V) -> V {
        value
    }

    fn success(&self) -> Option<&V> {
        Some(self)
    }
}

impl<V: Value, E: Clone + Send + Sync + 'static> Outcome<Kind<SHARED>> for Result<V, E> {
    type Value = V;

    fn hit(value: V) -> Self {
        Ok(value)
    }

    fn success(&self) -> Option<&V> {
        self.as_ref().ok()
    }

    fn failure(&self) -> Option<SharedError> {
        let error = self.as_ref().err()?.clone();
        Some(std::sync::Arc::new(error))
    }

    fn from_failure(error: &SharedError) -> Option<Self> {
        error.downcast_ref::<E>().cloned().map(Err)
    }
}

impl<V: Value, E> Outcome<Kind<ALONE>> for Result<V, E> {
    type Value = V;

    fn hit(value: V) -> Self {
        Ok(value)
    }

    fn success(&self) -> Option<&V> {
        self.as_ref().ok()
    }
}

/// There is no value, as it is told to those who waited for one.
struct Nothing;

/// The same in the way of an error.
pub(crate) fn nothing() -> SharedError {
    std::sync::Arc::new(Nothing)
}

impl<V: Value, E: Clone + Send + Sync + 'static> Outcome<Kind<BATCHED>> for Result<Option<V>, E> {
    type Value = V;

    fn hit(value: V) -> Self {
        Ok(Some(value))
    }

    fn success(&self) -> Option<&V> {
        self.as_ref().ok()?.as_ref()
    }

    fn failure(&self) -> Option<SharedError> {
        match self {
            Ok(Some(_)) => None,
            Ok(None) => Some(nothing()),
            Err(error) => Some(std::sync::Arc::new(error.clone())),
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Ok(None))
    }

    fn from_failure(error: &SharedError) -> Option<Self> {
        if error.is::<Nothing>() {
            return Some(Ok(None));
        }
        error.downcast_ref::<E>().cloned().map(Err)
    }
}

/// An outcome of which something else than the success itself is kept, made of it.
///
/// No bounds stand here, so that the compiler can look through it where it has forgotten lifetimes: whether a future is `Send`
/// must not hang on whether a `&'static str` in it is `'static`.
pub trait Mapped<T>: Sized {
    /// What it is made of.
    type Success;

    /// The kind of outcome that has the other thing.
    type As;

    /// An outcome of something else.
    type With<X>;

    /// Makes it.
    fn map<X>(self, make: impl FnOnce(Self::Success) -> X) -> Self::With<X>;

    /// Makes one out of another.
    fn remap<X, Y>(with: Self::With<X>, make: impl FnOnce(X) -> Y) -> Self::With<Y>;

    /// Makes it again.
    fn restore<X>(with: Self::With<X>, make: impl FnOnce(X) -> Self::Success) -> Self;

    /// Whether there is no success.
    fn has_failed(&self) -> bool;
}

impl<V> Mapped<Kind<PLAIN>> for V {
    type Success = V;
    type As = Kind<PLAIN>;
    type With<X> = X;

    fn map<X>(self, make: impl FnOnce(V) -> X) -> X {
        make(self)
    }

    fn remap<X, Y>(with: X, make: impl FnOnce(X) -> Y) -> Y {
        make(with)
    }

    fn restore<X>(with: X, make: impl FnOnce(X) -> V) -> V {
        make(with)
    }

    fn has_failed(&self) -> bool {
        false
    }
}

macro_rules! mapped_result {
    ($kind:ident) => {
        impl<V, E> Mapped<Kind<$kind>> for Result<V, E> {
            type Success = V;
            type As = Kind<$kind>;
            type With<X> = Result<X, E>;

            fn map<X>(self, make: impl FnOnce(V) -> X) -> Result<X, E> {
                Result::map(self, make)
            }

            fn remap<X, Y>(with: Result<X, E>, make: impl FnOnce(X) -> Y) -> Result<Y, E> {
                with.map(make)
            }

            fn restore<X>(with: Result<X, E>, make: impl FnOnce(X) -> V) -> Self {
                with.map(make)
            }

            fn has_failed(&self) -> bool {
                self.is_err()
            }
        }
    };
}

mapped_result!(SHARED);
mapped_result!(ALONE);

/// Of what is no success at all; it never comes to a value.
impl<R> Mapped<Kind<UNFIT>> for R {
    type Success = Unfit;
    type As = Kind<PLAIN>;
    type With<X> = X;

    fn map<X>(self, _: impl FnOnce(Unfit) -> X) -> X {
        unreachable!("the expansion has complained of the type")
    }

    fn remap<X, Y>(with: X, make: impl FnOnce(X) -> Y) -> Y {
        make(with)
    }

    fn restore<X>(_: X, _: impl FnOnce(X) -> Unfit) -> R {
        unreachable!("the expansion has complained of the type")
    }

    fn has_failed(&self) -> bool {
        true
    }
}

/// Stands where a type is that cannot be kept or keyed by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Unfit {}

// A tag may be made of it, and the type it stands for has been complained of already.
impl fmt::Display for Unfit {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl<R> Outcome<Kind<UNFIT>> for R {
    type Value = Unfit;

    fn hit(value: Unfit) -> R {
        match value {}
    }

    fn success(&self) -> Option<&Unfit> {
        None
    }
}

/// Asks a return type, in a constant: an inherent constant is preferred to the trait's wherever its bounds hold.
#[derive(Debug)]
pub struct Ask<R>(PhantomData<R>);

/// The answers of [`Ask`] for types of which nothing better is known.
pub trait Otherwise {
    /// It is not a `Result` with a success that can be kept.
    const KEEPS_SUCCESS: bool = false;
    /// It is not a `Result` with an error that can be copied.
    const SHARES_ERROR: bool = false;
    /// It cannot be kept as a whole.
    const KEEPS_ALL: bool = false;
}

impl<R> Otherwise for Ask<R> {}

impl<V: Value, E> Ask<Result<V, E>> {
    /// Its success can be kept.
    pub const KEEPS_SUCCESS: bool = true;
}

impl<V, E: Clone + Send + Sync + 'static> Ask<Result<V, E>> {
    /// Its error can be copied.
    pub const SHARES_ERROR: bool = true;
}

impl<V: Value> Ask<V> {
    /// It can be kept as a whole.
    pub const KEEPS_ALL: bool = true;
}

/// The answers as one number. A `Result` that can be kept as a whole has a success that can be kept, so that what has
/// not is none.
pub const fn kind(keeps_success: bool, shares_error: bool, keeps_all: bool) -> u8 {
    match (keeps_success, shares_error, keeps_all) {
        (true, true, _) => SHARED,
        (true, false, _) => ALONE,
        (false, _, true) => PLAIN,
        (false, _, false) => UNFIT,
    }
}

/// The number as a value, for calls that infer it.
#[derive(Clone, Copy, Debug)]
pub struct Kind<const KIND: u8>;

/// Asks the same of a type that may have generic parameters, which a constant may not, by autoref specialisation:
/// called on `&&&&KindProbe`, the traits below are tried in their order.
#[derive(Debug)]
pub struct KindProbe<R>(pub PhantomData<R>);

/// `SHARED`.
pub trait SharedKind {
    /// As a value.
    fn kind(&self) -> Kind<SHARED> {
        Kind
    }
}

impl<V: Value, E: Clone + Send + Sync + 'static> SharedKind for &&&KindProbe<Result<V, E>> {}

/// `ALONE`.
pub trait AloneKind {
    /// As a value.
    fn kind(&self) -> Kind<ALONE> {
        Kind
    }
}

impl<V: Value, E> AloneKind for &&KindProbe<Result<V, E>> {}

/// `PLAIN`.
pub trait PlainKind {
    /// As a value.
    fn kind(&self) -> Kind<PLAIN> {
        Kind
    }
}

impl<V: Value> PlainKind for &KindProbe<V> {}

/// `UNFIT`.
pub trait UnfitKind {
    /// As a value.
    fn kind(&self) -> Kind<UNFIT> {
        Kind
    }
}

impl<R> UnfitKind for KindProbe<R> {}
