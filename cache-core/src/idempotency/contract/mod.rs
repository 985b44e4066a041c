//! What every backend has to do, as tests: for those who write one.
//!
//! Each function is a test of one behaviour, and [`idempotency_contract!`](crate::idempotency_contract) makes a `#[tokio::test]` of each.
//! They need no time to pass: what is to be over, ends at once. All can run at the same time, over the same records.
//!
//! # Example: the tests of a backend
//! ```
//! use cache_core::idempotency::MemoryBackend;
//!
//! async fn backend() -> MemoryBackend {
//!     MemoryBackend::new()
//! }
//!
//! cache_core::idempotency_contract!(backend().await);
//! # fn main() {}
//! ```
#![expect(
    clippy::missing_panics_doc,
    reason = "each of them panics if the backend does not do what its name says"
)]

mod records;
mod requests;

use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};

pub use self::records::*;
pub use self::requests::*;
use super::backend::{Backend, Token};
use super::lease::sleep;

const HOUR: Duration = Duration::from_secs(3600);
const NOW: Duration = Duration::ZERO;
/// Long enough for a slow machine.
const LIMIT: Duration = Duration::from_secs(120);

macro_rules! cases {
    ($d:tt $($name:ident)*) => {
        /// Makes a test of each part of the contract of a backend: see [`idempotency::contract`](crate::idempotency::contract).
        ///
        /// It takes an expression that makes a backend, which may `.await`. The tests are `#[tokio::test]`, so `tokio` has to be among the
        /// dependencies, with its features `macros` and `rt`.
        ///
        /// # Example
        /// ```
        /// cache_core::idempotency_contract!(cache_core::idempotency::MemoryBackend::new());
        /// # fn main() {}
        /// ```
        #[macro_export]
        macro_rules! idempotency_contract {
            ($d($d make:tt)+) => {
                $(#[::tokio::test]
                async fn $name() {
                    let backend = ::std::sync::Arc::new({ $d($d make)+ });
                    let test = $crate::idempotency::contract::$name(&backend);
                    $crate::idempotency::contract::in_time(stringify!($name), test).await;
                })*
            };
        }

        /// All of it, one after the other.
        ///
        /// # Example
        /// ```
        /// # use std::sync::Arc;
        /// # use cache_core::idempotency::{MemoryBackend, contract};
        /// # #[tokio::main(flavor = "current_thread")] async fn main() {
        /// contract::all(&Arc::new(MemoryBackend::new())).await;
        /// # }
        /// ```
        pub async fn all<B: Backend>(backend: &Arc<B>) {
            $(in_time(stringify!($name), $name(backend)).await;)*
        }

        /// The names of all, in the order in which [`all`] runs them.
        ///
        /// # Example
        /// ```
        /// # use cache_core::idempotency::contract;
        /// assert!(contract::NAMES.contains(&"first_writer_wins"));
        /// ```
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

cases! { $
    first_writer_wins
    claim_sent_again_is_the_same_claim
    replay_is_byte_identical
    settled_record_is_not_claimed
    first_reply_stands
    owner_settles_after_the_end_of_its_lease
    released_record_can_be_claimed
    settled_record_is_not_released
    renewal_moves_the_end_of_the_lease
    running_record_does_not_expire_before_its_lease
    expired_record_is_taken_over_once_by_rivals
    abandoned_record_is_taken_over_once_by_rivals
    abandoned_record_is_left_to_who_does_not_take_over
    abandoned_record_is_not_taken_over_for_another_payload
    worker_taken_for_dead_changes_nothing
    scopes_and_keys_are_separate
    sweep_removes_what_has_expired_and_nothing_else
    sweep_removes_a_batch_at_most
    sweep_and_takeover_in_either_order
    unknown_records_are_nobodys
    conflict_is_refused
    duplicate_in_flight_is_told_to_try_again
    duplicate_waits_and_replays
    failed_handler_leaves_the_key_free
    thousand_duplicates_run_the_handler_once
}

/// Ends a test that does not come to an end.
#[doc(hidden)]
pub async fn in_time<F: Future<Output = ()>>(name: &str, test: F) {
    if let Either::Right(_) = select(pin!(test), pin!(sleep(LIMIT))).await {
        panic!("`{name}` did not end within {LIMIT:?}");
    }
}

fn unique() -> String {
    format!("{:032x}", u128::from_be_bytes(token().to_bytes()))
}

fn token() -> Token {
    Token::draw().unwrap_or_else(|error| panic!("{error}"))
}

/// What a backend answered.
#[track_caller]
fn ok<T, E: Debug>(answer: Result<T, E>) -> T {
    answer.unwrap_or_else(|error| panic!("the backend failed: {error:?}"))
}
