//! A value with the revision it was made at, and what is known of both since.

use std::any::{Any, type_name};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Number;
use crate::clock::Nanos;
use crate::sync::AtomicU64;

/// A revision of any type.
///
/// # Example: its type is known to who has read it
/// ```
/// use cache_core::revision::Revision;
///
/// let revision = Revision::new(7_u64);
/// assert_eq!(revision.downcast_ref::<u64>(), Some(&7));
/// assert_eq!(revision, Revision::new(7_u64));
/// // Revisions of two types are never the same.
/// assert_ne!(revision, Revision::new(7_u32));
/// ```
#[derive(Clone)]
pub struct Revision(Arc<dyn Erased>);

trait Erased: Any + Send + Sync {
    fn is(&self, other: &dyn Any) -> bool;
    fn as_any(&self) -> &dyn Any;
    fn type_name(&self) -> &'static str;
}

impl<R: Eq + Send + Sync + 'static> Erased for R {
    fn is(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<R>() == Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn type_name(&self) -> &'static str {
        type_name::<R>()
    }
}

impl Revision {
    /// Forgets the type of a revision.
    ///
    /// # Example: a text
    /// ```
    /// let revision = cache_core::revision::Revision::new("v1".to_owned());
    /// assert!(revision.downcast_ref::<String>().is_some());
    /// ```
    pub fn new<R: Eq + Send + Sync + 'static>(revision: R) -> Self {
        Self(Arc::new(revision))
    }

    /// The revision, if it is of that type.
    ///
    /// # Example: of another one
    /// ```
    /// let revision = cache_core::revision::Revision::new(7_u64);
    /// assert_eq!(revision.downcast_ref::<i64>(), None);
    /// ```
    pub fn downcast_ref<R: 'static>(&self) -> Option<&R> {
        (*self.0).as_any().downcast_ref()
    }
}

impl PartialEq for Revision {
    fn eq(&self, other: &Self) -> bool {
        (*self.0).is((*other.0).as_any())
    }
}

impl Eq for Revision {}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revision({})", (*self.0).type_name())
    }
}

/// A value as it is kept in a cache whose values live as long as the revision of their data.
///
/// # Example: what there is, past the revision
/// ```
/// use cache_core::Cache;
/// use cache_core::revision::Revised;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let cache = Cache::<u64, Revised<u64>>::builder().build();
/// cache.get_at_revision(7, async { 1_u32 }, || async { 49 }).await;
/// let kept = cache.peek(&7).unwrap();
/// assert_eq!(*kept.value(), 49);
/// assert_eq!(kept.revision().and_then(|it| it.downcast_ref::<u32>()), Some(&1));
/// # }
/// ```
#[derive(Clone)]
pub struct Revised<V> {
    value: V,
    about: Arc<About>,
}

impl<V> Revised<V> {
    pub(crate) fn new(value: V, about: About) -> Self {
        Self {
            value,
            about: Arc::new(about),
        }
    }

    /// The value.
    ///
    /// # Example: borrowed
    /// ```
    /// use cache_core::revision::Revised;
    /// fn length(page: &Revised<String>) -> usize {
    ///     page.value().len()
    /// }
    /// ```
    pub fn value(&self) -> &V {
        &self.value
    }

    /// The same, taken out.
    ///
    /// # Example: taken out
    /// ```
    /// use cache_core::revision::Revised;
    /// fn page(page: Revised<String>) -> String {
    ///     page.into_value()
    /// }
    /// ```
    pub fn into_value(self) -> V {
        self.value
    }

    /// The revision it is kept under. `None` if that could not be read when it was loaded.
    ///
    /// # Example: a number
    /// ```
    /// use cache_core::revision::Revised;
    /// fn number(page: &Revised<String>) -> Option<u64> {
    ///     page.revision()?.downcast_ref().copied()
    /// }
    /// ```
    pub fn revision(&self) -> Option<&Revision> {
        self.about.revision.as_ref()
    }

    pub(crate) fn about(&self) -> &Arc<About> {
        &self.about
    }
}

impl<V: fmt::Debug> fmt::Debug for Revised<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revised")
            .field("value", &self.value)
            .field("revision", &self.about.revision)
            .finish_non_exhaustive()
    }
}

/// What is known of a value, shared by its clones.
pub(crate) struct About {
    revision: Option<Revision>,
    /// The number of its load, see [`Gate`](super::Gate).
    began: Number,
    /// When its load began.
    pub(crate) loaded_at: Nanos,
    /// When it was last known to be up to date.
    confirmed_at: AtomicU64,
    /// 1 while somebody brings a new one.
    claims: AtomicU64,
    /// A load has failed, and until then none is tried in the background.
    retry_at: AtomicU64,
}

impl About {
    pub(crate) fn new(revision: Option<Revision>, began: Number, loaded_at: Nanos) -> Self {
        Self {
            revision,
            began,
            loaded_at,
            confirmed_at: AtomicU64::new(loaded_at),
            claims: AtomicU64::new(0),
            retry_at: AtomicU64::new(0),
        }
    }

    pub(crate) fn revision(&self) -> Option<&Revision> {
        self.revision.as_ref()
    }

    /// Whether it was made at this revision.
    pub(crate) fn is_of<R: Eq + 'static>(&self, revision: &R) -> bool {
        self.revision
            .as_ref()
            .is_some_and(|it| it.downcast_ref::<R>() == Some(revision))
    }

    /// Whether its load began after so many others had.
    pub(crate) fn began_after(&self, others: Number) -> bool {
        self.began.is_after(others)
    }

    /// Whether it is good for a call that has read this revision, when so many loads had begun.
    pub(crate) fn is_good_for(&self, revision: &Revision, loads: Number) -> bool {
        self.revision.as_ref() == Some(revision) || self.began_after(loads)
    }

    /// Notes that it was up to date then, unless that is hardly news. So entries that all cores read are seldom written.
    pub(crate) fn confirm(&self, at: Nanos, grain: Nanos) {
        if at.saturating_sub(self.confirmed_at.load(Ordering::Relaxed)) >= grain.max(1) {
            self.confirmed_at.fetch_max(at, Ordering::Relaxed);
        }
    }

    /// For how long it may not have been up to date.
    pub(crate) fn staleness(&self, now: Nanos) -> Nanos {
        now.saturating_sub(self.confirmed_at.load(Ordering::Relaxed))
    }

    /// Takes it on oneself to bring a new value. `false` if somebody else is at that, or has failed to just now.
    pub(crate) fn claim(&self, now: Nanos) -> bool {
        // Only which of two comes first matters: what they do then goes through the table of flights.
        now >= self.retry_at.load(Ordering::Relaxed)
            && self.claims.load(Ordering::Relaxed) == 0
            && self.claims.swap(1, Ordering::Relaxed) == 0
    }

    /// Gives that up.
    pub(crate) fn release(&self) {
        self.claims.store(0, Ordering::Relaxed);
    }

    /// None is to be tried until then.
    pub(crate) fn postpone(&self, until: Nanos) {
        self.retry_at.fetch_max(until, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revision::{Gate, Rule};

    /// What all cores read is not to be written by each hit, and never says more than is known.
    #[test]
    fn what_is_hardly_news_is_not_noted() {
        let gate = Gate::new(Rule::default());
        let about = About::new(None, gate.begin(), 100);
        let grain = gate.grain();
        for (at, noted) in [(100 + grain - 1, 100), (100 + grain, 100 + grain), (100, 100 + grain)] {
            about.confirm(at, grain);
            assert_eq!(about.staleness(1_000 + grain), 1_000 + grain - noted);
        }
    }
}
