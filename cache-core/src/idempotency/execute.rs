//! Running a handler under a claim, and telling the backend what came of it.
//!
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
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde::Serialize;

use super::backend::Backend;
use super::call::Call;
use super::error::{BoxError, IdempotencyError};
use super::flights::Lead;
use super::lease::{Held, Lease, answer, sleep};
use super::outcome::{Outcome, reply_of};
use crate::clock::nanos;

/// Between two attempts to tell it, at first and at most.
const PAUSE: Duration = Duration::from_millis(50);
const LONG_PAUSE: Duration = Duration::from_secs(2);

pub(super) type Panic = Box<dyn Any + Send>;

impl<B: Backend> Call<B> {
    /// Runs the handler under a claim, and settles that.
    pub(super) async fn execute<T, E, H, F>(
        &self,
        handler: H,
        held: Held<B>,
        lead: Lead,
    ) -> Result<Result<Outcome<T>, E>, Panic>
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
                // Before its end is told, or a renewal that comes after that would begin it anew.
                drop(lease);
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
    pub(super) async fn insist<F>(&self, tell: impl Fn() -> F) -> Result<bool, BoxError>
    where
        F: Future<Output = Result<bool, B::Error>>,
    {
        let clock = self.store.clock();
        let end = clock.now().saturating_add(nanos(self.store.config().lease));
        let mut pause = PAUSE;
        loop {
            match answer(tell()).await {
                Ok(told) => return Ok(told),
                Err(error) if clock.now() >= end => return Err(error),
                Err(error) => log::debug!("cache-core: request {} could not be settled yet: {error}", self.record),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONG_PAUSE);
        }
    }

    /// What its caller need not know, because there is something else to tell him.
    pub(super) fn warn_of(&self, error: Option<BoxError>, what: &str) {
        if let Some(error) = error {
            log::warn!(
                "cache-core: the claim on request {} could not be {what}: {error}",
                self.record
            );
        }
    }
}

/// Runs a handler, and catches its panic, also one of what it leaves behind.
async fn caught<R, H, F>(handler: H) -> Result<R, Panic>
where
    H: FnOnce() -> F,
    F: Future<Output = R>,
{
    // What panicked is not looked at again.
    let future = catch_unwind(AssertUnwindSafe(handler))?;
    let mut future = pin!(Some(future));
    let result = poll_fn(|cx| {
        let Some(future) = future.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await;
    let dropped = catch_unwind(AssertUnwindSafe(|| future.set(None)));
    let result = result?;
    dropped.map(|()| result)
}
