//! The events of a cache as a stream, which may be read late and never makes the cache wait.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use thiserror::Error;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use super::{Event, Subscription};
use crate::cache::Cache;
use crate::key::{Key, Value};

/// Events that a stream keeps for its reader unless told otherwise.
const DEFAULT_CAPACITY: usize = 1024;

/// The most that it keeps, whatever it is told: room for all of them is made at once.
const MOST: usize = 1 << 20;

/// The changes of a cache, one after the other. Made by [`Cache::events`].
///
/// It keeps a bounded number of events for a reader that is late; what is older than that is lost, and the reader is told
/// how many these were. It ends when the cache is gone, which it does not keep alive. Dropping it ends the subscription.
///
/// # Example: what is evicted
/// ```
/// use cache_core::{Cache, observer::Cause};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let cache = Cache::<u64, u64>::builder().max_size(1).build();
/// let mut events = cache.events();
/// cache.insert(1, 1).await;
/// cache.insert(2, 4).await;
/// drop(cache);
///
/// let mut causes = Vec::new();
/// while let Some(event) = events.recv().await {
///     let event = event.expect("no more than the stream keeps");
///     causes.push((*event.key(), event.cause()));
/// }
/// assert_eq!(causes, [(1, Cause::Inserted), (2, Cause::Inserted), (1, Cause::Evicted)]);
/// # }
/// ```
pub struct Events<K, V> {
    stream: BroadcastStream<Event<K, V>>,
    /// Ends with the stream.
    subscription: Subscription,
}

/// The reader of a stream was too late for so many events.
///
/// # Example: one place, two events
/// ```
/// use cache_core::{Cache, observer::Missed};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let cache = Cache::<u64, u64>::builder().build();
/// let mut events = cache.events_with_capacity(1);
/// cache.insert(1, 1).await;
/// cache.insert(2, 4).await;
/// assert_eq!(events.recv().await.unwrap().unwrap_err(), Missed(1));
/// assert_eq!(*events.recv().await.unwrap().unwrap().key(), 2);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "the reader was too slow for {0} events of the cache; read faster, or ask for more room with `events_with_capacity`"
)]
pub struct Missed(pub u64);

impl<K: Key, V: Value> Cache<K, V> {
    /// A stream of the changes from now on, which keeps 1024 events for a reader that is late.
    ///
    /// It never slows the cache.
    ///
    /// # Example: one change
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// let mut events = cache.events();
    /// cache.insert(7, 49).await;
    /// let event = events.recv().await.unwrap().unwrap();
    /// assert_eq!((*event.key(), event.value()), (7, Some(&49)));
    /// # }
    /// ```
    pub fn events(&self) -> Events<K, V> {
        self.events_with_capacity(DEFAULT_CAPACITY)
    }

    /// The same with room for `capacity` events, rounded up to a power of two: at least one, and about a million at most.
    ///
    /// # Example: room for a burst
    /// ```
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// let events = cache.events_with_capacity(10_000);
    /// # drop(events);
    /// ```
    pub fn events_with_capacity(&self, capacity: usize) -> Events<K, V> {
        let (sender, receiver) = broadcast::channel(capacity.clamp(1, MOST));
        let subscription = self.observe(move |event: &Event<K, V>| {
            // It fails when the reader has gone, whose subscription is about to end then.
            let _ = sender.send(event.clone());
        });
        Events {
            stream: BroadcastStream::new(receiver),
            subscription,
        }
    }
}

impl<K: Key, V: Value> Events<K, V> {
    /// The next event, or how many were missed; `None` once the cache is gone.
    ///
    /// # Cancellation
    /// Dropping this future loses no event.
    ///
    /// # Errors
    /// [`Missed`] inside of the option, if the reader was too slow; the next call goes on with what there still is.
    ///
    /// # Example: the end
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = cache_core::Cache::<u64, u64>::builder().build();
    /// let mut events = cache.events();
    /// drop(cache);
    /// assert!(events.recv().await.is_none());
    /// # }
    /// ```
    pub async fn recv(&mut self) -> Option<Result<Event<K, V>, Missed>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<K: Key, V: Value> Stream for Events<K, V> {
    type Item = Result<Event<K, V>, Missed>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.stream).poll_next(cx);
        next.map(|next| next.map(|next| next.map_err(|BroadcastStreamRecvError::Lagged(missed)| Missed(missed))))
    }
}

impl<K, V> fmt::Debug for Events<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("subscription", &self.subscription)
            .finish_non_exhaustive()
    }
}
