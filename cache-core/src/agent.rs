//! Resources: what the tools of an agent read and change, as tags that functions share.
//!
//! What a function of a resource keeps is tagged with the resource, with its key within the resource, and if it is kept for
//! a session with that too. Mutations of the resource, of one key, or of one session's part are mutations of those tags.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::{LazyLock, Mutex, PoisonError};

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
    warn_if_unknown(resource);
    let tag = match session_of(resource, of_session) {
        Some(session) => Tag::part(resource, &session),
        None => Tag::resource(resource),
    };
    MutationGuard::tag(tag::index(), tag)
}

/// The same for what it has under one key, which `key_fn` made.
pub(crate) fn begin_key<K: Hash>(resource: Resource, of_session: bool, key: &K, key_type: &str) -> MutationGuard {
    warn_if_unknown(resource);
    if !KEYS.knows(resource, key_type) {
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
        OUTSIDE.once(resource.name(), || {
            log::warn!(
                "a mutation of a session's part of the resource `{resource}` ran outside of any session, and evicts the \
                 resource for everybody: wrap it in `cache_core::session::scope(id, ..)`"
            );
        });
    }
    session
}

/// Says that no function belongs to a resource, once.
fn warn_if_unknown(resource: Resource) {
    let mut known: Vec<&str> = Vec::new();
    for function in inventory::iter::<AgentFunction> {
        if function.resource == resource {
            return;
        }
        known.push(function.resource.name());
    }
    UNKNOWN.once(resource.name(), || {
        known.sort_unstable();
        known.dedup();
        let near = near(resource.name(), &known);
        log::warn!("no function is cached for the resource `{resource}`, so that its mutations evict nothing{near}");
    });
}

/// The names that may have been meant, or all there are, as the end of a sentence.
fn near(name: &str, known: &[&str]) -> String {
    let mut by_distance: Vec<_> = known
        .iter()
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .collect();
    by_distance.sort_unstable();
    let is_near = |(distance, other): &&(usize, &&str)| *distance <= other.chars().count().div_ceil(3);
    let quoted = |(_, other): &(usize, &&str)| format!("`{other}`");
    let meant: Vec<_> = by_distance.iter().filter(is_near).take(3).map(quoted).collect();
    match (meant.is_empty(), by_distance.is_empty()) {
        (false, _) => format!(": did you mean {}?", meant.join(" or ")),
        (true, false) => {
            let all: Vec<_> = by_distance.iter().take(10).map(quoted).collect();
            format!("; the resources that have functions are {}", all.join(", "))
        }
        (true, true) => "; no resource has any".to_owned(),
    }
}

/// What was said once is not said again.
struct Said(Mutex<Option<HashSet<String>>>);

static UNKNOWN: Said = Said(Mutex::new(None));
static OUTSIDE: Said = Said(Mutex::new(None));

impl Said {
    fn once(&self, what: &str, say: impl FnOnce()) {
        let is_new = {
            let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let said = said.get_or_insert_default();
            !said.contains(what) && said.insert(what.to_owned())
        };
        if is_new {
            say();
        }
    }
}

/// By which types of keys the functions of a resource are known, as far as they have been called.
struct Keys(Mutex<BTreeMap<&'static str, Vec<KeyType>>>);

struct KeyType {
    /// As the compiler writes it.
    written: String,
    function: String,
}

static KEYS: Keys = Keys(Mutex::new(BTreeMap::new()));

/// Notes by which type of key a function of a resource is known.
pub(crate) fn note_key(resource: Resource, key_type: &str, function: &str) {
    let mut keys = KEYS.0.lock().unwrap_or_else(PoisonError::into_inner);
    let of_resource = keys.entry(resource.name()).or_default();
    let written = lent(key_type);
    if of_resource.iter().all(|key| key.written != written) {
        of_resource.push(KeyType {
            written,
            function: function.to_owned(),
        });
    }
}

impl Keys {
    /// Whether a key of this type may be one of the resource's. Says it, once, if it is not.
    fn knows(&self, resource: Resource, key_type: &str) -> bool {
        static MISMATCHES: Said = Said(Mutex::new(None));
        let written = lent(key_type);
        let others = {
            let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(of_resource) = keys.get(resource.name()) else {
                // Nothing was kept yet.
                return true;
            };
            if of_resource.iter().any(|key| key.written == written) {
                return true;
            }
            let others = of_resource
                .iter()
                .map(|key| format!("`{}` (`{}`)", key.written, key.function));
            others.collect::<Vec<_>>().join(", ")
        };
        MISMATCHES.once(&format!("{resource}\0{written}"), || {
            log::warn!(
                "`key_fn` makes a key of type `{written}` for the resource `{resource}`, whose functions are keyed by {others}: \
                 all of the resource is evicted instead"
            );
        });
        false
    }
}

/// A type's name without what borrowing changes: `(&str, Vec<u8>)` and `(String, &[u8])` are one.
fn lent(name: &str) -> String {
    let bare: String = name.replace("mut ", "").chars().filter(|c| *c != '&').collect();
    let bare = bare
        .replace("alloc::string::String", "str")
        .replace("alloc::boxed::Box<str>", "str")
        .replace("alloc::borrow::Cow<str>", "str");
    slices(&bare)
}

/// `Vec<T>` as `[T]`.
fn slices(name: &str) -> String {
    const VEC: &str = "alloc::vec::Vec<";
    let Some(start) = name.find(VEC) else {
        return name.to_owned();
    };
    let inner = &name[start + VEC.len()..];
    let mut depth = 1_usize;
    let end = inner.char_indices().find(|(_, c)| {
        depth = match c {
            '<' => depth + 1,
            '>' => depth - 1,
            _ => depth,
        };
        depth == 0
    });
    let Some((end, _)) = end else {
        return name.to_owned();
    };
    format!(
        "{}[{}]{}",
        &name[..start],
        slices(&inner[..end]),
        slices(&inner[end + 1..])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_borrowing_changes_is_no_other_key() {
        for (owned, borrowed) in [
            (std::any::type_name::<String>(), std::any::type_name::<&str>()),
            (
                std::any::type_name::<(u64, String)>(),
                std::any::type_name::<(&u64, &&str)>(),
            ),
            (
                std::any::type_name::<Vec<Vec<u8>>>(),
                std::any::type_name::<&[Vec<u8>]>(),
            ),
            (
                std::any::type_name::<Option<String>>(),
                std::any::type_name::<Option<&str>>(),
            ),
        ] {
            assert_eq!(lent(owned), lent(borrowed));
        }
        assert_ne!(lent("u32"), lent("u64"));
    }

    #[test]
    fn near_misses_are_named() {
        assert_eq!(near("crat", &["cart", "catalogue"]), ": did you mean `cart`?");
        assert_eq!(
            near("weather", &["cart"]),
            "; the resources that have functions are `cart`"
        );
        assert_eq!(near("cart", &[]), "; no resource has any");
    }
}
