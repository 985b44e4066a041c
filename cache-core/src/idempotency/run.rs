//! What a call does: ask whose the request is; run it, wait, or replay.
//!
//! # Order
//! 1. The request is checked. Nothing has been asked or run when something is wrong with it.
//! 2. In this process one call *leads* for each record; the others follow it (see `flights`).
//! 3. The lead claims. From the moment that the claim may have been sent until the record is settled, everything is in a task of its own:
//!    a client that goes away neither orphans a claim nor drops a handler half way.
//! 4. Ours: the handler runs under a lease (see `lease`), then the record is settled under the token of the claim, or released (see
//!    `execute`). Settled: the reply is replayed. Running elsewhere: the lead asks again, less and less often, for as long as it has
//!    patience.

use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::task::Poll;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::backend::{Backend, Claim, Claimed, Token};
use super::call::{Call, RETRY};
use super::config::OnAbandoned;
use super::error::{BoxError, IdempotencyError};
use super::execute::Panic;
use super::flights::{Flight, Lead, Part};
use super::lease::{Held, answer, sleep};
use super::outcome::Outcome;
use super::patience::{Patience, Pauses};
use super::request::Request;
use super::stats::{Count, Counters};
use super::store::IdempotencyStore;
use crate::background;

impl<B: Backend> IdempotencyStore<B> {
    /// Runs the handler, unless this request has run before: then its reply is replayed.
    ///
    /// If it is running at the time, in this process or another, the call waits for it, for as long as [`wait`](super::StoreBuilder::wait)
    /// says. Without a key the handler runs in any case. It runs as a task of its own. One that makes its own request again waits for
    /// itself, in vain, and gets [`IdempotencyError::InProgress`].
    ///
    /// # Errors
    /// What the handler returns, or an [`IdempotencyError`] made into that. Whether the handler ran is said by
    /// [`has_run`](IdempotencyError::has_run).
    ///
    /// # Panics
    /// If the handler does. Its record is then like that of a worker that died.
    ///
    /// # Cancellation
    /// Who drops the call stops waiting. A handler that has begun goes on, and its reply is stored.
    ///
    /// # Example: a repeat of a request
    /// ```
    /// use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend, Outcome, Request};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), IdempotencyError> {
    /// let store = IdempotencyStore::new(MemoryBackend::new());
    /// let request = || Request::new("mail::send").scope("acme", "ada").key("8e03978e").payload("hello");
    /// let send = || async { Ok::<_, IdempotencyError>("sent".to_owned()) };
    /// assert_eq!(store.run(request(), send).await?, Outcome::Fresh("sent".to_owned()));
    /// assert_eq!(store.run(request(), send).await?, Outcome::Replayed("sent".to_owned()));
    ///
    /// let other = request().payload("good bye");
    /// let error = store.run(other, send).await.unwrap_err();
    /// assert!(matches!(error, IdempotencyError::Conflict { .. }));
    /// # Ok(()) }
    /// ```
    pub async fn run<T, E, H, F>(&self, request: Request, handler: H) -> Result<Outcome<T>, E>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: From<IdempotencyError> + Send + 'static,
        H: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let Some(call) = Call::new::<E>(self, request)? else {
            return alone(handler).await;
        };
        // In a box: what is awaited is large, and a caller's future would be as large.
        match Box::pin(call.obtain(handler)).await {
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        }
    }

    pub(super) fn count(&self, counters: Option<&'static Counters>, count: Count) {
        self.counters().one(count);
        if let Some(counters) = counters {
            counters.one(count);
        }
    }
}

/// A handler that runs without a record, as a task like the others.
async fn alone<T, E, H, F>(handler: H) -> Result<Outcome<T>, E>
where
    T: Send + 'static,
    E: From<IdempotencyError> + Send + 'static,
    H: FnOnce() -> F + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    let task = background::Context::current().wrap(async move { handler().await });
    let result = match background::spawn(task) {
        Ok(task) => match task.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => Err(IdempotencyError::Interrupted { record: None }.into()),
            },
        },
        Err(task) => task.await,
    };
    result.map(Outcome::Fresh)
}

/// What came of a claim: the handler ran, or it was not to, and is there again.
enum Attempt<T, E, H> {
    Ran(Result<Result<Outcome<T>, E>, Panic>),
    Not(H, Lead, Result<Claimed, BoxError>),
}

