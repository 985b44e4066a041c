//! Work that goes on without its caller: tasks, what travels along with them, and timers for those who wait.
//!
//! A task runs on the runtime of its caller. Where there is none, and for timers, there is a thread of our own, so that a
//! cache works on any executor, and on a runtime without timers. It is started when it is first needed.

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::task::JoinHandle;

use crate::session::{self, SessionId};
use crate::world::Place;

/// What is around a caller, and has to be around what runs for it elsewhere.
#[derive(Clone)]
pub(crate) struct Context {
    session: Option<SessionId>,
    place: Place,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Context {
    pub(crate) fn current() -> Self {
        Self {
            session: session::current(),
            place: Place::current(),
            #[cfg(feature = "tracing")]
            span: tracing::Span::current(),
        }
    }

    /// Whether what runs in one may be seen by callers in the other.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.session == other.session && self.place == other.place
    }

    /// Runs a future in it.
    pub(crate) fn wrap<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        let future = self.place.scope(session::scope_of(self.session, future));
        #[cfg(feature = "tracing")]
        let future = tracing::Instrument::instrument(future, self.span);
        future
    }
}

/// Runs a future to its end, or to that of its runtime, whether or not somebody waits for it.
///
/// `Err` is the future again, if there is nothing it could run on.
pub(crate) fn spawn<F>(future: F) -> Result<JoinHandle<F::Output>, F>
where
    F: Future<Output: Send> + Send + 'static,
{
    match Handle::try_current() {
        Ok(handle) => Ok(handle.spawn(future)),
        Err(_) => match &*OWN {
            Some(own) => Ok(own.spawn(future)),
            None => Err(future),
        },
    }
}

/// A timer that has not gone off.
pub(crate) type Timer = Pin<Box<tokio::time::Sleep>>;

/// Goes off after a time. `None` if there is nothing it could run on.
pub(crate) fn timer(after: Duration) -> Option<Timer> {
    #[cfg(feature = "test-util")]
    if crate::clock::is_paused_here() {
        return Some(Box::pin(tokio::time::sleep(after)));
    }
    let _context = OWN.as_ref()?.enter();
    Some(Box::pin(tokio::time::sleep(after)))
}

/// The runtime on a thread of our own.
static OWN: LazyLock<Option<Handle>> = LazyLock::new(|| {
    let runtime = runtime::Builder::new_current_thread().enable_time().build().ok()?;
    let handle = runtime.handle().clone();
    let thread = std::thread::Builder::new().name("cache-core-background".to_owned());
    let started = thread.spawn(move || runtime.block_on(std::future::pending::<()>()));
    started.is_ok().then_some(handle)
});
