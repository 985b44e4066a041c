//! The task of a batch: waits until it is closed, calls the body once, and lands each key.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::open::{Batches, Order, Orders, Seat};
use super::{Body, Bringing};
use crate::background;
use crate::flight::{FlightId, SharedError};
use crate::key::{Key, Value};
use crate::load::Load;
use crate::reentry::{self, Running};
use crate::stats::Count;
use crate::store::drop_each;

pub(super) async fn run<K: Key, V: Value>(
    seat: Seat<K, V>,
    when_full: oneshot::Receiver<Orders<K, V>>,
    body: Body<K, V>,
) {
    let Some(orders) = closed(&seat, when_full).await else {
        return;
    };
    if let Some(order) = orders.all.first() {
        order.last.count(Count::Batches);
    }
    let loads = || orders.all.iter().flat_map(Order::loads);
    for load in loads() {
        load.start();
    }
    let _gathered = reentry::gather(loads().filter_map(Load::flight).collect(), seat.id);
    let brought = {
        let keys = orders.all.iter().map(|order| order.last.key().clone()).collect();
        let mut future = {
            let _running = Running::enter(seat.id);
            body(keys)
        };
        Bring {
            id: seat.id,
            future: &mut future,
        }
        .await
    };
    land(orders, brought, &seat.batches);
}

/// What is in the batch once it is closed. `None` if somebody has closed it and is gone.
async fn closed<K: Key, V: Value>(
    seat: &Seat<K, V>,
    mut when_full: oneshot::Receiver<Orders<K, V>>,
) -> Option<Orders<K, V>> {
    let window = seat.batches.window;
    let mut window = if window.is_zero() {
        None
    } else {
        background::timer(window)
    };
    let mut is_open = true;
    poll_fn(|cx| {
        if let Poll::Ready(orders) = Pin::new(&mut when_full).poll(cx) {
            return Poll::Ready(orders.ok());
        }
        if is_open && window.as_mut().is_none_or(|window| window.as_mut().poll(cx).is_ready()) {
            is_open = false;
            if let Some(orders) = seat.close() {
                return Poll::Ready(Some(orders));
            }
            // Whoever has filled it just now is about to send it.
        }
        Poll::Pending
    })
    .await
}

/// Polls a body, known as running for as long as each poll takes.
struct Bring<'f, K, V> {
    id: FlightId,
    future: &'f mut Bringing<K, V>,
}

impl<K, V> Future for Bring<'_, K, V> {
    type Output = Result<Vec<(K, V)>, SharedError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let _running = Running::enter(self.id);
        self.future.as_mut().poll(cx)
    }
}

/// Lands each key by what the body has brought.
fn land<K: Key, V: Value>(orders: Orders<K, V>, brought: Result<Vec<(K, V)>, SharedError>, batches: &Batches<K, V>) {
    let mut values: Vec<Result<Option<V>, SharedError>> = Vec::new();
    match brought {
        Err(error) => values.resize_with(orders.all.len(), || Err(error.clone())),
        Ok(all) => {
            values.resize_with(orders.all.len(), || Ok(None));
            let mut unused = Vec::new();
            for (key, value) in all {
                let place = orders.all.first().and_then(|order| {
                    let hash = order.last.shared().hash(&key);
                    orders.place(hash, &key)
                });
                match place {
                    Some(place) => unused.extend(std::mem::replace(&mut values[place], Ok(Some(value))).ok().flatten()),
                    None => unused.push(value),
                }
            }
            drop_each(unused);
        }
    }
    for (Order { last, others }, value) in orders.all.into_iter().zip(values) {
        for other in others {
            land_one(other, || value.clone(), batches);
        }
        land_one(last, || value, batches);
    }
}

/// The panic of what concerns one key (a clone, a weight, a tag) is not that of the others.
fn land_one<K: Key, V: Value>(
    load: Load<K, V>,
    value: impl FnOnce() -> Result<Option<V>, SharedError>,
    batches: &Batches<K, V>,
) {
    let _ = catch_unwind(AssertUnwindSafe(move || load.bring(value(), &batches.keep_if)));
}
