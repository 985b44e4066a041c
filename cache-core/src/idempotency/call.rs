//! A call of a request that has a key: what it knows, and what it says.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::backend::{Backend, Claimed, Reply};
use super::error::{BoxError, IdempotencyError, NoReply};
use super::flights::Lead;
use super::lease::sleep;
use super::outcome::{Outcome, Rule, replayed};
use super::patience::{Patience, Pauses};
use super::record::RecordId;
use super::request::{Checked, Request};
use super::stats::{Count, Counters};
use super::store::IdempotencyStore;

/// When a client may try again that has waited long enough.
pub(super) const RETRY: Duration = Duration::from_secs(1);

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

    /// What a call returns that has asked the backend, unless it has to wait.
    pub(super) fn answer<T, E>(
        &self,
        claimed: Result<Claimed, BoxError>,
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
            Ok(Claimed::Unreadable) => {
                let (record, why) = (self.record.clone(), NoReply::Unreadable);
                ControlFlow::Break(Err(IdempotencyError::NoReply { record, why }.into()))
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
            Ok(Claimed::Running { payload, .. }) => {
                if let Some(lead) = lead {
                    lead.is_running(payload);
                }
                ControlFlow::Continue(())
            }
            // What is ours has been run.
            Ok(Claimed::Ours { .. }) => ControlFlow::Continue(()),
        }
    }

    pub(super) fn replay<T, E>(&self, payload: [u8; 32], reply: &Reply) -> Result<Outcome<T>, E>
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

    pub(super) fn conflict(&self) -> IdempotencyError {
        self.count(Count::Conflicts);
        IdempotencyError::Conflict {
            record: self.record.clone(),
        }
    }

    pub(super) fn in_progress(&self) -> IdempotencyError {
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

    pub(super) fn waits(&self, patience: &mut Patience) {
        if !std::mem::replace(&mut patience.has_waited, true) {
            self.count(Count::Waits);
        }
    }

    pub(super) fn count(&self, count: Count) {
        self.store.count(self.counters, count);
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
}
