//! Loads that their caller runs.
//!
//! [`obtain`] is compiled once for each load that users write, so it holds what concerns their future and no more. It is also
//! the only coroutine between a caller and that future, so that what a load is made of is not kept twice on the way down.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use super::Load;
use crate::cache::Cache;
use crate::key::{Key, Value};
use crate::outcome::Outcome;

/// Looks, and on a miss loads.
///
/// `look` finds the value, or says what a miss goes on with; `make` starts the load. Both have what was `given`, the one
/// to see and the other to keep. A hit allocates nothing and awaits nothing.
pub(crate) async fn obtain<T, K, V, R, G, F>(
    given: G,
    look: impl FnOnce(&G) -> Result<V, Load<K, V>>,
    keep_if: impl FnOnce(&V) -> bool,
    make: impl FnOnce(G) -> F,
) -> R
where
    K: Key,
    V: Value,
    R: Outcome<T, Value = V>,
    F: Future<Output = R>,
{
    let mut load = match look(&given) {
        Ok(value) => return R::hit(value),
        Err(load) => load,
    };
    while let Some(joined) = load.join().await {
        match load.make_of(joined) {
            ControlFlow::Break(outcome) => return outcome,
            ControlFlow::Continue(()) => {}
        }
    }
    let outcome = {
        let _edge = load.start();
        let future = pin!({
            let _running = load.running();
            make(given)
        });
        Run { load: &load, future }.await
    };
    load.end(&outcome, keep_if);
    load.instead(outcome)
}

/// Polls a load, known as running for as long as each poll takes. (With `poll_fn` there would be four functions to compile
/// for each load.)
pub(crate) struct Run<'l, K: Key, V: Value, F> {
    pub(crate) load: &'l Load<K, V>,
    pub(crate) future: Pin<&'l mut F>,
}

impl<K: Key, V: Value, F: Future> Future for Run<'_, K, V, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _running = self.load.running();
        self.future.as_mut().poll(cx)
    }
}

impl<K: Key, V: Value> Cache<K, V> {
    pub(crate) async fn find_or_load<T, R, F>(&self, key: K, load: impl FnOnce() -> F) -> R
    where
        R: Outcome<T, Value = V>,
        F: Future<Output = R>,
    {
        let shared = self.shared();
        let hash = shared.hash(&key);
        let look = move |(): &()| {
            shared
                .see(hash, &key, false)
                .map_err(|claim| Load::first(&shared, hash, key, None).with(claim))
        };
        obtain((), look, |_: &V| true, |()| load()).await
    }

    /// Loads now, in the place of whatever is under way.
    pub(crate) async fn reload<T, R, F>(&self, key: K, load: impl FnOnce() -> F) -> R
    where
        R: Outcome<T, Value = V>,
        F: Future<Output = R>,
    {
        let shared = self.shared();
        let look = move |(): &()| Err(Load::again(&shared, shared.hash(&key), key, None));
        obtain((), look, |_: &V| true, |()| load()).await
    }
}
