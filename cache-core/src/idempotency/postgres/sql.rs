//! The statements: one for each thing a backend does, and each of them atomic.
//!
//! They go by the simple protocol, with their values in them: one round trip, and nothing prepared that a pooler in transaction mode could
//! mix up. Statements are logged, so what stands in them are names that are hashes, numbers and sealed bytes, as hexadecimal digits and
//! integers. There is nothing to escape.
//!
//! # The clock
//! Is `clock_timestamp()`, that of the server, and not `now()`, which is as old as the transaction. It is read once the row is locked, so
//! that a lease is never as old as the wait for it. `ON CONFLICT DO UPDATE` locks the row before it evaluates `WHERE` and `SET`, though what
//! `EXCLUDED` holds is from before. A plain `UPDATE` evaluates them before it waits, and again only if the row was changed meanwhile. So
//! those that set a time lock the row first, in a step of their own.
//!
//! # A claim
//! Is a statement of four steps, each of which happens only if the one before it did not decide.
//! - `level`: are we under READ COMMITTED? Under the levels above, others who have committed would not be seen.
//! - `found`: the row, if it cannot be taken. This is what a replay comes to: a read, without a lock or a write.
//! - `turn`: may we try? By an advisory lock of the transaction, one for each record, which is tried for and never waited for. Whoever
//!   claims in an open transaction holds it, so nobody waits for his uncommitted row: there are no claims that hold a connection while they
//!   wait, and none that wait for each other. It is no lock on what is in the table: it may be had and the row be taken meanwhile.
//! - `taken`: `INSERT … ON CONFLICT DO UPDATE … WHERE`, which decides, on the newest version of the row. It waits for statements of a
//!   moment alone, such as a sweep or a settle.
//!
//! `found` sees what was committed before the statement began, `taken` what was committed before it got to the row. If somebody takes the
//! record in between, neither has an answer, and the claim is sent again.
//!
//! Whether a claim took over an unfinished record is written into the row, by the `SET` that sees the row as it was. It is there for a claim
//! that is sent again too, because its answer was lost.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::hex;
use crate::idempotency::backend::{Claim, Token};
use crate::idempotency::record::RecordId;

/// Said with each statement that has no transaction of the caller's around it, because a default of the role's may be another. Under
/// REPEATABLE READ, `ON CONFLICT` fails instead of seeing what others have committed.
pub(super) const READ_COMMITTED: &str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; ";

/// Longer than anybody wants, and short enough for the arithmetic of Postgres.
const MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Makes the record the claimant's, or says how it is, in one row. In a transaction it also sees to it that a worker that is frozen does not
/// keep the record for ever: Postgres ends a transaction that has been idle for as long as the lease.
pub(super) fn claim(table: &str, name: &str, record: &RecordId, claim: &Claim, in_transaction: bool) -> String {
    let (scope, key, lock) = (record.scope(), record.key(), lock(name, record));
    let (token, payload) = (bytes(&claim.token.to_bytes()), bytes(&claim.payload));
    let (lease, ttl) = (interval(claim.lease), interval(claim.ttl));
    let takes_over = claim.takes_over;
    let limit = if in_transaction {
        let setting = "'idle_in_transaction_session_timeout'";
        let millis = claim.lease.as_millis().clamp(1, i32::MAX as u128);
        format!(
            ", CASE WHEN taken.took_over IS NOT NULL AND pg_catalog.current_setting({setting})::pg_catalog.interval \
             NOT BETWEEN '1 microsecond' AND '{millis} milliseconds' \
             THEN pg_catalog.set_config({setting}, '{millis}', true) END AS idle"
        )
    } else {
        String::new()
    };
    format!(
        "WITH level AS MATERIALIZED ( \
             SELECT pg_catalog.current_setting('transaction_isolation') AS name \
         ), found AS MATERIALIZED ( \
             SELECT r.outcome, r.reply, r.payload, r.token, r.lease_until FROM {table} AS r, level \
             WHERE r.scope = '{scope}' AND r.key = '{key}' AND level.name = 'read committed' \
             AND r.expires_at > pg_catalog.clock_timestamp() \
             AND (r.outcome IS NOT NULL OR r.token <> {token} \
                  AND NOT ({takes_over} AND r.lease_until <= pg_catalog.clock_timestamp())) \
         ), turn AS MATERIALIZED ( \
             SELECT pg_catalog.pg_try_advisory_xact_lock({lock}) AS ours FROM level \
             WHERE level.name = 'read committed' AND NOT EXISTS (SELECT FROM found) \
         ), taken AS ( \
             INSERT INTO {table} AS r \
                 (scope, key, payload, token, lease_until, expires_at, outcome, reply, took_over, created_at) \
             SELECT '{scope}', '{key}', {payload}, {token}, pg_catalog.clock_timestamp() + {lease}, \
                 pg_catalog.clock_timestamp() + {lease} + {ttl}, NULL, NULL, false, pg_catalog.clock_timestamp() \
             FROM turn WHERE turn.ours \
             ON CONFLICT (scope, key) DO UPDATE SET payload = {payload}, token = {token}, \
                 lease_until = pg_catalog.clock_timestamp() + {lease}, \
                 expires_at = pg_catalog.clock_timestamp() + {lease} + {ttl}, outcome = NULL, reply = NULL, \
                 took_over = r.expires_at > pg_catalog.clock_timestamp() AND (r.token <> {token} OR r.took_over), \
                 created_at = pg_catalog.clock_timestamp() \
             WHERE r.expires_at <= pg_catalog.clock_timestamp() OR r.outcome IS NULL \
                 AND (r.token = {token} OR {takes_over} AND r.lease_until <= pg_catalog.clock_timestamp()) \
             RETURNING r.took_over \
         ) \
         SELECT level.name AS level, turn.ours AS turn, taken.took_over, found.outcome::pg_catalog.int8 AS outcome, \
             pg_catalog.encode(found.reply, 'hex') AS reply, pg_catalog.encode(found.payload, 'hex') AS payload, \
             pg_catalog.encode(found.token, 'hex') AS token, \
             {remaining}::pg_catalog.int8 AS remaining{limit} \
         FROM level LEFT JOIN found ON true LEFT JOIN turn ON true LEFT JOIN taken ON true",
        remaining = "(EXTRACT(EPOCH FROM found.lease_until - pg_catalog.clock_timestamp()) * 1000000)",
    )
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

/// Stores what was sealed. A reply that is there already, under this token, stays as it is: then this is sent again.
pub(super) fn settle(table: &str, record: &RecordId, token: Token, kind: u8, sealed: &[u8], ttl: Duration) -> String {
    let mut sql = format!(
        "{} UPDATE {table} AS r SET outcome = COALESCE(r.outcome, {kind}), \
             expires_at = CASE WHEN r.outcome IS NULL THEN pg_catalog.clock_timestamp() + {ttl} ELSE r.expires_at END, \
             reply = CASE WHEN r.outcome IS NULL THEN pg_catalog.decode('",
        lock_held(table, record, token),
        ttl = interval(ttl),
    );
    hex::push(&mut sql, sealed);
    sql.push_str("', 'hex') ELSE r.reply END FROM held WHERE ");
    sql.push_str(&held(record, token));
    sql
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
    format!("pg_catalog.decode('{}', 'hex')", hex::encode(bytes))
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
