//! Where a call is made, as far as that decides what it finds.
//!
//! Only tests are anywhere in particular: see the module `testing`. Without the feature `test-util` all of this is nothing,
//! and what asks for it compiles to nothing.

#[cfg(feature = "test-util")]
mod many;
#[cfg(not(feature = "test-util"))]
mod one;

#[cfg(feature = "test-util")]
pub(crate) use self::many::{Place, disabled, is_disabled};
#[cfg(not(feature = "test-util"))]
pub(crate) use self::one::{Place, is_disabled};
