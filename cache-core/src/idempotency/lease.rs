//! Keeping a claim while its handler runs, and keeping the handler from going on without one.
//!
//! A task of its own renews the claim at each third of the lease, so that a handler which does not give its thread back keeps its claim
//! too, as long as the runtime has another thread. A worker that was frozen for longer than the lease may have a successor when it thaws. Under [`OnAbandoned::Rerun`] its handler is
//! therefore not polled again before the backend has said that the claim still stands; if it does not, or does not say, the handler is
//! dropped at the point where it waits. Under [`OnAbandoned::Refuse`] there is no successor, so it goes on.
//!
//! What the lease is measured by here is the monotonic clock of the worker, from before the claim was sent: it ends no later than it does
//! at the backend, as far as both clocks run equally fast.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::backend::{Backend, Token};
use super::config::OnAbandoned;
use super::error::BoxError;
use super::record::RecordId;
use super::store::IdempotencyStore;
use crate::background;
use crate::clock::{Nanos, nanos};

/// A claim that is being renewed, until this is dropped.
pub(super) struct Lease {
    standing: watch::Receiver<Standing>,
    task: Option<AbortHandle>,
}

/// What is known of a claim.
#[derive(Clone, Copy)]
enum Standing {
    /// It holds until then at least.
    Until(Nanos),
    Lost,
}

/// What is renewed.
pub(super) struct Held<B> {
    pub(super) store: IdempotencyStore<B>,
    pub(super) record: RecordId,
    pub(super) token: Token,
    /// When it was claimed, at the latest.
    pub(super) since: Nanos,
}

impl Lease {
    pub(super) fn keep<B: Backend>(held: Held<B>) -> Self {
        let until = held.since.saturating_add(nanos(held.store.config().lease));
        let (sender, standing) = watch::channel(Standing::Until(until));
        let task = background::spawn(held.renew(sender)).ok();
        Self {
            standing,
            task: task.map(|task| task.abort_handle()),
        }
    }

    /// Runs the handler for as long as the claim stands. `None` if it is lost.
    pub(super) async fn guard<B: Backend, F: Future>(
        &self,
        store: &IdempotencyStore<B>,
        handler: F,
    ) -> Option<F::Output> {
        let has_successor = store.config().on_abandoned == OnAbandoned::Rerun;
        let clock = store.clock();
        let mut standing = self.standing.clone();
        // Has this task woken at each change, and ends when the claim is lost.
        let mut lost = pin!(async move {
            loop {
                if matches!(*standing.borrow_and_update(), Standing::Lost) {
                    return;
                }
                if standing.changed().await.is_err() {
                    // Nobody renews it any more: nothing could be spawned, or the backend panicked. It ends by itself.
                    let last = *standing.borrow();
                    match last {
                        Standing::Until(end) if has_successor => {
                            sleep(Duration::from_nanos(end.saturating_sub(clock.now()))).await;
                        }
                        Standing::Until(_) => {
                            pending::<Infallible>().await;
                        }
                        Standing::Lost => {}
                    }
                    return;
                }
            }
        });
        let mut handler = pin!(handler);
        poll_fn(|cx| {
            if lost.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            if has_successor && matches!(*self.standing.borrow(), Standing::Until(end) if clock.now() >= end) {
                // A renewal is overdue, and will tell.
                return Poll::Pending;
            }
            handler.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl<B: Backend> Held<B> {
    /// Renews the claim again and again, and says how it stands.
    async fn renew(self, standing: watch::Sender<Standing>) {
        let config = *self.store.config();
        let mut after = config.lease / 3;
        loop {
            sleep(after).await;
            let sent = self.store.clock().now();
            let asked = self
                .store
                .backend()
                .renew(&self.record, self.token, config.lease, config.ttl);
            // An answer that comes later than this is none: the lease may have ended meanwhile.
            let answer = match select(pin!(asked), pin!(sleep(config.lease))).await {
                Either::Left((answer, _)) => Some(answer),
                Either::Right(_) => None,
            };
            let fault: String = match answer {
                Some(Ok(true)) => {
                    standing.send_replace(Standing::Until(sent.saturating_add(nanos(config.lease))));
                    after = config.lease / 3;
                    continue;
                }
                Some(Ok(false)) => {
                    standing.send_replace(Standing::Lost);
                    return;
                }
                Some(Err(error)) => error.to_string(),
                None => "no answer within the lease".to_owned(),
            };
            log::warn!(
                "cache-core: the claim on request {} could not be renewed: {fault}",
                self.record
            );
            let has_ended = matches!(*standing.borrow(), Standing::Until(end) if self.store.clock().now() >= end);
            if has_ended && config.on_abandoned == OnAbandoned::Rerun {
                // Somebody else may have it, and nobody can say.
                standing.send_replace(Standing::Lost);
                return;
            }
            after = config.lease / 10;
        }
    }
}

/// How long an answer may take. Who is silent for so long has lost the connection, and nobody has noticed.
const SILENCE: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
#[error("no answer within {SILENCE:?}")]
struct Silent;

/// The answer of a backend, or that there is none.
pub(super) async fn answer<T, X>(asked: impl Future<Output = Result<T, X>>) -> Result<T, BoxError>
where
    X: Error + Send + Sync + 'static,
{
    let mut asked = pin!(asked);
    // Most are there at once, or soon: then no timer is needed.
    if let Poll::Ready(answer) = poll_fn(|cx| Poll::Ready(asked.as_mut().poll(cx))).await {
        return answer.map_err(Into::into);
    }
    match select(asked, pin!(sleep(SILENCE))).await {
        Either::Left((answer, _)) => answer.map_err(Into::into),
        Either::Right(_) => Err(Box::new(Silent)),
    }
}

/// For a time, or for ever where there are no timers.
pub(super) async fn sleep(time: Duration) {
    match background::timer(time) {
        Some(timer) => timer.await,
        None => pending().await,
    }
}
