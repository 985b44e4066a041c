//! Tags, resources and sessions, as expansions ask for them.
//!
//! Where an expansion can name the type of the key, the cache itself makes the tags of it ([`key_tags`]), so that they are
//! there however a value came in. For a `key = …` or a cache of the user's own the call brings them ([`Labels`]).

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::hash::Hash;

use super::Miss;
use super::elements::{Elements, ShowsAll};
use super::parts::Lookup;
use crate::agent::{self, Resource};
use crate::builder::Builder;
use crate::cache::Cache;
use crate::key::{Key, Value};
use crate::load::obtain;
use crate::mutation::MutationGuard;
use crate::outcome::{Kind, Outcome};
use crate::session::Scoped;
pub use crate::session::ScopedLookup;
use crate::tag::{self, Tag};
pub use crate::tag::{Labels, TagList, Tags};

/// Tags as they were declared, for the registry.
pub fn declared_tags<K: Key, V: Value>(builder: Builder<K, V>, tags: &'static [&'static str]) -> Builder<K, V> {
    builder.declared_tags(tags)
}

/// Tags made of the key.
pub fn key_tags<K: Key, V: Value>(builder: Builder<K, V>, tags: fn(&K, &mut Tags)) -> Builder<K, V> {
    builder.key_tags(tags)
}

/// Tags made of the value.
pub fn value_tags<K: Key, V: Value>(builder: Builder<K, V>, tags: fn(&V, &mut Tags)) -> Builder<K, V> {
    builder.value_tags(tags)
}

/// The cache of a function of a resource, kept for everybody.
pub fn resource<K: Key, V: Value>(builder: Builder<K, V>, resource: Resource) -> Builder<K, V> {
    agent::note_key(resource, type_name::<K>(), &builder.name);
    builder.key_tags(move |key, tags| agent::tag(resource, None, key, tags))
}

/// The cache of a function of a resource, kept for each session.
pub fn session_resource<K: Key, V: Value>(builder: Builder<Scoped<K>, V>, resource: Resource) -> Builder<Scoped<K>, V> {
    agent::note_key(resource, type_name::<K>(), &builder.name);
    builder.key_tags(move |key, tags| agent::tag(resource, Some(key.session()), key.key(), tags))
}

/// What follows on a miss, with tags of the call.
pub fn load_labelled<const KIND: u8, K, V, R, F>(
    _kind: Kind<KIND>,
    cache: &Cache<K, V>,
    miss: Miss<K>,
    labels: Labels<V>,
    keep_if: impl FnOnce(&V) -> bool,
    load: impl FnOnce() -> F,
) -> impl Future<Output = R>
where
    K: Key,
    V: Value,
    R: Outcome<Kind<KIND>, Value = V>,
    F: Future<Output = R>,
{
    let look = move |(): &()| Err(miss.load(cache, Some(labels)));
    obtain((), look, keep_if, move |()| load())
}

/// The handle's `refresh`, likewise.
pub fn refresh_labelled<const KIND: u8, K, V, R, F>(
    _kind: Kind<KIND>,
    cache: &Cache<K, V>,
    miss: Miss<K>,
    labels: Labels<V>,
    keep_if: impl FnOnce(&V) -> bool,
    load: impl FnOnce() -> F,
) -> impl Future<Output = R>
where
    K: Key,
    V: Value,
    R: Outcome<Kind<KIND>, Value = V>,
    F: Future<Output = R>,
{
    let look = move |(): &()| Err(miss.load(cache, Some(labels)));
    obtain((), look, keep_if, move |()| load())
}

/// The handle's `insert`, likewise.
#[expect(
    clippy::unused_async,
    reason = "a tier shared between processes will have to hear of it"
)]
pub async fn insert_labelled<L: Lookup, V: Value>(cache: &Cache<L::Key, V>, lookup: &L, value: V, labels: Labels<V>) {
    if !lookup.is_outside() {
        cache.insert_labelled(lookup.key(), value, labels);
    }
}

/// Begins the mutation of a tag.
pub fn begin_tag(tag: fmt::Arguments<'_>) -> MutationGuard {
    MutationGuard::tag(tag::index(), Tag::user(&fmt::format(tag)))
}

/// Begins the mutation of all of a resource, or of what the current session has of it.
pub fn begin_resource(resource: Resource, of_session: bool) -> MutationGuard {
    agent::begin(resource, of_session)
}

/// Begins the mutation of what a resource has under one key, or of what the current session has.
pub fn begin_resource_key<K: Hash>(resource: Resource, of_session: bool, key: K) -> MutationGuard {
    agent::begin_key(resource, of_session, &key, type_name::<K>())
}

/// The elements of a key in the current session.
#[derive(Debug)]
pub struct InSession<E>(std::marker::PhantomData<E>);

impl<E: Elements> Elements for InSession<E> {
    type Key = Scoped<E::Key>;
    type Parts<'a> = ScopedLookup<E::Parts<'a>>;
}

impl<E: ShowsAll<G>, G> ShowsAll<G> for InSession<E> {
    fn parts(given: &G) -> Self::Parts<'_> {
        ScopedLookup::now(E::parts(given))
    }
}

/// A lookup in the current session.
pub fn in_session<L: Lookup>(lookup: L) -> ScopedLookup<L> {
    ScopedLookup::now(lookup)
}

impl<L: Lookup> Lookup for ScopedLookup<L> {
    type Key = Scoped<L::Key>;

    fn key(&self) -> Scoped<L::Key> {
        self.to_key(L::key)
    }

    fn is_outside(&self) -> bool {
        ScopedLookup::is_outside(self)
    }
}
