//! What a call does: ask whose the request is; run it, wait, or replay.
//!
//! # Order
//! 1. The request is checked. Nothing has been asked or run when something is wrong with it.
//! 2. In this process one call *leads* for each record; the others follow it (see `flights`).
//! 3. The lead claims. From the moment that the claim may have been sent until the record is settled, everything is in a task of its own:
//!    a client that goes away neither orphans a claim nor drops a handler half way.
//! 4. Ours: the handler runs under a lease (see `lease`), then the record is settled under the token of the claim, or released. Settled:
//!    the reply is replayed. Running elsewhere: the lead asks again, less and less often, for as long as it has patience.
//!
//! # What becomes of a claim
//! | the handler | the record |
//! |---|---|
//! | returns a value | is settled with it, or with the note that it cannot be stored |
//! | returns an error that is stored | is settled with it |
//! | returns another error | is released: a repeat runs again |
//! | panics | its lease is ended: what follows is up to `on_abandoned` |
//! | is dropped, because the claim was lost | is another's |
//! | dies with the process | its lease ends by itself |

use std::any::Any;
use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::backend::{Backend, Claim, Claimed, Reply, Token};
use super::config::OnAbandoned;
use super::error::{BoxError, IdempotencyError};
use super::flights::{Flight, Lead, Part};
use super::lease::{Held, Lease, sleep};
use super::outcome::{Outcome, Rule, replayed, reply_of};
use super::patience::{Patience, Pauses};
use super::record::RecordId;
use super::request::{Checked, Request};
use super::stats::{Count, Counters};
use super::store::IdempotencyStore;
use crate::background;
use crate::clock::nanos;

/// When a client may try again that has waited long enough.
const RETRY: Duration = Duration::from_secs(1);
/// Between two attempts to store a reply, at first and at most.
const PAUSE: Duration = Duration::from_millis(50);
const LONG_PAUSE: Duration = Duration::from_secs(2);

type Panic = Box<dyn Any + Send>;

impl<B: Backend> IdempotencyStore<B> {
    /// Runs the handler, unless this request has run before: then its reply is replayed.
    ///
    /// If it is running at the time, in this process or another, the call waits for it, for as long as [`wait`](super::StoreBuilder::wait)
    /// says. Without a key the handler runs in any case. It runs as a task of its own.
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

    fn count(&self, counters: Option<&'static Counters>, count: Count) {
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
    E: Send + 'static,
    H: FnOnce() -> F + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    let task = background::Context::current().wrap(async move { handler().await });
    let result = match background::spawn(task) {
        Ok(task) => match task.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime has gone, and this with it.
                Err(_) => std::future::pending().await,
            },
        },
        Err(task) => task.await,
    };
    result.map(Outcome::Fresh)
}

/// A request under its record.
pub(super) struct Call<B> {
    pub(super) store: IdempotencyStore<B>,
    pub(super) record: RecordId,
    pub(super) payload: [u8; 32],
    pub(super) rule: Rule,
    counters: Option<&'static Counters>,
}

impl<B> Clone for Call<B> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            record: self.record.clone(),
            payload: self.payload,
            rule: self.rule.clone(),
            counters: self.counters,
        }
    }
}

/// What came of a claim: the handler ran, or it was not to, and is there again.
enum Attempt<T, E, H, X> {
    Ran(Result<Result<Outcome<T>, E>, Panic>),
    Not(H, Lead, Result<Claimed, X>),
}

