//! Keys as a call has them: borrowed, argument by argument, made into an owned key only on a miss.
//!
//! A part hashes and compares like its owned form (`str` like `String`), so a tuple of parts looks an owned tuple up
//! without making one. The types follow the declared ones; for `key = expr`, whose type cannot be named, a probe
//! finds the part by autoref specialisation.

#![allow(clippy::ref_option_ref, reason = "the types are those that users' expressions have")]

use std::borrow::{Borrow, Cow};
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use equivalent::Equivalent;

use crate::key::Key;
use crate::outcome::Unfit;

/// One part of a key, borrowed.
pub trait KeyPart {
    /// As it is kept.
    type Owned: Key;

    /// Hashes like the owned form.
    fn hash_part<H: Hasher>(&self, state: &mut H);

    /// Whether the owned form is equal to this.
    fn is(&self, owned: &Self::Owned) -> bool;

    /// Makes the owned form.
    fn to_owned_part(&self) -> Self::Owned;
}

/// A reference to what a part is. `FIT` says whether it can be one; if not, the macro has complained already, and the
/// rest has to compile for that to be the only complaint.
#[derive(Debug)]
pub struct Part<'a, Q: ?Sized, const FIT: bool>(pub &'a Q);

impl<Q> KeyPart for Part<'_, Q, true>
where
    Q: ToOwned + Hash + Eq + ?Sized,
    Q::Owned: Key,
{
    type Owned = Q::Owned;

    fn hash_part<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }

    fn is(&self, owned: &Q::Owned) -> bool {
        *self.0 == *owned.borrow()
    }

    fn to_owned_part(&self) -> Q::Owned {
        self.0.to_owned()
    }
}

impl<Q: ?Sized> KeyPart for Part<'_, Q, false> {
    type Owned = Unfit;

    fn hash_part<H: Hasher>(&self, _state: &mut H) {}

    fn is(&self, owned: &Unfit) -> bool {
        match *owned {}
    }

    fn to_owned_part(&self) -> Unfit {
        unreachable!("does not compile")
    }
}

/// An optional reference.
#[derive(Debug)]
pub struct OptionPart<'a, Q: ?Sized, const FIT: bool>(pub Option<&'a Q>);

impl<Q> KeyPart for OptionPart<'_, Q, true>
where
    Q: ToOwned + Hash + Eq + ?Sized,
    Q::Owned: Key,
{
    type Owned = Option<Q::Owned>;

    fn hash_part<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }

    fn is(&self, owned: &Option<Q::Owned>) -> bool {
        self.0 == owned.as_ref().map(Borrow::borrow)
    }

    fn to_owned_part(&self) -> Option<Q::Owned> {
        self.0.map(ToOwned::to_owned)
    }
}

impl<Q: ?Sized> KeyPart for OptionPart<'_, Q, false> {
    type Owned = Unfit;

    fn hash_part<H: Hasher>(&self, _state: &mut H) {}

    fn is(&self, owned: &Unfit) -> bool {
        match *owned {}
    }

    fn to_owned_part(&self) -> Unfit {
        unreachable!("does not compile")
    }
}

/// The owned form of a reference to `Q`.
pub type Owned<Q, const FIT: bool> = <Part<'static, Q, FIT> as KeyPart>::Owned;

/// The owned form of an optional reference to `Q`.
pub type OwnedOption<Q, const FIT: bool> = <OptionPart<'static, Q, FIT> as KeyPart>::Owned;

/// Asks, in a constant, whether a type can be part of a key.
#[derive(Debug)]
pub struct AskKey<Q: ?Sized>(PhantomData<Q>);

/// The answer where nothing better is known.
pub trait OtherwiseKey {
    /// It cannot.
    const FIT: bool = false;
}

impl<Q: ?Sized> OtherwiseKey for AskKey<Q> {}

impl<Q> AskKey<Q>
where
    Q: ToOwned + Hash + Eq + ?Sized,
    Q::Owned: Key,
{
    /// It can.
    pub const FIT: bool = true;
}

