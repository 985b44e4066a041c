//! Failures that no caller was told of, because he was given a value all the same.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use super::revised::About;
use crate::store::drop_each;
use crate::sync::{Mutex, lock};

/// Failures that are kept: the latest ones.
const MOST: usize = 64;

/// What failed.
///
/// # Example: in words
/// ```
/// use cache_core::revision::During;
/// assert_eq!(During::Revision.to_string(), "reading the revision");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum During {
    /// Reading the revision.
    Revision,
    /// Bringing a new value in the background.
    Refresh,
}

impl fmt::Display for During {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Revision => "reading the revision",
            Self::Refresh => "the refresh in the background",
        })
    }
}

/// What went wrong while a caller was given the value at hand.
///
/// # Example: what a monitor shows
/// ```
/// use cache_core::revision::{BackgroundError, During};
///
/// fn alarm(error: &BackgroundError) -> Option<String> {
///     (error.during() == During::Refresh).then(|| error.to_string())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct BackgroundError {
    during: During,
    message: Arc<str>,
    error: Option<Arc<dyn Any + Send + Sync>>,
}

impl BackgroundError {
    pub(crate) fn refresh(message: String, error: Option<Arc<dyn Any + Send + Sync>>) -> Self {
        Self {
            during: During::Refresh,
            message: message.into(),
            error,
        }
    }

    /// What failed.
    ///
    /// # Example: not the load
    /// ```
    /// use cache_core::revision::{BackgroundError, During};
    /// fn is_of_the_source(error: &BackgroundError) -> bool {
    ///     error.during() == During::Revision
    /// }
    /// ```
    pub fn during(&self) -> During {
        self.during
    }

    /// The error of the function, if that is `Clone + Send + Sync` and of that type.
    ///
    /// # Example: an error of one's own
    /// ```
    /// use cache_core::revision::BackgroundError;
    /// # #[derive(Clone)] struct DbError;
    /// fn is_of_the_database(error: &BackgroundError) -> bool {
    ///     error.downcast_ref::<DbError>().is_some()
    /// }
    /// ```
    pub fn downcast_ref<E: 'static>(&self) -> Option<&E> {
        self.error.as_ref()?.downcast_ref()
    }
}

impl fmt::Display for BackgroundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.during, self.message)
    }
}

impl Error for BackgroundError {}

/// Why a revision could not be read.
pub struct SourceError(Box<dyn Error + Send + Sync>);

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for SourceError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Debug for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl SourceError {
    pub(crate) fn into_background(self) -> BackgroundError {
        // With what lies behind it, which is where drivers put what matters.
        let mut message = self.0.to_string();
        let mut source = self.0.source();
        while let Some(error) = source {
            let behind = error.to_string();
            if !message.contains(&behind) {
                message.push_str(": ");
                message.push_str(&behind);
            }
            source = error.source();
        }
        BackgroundError {
            during: During::Revision,
            message: message.into(),
            error: None,
        }
    }
}

/// The failures of a cache, each until what failed has succeeded, or the value is gone that was served in spite of it.
#[derive(Default)]
pub(crate) struct Failures {
    /// How many there are, so that whoever succeeds need not look when there is none.
    count: AtomicUsize,
    list: Mutex<Vec<Noted>>,
}

struct Noted {
    /// Of the key.
    hash: u64,
    /// What was served in spite of it.
    served: Weak<About>,
    error: BackgroundError,
}

impl Noted {
    fn is_over(&self) -> bool {
        self.served.strong_count() == 0
    }
}

impl Failures {
    /// Notes a failure for the key of this hash.
    pub(crate) fn note(&self, hash: u64, served: Weak<About>, error: BackgroundError) {
        let during = error.during;
        self.change(|list| {
            let is_it = |it: &Noted| it.hash == hash && it.error.during == during;
            let at = list.iter().position(is_it).or((list.len() >= MOST).then_some(0));
            let former = at.map(|at| list.remove(at));
            list.push(Noted { hash, served, error });
            former
        });
    }

    /// Notes that it succeeded. What is over goes as well, so that whoever succeeds does not look for it again and again.
    pub(crate) fn forget(&self, hash: u64, during: During) {
        if self.count.load(Ordering::Relaxed) > 0 {
            self.change(|list| {
                let is_it = |it: &Noted| it.hash == hash && it.error.during == during;
                list.extract_if(.., |it| is_it(it) || it.is_over()).collect::<Vec<_>>()
            });
        }
    }

    /// Forgets them all.
    pub(crate) fn clear(&self) {
        self.change(std::mem::take);
    }

    /// The latest.
    pub(crate) fn last(&self) -> Option<BackgroundError> {
        self.change(|list| list.extract_if(.., |it| it.is_over()).collect::<Vec<_>>());
        lock(&self.list).last().map(|noted| noted.error.clone())
    }

    /// Drops what comes back. That is foreign code, so after the lock.
    fn change<I: IntoIterator<Item = Noted>>(&self, change: impl FnOnce(&mut Vec<Noted>) -> I) {
        let gone = {
            let mut list = lock(&self.list);
            let gone = change(&mut list);
            self.count.store(list.len(), Ordering::Relaxed);
            gone
        };
        drop_each(gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revision::{Gate, Rule};

    /// Otherwise each hit would look for it, until somebody asks what the last failure was.
    #[test]
    fn whoever_succeeds_takes_along_what_is_over() {
        let gate = Gate::new(Rule::default());
        let [gone, alive] = [(), ()].map(|()| Arc::new(About::new(None, gate.begin(), 0)));
        let failures = &gate.failures;
        for (hash, served) in [(1, &gone), (2, &alive)] {
            let error = BackgroundError::refresh(hash.to_string(), None);
            failures.note(hash, Arc::downgrade(served), error);
        }
        drop(gone);
        failures.forget(3, During::Revision);
        assert_eq!(failures.count.load(Ordering::Relaxed), 1);
        failures.forget(2, During::Refresh);
        assert_eq!(failures.count.load(Ordering::Relaxed), 0);
    }
}
