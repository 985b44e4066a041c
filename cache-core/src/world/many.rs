//! Where a task is, by task-locals.

use std::future::Future;

tokio::task_local! {
    static DISABLED: bool;
}

/// Where a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    is_disabled: bool,
}

impl Place {
    pub(crate) fn current() -> Self {
        Self {
            is_disabled: is_disabled(),
        }
    }

    /// Puts a future there.
    pub(crate) fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        DISABLED.scope(self.is_disabled, future)
    }
}

/// Puts a future where nothing is found nor kept.
pub(crate) fn disabled<F: Future>(future: F) -> impl Future<Output = F::Output> {
    DISABLED.scope(true, future)
}

/// Whether nothing is to be found nor kept.
pub(crate) fn is_disabled() -> bool {
    DISABLED.try_with(|is_disabled| *is_disabled).unwrap_or(false)
}
