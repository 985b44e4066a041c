//! There is one world, and caches are on.

/// Where a task is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place;

impl Place {
    pub(crate) const fn current() -> Self {
        Self
    }

    /// Puts a future there.
    #[expect(clippy::unused_self, reason = "there may be other places")]
    pub(crate) fn scope<F>(self, future: F) -> F {
        future
    }
}

/// Whether nothing is to be found nor kept.
pub(crate) const fn is_disabled() -> bool {
    false
}
