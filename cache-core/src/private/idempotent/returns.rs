//! What an idempotent function returns, and what runs its handlers.

use std::future::{Future, pending};
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::task::ReturnProbe;
use crate::idempotency::{Backend, IdempotencyError, IdempotencyStore, Outcome, Request};

/// A return type of an idempotent function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no `Result`",
    label = "an idempotent function returns one, because its key can be refused",
    note = "return a `Result<T, E>`, with an error that is `From<cache_core::idempotency::IdempotencyError>`"
)]
pub trait Returns: Sized {
    /// What is stored of it.
    type Value;

    /// What tells of a failure.
    type Error;

    /// The same, with whether it was replayed.
    type Outcome;

    /// That, of what is known.
    fn outcome(outcome: Result<Outcome<Self::Value>, Self::Error>) -> Self::Outcome;

    /// As what it is known to be.
    fn result(self) -> Result<Self::Value, Self::Error>;

    /// Leaves out whether it was replayed.
    fn inner(outcome: Self::Outcome) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T, E> Returns for Result<T, E> {
    type Value = T;
    type Error = E;
    type Outcome = Result<Outcome<T>, E>;

    fn outcome(outcome: Self::Outcome) -> Self::Outcome {
        outcome
    }

    fn result(self) -> Self {
        self
    }

    fn inner(outcome: Self::Outcome) -> Self {
        outcome.map(Outcome::into_inner)
    }
}

/// What can be stored and replayed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored",
    label = "what is replayed has to be `Serialize + DeserializeOwned`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it"
)]
pub trait Stored: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Stored for T {}

/// An error that can tell of a key that is refused.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not made from an `IdempotencyError`",
    label = "a key that is refused has to come back as an error of the function",
    note = "write `impl From<cache_core::idempotency::IdempotencyError> for {Self}`"
)]
pub trait Refuses: From<IdempotencyError> {}

#[diagnostic::do_not_recommend]
impl<E: From<IdempotencyError>> Refuses for E {}

/// Runs handlers.
#[derive(Debug)]
pub struct Task;

/// Stands where they would be run, so that one complaint is all, which is made elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct NoTask;

/// The same, with a complaint.
#[derive(Clone, Copy, Debug)]
pub struct NoWayBack(NoTask);

impl Deref for NoWayBack {
    type Target = NoTask;

    fn deref(&self) -> &NoTask {
        &self.0
    }
}

/// All is well: `task` is called on `&&&ReturnProbe`.
pub trait Runs {
    /// As a value.
    fn task(&self) -> Task {
        Task
    }
}

/// Something is missing.
pub trait Falls {
    /// As a value.
    fn task(&self) -> NoTask {
        NoTask
    }
}

/// It could not come back from a task in any case.
pub trait RemainsThere {
    /// As a value.
    fn task(&self) -> NoWayBack {
        NoWayBack(NoTask)
    }
}

impl<T, E> Runs for &&ReturnProbe<Result<T, E>>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: From<IdempotencyError> + Send + 'static,
{
}
impl<R: Send + 'static> Falls for &ReturnProbe<R> {}
impl<R> RemainsThere for ReturnProbe<R> {}

/// A handler can return this.
#[diagnostic::on_unimplemented(
    message = "`{R}` cannot come back from a handler",
    label = "it runs as a task of its own, so what it returns has to be `Send + 'static`",
    note = "return something owned, and for `Box<dyn Error>` an error type of your own"
)]
pub trait ComesBack<R> {}

#[diagnostic::do_not_recommend]
impl<R> ComesBack<R> for Task {}
#[diagnostic::do_not_recommend]
impl<R> ComesBack<R> for NoTask {}

/// What runs the handlers of a function that returns this. The one place that complains if nothing can.
pub fn of<R: Returns<Value: Stored, Error: Refuses>, T: ComesBack<R>>(task: T) -> T {
    task
}

impl Task {
    /// The function's `outcome`.
    #[expect(
        clippy::manual_async_fn,
        reason = "that the future is `Send` is said here, once for all"
    )]
    pub fn run<T, E, B, H, F>(
        self,
        store: IdempotencyStore<B>,
        request: Request,
        handler: H,
    ) -> impl Future<Output = Result<Outcome<T>, E>> + Send
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: From<IdempotencyError> + Send + 'static,
        B: Backend,
        H: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        async move { store.run(request, handler).await }
    }
}

/// As [`Task`], and asks for nothing.
impl NoTask {
    /// Does not compile.
    pub fn run<O, B, H, F>(self, _store: IdempotencyStore<B>, _request: Request, _handler: H) -> impl Future<Output = O>
    where
        H: FnOnce() -> F,
        F: Future,
    {
        pending()
    }
}
