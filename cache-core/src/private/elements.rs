//! What the key of a free function is made of, argument by argument, as a type.
//!
//! A handle names one [`Element`] for each argument in its key. From them and the arguments of a call, whatever exactly
//! their types are, generic code makes the [`Parts`] that look the key up, so that no expansion has to.

#![allow(clippy::ref_option_ref, reason = "the types are those that users' arguments have")]

use std::hash::Hash;
use std::marker::PhantomData;
use std::ops::Deref;

use super::arguments::Lend;
use super::parts::{KeyPart, Lookup, OptionPart, Part, Parts};
use crate::key::Key;
use crate::outcome::Unfit;

/// One argument in a key.
pub trait Element {
    /// As it is kept.
    type Owned: Key;

    /// As it is looked up.
    type Part<'a>: KeyPart<Owned = Self::Owned>;
}

/// An element that is made of arguments of this type.
pub trait Shows<A>: Element {
    /// What of the argument is in the key.
    fn part(argument: &A) -> Self::Part<'_>;
}

/// A value or a reference to one.
#[derive(Debug)]
pub struct Lent<Q: ?Sized, const FIT: bool = true>(PhantomData<Q>);

/// What a value points to, which is also what is kept of a reference to it: `str` for `String`.
#[derive(Debug)]
pub struct Pointed<Q: ?Sized, const FIT: bool = true>(PhantomData<Q>);

/// A reference, or none.
#[derive(Debug)]
pub struct Optional<Q: ?Sized, const FIT: bool = true>(PhantomData<Q>);

macro_rules! element {
    ($element:ident, $part:ident, $owned:ty) => {
        impl<Q: ToOwned<Owned: Key> + Hash + Eq + ?Sized + 'static> Element for $element<Q, true> {
            type Owned = $owned;
            type Part<'a> = $part<'a, Q, true>;
        }

        impl<Q: ?Sized + 'static> Element for $element<Q, false> {
            type Owned = Unfit;
            type Part<'a> = $part<'a, Q, false>;
        }
    };
}

element!(Lent, Part, Q::Owned);
element!(Pointed, Part, Q::Owned);
element!(Optional, OptionPart, Option<Q::Owned>);

impl<A: Lend<Q>, Q: ?Sized + 'static, const FIT: bool> Shows<A> for Lent<Q, FIT>
where
    Self: for<'a> Element<Part<'a> = Part<'a, Q, FIT>>,
{
    fn part(argument: &A) -> Part<'_, Q, FIT> {
        Part(argument.lend())
    }
}

impl<A: Deref<Target = Q>, Q: ?Sized + 'static, const FIT: bool> Shows<A> for Pointed<Q, FIT>
where
    Self: for<'a> Element<Part<'a> = Part<'a, Q, FIT>>,
{
    fn part(argument: &A) -> Part<'_, Q, FIT> {
        Part(argument)
    }
}

impl<'q, Q: ?Sized + 'static, const FIT: bool> Shows<Option<&'q Q>> for Optional<Q, FIT>
where
    Self: for<'a> Element<Part<'a> = OptionPart<'a, Q, FIT>>,
{
    fn part<'a>(argument: &'a Option<&'q Q>) -> OptionPart<'a, Q, FIT> {
        OptionPart(*argument)
    }
}

/// All arguments in a key.
pub trait Elements {
    /// As they are kept.
    type Key: Key;

    /// As they are looked up.
    type Parts<'a>: Lookup<Key = Self::Key>;
}

/// Elements that are made of these arguments.
pub trait ShowsAll<G>: Elements {
    /// What of the arguments is in the key.
    fn parts(given: &G) -> Self::Parts<'_>;
}

impl Elements for () {
    type Key = ();
    type Parts<'a> = Parts<()>;
}

impl ShowsAll<()> for () {
    fn parts((): &()) -> Parts<()> {
        Parts(())
    }
}

macro_rules! elements {
    ($key:ty, $($element:ident $argument:ident . $at:tt),*) => {
        impl<$($element: Element),*> Elements for ($($element,)*) {
            type Key = $key;
            type Parts<'a> = Parts<($($element::Part<'a>,)*)>;
        }

        impl<$($argument, $element: Shows<$argument>),*> ShowsAll<($($argument,)*)> for ($($element,)*) {
            fn parts(given: &($($argument,)*)) -> Self::Parts<'_> {
                Parts(($($element::part(&given.$at),)*))
            }
        }
    };
    ($($element:ident $argument:ident . $at:tt),*) => {
        elements!(($($element::Owned,)*), $($element $argument . $at),*);
    };
}

elements!(E0::Owned, E0 A0.0);
elements!(E0 A0.0, E1 A1.1);
elements!(E0 A0.0, E1 A1.1, E2 A2.2);
elements!(E0 A0.0, E1 A1.1, E2 A2.2, E3 A3.3);
elements!(E0 A0.0, E1 A1.1, E2 A2.2, E3 A3.3, E4 A4.4);
elements!(E0 A0.0, E1 A1.1, E2 A2.2, E3 A3.3, E4 A4.4, E5 A5.5);
elements!(E0 A0.0, E1 A1.1, E2 A2.2, E3 A3.3, E4 A4.4, E5 A5.5, E6 A6.6);
elements!(E0 A0.0, E1 A1.1, E2 A2.2, E3 A3.3, E4 A4.4, E5 A5.5, E6 A6.6, E7 A7.7);
elements!(E0 A0.0, E1 A1.1, E2 A2.2, E3 A3.3, E4 A4.4, E5 A5.5, E6 A6.6, E7 A7.7, E8 A8.8);
elements!(E0 A0.0, E1 A1.1, E2 A2.2, E3 A3.3, E4 A4.4, E5 A5.5, E6 A6.6, E7 A7.7, E8 A8.8, E9 A9.9);
elements!(E0 A0.0, E1 A1.1, E2 A2.2, E3 A3.3, E4 A4.4, E5 A5.5, E6 A6.6, E7 A7.7, E8 A8.8, E9 A9.9, E10 A10.10);
elements!(E0 A0.0, E1 A1.1, E2 A2.2, E3 A3.3, E4 A4.4, E5 A5.5, E6 A6.6, E7 A7.7, E8 A8.8, E9 A9.9, E10 A10.10, E11 A11.11);
