//! The statements: one for each thing a backend does, and each of them atomic.
//!
//! They go by the simple protocol, with their values in them: one round trip, and nothing prepared that a pooler in transaction mode could
//! mix up. Statements are logged, so what stands in them are names that are hashes, numbers and sealed bytes, as hexadecimal digits and
//! integers. There is nothing to escape.
//!
//! A claim and a settle are calls of functions that stand beside the table; [`functions`](super::functions) has them, and says why they
//! decide what they decide. What is sent seldom is a statement, and follows the same rules: a time is that of the server's clock, read once
//! the row is locked, so a statement that sets one locks the row first, in a step of its own.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::functions::Function;
use super::hex;
use crate::idempotency::backend::{Claim, Token};
use crate::idempotency::record::RecordId;

/// Said with each statement that has no transaction of the caller's around it, because a default of the role's may be another. Under
/// REPEATABLE READ, `ON CONFLICT` fails instead of seeing what others have committed.
pub(super) const READ_COMMITTED: &str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; ";

/// Longer than anybody wants, and short enough for the arithmetic of Postgres.
const MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Makes the record the claimant's, or says how it is. In a transaction it also sees to it that a worker that is frozen does not keep the
/// record for ever: Postgres ends a transaction that has been idle for as long as the lease.
pub(super) fn claim(
    function: &Function,
    table: &str,
    record: &RecordId,
    claim: &Claim,
    in_transaction: bool,
) -> String {
    let idle = if in_transaction {
        claim.lease.as_millis().clamp(1, i32::MAX as u128).to_string()
    } else {
        "NULL".to_owned()
    };
    function.call(&format!(
        "'{}', '{}', {}, {}, {}, {}, {}, {}, {idle}",
        record.scope(),
        record.key(),
        literal(&claim.token.to_bytes()),
        literal(&claim.payload),
        interval(claim.lease),
        interval(claim.ttl),
        claim.takes_over,
        lock(table, record),
    ))
}

/// Lets the lease end later.
pub(super) fn renew(table: &str, record: &RecordId, token: Token, lease: Duration, ttl: Duration) -> String {
    let (lease, ttl) = (interval(lease), interval(ttl));
    format!(
        "{} UPDATE {table} AS r SET lease_until = pg_catalog.clock_timestamp() + {lease}, \
             expires_at = pg_catalog.clock_timestamp() + {lease} + {ttl} \
         FROM held WHERE {} AND r.outcome IS NULL",
        lock_held(table, record, token),
        held(record, token)
    )
}

/// Stores what was sealed.
pub(super) fn settle(
    function: &Function,
    record: &RecordId,
    token: Token,
    kind: u8,
    sealed: &[u8],
    ttl: Duration,
) -> String {
    function.call(&format!(
        "'{}', '{}', {}, {kind}, {}, {}",
        record.scope(),
        record.key(),
        literal(&token.to_bytes()),
        literal(sealed),
        interval(ttl),
    ))
}

/// Removes what is running.
pub(super) fn release(table: &str, record: &RecordId, token: Token) -> String {
    format!(
        "DELETE FROM {table} AS r WHERE {} AND r.outcome IS NULL",
        held(record, token)
    )
}

/// Removes what has expired, some of it.
///
/// The rows are found and locked first, and whoever is changing one is not waited for but passed over. A row that was taken meanwhile is
/// looked at again under its lock, in its new version, and left. Once it is locked it stays expired until it is deleted. A claim that has
/// its turn but has not got to the row waits until it is gone, and inserts its own. So neither comes in the way of the other.
///
/// The clock is read once, in a subquery, so that the index can be used. That it is a little older means less is expired.
pub(super) fn delete_expired(table: &str, batch: u32) -> String {
    format!(
        "WITH expired AS MATERIALIZED ( \
             SELECT r.ctid AS place FROM {table} AS r WHERE r.expires_at <= (SELECT pg_catalog.clock_timestamp()) \
             ORDER BY r.expires_at LIMIT {batch} FOR UPDATE SKIP LOCKED \
         ) \
         DELETE FROM {table} AS r WHERE r.ctid = ANY (ARRAY(SELECT expired.place FROM expired)) \
             AND r.expires_at <= pg_catalog.clock_timestamp()"
    )
}

/// A step that locks the row before it is changed.
fn lock_held(table: &str, record: &RecordId, token: Token) -> String {
    format!(
        "WITH held AS MATERIALIZED (SELECT FROM {table} AS r WHERE {} FOR UPDATE)",
        held(record, token)
    )
}

/// The row of a record that this token has, running or settled.
fn held(record: &RecordId, token: Token) -> String {
    format!(
        "r.scope = '{}' AND r.key = '{}' AND r.token = {} AND r.expires_at > pg_catalog.clock_timestamp()",
        record.scope(),
        record.key(),
        bytes(&token.to_bytes())
    )
}

fn bytes(bytes: &[u8]) -> String {
    format!("{}::pg_catalog.bytea", literal(bytes))
}

/// Bytes where their type is known. With `E` in front of it, a backslash is written in the same way whatever the settings are.
fn literal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2 + 6);
    text.push_str(r"E'\\x");
    hex::push(&mut text, bytes);
    text.push('\'');
    text
}

fn interval(duration: Duration) -> String {
    format!("pg_catalog.interval '{} microseconds'", duration.min(MAX).as_micros())
}

/// The number of the advisory lock for a record of this table. Two records that share one would pass for one that is being claimed, for
/// as long as one of them is, and nothing else; that is one chance in 2⁶⁴ a pair.
fn lock(name: &str, record: &RecordId) -> i64 {
    let hash: [u8; 32] = Sha256::new()
        .chain_update("cache-core idempotency claim 1\0")
        .chain_update(record.scope())
        .chain_update(record.key())
        .chain_update(name)
        .finalize()
        .into();
    let mut number = [0; 8];
    number.copy_from_slice(&hash[..8]);
    i64::from_be_bytes(number)
}
