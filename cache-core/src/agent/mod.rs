//! Resources: what the tools of an agent read and change, as tags that functions share.
//!
//! What a function of a resource keeps is tagged with the resource, with its key within the resource, and if it is kept for
//! a session with that too. Mutations of the resource, of one key, or of one session's part are mutations of those tags.

mod warnings;

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::LazyLock;

pub(crate) use self::warnings::note_key;

use crate::mutation::MutationGuard;
use crate::session::{self, SessionId};
use crate::tag::{self, Tag, Tags};

/// The name of something that tools read and change.
///
/// A constant of this type in the place of a literal lets the compiler find a typo.
///
/// # Example: one name for a reader and a writer
/// ```
/// # #[cfg(feature = "macros")] {
/// use cache_core::{Resource, agent_cached, agent_invalidates};
///
/// const CART: Resource = Resource::new("cart");
///
/// #[agent_cached(resource = CART)]
/// async fn get_cart(user: u64) -> Vec<String> {
///     Vec::new()
/// }
///
/// #[agent_invalidates(resource = CART)]
/// async fn add_to_cart(user: u64, item: &str) {}
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// get_cart(7).await;
/// add_to_cart(7, "tea").await;
/// assert_eq!(get_cart::peek(7), None);
/// # }
/// # main();
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resource(&'static str);

impl Resource {
    /// The resource of this name.
    ///
    /// # Panics
    /// If the name is empty; in a constant, at compile time.
    ///
    /// # Example: a constant
    /// ```
    /// const CART: cache_core::Resource = cache_core::Resource::new("cart");
    /// assert_eq!(CART.name(), "cart");
    /// ```
    pub const fn new(name: &'static str) -> Self {
        assert!(!name.is_empty(), "a resource needs a name");
        Self(name)
    }

    /// Its name.
    ///
    /// # Example: as it was given
    /// ```
    /// assert_eq!(cache_core::Resource::new("cart").name(), "cart");
    /// ```
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A function that belongs to a resource, as its expansion hands it in.
#[derive(Debug)]
pub struct AgentFunction {
    /// To which.
    pub resource: Resource,
    /// Its path.
    pub name: &'static str,
    /// The type of its key, as the compiler writes it, where it can be named.
    pub key: Option<fn() -> &'static str>,
}

inventory::collect!(AgentFunction);

/// The tags of an entry of a resource: the whole of it, this key of it, and if it is a session's, that session.
pub(crate) fn tag<K: Hash>(resource: Resource, session: Option<&SessionId>, key: &K, tags: &mut Tags) {
    let hash = hash(key);
    tags.add(Tag::resource(resource));
    tags.add(Tag::key(resource, hash));
    if let Some(session) = session {
        tags.add(Tag::session(session));
        tags.add(Tag::part(resource, session));
        tags.add(Tag::part_key(resource, session, hash));
    }
}

/// Of a key, borrowed or owned. Two keys of one hash would be evicted together, which is no harm.
fn hash<K: Hash>(key: &K) -> u64 {
    static STATE: LazyLock<foldhash::quality::RandomState> = LazyLock::new(Default::default);
    STATE.hash_one(key)
}

/// Begins the mutation of all of a resource, or of what the current session has of it.
pub(crate) fn begin(resource: Resource, of_session: bool) -> MutationGuard {
    warnings::if_unknown(resource);
    let tag = match session_of(resource, of_session) {
        Some(session) => Tag::part(resource, &session),
        None => Tag::resource(resource),
    };
    MutationGuard::tag(tag::index(), tag)
}

/// The same for what it has under one key, which `key_fn` made.
pub(crate) fn begin_key<K: Hash>(resource: Resource, of_session: bool, key: &K, key_type: &str) -> MutationGuard {
    warnings::if_unknown(resource);
    if !warnings::is_key_of(resource, key_type) {
        // Nothing could be found under it. What may be stale goes all the same.
        return begin(resource, of_session);
    }
    let tag = match session_of(resource, of_session) {
        Some(session) => Tag::part_key(resource, &session, hash(key)),
        None => Tag::key(resource, hash(key)),
    };
    MutationGuard::tag(tag::index(), tag)
}

/// The session whose part is meant. Outside of any it is not known whose, so that it has to be everybody's.
fn session_of(resource: Resource, of_session: bool) -> Option<SessionId> {
    if !of_session {
        return None;
    }
    let session = session::current();
    if session.is_none() {
        warnings::outside(resource);
    }
    session
}
