//! What a key and a value have to be able to do.

use std::hash::Hash;

/// What a cache can be keyed by: anything that can be hashed, compared, cloned and shared between threads.
///
/// Implemented for every type that qualifies; there is nothing to write.
///
/// # Example: a key of one's own
/// ```
/// use cache_core::{Cache, Key};
///
/// #[derive(Clone, PartialEq, Eq, Hash)]
/// enum Page {
///     Home,
///     Product(u64),
/// }
///
/// fn is_key<K: Key>() {}
/// is_key::<Page>();
/// is_key::<(u64, String)>();
///
/// let pages: Cache<Page, String> = Cache::builder().name("pages").max_size(100).build();
/// assert_eq!(pages.get(&Page::Home), None);
/// ```
pub trait Key: Hash + Eq + Clone + Send + Sync + 'static {}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Key for K {}

/// What a cache can keep: anything that can be cloned and shared between threads.
///
/// A hit clones the value once, so put large ones in an [`Arc`](std::sync::Arc). Implemented for every type that
/// qualifies.
///
/// # Example: cheap clones
/// ```
/// use std::sync::Arc;
/// use cache_core::Value;
///
/// fn is_value<V: Value>() {}
/// is_value::<Arc<Vec<u8>>>();
/// is_value::<Option<String>>();
/// ```
pub trait Value: Clone + Send + Sync + 'static {}

impl<V: Clone + Send + Sync + 'static> Value for V {}
