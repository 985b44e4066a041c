//! From the arguments of a mutation to those of a cached function: by name, by position, by reference.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Something that can stand where a reference to `Q` is asked for: itself, a reference to it, or what owns it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not serve as the key argument of type `{Q}`",
    label = "the cached function is keyed by `{Q}` here",
    note = "a cached function is keyed by its arguments in order, without those it skips: write an expression for each of \
            them, as in `invalidates(function(expr, ..))`, or make them with `key_fn`"
)]
pub trait Lend<Q: ?Sized> {
    /// The reference.
    fn lend(&self) -> &Q;
}

#[diagnostic::do_not_recommend]
impl<Q: ?Sized> Lend<Q> for Q {
    fn lend(&self) -> &Q {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<Q: ?Sized> Lend<Q> for &Q {
    fn lend(&self) -> &Q {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<Q: ?Sized> Lend<Q> for &&Q {
    fn lend(&self) -> &Q {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<Q: ?Sized> Lend<Q> for &&&Q {
    fn lend(&self) -> &Q {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<Q: ?Sized> Lend<Q> for &mut Q {
    fn lend(&self) -> &Q {
        self
    }
}

macro_rules! owner {
    ([$($t:ident)?] $owner:ty => $lent:ty) => {
        #[diagnostic::do_not_recommend]
        impl$(<$t>)? Lend<$lent> for $owner {
            fn lend(&self) -> &$lent {
                self
            }
        }

        #[diagnostic::do_not_recommend]
        impl$(<$t>)? Lend<$lent> for &$owner {
            fn lend(&self) -> &$lent {
                self
            }
        }
    };
}

owner!([] String => str);
owner!([] Box<str> => str);
owner!([] Arc<str> => str);
owner!([] Cow<'_, str> => str);
owner!([] PathBuf => Path);
owner!([T] Vec<T> => [T]);
owner!([T] Arc<[T]> => [T]);

/// The arguments of a mutation, asked for by the hash of their name. Implemented by each expansion for a type of its
/// own.
#[diagnostic::on_unimplemented(
    message = "the argument of the same name does not serve as the key argument of type `{Q}`",
    label = "the cached function is keyed by `{Q}` here",
    note = "write the key out, as in `invalidates(function(expr, ..))`, with an expression for each key argument"
)]
pub trait Argument<const NAME: u64, const COVERED: bool, Q: ?Sized> {
    /// The one of that name.
    fn argument(&self) -> &Q;
}

/// Names of arguments.
pub type NameList = &'static [&'static str];

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// Whether a mutation has all arguments that a cached function is keyed by.
///
/// # Panics
/// At compile time, with the message that belongs to the first one that is missing.
#[track_caller]
pub const fn covered(needed: NameList, given: NameList, messages: NameList) -> bool {
    let mut at = 0;
    while at < needed.len() {
        let mut place = 0;
        while place < given.len() && !is_same(given[place], needed[at]) {
            place += 1;
        }
        assert!(place < given.len(), "{}", messages[at]);
        at += 1;
    }
    true
}

macro_rules! key_fn {
    ($name:ident: $($argument:ident $type:ident),*) => {
        /// Calls a `key_fn` with references to that many arguments. The bound is what types a closure's parameters.
        #[allow(clippy::too_many_arguments, reason = "as many as the mutation has")]
        pub fn $name<'a, $($type: ?Sized,)* R>(key_fn: impl FnOnce($(&'a $type),*) -> R, $($argument: &'a $type),*) -> R {
            key_fn($($argument),*)
        }
    };
}

key_fn!(key_fn_1: a A);
key_fn!(key_fn_2: a A, b B);
key_fn!(key_fn_3: a A, b B, c C);
key_fn!(key_fn_4: a A, b B, c C, d D);
key_fn!(key_fn_5: a A, b B, c C, d D, e E);
key_fn!(key_fn_6: a A, b B, c C, d D, e E, f F);
key_fn!(key_fn_7: a A, b B, c C, d D, e E, f F, g G);
key_fn!(key_fn_8: a A, b B, c C, d D, e E, f F, g G, h H);
key_fn!(key_fn_9: a A, b B, c C, d D, e E, f F, g G, h H, i I);
key_fn!(key_fn_10: a A, b B, c C, d D, e E, f F, g G, h H, i I, j J);
key_fn!(key_fn_11: a A, b B, c C, d D, e E, f F, g G, h H, i I, j J, k K);
key_fn!(key_fn_12: a A, b B, c C, d D, e E, f F, g G, h H, i I, j J, k K, l L);

/// Calls a `key_fn` of a mutation without arguments.
pub fn key_fn_0<R>(key_fn: impl FnOnce() -> R) -> R {
    key_fn()
}
