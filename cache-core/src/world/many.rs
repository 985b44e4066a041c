//! There are as many worlds as tests want, and a task says where it is by task-locals.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::key::{Key, Value};
use crate::observer;
use crate::registry::Kind;
use crate::shared::Shared;
use crate::tag::Tag;

tokio::task_local! {
    /// `None` in that of the process.
    static WORLD: Option<Arc<World>>;
    static DISABLED: bool;
}

/// What a cache is where it is used.
pub(crate) enum Here<'c, K, V> {
    Itself(&'c Arc<Shared<K, V>>),
    Like(Arc<Shared<K, V>>),
}

impl<'c, K: Key, V: Value> Here<'c, K, V> {
    pub(crate) fn of(cache: &'c Arc<Shared<K, V>>) -> Self {
        match World::current() {
            Some(world) if !cache.worlds().has(world.id) => Self::Like(world.like(cache)),
            _ => Self::Itself(cache),
        }
    }
}

impl<K, V> Deref for Here<'_, K, V> {
    type Target = Arc<Shared<K, V>>;

    fn deref(&self) -> &Arc<Shared<K, V>> {
        match self {
            Self::Itself(cache) => cache,
            Self::Like(like) => like,
        }
    }
}

/// A cache of any types.
type Like = Arc<dyn Any + Send + Sync>;

/// The caches of a test.
pub(crate) struct World {
    id: WorldId,
    /// By the serial number of what they are the like of.
    likes: Mutex<HashMap<u64, Like>>,
}

impl World {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(WorldId::OF_PROCESS.0 + 1);
        Self {
            // Only uniqueness matters, so no ordering does.
            id: WorldId(NEXT.fetch_add(1, Ordering::Relaxed)),
            likes: Mutex::default(),
        }
    }

    fn current() -> Option<Arc<Self>> {
        WORLD.try_with(Option::clone).ok().flatten()
    }

    /// What stands for a cache here.
    fn like<K: Key, V: Value>(&self, cache: &Arc<Shared<K, V>>) -> Arc<Shared<K, V>> {
        let serial = cache.serial();
        let find = |like: &Like| Arc::clone(like).downcast().ok();
        if let Some(found) = self.lock().get(&serial).and_then(find) {
            return found;
        }
        let made = cache.like(self.id);
        // Another task may have been faster. Then what was made goes after the lock.
        let mut likes = self.lock();
        let like = likes.entry(serial).or_insert_with(|| Arc::clone(&made) as _);
        find(like).unwrap_or(made)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Like>> {
        self.likes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        observer::forget(self.id);
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

/// Which world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WorldId(u64);

impl WorldId {
    const OF_PROCESS: Self = Self(0);

    pub(crate) fn current() -> Self {
        let id = WORLD.try_with(|world| world.as_ref().map(|world| world.id));
        id.ok().flatten().unwrap_or(Self::OF_PROCESS)
    }
}

/// The worlds that a cache is of.
#[derive(Clone, Copy)]
pub(crate) struct Worlds {
    first: WorldId,
    /// The world that it was made in, beside that of the process.
    second: Option<WorldId>,
}

impl Worlds {
    /// Of a cache that is being made.
    pub(crate) fn of_new(kind: Kind) -> Self {
        let current = WorldId::current();
        let is_of_test = kind == Kind::Builder && current != WorldId::OF_PROCESS;
        Self {
            first: WorldId::OF_PROCESS,
            second: is_of_test.then_some(current),
        }
    }

    pub(crate) fn only(world: WorldId) -> Self {
        Self {
            first: world,
            second: None,
        }
    }

    pub(crate) fn has(self, world: WorldId) -> bool {
        self.first == world || self.second == Some(world)
    }

    /// Tags as its entries have them, wherever they were made.
    pub(crate) fn put_on(self, tags: Vec<Tag>) -> Vec<Tag> {
        let of_worlds = |tag: Tag| {
            let second = self.second.map(|world| tag.clone().of(world));
            [tag.of(self.first)].into_iter().chain(second)
        };
        tags.into_iter().flat_map(of_worlds).collect()
    }
}

/// Where a task is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    world: Option<Arc<World>>,
    is_disabled: bool,
}

impl Place {
    pub(crate) fn current() -> Self {
        Self {
            world: World::current(),
            is_disabled: is_disabled(),
        }
    }

    /// In a world that nobody has been in.
    pub(crate) fn new() -> Self {
        Self {
            world: Some(Arc::new(World::new())),
            is_disabled: false,
        }
    }

    /// Puts a future there.
    pub(crate) fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        WORLD.scope(self.world, DISABLED.scope(self.is_disabled, future))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        let id = |place: &Self| place.world.as_ref().map(|world| world.id);
        id(self) == id(other) && self.is_disabled == other.is_disabled
    }
}

/// Puts a future where nothing is found nor kept.
pub(crate) fn disabled<F: Future>(future: F) -> impl Future<Output = F::Output> {
    DISABLED.scope(true, future)
}

/// Whether nothing is to be found nor kept.
pub(crate) fn is_disabled() -> bool {
    DISABLED.try_with(|is_disabled| *is_disabled).unwrap_or(false)
}

#[cfg(all(test, not(cache_core_model)))]
mod tests {
    use std::sync::Weak;

    use super::*;
    use crate::cache::Cache;
    use crate::clock::Clock;

    fn assert_send<T: Send>(value: T) -> T {
        value
    }

    /// A lookup may be made here and asked for there.
    #[tokio::test]
    async fn a_like_hashes_as_what_it_stands_for() {
        let cache = Cache::<u64, u64>::builder().build();
        let hash = || (0..10).map(|key| cache.shared().hash(&key)).collect::<Vec<_>>();
        assert_eq!(Place::new().scope(async { hash() }).await, hash());
    }

    /// What of it has met a clock that a test has paused, and is left alone by the reaper from then on.
    #[tokio::test(start_paused = true)]
    async fn what_a_test_does_with_time_does_not_matter_outside() {
        let clock = Clock::system();
        let cache = Cache::<u64, u64>::builder().clock(clock.clone()).build();
        let keep = |ttl| cache.insert_with_ttl(1, 1, std::time::Duration::from_secs(ttl));
        Place::new().scope(keep(60)).await;
        assert!(clock.runs());
        keep(60).await;
        assert!(!clock.runs());
    }

    /// The future of a test that spawns it has to be `Send`, and goes with all it has.
    #[tokio::test]
    async fn a_world_goes_with_the_last_who_is_in_it() {
        let cache = Cache::<u64, u64>::builder().build();
        let place = Place::new();
        let world = place.world.as_ref().map(Arc::downgrade);
        let like = Mutex::new(Weak::new());
        let kept = place.clone().scope(async {
            cache.insert(1, 1).await;
            *like.lock().expect("nobody panicked") = Arc::downgrade(&cache.shared());
            Place::current()
        });
        let kept = assert_send(kept).await;
        drop(place);
        let strong = || like.lock().map(|like| like.strong_count());
        // Nobody but the world.
        assert_eq!(strong().ok(), Some(1));
        drop(kept);
        assert_eq!(
            (strong().ok(), world.map(|world| world.strong_count())),
            (Some(0), Some(0))
        );
    }
}
