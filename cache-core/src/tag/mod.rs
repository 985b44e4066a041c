//! Tags: what entries of any caches have in common, so that they can be invalidated together.
//!
//! The [`Index`] knows, for each tag, the entries that carry it and are alive, and what a load that is still under way has
//! to know when it lands: whether one of its tags has been invalidated since it began, or is being mutated. There is one
//! index for the process. The names of tags are exact; no two share a place.
//!
//! # How the promise holds for tags
//! A clock counts invalidations. A load of a tagged cache gets a [`Ticket`] with the time at which it began, before it is
//! registered as a flight. An invalidation of a tag first turns the clock and notes the new time at the tag, and then
//! evicts the entries that are listed under it. A load that lands lists its entry under each of its tags before it is
//! stored, all under the flight table's lock of its key. Under the lock of a tag's shard one of two things is first:
//!
//! - the note: then the load is refused, because it began before;
//! - the listing: then the invalidation finds the entry, waits for the lock of its key, by which time it is stored, and
//!   evicts it.
//!
//! That needs no knowledge of a load's tags before it lands, so it covers those that are made of the loaded value. Whoever
//! *joins* a load after a tag was invalidated must not have its value either: if the tags are known, the load is not joined
//! any more ([`Origin::is_outdated`]); if they turn out at the end, who joined after that invalidation does not take
//! the value and asks again ([`Origin::outdated_from`]). A mutation is an invalidation at its start and at its end, and
//! between them the tag is fenced: whatever lands with it is refused.
//!
//! # What is kept, and for how long
//! A tag has a record while it has living entries, a fence, or a note that some load under way may need; each entry, fence
//! and ticket takes away what it brought when it goes. Entries are known weakly, and unlist themselves when they are
//! dropped. Notes are bounded: when there are too many, those of loads that began before are *forgotten*, and the loads with
//! them, which are refused and not joined whatever their tags.
//!
//! # Lock order
//! flight table's lock of a key → clock → shard of a tag. Entries are evicted, and references to them dropped, under none.

mod index;
mod load;
mod name;
#[cfg(all(test, not(cache_core_model)))]
mod tests;

use std::sync::LazyLock;

pub(crate) use self::index::{Evict, Index, Listing};
pub(crate) use self::load::{NEVER, NOW, Origin};
pub use self::name::{Labels, TagList, Tags};
pub(crate) use self::name::{Tag, TagValue};
use crate::mutation::MutationGuard;

/// Invalidates everything that carries a tag, in all caches of the process, and says how many entries that were.
///
/// It has the force of any invalidation: once it has returned, no call that starts later gets a value with this tag that
/// began to load before that. Loads that are under way count too, even those whose tags are only known once they
/// finish. What carries other tags goes on meanwhile.
///
/// # Cancellation
/// What was to be evicted is evicted even if this is cancelled, once it has been polled.
///
/// # Example: two caches, one tag
/// ```
/// use cache_core::Cache;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let names = Cache::<u64, &str>::builder().tags(|id| [format!("user:{id}")]).build();
/// let carts = Cache::<u64, u32>::builder().tags(|id| [format!("user:{id}")]).build();
/// names.insert(7, "Ada").await;
/// carts.insert(7, 2).await;
///
/// assert_eq!(cache_core::invalidate_tag("user:7").await, 2);
/// assert_eq!((names.get(&7), carts.get(&7)), (None, None));
/// # }
/// ```
pub async fn invalidate_tag(tag: impl AsRef<str>) -> usize {
    let tag = Tag::user(tag.as_ref());
    index().invalidate(&tag).await
}

/// Begins a mutation of what a tag stands for: evicts all that carries it now, keeps nothing that carries it until the
/// guard ends, and evicts again then. It evicts without giving way, however many entries that are, and so does its end.
///
/// # Example: around a write
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # async fn write() {}
/// let guard = cache_core::begin_tag_mutation("user:7").await;
/// write().await;
/// guard.finish().await;
/// # }
/// ```
pub async fn begin_tag_mutation(tag: impl AsRef<str>) -> MutationGuard {
    MutationGuard::tag(index(), Tag::user(tag.as_ref()))
}

/// The index of the process.
pub(crate) fn index() -> &'static Index {
    static INDEX: LazyLock<Index> = LazyLock::new(Index::new);
    &INDEX
}
