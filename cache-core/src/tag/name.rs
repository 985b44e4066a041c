//! What tags are called, and how those of an entry are gathered.

use std::fmt;
use std::sync::Arc;

use crate::agent::Resource;
use crate::session::SessionId;
use crate::world::{WorldId, Worlds};

/// A tag, of a user's or of the library's own. A user's is as it was written; the library's begin with a NUL and a letter,
/// and so does a user's that begins with a NUL.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Tag(Arc<str>, WorldId);

impl Tag {
    fn new(tag: fmt::Arguments<'_>) -> Self {
        Self(fmt::format(tag).into(), WorldId::current())
    }

    pub(crate) fn user(text: &str) -> Self {
        if text.starts_with('\0') {
            Self::new(format_args!("\0u{text}"))
        } else {
            Self(text.into(), WorldId::current())
        }
    }

    /// The same in another world.
    #[cfg(feature = "test-util")]
    pub(crate) fn of(self, world: WorldId) -> Self {
        Self(self.0, world)
    }

    /// Everything of a resource.
    pub(crate) fn resource(resource: Resource) -> Self {
        Self::new(format_args!("\0r{resource}"))
    }

    /// Everything of a session.
    pub(crate) fn session(session: &SessionId) -> Self {
        Self::new(format_args!("\0s{session}"))
    }

    /// What a session has of a resource. The length keeps the two names apart, whatever they hold.
    pub(crate) fn part(resource: Resource, session: &SessionId) -> Self {
        Self::new(format_args!("\0p{}:{session}{resource}", session.as_str().len()))
    }

    /// What a resource has under a key of this hash.
    pub(crate) fn key(resource: Resource, hash: u64) -> Self {
        Self::new(format_args!("\0k{hash:016x}{resource}"))
    }

    /// What a session has of a resource under a key of this hash.
    pub(crate) fn part_key(resource: Resource, session: &SessionId, hash: u64) -> Self {
        Self::new(format_args!(
            "\0q{hash:016x}{}:{session}{resource}",
            session.as_str().len()
        ))
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The tags of one entry, as they are gathered.
#[derive(Clone, Default)]
pub struct Tags(Vec<Tag>);

impl Tags {
    pub(crate) fn add(&mut self, tag: Tag) {
        self.0.push(tag);
    }

    /// Adds one of the user's.
    pub fn push(&mut self, tag: fmt::Arguments<'_>) {
        self.add(match tag.as_str() {
            Some(text) => Tag::user(text),
            None => Tag::user(&fmt::format(tag)),
        });
    }

    /// Adds all that a `tag_fn` has made.
    pub fn extend<T: TagList>(&mut self, tags: T) {
        tags.add_to(self);
    }

    /// Each once, for an entry of a cache of these worlds.
    pub(crate) fn into_set(self, worlds: Worlds) -> Vec<Tag> {
        let mut tags = worlds.put_on(self.0);
        tags.sort_unstable();
        tags.dedup();
        tags
    }
}

impl From<Vec<Tag>> for Tags {
    fn from(tags: Vec<Tag>) -> Self {
        Self(tags)
    }
}

/// Adds the tags of a value.
pub(crate) type TagValue<V> = fn(&V, &mut Tags);

/// The tags that a call brings, where its cache cannot know them.
pub struct Labels<V> {
    pub(crate) tags: Tags,
    pub(crate) tag_value: Option<TagValue<V>>,
}

impl<V> Labels<V> {
    /// Of the tags that are known, and of what makes others of the value.
    pub fn new(tags: Tags, tag_value: Option<fn(&V, &mut Tags)>) -> Self {
        Self { tags, tag_value }
    }
}

impl<V> fmt::Debug for Labels<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tags.fmt(f)
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a `tag_fn` may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of tags",
    label = "`tag_fn` has to return texts to iterate over, such as `Vec<String>`, `[String; 2]` or `Option<&str>`"
)]
pub trait TagList {
    /// Adds them.
    fn add_to(self, tags: &mut Tags);
}

#[diagnostic::do_not_recommend]
impl<I: IntoIterator<Item: AsRef<str>>> TagList for I {
    fn add_to(self, tags: &mut Tags) {
        for tag in self {
            tags.add(Tag::user(tag.as_ref()));
        }
    }
}
