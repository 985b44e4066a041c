//! Warm-up: what is not there is loaded, so many keys at a time, before anybody asks for it.
//!
//! Each key is loaded by the same way as any miss, through the table of flights: a load that is under way is joined, others
//! join this one, and an invalidation detaches it.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt as _;

use crate::cache::Cache;
use crate::key::{Key, Value};
use crate::load::{Load, obtain};
use crate::outcome::{Kind, Outcome, SHARED};
use crate::shared::Shared;
use crate::{reentry, world};

impl<K: Key, V: Value> Cache<K, V> {
    /// Loads the keys that are not there, at most `concurrency` at once (0 counts as 1), and reports on it.
    ///
    /// A key that is there, and not past its TTL, is skipped. A load of a key that is under way is waited for, and callers who
    /// ask for a key meanwhile share the load. None of it counts as a hit or a miss. The keys are drawn as they are needed.
    ///
    /// # Errors
    /// None: a load that fails is counted, and does not stop the others. As for
    /// [`try_get_or_load`](Self::try_get_or_load) its error reaches whoever waits for it. An old value that is served in its
    /// place does not make it a success.
    ///
    /// # Cancellation
    /// Dropped half way, it leaves what was loaded, and takes the loads with it that are under way. Callers that wait for one
    /// of them load in its stead.
    ///
    /// # Panics
    /// If `load` panics, which ends it.
    ///
    /// # Example: two were missing
    /// ```
    /// use cache_core::Cache;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let squares = Cache::<u64, u64>::builder().build();
    /// squares.insert(2, 4).await;
    /// let warmed = squares
    ///     .warm(1..=3, 8, |n| async move { Ok::<_, String>(n * n) })
    ///     .on_progress(|progress| println!("{progress}"))
    ///     .await;
    /// assert_eq!((warmed.loaded, warmed.skipped, warmed.failed), (2, 1, 0));
    /// # }
    /// ```
    pub fn warm<I, E, L, F>(
        &self,
        keys: I,
        concurrency: usize,
        load: L,
    ) -> Warmup<impl Stream<Item = Step> + use<K, V, I, E, L, F>>
    where
        I: IntoIterator<Item = K>,
        E: Clone + Send + Sync + 'static,
        L: Fn(K) -> F,
        F: Future<Output = Result<V, E>>,
    {
        let cache = self.clone();
        let load = Arc::new(load);
        let keep_if = |_: &V| true;
        each(keys, concurrency, move |key| {
            let (cache, load) = (cache.clone(), Arc::clone(&load));
            async move {
                let shared = Arc::clone(&cache.shared());
                one::<Kind<SHARED>, _, _, _, _>(&shared, key, keep_if, |key| load(key)).await
            }
        })
    }
}

/// Loads a key, if it is not there.
pub(crate) async fn one<T, K, V, R, F>(
    shared: &Arc<Shared<K, V>>,
    key: K,
    keep_if: impl FnOnce(&V) -> bool,
    load: impl FnOnce(K) -> F,
) -> Step
where
    K: Key,
    V: Value,
    R: Outcome<T, Value = V>,
    F: Future<Output = R>,
{
    let hash = shared.hash(&key);
    // With caches off there is nothing to make warm.
    if world::is_disabled() || shared.is_fresh(hash, &key) {
        return Step::Skipped;
    }
    let look = |key: &K| Err(Load::first(shared, hash, key.clone(), None).unasked());
    let outcome = obtain(key, look, keep_if, load).await;
    if outcome.success().is_some() || outcome.is_nothing() {
        Step::Loaded
    } else {
        Step::Failed
    }
}

tokio::task_local! {
    /// What is heard of the calls that a warm-up makes for one key.
    static CALLS: Calls;
}

struct Calls {
    /// How deep the warm-up itself is in loads: calls from inside of the loads that it has begun are none of its own.
    depth: usize,
    have_missed: Cell<bool>,
    have_failed: Cell<bool>,
}

/// A call of a cached function has found nothing. Whether it was made for a warm-up, so that nobody has asked for it.
pub(crate) fn note_miss() -> bool {
    note(|calls| calls.have_missed.set(true))
}