/// An argument that can be part of a key. The one place that complains if it cannot.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a cache key",
    label = "a key has to be `Hash + Eq + Clone + Send + Sync + 'static`",
    note = "leave the argument out with `skip(..)` if the result does not depend on it, or say what it is known by with `key = ..`"
)]
pub trait KeyArgument<const FIT: bool = false> {
    /// Named by the expansion, so that the bound is asked for.
    const OK: () = ();
}

impl<Q: ?Sized> KeyArgument<true> for Q {}

/// A whole key as a call has it.
pub trait Lookup: Hash + Equivalent<Self::Key> {
    /// As it is kept.
    type Key: Key;

    /// Makes the key. Only a miss needs it.
    fn key(&self) -> Self::Key;

    /// Whether it is by session, and outside of any: nothing is found under it, and nothing may be kept.
    fn is_outside(&self) -> bool {
        false
    }
}

/// The parts of a key: none makes `()`, one its owned form, several a tuple.
#[derive(Debug)]
pub struct Parts<P>(pub P);

macro_rules! lookup {
    ($key:ty, $($part:ident . $at:tt),*) => {
        impl<$($part: KeyPart),*> Hash for Parts<($($part,)*)> {
            fn hash<Z: Hasher>(&self, _state: &mut Z) {
                $(self.0.$at.hash_part(_state);)*
            }
        }

        impl<$($part: KeyPart),*> Lookup for Parts<($($part,)*)> {
            type Key = $key;

            fn key(&self) -> $key {
                lookup!(@key self $($at)*)
            }
        }
    };
    (@key $self:ident $at:tt) => { $self.0.$at.to_owned_part() };
    (@key $self:ident $($at:tt)*) => { ($($self.0.$at.to_owned_part(),)*) };
}

impl Equivalent<()> for Parts<()> {
    fn equivalent(&self, (): &()) -> bool {
        true
    }
}

impl<A: KeyPart> Equivalent<A::Owned> for Parts<(A,)> {
    fn equivalent(&self, key: &A::Owned) -> bool {
        self.0.0.is(key)
    }
}

macro_rules! tuple {
    ($($part:ident . $at:tt),*) => {
        impl<$($part: KeyPart),*> Equivalent<($($part::Owned,)*)> for Parts<($($part,)*)> {
            fn equivalent(&self, key: &($($part::Owned,)*)) -> bool {
                $(self.0.$at.is(&key.$at))&&*
            }
        }

        lookup!(($($part::Owned,)*), $($part . $at),*);
    };
}

impl Hash for Parts<()> {
    // Like `()`, which adds nothing to a hash.
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}

impl Lookup for Parts<()> {
    type Key = ();

    fn key(&self) {}
}

lookup!(A::Owned, A.0);
tuple!(A.0, B.1);
tuple!(A.0, B.1, C.2);
tuple!(A.0, B.1, C.2, D.3);
tuple!(A.0, B.1, C.2, D.3, E.4);
tuple!(A.0, B.1, C.2, D.3, E.4, F.5);
tuple!(A.0, B.1, C.2, D.3, E.4, F.5, G.6);
tuple!(A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7);
tuple!(A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7, I.8);
tuple!(A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7, I.8, J.9);
tuple!(A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7, I.8, J.9, K.10);
tuple!(A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7, I.8, J.9, K.10, L.11);

/// A part that the call has made, and owns.
#[derive(Debug)]
pub struct ValuePart<T>(pub T);

impl<T: Key> KeyPart for ValuePart<T> {
    type Owned = T;

    fn hash_part<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }

    fn is(&self, owned: &T) -> bool {
        self.0 == *owned
    }

    fn to_owned_part(&self) -> T {
        self.0.clone()
    }
}

/// Finds the part for the value of an expression, or for a reference to a place, by autoref specialisation: `kind` is
/// called on `&&&&KeyProbe(&value)`, and the traits below are tried in their order. What comes back makes the part.
#[derive(Clone, Copy, Debug)]
pub struct KeyProbe<'v, T>(pub &'v T);

/// Makes the part of a key from the value of an expression.
#[diagnostic::on_unimplemented(
    message = "a value of type `{T}` cannot be part of a cache key",
    label = "a key has to be `Hash + Eq + Clone + Send + Sync + 'static`",
    note = "make something of it that is: an id, a text, a tuple of them"
)]
pub trait MakePart<T> {
    /// The part.
    type Part: KeyPart;

