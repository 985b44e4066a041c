//! Values that live as long as the revision of the data they were made from.
//!
//! A *revision* is anything that can be compared and changes whenever the data does: a counter, a watermark, an `ETag`, what
//! `PRAGMA data_version` says. It is read by each call, **before** anything is loaded, and kept with what the load brings; a call
//! that reads the same revision again is given the value, whatever its age. When it reads another one, [`OnChange`] says
//! whether the old value serves once more while a new one is brought in the background, or whether callers wait for that.
//!
//! `#[cached_revision]` does this for a function. Without the macro a cache of [`Revised`] values does:
//! [`Cache::get_at_revision`](crate::Cache::get_at_revision) and its like.
//!
//! # What is promised
//! - A value is never kept under a revision that is newer than its data, because the revision was read first.
//! - With [`OnChange::Reload`], a call never returns data older than the revision it has read. It shares the load of somebody else
//!   only if that load began after this call had read its revision, or was made for the same revision; and is given the failure of
//!   one only if that began after.
//! - With [`OnChange::Stale`], what is served was up to date less than `max_stale` ago.
//! - An invalidation is as strong as for any other cache: a load that began before it is not kept, in the background or not.
//!
//! # Example: by hand
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
//! use cache_core::Cache;
//! use cache_core::revision::{Revised, Status};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let revision = AtomicU64::new(1);
//! let cache = Cache::<&str, Revised<u64>>::builder().build();
//! let read = || async { revision.load(Relaxed) };
//!
//! let found = cache.get_at_revision("sum", read(), || async { 49 }).await;
//! assert_eq!((found.value, found.status), (49, Status::Miss));
//! let found = cache.get_at_revision("sum", read(), || async { 0 }).await;
//! assert_eq!((found.value, found.status), (49, Status::HitRevision));
//!
//! revision.store(2, Relaxed);
//! let found = cache.get_at_revision("sum", read(), || async { 64 }).await;
//! assert_eq!((found.value, found.status), (64, Status::Reloaded));
//! # }
//! ```

pub(crate) mod bring;
mod cache;
pub(crate) mod failure;
mod gate;
pub(crate) mod look;
mod revised;

use std::fmt;
use std::future::Future;
use std::time::Duration;

pub use self::failure::{BackgroundError, During};

pub(crate) use self::gate::{Gate, Number, Rule};

pub(crate) use self::revised::About;
pub use self::revised::{Revised, Revision};

/// What becomes of a call that reads another revision than its value has.
///
/// # Example: the old value first
/// ```
/// use std::time::Duration;
/// use cache_core::Cache;
/// use cache_core::revision::{OnChange, Revised};
///
/// let cache = Cache::<u64, Revised<String>>::builder()
///     .on_change(OnChange::Stale)
///     .max_stale(Duration::from_secs(300))
///     .build();
/// # drop(cache);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnChange {
    /// It waits for a new value. All who do share one load.
    #[default]
    Reload,
    /// It is given the old value, and one new one is brought in the background; unless the old one has not been up to date for
    /// [`max_stale`](crate::Builder::max_stale).
    Stale,
}

/// How a call came to its value.
///
/// # Example: which calls waited for a load
/// ```
/// use cache_core::revision::Status;
///
/// let waited = |status: Status| matches!(status, Status::Miss | Status::Reloaded);
/// assert!(waited(Status::Miss) && !waited(Status::Stale));
/// assert_eq!(Status::HitRevision.to_string(), "hit");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The value has the revision that the call has read, or is newer.
    HitRevision,
    /// The revision has changed. This is the old value; a new one is on its way, or could not be brought just now.
    Stale,
    /// The revision could not be read. This is the value at hand, which was up to date less than `max_stale` ago.
    Unverified,
    /// There was no value, and one was loaded.
    Miss,
    /// There was a value that does not serve any more, or a rebuild was asked for, and a new one was loaded.
    Reloaded,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::HitRevision => "hit",
            Self::Stale => "stale",
            Self::Unverified => "unverified",
            Self::Miss => "miss",
            Self::Reloaded => "reloaded",
        })
    }
}

/// A value, and how a call came to it.
///
/// # Example: what a monitor wants to know
/// ```
/// use cache_core::revision::Lookup;
///
/// fn log(found: &Lookup<String>) {
///     println!("{} after {:?}: {}", found.status, found.age, found.value);
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Lookup<V> {
    /// The value.
    pub value: V,
    /// How the call came to it.
    pub status: Status,
    /// How long ago its load began.
    pub age: Duration,
    /// The revision it is kept under. `None` if that could not be read when it was loaded.
    pub revision: Option<Revision>,
}

/// Something that can tell its revision.
///
/// Nothing in this library asks for it: an attribute's `revision = …` takes any expression. It is for code that is to work
/// with one source or another.
///
/// # Contract
/// A revision that is read after a change has become visible MUST differ from every one that was read before. A hash of the data does
/// not, where data can become again what it once was: what was loaded in between may then be taken for what is there now.
///
/// # Example: the `ETag` of a page
/// ```
/// use cache_core::revision::RevisionSource;
/// # struct Client;
/// # struct Response(Option<String>);
/// # impl Client { async fn head(&self, _: &str) -> Result<Response, std::io::Error> { Ok(Response(None)) } }
/// # impl Response { fn header(&self, _: &str) -> Option<String> { self.0.clone() } }
///
/// struct Page {
///     client: Client,
///     url: String,
/// }
///
/// impl RevisionSource for Page {
///     // A page without one is an error, and not always the same page.
///     type Revision = String;
///     type Error = std::io::Error;
///
///     async fn revision(&self) -> Result<String, std::io::Error> {
///         let response = self.client.head(&self.url).await?;
///         response.header("etag").ok_or_else(|| std::io::Error::other("the page has no ETag"))
///     }
/// }
/// ```
pub trait RevisionSource {
    /// What tells one state of the data from another.
    type Revision: Eq + Clone + Send + Sync + 'static;

    /// Why it could not be told.
    type Error;

    /// Reads it.
    ///
    /// # Errors
    /// If it cannot be read.
    fn revision(&self) -> impl Future<Output = Result<Self::Revision, Self::Error>> + Send;
}
