//! Sessions: whose turn it is, and what was kept for whom.
//!
//! A session is a task-local. A function that is cached by session is keyed by the current one beside its arguments, and
//! what is kept for a session is tagged with it, so that its end is the invalidation of one tag.

use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use equivalent::Equivalent;

use crate::tag::{self, Tag};

tokio::task_local! {
    static CURRENT: Option<SessionId>;
}

/// Names a session. Two are the same if their texts are, whatever bytes those hold.
///
/// # Example: of a text or a number
/// ```
/// use cache_core::session::SessionId;
///
/// assert_eq!(SessionId::new("a7"), SessionId::from("a7".to_owned()));
/// assert_eq!(SessionId::new(7).as_str(), "7");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// Of anything that can be displayed: a text, a number, a UUID.
    ///
    /// # Example: a number
    /// ```
    /// assert_eq!(cache_core::session::SessionId::new(7).to_string(), "7");
    /// ```
    pub fn new(id: impl fmt::Display) -> Self {
        Self(id.to_string().into())
    }

    /// The text.
    ///
    /// # Example: as it was given
    /// ```
    /// assert_eq!(cache_core::session::SessionId::new("a7").as_str(), "a7");
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionId").field(&&*self.0).finish()
    }
}

impl From<&str> for SessionId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl From<String> for SessionId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl From<Arc<str>> for SessionId {
    fn from(id: Arc<str>) -> Self {
        Self(id)
    }
}

impl AsRef<str> for SessionId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&Self> for SessionId {
    fn from(id: &Self) -> Self {
        id.clone()
    }
}

/// Runs a future in a session: what it calls that is cached by session is kept for that session, and seen by no other.
///
/// What is cached for everybody (a function without `scope = "session"`) MUST NOT be made of what is cached for a session: it
/// would be kept for everybody. A session within a session hides the outer one. Tasks that the future spawns are outside, unless they are put into
/// [`current`] again.
///
/// # Example: each its own
/// ```
/// use cache_core::session::{self, SessionId};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let id = SessionId::new("a7");
/// let seen = session::scope(&id, async { session::current() }).await;
/// assert_eq!(seen, Some(id));
/// assert_eq!(session::current(), None);
/// # }
/// ```
// Not an `async fn`, which would have room for the future twice.
pub fn scope<F: Future>(id: impl Into<SessionId>, future: F) -> impl Future<Output = F::Output> {
    scope_of(Some(id.into()), future)
}

/// The same, or outside of any.
pub(crate) fn scope_of<F: Future>(id: Option<SessionId>, future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(id, future)
}

/// The session this is called in.
///
/// # Example: handed on to a task
/// ```
/// use cache_core::session;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// session::scope("a7", async {
///     if let Some(id) = session::current() {
///         let task = tokio::spawn(session::scope(id, async { session::current() }));
///         assert_eq!(task.await.unwrap(), Some("a7".into()));
///     }
/// })
/// .await;
/// # }
/// ```
pub fn current() -> Option<SessionId> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// Drops everything that was kept for a session, in all caches, and says how many entries that were.
///
/// It has the force of an invalidation: what is loading for the session meanwhile is not kept either. The same id may be
/// used again, and begins with nothing.
///
/// # Cancellation
/// What was to be dropped is dropped even if this is cancelled, once it has been polled.
///
/// # Example: at logout
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// assert_eq!(cache_core::session::end("a7").await, 0);
/// # }
/// ```
pub async fn end(id: impl Into<SessionId>) -> usize {
    let id = id.into();
    tag::index().invalidate(&Tag::session(&id)).await
}

/// The key of a function that is cached by session.
///
/// # Example: in an observer, or for a look into the cache
/// ```
/// use cache_core::session::Scoped;
///
/// let key = Scoped::new("a7", 7_u64);
/// assert_eq!((key.session().as_str(), key.key()), ("a7", &7));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scoped<K> {
    session: SessionId,
    key: K,
}

impl<K> Scoped<K> {
    /// The key `key` in a session.
    ///
    /// # Example: for a look into the cache
    /// ```
    /// let key = cache_core::session::Scoped::new("a7", 7_u64);
    /// # drop(key);
    /// ```
    pub fn new(session: impl Into<SessionId>, key: K) -> Self {
        Self {
            session: session.into(),
            key,
        }
    }

    /// Whose it is.
    ///
    /// # Example: the session
    /// ```
    /// assert_eq!(cache_core::session::Scoped::new("a7", 7).session().as_str(), "a7");
    /// ```
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// What the arguments make.
    ///
    /// # Example: the arguments
    /// ```
    /// assert_eq!(cache_core::session::Scoped::new("a7", 7).key(), &7);
    /// ```
    pub fn key(&self) -> &K {
        &self.key
    }
}

/// A lookup in the session it was made in, if it was made in one.
#[doc(hidden)]
#[derive(Debug)]
pub struct ScopedLookup<L> {
    session: Option<SessionId>,
    lookup: L,
}

impl<L> ScopedLookup<L> {
    pub(crate) fn now(lookup: L) -> Self {
        Self {
            session: current(),
            lookup,
        }
    }

    pub(crate) fn is_outside(&self) -> bool {
        self.session.is_none()
    }

    pub(crate) fn to_key<K>(&self, key: impl FnOnce(&L) -> K) -> Scoped<K> {
        // Outside of any session nothing is looked up and nothing kept, so that no other can have this one.
        Scoped::new(self.session.clone().unwrap_or_else(|| "".into()), key(&self.lookup))
    }
}

impl<L: Hash> Hash for ScopedLookup<L> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(session) = &self.session {
            session.hash(state);
        }
        self.lookup.hash(state);
    }
}

impl<K, L: Equivalent<K>> Equivalent<Scoped<K>> for ScopedLookup<L> {
    fn equivalent(&self, key: &Scoped<K>) -> bool {
        self.session.as_ref() == Some(&key.session) && self.lookup.equivalent(&key.key)
    }
}