impl<B: Backend> Call<B> {
    async fn obtain<T, E, H, F>(self, mut handler: H) -> Result<Result<Outcome<T>, E>, Panic>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: From<IdempotencyError> + Send + 'static,
        H: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let mut patience = Patience::new(self.store.config().wait);
        loop {
            let mut lead = match self.store.flights().join(&self.record) {
                Part::Leads(lead) => lead,
                Part::Follows(flight) => match self.follow(flight, &mut patience).await {
                    ControlFlow::Continue(()) => continue,
                    ControlFlow::Break(result) => return Ok(result),
                },
            };
            let mut pauses = Pauses::new();
            loop {
                let claimed = match self.clone().attempt(handler, lead).await {
                    Ok(Attempt::Ran(result)) => return result,
                    Ok(Attempt::Not(back, led, claimed)) => {
                        (handler, lead) = (back, led);
                        claimed
                    }
                    Err(error) => return Ok(Err(error.into())),
                };
                if let ControlFlow::Break(result) = self.answer(claimed, Some(&lead)) {
                    return Ok(result);
                }
                if let Err(error) = self.pause(&mut patience, &mut pauses).await {
                    return Ok(Err(error.into()));
                }
            }
        }
    }

    /// What a call returns that follows. Goes on when the flight has ended without a reply.
    async fn follow<T, E>(
        &self,
        mut flight: watch::Receiver<Flight>,
        patience: &mut Patience,
    ) -> ControlFlow<Result<Outcome<T>, E>>
    where
        T: DeserializeOwned,
        E: From<IdempotencyError> + 'static,
    {
        loop {
            let seen = flight.borrow_and_update().clone();
            match seen {
                Flight::Settled(payload, reply) => return ControlFlow::Break(self.replay(payload, &reply)),
                Flight::Running(Some(payload)) if payload != self.payload => {
                    return ControlFlow::Break(Err(self.conflict().into()));
                }
                // To hear whether anything runs is no wait for it: there may be a reply.
                Flight::Asking if patience.is_none() => match flight.changed().await {
                    Ok(()) => continue,
                    Err(_) => return ControlFlow::Continue(()),
                },
                Flight::Running(_) | Flight::Asking => {}
            }
            self.waits(patience);
            match patience.wait(flight.changed()).await {
                Some(Ok(())) => {}
                Some(Err(_)) => return ControlFlow::Continue(()),
                None => return ControlFlow::Break(Err(self.in_progress().into())),
            }
        }
    }

    /// Claims the record, and runs the handler if it is ours.
    async fn attempt<T, E, H, F>(self, handler: H, lead: Lead) -> Result<Attempt<T, E, H>, IdempotencyError>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: From<IdempotencyError> + Send + 'static,
        H: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let config = *self.store.config();
        let token = Token::draw()?;
        let since = self.store.clock().now();
        let (store, record) = (self.store.clone(), self.record.clone());
        let claim = Claim {
            token,
            payload: self.payload,
            lease: config.lease,
            ttl: config.ttl,
            takes_over: config.on_abandoned == OnAbandoned::Rerun,
        };
        let mut asked = Box::pin(async move { store.backend().claim(&record, claim).await });
        // A backend that answers at once, such as one in memory, needs no task for that.
        let answered = match poll_fn(|cx| Poll::Ready(asked.as_mut().poll(cx))).await {
            Poll::Ready(
                claimed @ (Err(_)
                | Ok(
                    Claimed::Settled { .. } | Claimed::Unreadable | Claimed::Running { .. } | Claimed::Abandoned { .. },
                )),
            ) => {
                if claimed.is_err() {
                    self.take_back(token);
                }
                return Ok(Attempt::Not(handler, lead, claimed.map_err(Into::into)));
            }
            Poll::Ready(claimed) => Some(claimed),
            Poll::Pending => None,
        };
        let record = self.record.clone();
        let task = async move {
            let claimed = match answered {
                Some(claimed) => claimed.map_err(Into::into),
                None => answer(asked).await,
            };
            let took_over = match claimed {
                Ok(Claimed::Ours { took_over }) => took_over,
                other => {
                    if other.is_err() {
                        self.take_back(token);
                    }
                    return Attempt::Not(handler, lead, other);
                }
            };
            self.is_ours(took_over);
            lead.is_running(Some(self.payload));
            let held = Held {
                store: self.store.clone(),
                record: self.record.clone(),
                token,
                since,
            };
            Attempt::Ran(self.execute(handler, held, lead).await)
        };
        match background::spawn(background::Context::current().wrap(task)) {
            Ok(task) => match task.await {
                Ok(attempt) => Ok(attempt),
                Err(error) => match error.try_into_panic() {
                    // A backend's: the handler's are caught.
                    Ok(panic) => resume_unwind(panic),
                    Err(_) => Err(IdempotencyError::Interrupted { record: Some(record) }),
                },
            },
            Err(task) => Ok(task.await),
        }
    }

    /// Sees to it that a claim of which the answer was lost does not stand in the way of a repeat: nothing has run under it.
    fn take_back(&self, token: Token) {
        let call = self.clone();
        let task = async move {
            // It may arrive after its own release, and so is looked for once more.
            for pause in [Duration::ZERO, RETRY] {
                sleep(pause).await;
                let backend = call.store.backend();
                let released = call.insist(|| backend.release(&call.record, token)).await;
                if !matches!(released, Ok(false)) {
                    call.warn_of(released.err(), "taken back");
                    return;
                }
            }
        };
        drop(background::spawn(task));
    }
}
