//! What a handler takes along of its call.

use std::marker::PhantomData;

use super::super::task::Goes;

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
