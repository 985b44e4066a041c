//! What `#[idempotent]` expands to.
//!
//! The types are asked what they can do, by autoref specialisation, since they may be generic: what comes back either serves or is
//! complained of, once, at the place of the user's that is to blame. It serves in the second case too, so that nothing else is
//! complained of. See [`task`](super::task), of which a handler is one: it may outlive its call.

mod own;
mod request;
mod returns;
#[cfg(feature = "postgres")]
mod transaction;

pub use self::own::*;
pub use self::request::*;
pub use self::returns::*;
#[cfg(feature = "postgres")]
pub use self::transaction::*;
pub use super::task::{GivenProbe, LentProbe, OptionProbe, lend_option, own_cow, returned, type_of};

/// What has to be in scope for the probes.
pub mod probes {
    pub use super::super::task::{Fits as _, Unfits as _};
    pub use super::{
        ErrorIsNotStored as _, ErrorIsStored as _, Falls as _, IsCompared as _, IsIncomparable as _, IsOptional as _,
        IsShown as _, IsUnknown as _, RemainsThere as _, Runs as _,
    };
}

/// What runs in the caller's transaction, where there can be one.
#[cfg(feature = "postgres")]
#[doc(hidden)]
#[macro_export]
macro_rules! __idempotent_in_transaction {
    ($($code:tt)*) => { $($code)* };
}

/// What runs in the caller's transaction, where there can be one.
#[cfg(not(feature = "postgres"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __idempotent_in_transaction {
    ($($code:tt)*) => {
        ::core::compile_error!("`tx` needs the feature `postgres` of `cache-core`")
    };
}
