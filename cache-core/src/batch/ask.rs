//! What a caller does who asks for one key.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::{Batches, Body, Found};
use crate::detached::{OnTimeout, Patience, Waited};
use crate::key::{Key, Value};
use crate::load::{Joined, Load, Run};
use crate::outcome::{BATCHED, Kind, Outcome};
use crate::stats::Count;

type OfBatch = Kind<BATCHED>;

/// Takes what was found, or leaves the load to a batch and waits for its end.
///
/// As [`detached::obtain`](crate::detached::obtain), but that the load runs together with those of other keys. `body` is asked
/// for a body whenever this caller has to bring one.
pub(crate) async fn ask<K, V, E>(
    batches: &Arc<Batches<K, V>>,
    found: Result<V, Load<K, V>>,
    on_timeout: Option<OnTimeout<Found<V, E>>>,
    body: impl Fn() -> Body<K, V>,
) -> Found<V, E>
where
    K: Key,
    V: Value,
    E: Clone + Send + Sync + 'static,
{
    let mut load = match found {
        Ok(value) => return Ok(Some(value)),
        Err(load) => load,
    };
    if let Some((value, leads)) = load.served() {
        if leads {
            batches.add(load, body);
        }
        return Ok(Some(value));
    }
    let mut patience = Patience::new(load.shared(), on_timeout);
    let mut task = None;
    // Once the task that had its load is gone, there may be nothing that would run another one.
    let mut is_lost = false;
    loop {
        match patience.wait(load.join()).await {
            Waited::Done(None) => {
                let in_person = is_lost || load.is_alone();
                match (!in_person).then(|| load.leave()).flatten() {
                    Some(left) => task = batches.add(left, &body),
                    None => break,
                }
            }
            Waited::Done(Some(Joined::Lost { has_panicked: true })) => rethrow(task.take()).await,
            Waited::Done(Some(Joined::Lost { has_panicked: false })) => is_lost = true,
            Waited::Done(Some(joined)) => match load.make_of::<OfBatch, Found<V, E>>(joined) {
                ControlFlow::Break(outcome) => return outcome,
                ControlFlow::Continue(()) => {}
            },
            Waited::TooLong(end) => {
                if let Some(outcome) = end.outcome::<OfBatch, _, _>(load.shared(), load.fallback()) {
                    return outcome;
                }
            }
        }
    }
    let outcome = {
        let _edge = load.start();
        if !load.is_outside() {
            load.count(Count::Batches);
        }
        let bringing = {
            let _running = load.running();
            one(load.key().clone(), body())
        };
        let future = pin!(bringing);
        let mut run = Run { load: &load, future };
        loop {
            match patience.wait(&mut run).await {
                Waited::Done(outcome) => break outcome,
                Waited::TooLong(end) => {
                    if let Some(outcome) = end.outcome::<OfBatch, _, _>(load.shared(), load.fallback()) {
                        return outcome;
                    }
                }
            }
        }
    };
    load.end::<OfBatch, _>(&outcome, &batches.keep_if);
    load.instead::<OfBatch, _>(outcome)
}

/// The panic of a task is that of the caller who has opened its batch, if it has panicked.
async fn rethrow(task: Option<JoinHandle<()>>) {
    if let Some(task) = task
        && let Err(error) = task.await
        && let Ok(panic) = error.try_into_panic()
    {
        resume_unwind(panic);
    }
}

/// A body's outcome for one key alone.
async fn one<K: Key, V: Value, E: Clone + Send + Sync + 'static>(key: K, body: Body<K, V>) -> Found<V, E> {
    match body(vec![key.clone()]).await {
        Ok(values) => Ok(values
            .into_iter()
            .rfind(|(found, _)| *found == key)
            .map(|(_, value)| value)),
        Err(error) => Outcome::<OfBatch>::from_failure(&error).unwrap_or_else(|| unreachable!("of its own type")),
    }
}
