//! Where a call is made, as far as that decides what it finds.
//!
//! Only tests are anywhere in particular: see the module `testing`. Without the feature `test-util` all of this is nothing,
//! and what asks for it compiles to nothing.
//!
//! A *world* has its own entries. That of the process is where everything is, unless a test has it run in one of its own.
//! There each cache stands for another one, a like of it, which is made when it is first asked for and goes with the world.
//! The one place that puts the like in its stead is [`Here`]. Tags and the observers of all caches remember which world they
//! were made in, and meet what is of that world and nothing else. A world knows its caches; nothing but the tasks in it, and what
//! was handed on from there, knows a world.
//!
//! A cache that a test makes in its world is there already: it is its own like, so that it can be handed to tasks which are not in
//! that world. So it is of both worlds, and answers to the tags and the observers of both. Functions' caches are made where the
//! function happens to be called first, which must not matter, so that they are of the process wherever that was.

#[cfg(feature = "test-util")]
mod many;
#[cfg(not(feature = "test-util"))]
mod one;

#[cfg(feature = "test-util")]
pub(crate) use self::many::*;
#[cfg(not(feature = "test-util"))]
pub(crate) use self::one::*;