    /// Makes it.
    fn part(self, value: T) -> Self::Part;
}

/// A reference behind the reference, or something like one: neither is part of the key.
pub trait NestedKind {
    /// Makes the part.
    fn kind(&self) -> Nested {
        Nested
    }
}

impl<Q: ToOwned<Owned: Key> + Hash + Eq + ?Sized> NestedKind for &&&KeyProbe<'_, &&Q> {}
impl<Q: ToOwned<Owned: Key> + Hash + Eq + ?Sized> NestedKind for &&&KeyProbe<'_, &Option<&Q>> {}
impl<Q: ToOwned<Owned: Key> + Hash + Eq + ?Sized> NestedKind for &&&KeyProbe<'_, Option<&Q>> {}
impl<Q: ToOwned<Owned: Key> + Hash + Eq + ?Sized> NestedKind for &&&KeyProbe<'_, &Cow<'_, Q>> {}
impl<Q: ToOwned<Owned: Key> + Hash + Eq + ?Sized> NestedKind for &&&KeyProbe<'_, Cow<'_, Q>> {}

/// For [`NestedKind`].
#[derive(Debug)]
pub struct Nested;

impl<'q, Q: ToOwned<Owned: Key> + Hash + Eq + ?Sized> MakePart<&&'q Q> for Nested {
    type Part = Part<'q, Q, true>;

    fn part(self, value: &&'q Q) -> Self::Part {
        Part(value)
    }
}

impl<'q, Q: ToOwned<Owned: Key> + Hash + Eq + ?Sized> MakePart<&Option<&'q Q>> for Nested {
    type Part = OptionPart<'q, Q, true>;

    fn part(self, value: &Option<&'q Q>) -> Self::Part {
        OptionPart(*value)
    }
}

impl<'q, Q: ToOwned<Owned: Key> + Hash + Eq + ?Sized> MakePart<Option<&'q Q>> for Nested {
    type Part = OptionPart<'q, Q, true>;

    fn part(self, value: Option<&'q Q>) -> Self::Part {
        OptionPart(value)
    }
}

impl<'q, Q: ToOwned<Owned: Key> + Hash + Eq + ?Sized> MakePart<&'q Cow<'_, Q>> for Nested {
    type Part = Part<'q, Q, true>;

    fn part(self, value: &'q Cow<'_, Q>) -> Self::Part {
        Part(value)
    }
}

impl<Q: ToOwned<Owned: Key> + Hash + Eq + ?Sized> MakePart<Cow<'_, Q>> for Nested {
    type Part = ValuePart<Q::Owned>;

    fn part(self, value: Cow<'_, Q>) -> Self::Part {
        ValuePart(value.into_owned())
    }
}

/// A reference to what the key is made of.
pub trait ReferenceKind {
    /// Makes the part.
    fn kind(&self) -> Reference {
        Reference
    }
}

impl<Q: ToOwned<Owned: Key> + Hash + Eq + ?Sized> ReferenceKind for &&KeyProbe<'_, &Q> {}

/// For [`ReferenceKind`].
#[derive(Debug)]
pub struct Reference;

impl<'q, Q: ToOwned<Owned: Key> + Hash + Eq + ?Sized> MakePart<&'q Q> for Reference {
    type Part = Part<'q, Q, true>;

    fn part(self, value: &'q Q) -> Self::Part {
        Part(value)
    }
}

/// Any other value that fits.
pub trait ValueKind {
    /// Makes the part.
    fn kind(&self) -> Itself {
        Itself
    }
}

impl<T: Key> ValueKind for &KeyProbe<'_, T> {}

/// For [`ValueKind`].
#[derive(Debug)]
pub struct Itself;

impl<T: Key> MakePart<T> for Itself {
    type Part = ValuePart<T>;

    fn part(self, value: T) -> Self::Part {
        ValuePart(value)
    }
}

/// What does not fit: nothing makes a part of it, and that is what the compiler complains of.
pub trait UnfitKeyKind {
    /// Makes nothing.
    fn kind(&self) -> NoPart {
        NoPart
    }
}

impl<T> UnfitKeyKind for KeyProbe<'_, T> {}

/// For [`UnfitKeyKind`].
#[derive(Debug)]
pub struct NoPart;