/// Whether a call of a cached function is made for a warm-up, to which no old value is of any use.
pub(crate) fn is_asking() -> bool {
    note(|_| {})
}

/// A call of a cached function has failed.
pub(crate) fn note_failure() {
    note(|calls| calls.have_failed.set(true));
}

fn note(note: impl FnOnce(&Calls)) -> bool {
    let noted = CALLS.try_with(|calls| {
        let is_own = calls.depth == reentry::depth();
        if is_own {
            note(calls);
        }
        is_own
    });
    noted.unwrap_or(false)
}

/// Calls cached functions for many keys, for so many at once (0 counts as 1), so that what is not there is loaded before
/// anybody asks for it.
///
/// A key is skipped if all that is called for it was there, which counts as hits; it was loaded if something had to be, which counts
/// as no miss; and it has failed if something failed. As with [`Cache::warm`] an old value serves in the place of none of that. It works
/// for any cached function, method or batch, and for several at once. What the loads themselves call is their own concern.
///
/// # Errors
/// None: what fails is counted, and does not stop the others.
///
/// # Cancellation
/// Dropped half way, it leaves what was loaded, and takes the calls with it that are under way.
///
/// # Panics
/// If a call panics, which ends it.
///
/// # Example: two functions
/// ```
/// # #[cfg(feature = "macros")] {
/// use cache_core::cached_lru;
///
/// #[cached_lru]
/// async fn get_name(id: u64) -> String {
///     format!("user {id}")
/// }
///
/// #[cached_lru]
/// async fn get_cart(id: u64, region: &str) -> Result<Vec<u64>, String> {
///     if id == 3 { Err("down".to_owned()) } else { Ok(vec![id]) }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let warmed = cache_core::warm(1..=3, 8, |id| async move {
///     get_name(id).await;
///     let _ = get_cart(id, "eu").await;
/// })
/// .on_progress(|progress| println!("{progress}"))
/// .await;
/// assert_eq!((warmed.loaded, warmed.skipped, warmed.failed), (2, 0, 1));
/// # }
/// # main();
/// # }
/// ```
pub fn warm<I, L, F>(keys: I, concurrency: usize, call: L) -> Warmup<impl Stream<Item = Step> + use<I, L, F>>
where
    I: IntoIterator,
    L: FnMut(I::Item) -> F,
    F: Future,
{
    let mut call = call;
    each(keys, concurrency, move |key| {
        let called = call(key);
        async move {
            if world::is_disabled() {
                return Step::Skipped;
            }
            let calls = Calls {
                depth: reentry::depth(),
                have_missed: Cell::new(false),
                have_failed: Cell::new(false),
            };
            let heard = async move {
                called.await;
                CALLS.with(|calls| match (calls.have_missed.get(), calls.have_failed.get()) {
                    (_, true) => Step::Failed,
                    (true, false) => Step::Loaded,
                    (false, false) => Step::Skipped,
                })
            };
            CALLS.scope(calls, heard).await
        }
    })
}

/// What has become of a key.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// It was loaded.
    Loaded,
    /// It was there.
    Skipped,
    /// Its load has failed.
    Failed,
}

/// A warm-up, which begins when it is awaited. See [`Cache::warm`].
///
/// # Example: in the background
/// ```
/// # use cache_core::Cache;
/// # async fn load(id: u64) -> Result<u64, String> { Ok(id) }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let cache = Cache::<u64, u64>::builder().build();
/// let warming = tokio::spawn(cache.warm(0..100, 8, load));
/// assert_eq!(warming.await.unwrap().loaded, 100);
/// # }
/// ```
#[must_use = "a warm-up does nothing unless it is awaited"]
pub struct Warmup<S, P = fn(Progress)> {
    steps: Pin<Box<S>>,
    on_progress: Option<P>,
    progress: Progress,
}

/// Sees to each key by `step`, to so many at once.
pub(crate) fn each<I, L, F>(keys: I, concurrency: usize, step: L) -> Warmup<impl Stream<Item = Step> + use<I, L, F>>
where
    I: IntoIterator,
    L: FnMut(I::Item) -> F,
    F: Future<Output = Step>,
{
    let keys = keys.into_iter();
    let total = match keys.size_hint() {
        (least, Some(most)) if least == most => Some(most),
        _ => None,
    };
    let steps = futures_util::stream::iter(keys.map(step)).buffer_unordered(concurrency.max(1));
    Warmup {
        steps: Box::pin(steps),
        on_progress: None,
        progress: Progress {
            total,
            so_far: Warmed::default(),
        },
    }
}

