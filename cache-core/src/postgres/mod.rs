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

mod ask;
mod error;
mod install;
mod listen;
mod name;
mod revisions;
mod schema;
mod token;
mod watermarks;

pub use self::error::{RevisionsError, Unwatched, Why};
pub use self::listen::{Listen, Listening};
pub use self::revisions::{Revisions, RevisionsBuilder};
pub use self::token::TableRevisions;
pub use self::watermarks::{WatermarkRevision, Watermarks};