impl<B: Backend> Call<B> {
    /// Of a request that has a key.
    pub(super) fn new<E: 'static>(
        store: &IdempotencyStore<B>,
        request: Request,
    ) -> Result<Option<Self>, IdempotencyError> {
        let counters = request.counters();
        let Some(Checked { record, payload, rule }) = request.check(store.config().max_key_len)? else {
            store.count(counters, Count::Undeduplicated);
            return Ok(None);
        };
        Ok(Some(Self {
            store: store.clone(),
            record,
            payload,
            rule: rule.or_else(|| store.rule::<E>()),
            counters,
        }))
    }

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

    /// What a call returns that has asked the backend, unless it has to wait.
    pub(super) fn answer<T, E>(
        &self,
        claimed: Result<Claimed, B::Error>,
        lead: Option<&Lead>,
    ) -> ControlFlow<Result<Outcome<T>, E>>
    where
        T: DeserializeOwned,
        E: From<IdempotencyError> + 'static,
    {
        match claimed {
            Err(error) => ControlFlow::Break(Err(IdempotencyError::unavailable(&self.record, error).into())),
            Ok(Claimed::Settled { payload, reply }) => {
                let reply = Arc::new(reply);
                if let Some(lead) = lead {
                    lead.is_settled(payload, Arc::clone(&reply));
                }
                ControlFlow::Break(self.replay(payload, &reply))
            }
            Ok(Claimed::Abandoned { payload }) => {
                if payload != self.payload {
                    return ControlFlow::Break(Err(self.conflict().into()));
                }
                self.count(Count::Abandoned);
                let record = self.record.clone();
                ControlFlow::Break(Err(IdempotencyError::Abandoned { record }.into()))
            }
            Ok(Claimed::Running {
                payload: Some(payload), ..
            }) if payload != self.payload => ControlFlow::Break(Err(self.conflict().into())),
            Ok(Claimed::Running {
                payload: Some(payload), ..
            }) => {
                if let Some(lead) = lead {
                    lead.is_running(payload);
                }
                ControlFlow::Continue(())
            }
            // What is ours has been run.
            Ok(Claimed::Running { .. } | Claimed::Ours { .. }) => ControlFlow::Continue(()),
        }
    }

    /// What a call returns that follows. Goes on when the flight has ended without a reply.
    async fn follow<T, E>(
        &self,
        mut flight: tokio::sync::watch::Receiver<Flight>,
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
                Flight::Running(payload) if payload != self.payload => {
                    return ControlFlow::Break(Err(self.conflict().into()));
                }
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

    fn replay<T, E>(&self, payload: [u8; 32], reply: &Reply) -> Result<Outcome<T>, E>
    where
        T: DeserializeOwned,
        E: From<IdempotencyError> + 'static,
    {
        if payload != self.payload {
            return Err(self.conflict().into());
        }
        self.count(Count::Replayed);
        replayed(&self.record, reply, &self.rule)
    }

    fn conflict(&self) -> IdempotencyError {
        self.count(Count::Conflicts);
        IdempotencyError::Conflict {
            record: self.record.clone(),
        }
    }

    fn in_progress(&self) -> IdempotencyError {
        self.count(Count::InProgress);
        IdempotencyError::InProgress {
            record: self.record.clone(),
            retry_after: RETRY,
        }
    }

    /// Waits before the next look.
    pub(super) async fn pause(&self, patience: &mut Patience, pauses: &mut Pauses) -> Result<(), IdempotencyError> {
        self.waits(patience);
        patience
            .wait(sleep(pauses.next()))
            .await
            .ok_or_else(|| self.in_progress())
    }

    fn waits(&self, patience: &mut Patience) {
        if !std::mem::replace(&mut patience.has_waited, true) {
            self.count(Count::Waits);
        }
    }

    pub(super) fn count(&self, count: Count) {
        self.store.count(self.counters, count);
    }

    /// Claims the record, and runs the handler if it is ours.
    async fn attempt<T, E, H, F>(self, handler: H, lead: Lead) -> Result<Attempt<T, E, H, B::Error>, IdempotencyError>
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
                claimed @ (Err(_) | Ok(Claimed::Settled { .. } | Claimed::Running { .. } | Claimed::Abandoned { .. })),
            ) => {
                return Ok(Attempt::Not(handler, lead, claimed));
            }
            Poll::Ready(claimed) => Some(claimed),
            Poll::Pending => None,
        };
        let record = self.record.clone();
        let task = async move {
            let claimed = match answered {
                Some(claimed) => claimed,
                None => asked.await,
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
            lead.is_running(self.payload);
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
                    Err(_) => Err(IdempotencyError::Interrupted { record }),
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

    /// Runs the handler under a claim, and settles that.
    async fn execute<T, E, H, F>(&self, handler: H, held: Held<B>, lead: Lead) -> Result<Result<Outcome<T>, E>, Panic>
    where
        T: Serialize,
        E: From<IdempotencyError> + 'static,
        H: FnOnce() -> F,
        F: Future<Output = Result<T, E>>,
    {
        let token = held.token;
        let lease = Lease::keep(held);
        let run = caught(handler);
        let Some(ran) = lease.guard(&self.store, run).await else {
            return Ok(Err(self.lost().into()));
        };
        let max = self.store.config().max_response_bytes;
        let ran = ran.and_then(|result| {
            // Serialising is foreign code as well, and so is the rule.
            let reply = catch_unwind(AssertUnwindSafe(|| reply_of(&result, &self.rule, max)))?;
            Ok((result, reply))
        });
        let (result, reply) = match ran {
            Ok(ran) => ran,
            Err(panic) => {
                let (backend, ttl) = (self.store.backend(), self.store.config().ttl);
                let end = self
                    .insist(|| backend.renew(&self.record, token, Duration::ZERO, ttl))
                    .await;
                self.warn_of(end.err(), "given up");
                return Err(panic);
            }
        };
        let Some(reply) = reply else {
            let backend = self.store.backend();
            let released = self.insist(|| backend.release(&self.record, token)).await;
            self.warn_of(released.err(), "released");
            return Ok(result.map(Outcome::Fresh));
        };
        let (backend, ttl) = (self.store.backend(), self.store.config().ttl);
        let settled = self.insist(|| backend.settle(&self.record, token, &reply, ttl)).await;
        match settled {
            Ok(true) => {
                lead.is_settled(self.payload, Arc::new(reply));
                Ok(result.map(Outcome::Fresh))
            }
            Ok(false) => Ok(Err(self.lost().into())),
            Err(source) => Ok(Err(self.unsettled(source).into())),
        }
    }

    /// Tells the backend, again and again for as long as a lease lasts. That is sound, because who tells is known by his token.
    async fn insist<F>(&self, tell: impl Fn() -> F) -> Result<bool, BoxError>
    where
        F: Future<Output = Result<bool, B::Error>>,
    {
        let clock = self.store.clock();
        let end = clock.now().saturating_add(nanos(self.store.config().lease));
        let mut pause = PAUSE;
        loop {
            match tell().await {
                Ok(told) => return Ok(told),
                Err(error) if clock.now() >= end => return Err(Box::new(error)),
                Err(error) => log::debug!("cache-core: request {} could not be settled yet: {error}", self.record),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONG_PAUSE);
        }
    }

    /// Notes that the handler is about to run.
    pub(super) fn is_ours(&self, took_over: bool) {
        if took_over {
            self.count(Count::Abandoned);
        }
        self.count(Count::Fresh);
    }

    pub(super) fn lost(&self) -> IdempotencyError {
        self.count(Count::Unsettled);
        IdempotencyError::LeaseLost {
            record: self.record.clone(),
        }
    }

    pub(super) fn unsettled(&self, source: BoxError) -> IdempotencyError {
        self.count(Count::Unsettled);
        IdempotencyError::Unsettled {
            record: self.record.clone(),
            source,
        }
    }

    /// What its caller need not know, because there is something else to tell him.
    fn warn_of(&self, error: Option<BoxError>, what: &str) {
        if let Some(error) = error {
            log::warn!(
                "cache-core: the claim on request {} could not be {what}: {error}",
                self.record
            );
        }
    }
}

/// Runs a handler, and catches its panic.
async fn caught<R, H, F>(handler: H) -> Result<R, Panic>
where
    H: FnOnce() -> F,
    F: Future<Output = R>,
{
    // What panicked is not looked at again.
    let future = catch_unwind(AssertUnwindSafe(handler))?;
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}
