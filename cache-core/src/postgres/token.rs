//! The revision of some tables, as one value that is compared.

use std::fmt;
use std::sync::Arc;

use super::error::RevisionsError;

/// The revision of some tables, as [`Revisions::revision`](super::Revisions::revision) gives it.
///
/// Two are equal if they are of the same tables, and nothing that was committed between them changed any of these. It is compared
/// exactly, and cloning it counts up. That it differs does not say which is newer.
///
/// # Example: rebuild if something changed
/// ```no_run
/// # use cache_core::postgres::{Revisions, RevisionsError};
/// # async fn example(revisions: Revisions) -> Result<(), RevisionsError> {
/// let before = revisions.revision(&["topics", "tasks"]).await?;
/// // … build something from both tables, and some time later:
/// if revisions.revision(&["topics", "tasks"]).await? != before {
///     // … build it again.
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TableRevisions(Arc<[Arc<TableRevision>]>);

/// The revision of one table.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TableRevision {
    /// As it was asked for.
    pub(super) name: Arc<str>,
    /// Another each time it is installed.
    pub(super) id: i32,
    /// How many transactions have changed it since then.
    pub(super) commits: i64,
    /// The sum of a number that is different for each of them: two histories that parted differ in it.
    pub(super) mark: i64,
    /// Table, triggers and partitions: each with what changes with its definition.
    pub(super) state: Box<str>,
}

impl TableRevisions {
    pub(super) fn new(tables: impl IntoIterator<Item = Arc<TableRevision>>) -> Self {
        Self(tables.into_iter().collect())
    }

    /// The part of it that is of these tables: the same as if it had been read for them alone. So what several things are built from
    /// is read in one round trip.
    ///
    /// # Errors
    /// [`NotRead`](RevisionsError::NotRead) lists those that it is not of, by the names it was read by.
    /// [`NoTables`](RevisionsError::NoTables).
    ///
    /// # Example: two sections of a page, one question
    /// ```no_run
    /// # use cache_core::postgres::{Revisions, RevisionsError};
    /// # async fn example(revisions: Revisions) -> Result<(), RevisionsError> {
    /// let now = revisions.revision(&["topics", "tasks", "events"]).await?;
    /// let of_core = now.of(&["topics", "tasks"])?;
    /// let of_tail = now.of(&["events"])?;
    /// # Ok(()) }
    /// ```
    pub fn of(&self, tables: &[impl AsRef<str>]) -> Result<Self, RevisionsError> {
        if tables.is_empty() {
            return Err(RevisionsError::NoTables);
        }
        let is_named = |name: &str| tables.iter().any(|table| table.as_ref() == name);
        let part: Arc<[_]> = self.0.iter().filter(|it| is_named(&it.name)).cloned().collect();
        let is_read = |name: &str| part.iter().any(|it| *it.name == *name);
        let mut missing: Vec<_> = tables
            .iter()
            .map(AsRef::as_ref)
            .filter(|name| !is_read(name))
            .map(str::to_owned)
            .collect();
        if missing.is_empty() {
            return Ok(Self(part));
        }
        missing.sort_unstable();
        missing.dedup();
        Err(RevisionsError::NotRead(missing))
    }
}

impl fmt::Display for TableRevisions {
    /// For people: each table with how many transactions have changed it since it was installed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, table) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { " " };
            write!(f, "{separator}{}@{}", table.name, table.commits)?;
        }
        Ok(())
    }
}

impl fmt::Debug for TableRevisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(commits: i64, mark: i64, state: &str) -> TableRevisions {
        TableRevisions::new([Arc::new(TableRevision {
            name: "topics".into(),
            id: 1,
            commits,
            mark,
            state: state.into(),
        })])
    }

    #[test]
    fn a_part_is_what_is_read_for_it_alone() {
        let of = |names: &[&str]| {
            let tables = names.iter().map(|name| {
                Arc::new(TableRevision {
                    name: (*name).into(),
                    id: 1,
                    commits: 2,
                    mark: 3,
                    state: "4".into(),
                })
            });
            TableRevisions::new(tables)
        };
        let all = of(&["a", "b", "c"]);
        assert_eq!(all.of(&["c", "a", "a"]).ok(), Some(of(&["a", "c"])));
        assert_eq!(all.of(&["b"]).ok(), Some(of(&["b"])));
        let error = all.of(&["b", "e", "d", "e"]).err().map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some("this revision is not of `d`, `e`: name them where it is read, in `Revisions::revision`")
        );
        assert!(matches!(all.of(&[] as &[&str]), Err(RevisionsError::NoTables)));
    }

    #[test]
    fn everything_in_it_counts() {
        assert_eq!(table(1, 2, "3"), table(1, 2, "3"));
        assert_ne!(table(1, 2, "3"), table(2, 2, "3"));
        assert_ne!(table(1, 2, "3"), table(1, 3, "3"));
        assert_ne!(table(1, 2, "3"), table(1, 2, "4"));
        assert_eq!(table(1, 2, "3").to_string(), "topics@1");
    }
}
