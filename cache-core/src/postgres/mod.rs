//! Which revision tables of a Postgres database have, so that what is built from them is rebuilt when they changed, and not on a
//! timer.
//!
//! [`Revisions`] counts commits, by triggers; [`Watermarks`] takes the maximum of a column, for those who may not create any, and sees
//! less. Needs Rust 1.94, for sqlx 0.9, and Postgres 13.
//!
//! # Example: rebuild when a table changed
//! ```no_run
//! # use cache_core::postgres::{Revisions, RevisionsError};
//! # async fn build() -> String { String::new() }
//! # async fn example(pool: sqlx::PgPool) -> Result<(), RevisionsError> {
//! let revisions = Revisions::install(&pool, &["topics", "tasks"]).await?;
//!
//! let mut revision = revisions.revision(&["topics", "tasks"]).await?;
//! let mut summary = build().await;
//! loop {
//!     let now = revisions.revision(&["topics", "tasks"]).await?;
//!     if now != revision {
//!         // Read before it is built: never taken for newer than it is.
//!         revision = now;
//!         summary = build().await;
//!     }
//!     # drop(summary); return Ok(());
//! }
//! # }
//! ```
//!
//! # What is seen
//! Every commit that inserted, updated or deleted a row, or truncated, and no others: by statements, `COPY`, `MERGE`, cascades,
//! functions, into a partition or a child directly, and by logical replication. Counted when it commits, not when it wrote. Beside
//! that, whatever rewrites the table, adds a column, or attaches or detaches a partition. Not seen is what changes names alone, such as
//! `RENAME COLUMN`, and what `DROP COLUMN` drops.
//!
//! # What it costs
//! A transaction that changes a watched table adds one row to a small table, once for each such table, however many rows it
//! changes. Writers do not wait for each other, cannot deadlock and cannot fail because of it. With
//! [`notify`](RevisionsBuilder::notify) they commit one after the other, which costs much throughput where many write at once.
//! Asking is one round trip; with a [listener](Revisions::listen) most calls are none. Rows are folded on the way, by writers or, where
//! all of these run under `REPEATABLE READ` or above, by readers. As with any table in which rows come and go, a transaction that stays
//! open for hours keeps them from being cleared away, and makes asking slower until it ends.
//!
//! # In operation
//! - **Rights.** To install, a role has to own the tables and may create a schema; the triggers then run with its rights. To read, a
//!   role needs `GRANT USAGE ON SCHEMA cache_core`. To write, none.
//! - **`PgBouncer`** in transaction mode is fine, but for listening: [`Listen::connection`] goes around it.
//! - **Standbys** answer for what they have replayed: ask the server that the data is read from. They cannot be listened to.
//! - **Dumps** that are restored are still installed, and have revisions of their own.
//! - **Publications** of all tables include `cache_core`: give the subscriber that schema too, or name the tables that are published.
//! - **After a failover** that lost commits, what replaces them is another revision.
//! - **To remove it**, [`Revisions::uninstall`]. Whoever still asks then gets [`RevisionsError::NotInstalled`].

mod ask;
mod error;
mod install;
mod listen;
mod name;
mod revisions;
mod schema;
mod token;
mod watermarks;

pub(crate) use self::error::is_lost;
pub use self::error::{RevisionsError, Unwatched, Why};
pub use self::listen::{Listen, Listening};
pub use self::revisions::{Revisions, RevisionsBuilder};
pub use self::token::TableRevisions;
pub use self::watermarks::{WatermarkRevision, Watermarks};