impl<S, P> Warmup<S, P> {
    /// Has a function called after each key, in the place of any it had.
    ///
    /// It runs where the warm-up is polled, between loads, so it should be quick. Its panic ends the warm-up.
    ///
    /// # Example: a bar
    /// ```
    /// # use cache_core::Cache;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let cache = Cache::<u64, u64>::builder().build();
    /// let mut seen = Vec::new();
    /// cache
    ///     .warm(1..=3, 1, |n| async move { Ok::<_, String>(n) })
    ///     .on_progress(|progress| seen.push((progress.done(), progress.total)))
    ///     .await;
    /// assert_eq!(seen, [(1, Some(3)), (2, Some(3)), (3, Some(3))]);
    /// # }
    /// ```
    pub fn on_progress<F: FnMut(Progress)>(self, on_progress: F) -> Warmup<S, F> {
        Warmup {
            steps: self.steps,
            on_progress: Some(on_progress),
            progress: self.progress,
        }
    }
}

// Of the fields only the stream is pinned, behind its box.
impl<S, P> Unpin for Warmup<S, P> {}

impl<S: Stream<Item = Step>, P: FnMut(Progress)> Future for Warmup<S, P> {
    type Output = Warmed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Warmed> {
        let this = &mut *self;
        while let Some(step) = std::task::ready!(this.steps.as_mut().poll_next(cx)) {
            let so_far = &mut this.progress.so_far;
            *match step {
                Step::Loaded => &mut so_far.loaded,
                Step::Skipped => &mut so_far.skipped,
                Step::Failed => &mut so_far.failed,
            } += 1;
            if let Some(on_progress) = &mut this.on_progress {
                on_progress(this.progress);
            }
        }
        Poll::Ready(this.progress.so_far)
    }
}

impl<S, P> fmt::Debug for Warmup<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warmup")
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

/// How far a [warm-up](Cache::warm) has come.
///
/// # Example: in a line
/// ```
/// # use cache_core::Cache;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let cache = Cache::<u64, u64>::builder().build();
/// let mut line = String::new();
/// cache
///     .warm([1, 2], 8, |n| async move { if n == 1 { Ok(n) } else { Err("down") } })
///     .on_progress(|progress| line = progress.to_string())
///     .await;
/// assert_eq!(line, "2 of 2: loaded 1, skipped 0, failed 1");
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What has become of the keys that were seen to.
    pub so_far: Warmed,
    /// How many keys there are, if that was known beforehand.
    pub total: Option<usize>,
}

impl Progress {
    /// How many keys were seen to.
    ///
    /// # Example: a percentage
    /// ```
    /// fn percent(progress: cache_core::Progress) -> Option<usize> {
    ///     Some(progress.done() * 100 / progress.total?.max(1))
    /// }
    /// ```
    pub fn done(&self) -> usize {
        let Warmed {
            loaded,
            skipped,
            failed,
        } = self.so_far;
        loaded + skipped + failed
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.done())?;
        if let Some(total) = self.total {
            write!(f, " of {total}")?;
        }
        write!(f, ": {}", self.so_far)
    }
}

/// What a [warm-up](Cache::warm) has come to.
///
/// # Example: in the log
/// ```
/// # use cache_core::Cache;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let cache = Cache::<u64, u64>::builder().build();
/// let warmed = cache.warm([7, 7], 1, |n| async move { Ok::<_, String>(n) }).await;
/// assert_eq!(warmed.to_string(), "loaded 1, skipped 1, failed 0");
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warmed {
    /// Keys that were loaded, by this or by a load that was under way.
    pub loaded: usize,
    /// Keys that were there.
    pub skipped: usize,
    /// Keys whose load has failed.
    pub failed: usize,
}

impl fmt::Display for Warmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "loaded {}, skipped {}, failed {}",
            self.loaded, self.skipped, self.failed
        )
    }
}
