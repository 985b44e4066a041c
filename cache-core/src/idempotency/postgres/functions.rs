//! The functions beside the table: a claim and a settle, as the server runs them.
//!
//! Most of what a statement costs that is sent as text is that it is parsed and planned anew. What stands in a function of PL/pgSQL is
//! parsed and planned once in each session of the server's, so that a call with literals is as cheap as a prepared statement, and yet
//! nothing is prepared that a pooler in transaction mode could mix up.
//!
//! # A claim
//! Its steps, each of which comes only if the one before it did not decide:
//! 1. The isolation level. Under those above READ COMMITTED, others who have committed would not be seen.
//! 2. The row. If it cannot be taken, that is the answer. This is what a replay comes to: a read, without a lock or a write.
//! 3. The turn: an advisory lock of the transaction, one for each record, which is tried for and never waited for. Whoever claims in an
//!    open transaction holds it, so nobody waits for his uncommitted row: there are no claims that hold a connection while they wait, and
//!    none that wait for each other. It is no lock on what is in the table: it may be had and the row be taken meanwhile.
//! 4. `INSERT … ON CONFLICT DO UPDATE … WHERE`, which decides, on the newest version of the row. It waits for statements of a moment alone,
//!    such as a sweep or a settle.
//!
//! Each statement of a volatile function has a snapshot of its own, under READ COMMITTED. If somebody takes the record after step 2 read
//! it, step 4 does nothing. But it has locked the row, as it does whether or not its `WHERE` holds. So the second round reads what step 4
//! saw, and nobody can change that any more: either it is the answer, or its lease or the record has ended since, and then it is taken. A third
//! round would need a clock that goes back; then the record passes for one that somebody is busy with, who is asked again.
//!
//! # The clock
//! Is `clock_timestamp()`, that of the server, and not `now()`, which is as old as the transaction. It is read once the row is locked, so
//! that a lease is never as old as the wait for it. `ON CONFLICT DO UPDATE` locks the row before it evaluates `WHERE` and `SET`, though what
//! `EXCLUDED` holds is from before. A plain `UPDATE` evaluates them before it waits, and again only if the row was changed meanwhile. So a
//! settle locks the row first, in a statement of its own.
//!
//! # Took over
//! Whether a claim took over an unfinished record is written into the row, by the `SET` that sees the row as it was. It is there for a claim
//! that is sent again too, because its answer was lost.
//!
//! # Their names
//! End in a hash of what they are. Another version of this library has functions of other names, so both work at once while one is deployed
//! after the other, and neither calls what it does not know.
//!
//! # What is found for a name
//! The table is looked up on the search path of whoever calls, like in any statement of his; a plan that was made for another path is made
//! anew. So are the functions, which are never looked for among temporary objects. They run with the rights of whoever calls. Everything
//! of the server's is qualified. Variables have names that no column has, and each column has the name of its table in front, so a column
//! that others add cannot be taken for one.
//!
//! # Plans
//! Are kept while the table grows. One that was made while it was nearly empty would be to read all of it, so that is switched off.

use sha2::{Digest, Sha256};

use super::{MAX_NAME, hex};

/// Digits of the hash in a name.
const HASH: usize = 12;

/// A setting that each of them has while it runs.
pub(super) const SETTING: &str = "enable_seqscan=off";

const CLAIM_ARGUMENTS: &[(&str, &str)] = &[
    ("of_scope", "pg_catalog.text"),
    ("of_key", "pg_catalog.text"),
    ("by_token", "pg_catalog.bytea"),
    ("for_payload", "pg_catalog.bytea"),
    ("for_lease", "pg_catalog.interval"),
    ("for_ttl", "pg_catalog.interval"),
    ("is_taking_over", "pg_catalog.bool"),
    ("its_turn", "pg_catalog.int8"),
    ("idle_millis", "pg_catalog.int8"),
];

/// Answers in words, of which the first says what it is about: one value costs less than a row of them.
const CLAIM: &str = r"
#variable_conflict use_variable
DECLARE
    isolation CONSTANT pg_catalog.text := pg_catalog.current_setting('transaction_isolation');
    idle_setting CONSTANT pg_catalog.text := 'idle_in_transaction_session_timeout';
    its_payload pg_catalog.bytea;
    its_token pg_catalog.bytea;
    its_lease_until pg_catalog.timestamptz;
    its_expires_at pg_catalog.timestamptz;
    its_outcome pg_catalog.int2;
    its_reply pg_catalog.bytea;
    its_took_over pg_catalog.bool;
    this_moment pg_catalog.timestamptz;
BEGIN
    IF isolation <> 'read committed' THEN
        RETURN pg_catalog.concat_ws(' ', 'level', isolation);
    END IF;
    FOR this_round IN 1..2 LOOP
        SELECT r.payload, r.token, r.lease_until, r.expires_at, r.outcome, r.reply
            INTO its_payload, its_token, its_lease_until, its_expires_at, its_outcome, its_reply
            FROM {table} AS r WHERE r.scope = of_scope AND r.key = of_key;
        this_moment := pg_catalog.clock_timestamp();
        IF its_expires_at > this_moment THEN
            IF its_outcome IS NOT NULL THEN
                RETURN pg_catalog.concat_ws(' ', 'settled', its_outcome, pg_catalog.encode(its_payload, 'hex'),
                    pg_catalog.encode(its_token, 'hex'), pg_catalog.encode(its_reply, 'hex'));
            ELSIF its_token <> by_token AND its_lease_until > this_moment THEN
                RETURN pg_catalog.concat_ws(' ', 'running',
                    (EXTRACT(EPOCH FROM its_lease_until - this_moment) * 1000000)::pg_catalog.int8,
                    pg_catalog.encode(its_payload, 'hex'));
            ELSIF its_token <> by_token AND NOT (is_taking_over AND its_payload = for_payload) THEN
                RETURN pg_catalog.concat_ws(' ', 'abandoned', pg_catalog.encode(its_payload, 'hex'));
            END IF;
        END IF;
        IF NOT pg_catalog.pg_try_advisory_xact_lock(its_turn) THEN
            RETURN 'busy';
        END IF;
        INSERT INTO {table} AS r
                (scope, key, payload, token, lease_until, expires_at, outcome, reply, took_over, created_at)
            VALUES (of_scope, of_key, for_payload, by_token, pg_catalog.clock_timestamp() + for_lease,
                pg_catalog.clock_timestamp() + for_lease + for_ttl, NULL, NULL, false, pg_catalog.clock_timestamp())
            ON CONFLICT (scope, key) DO UPDATE SET payload = for_payload, token = by_token,
                lease_until = pg_catalog.clock_timestamp() + for_lease,
                expires_at = pg_catalog.clock_timestamp() + for_lease + for_ttl, outcome = NULL, reply = NULL,
                took_over = r.expires_at > pg_catalog.clock_timestamp() AND (r.token <> by_token OR r.took_over),
                created_at = pg_catalog.clock_timestamp()
            WHERE r.expires_at <= pg_catalog.clock_timestamp() OR r.outcome IS NULL
                AND (r.token = by_token OR is_taking_over AND r.payload = for_payload
                    AND r.lease_until <= pg_catalog.clock_timestamp())
            RETURNING r.took_over INTO its_took_over;
        IF FOUND THEN
            IF idle_millis IS NOT NULL AND pg_catalog.current_setting(idle_setting)::pg_catalog.interval
                NOT BETWEEN '1 microsecond' AND idle_millis * pg_catalog.interval '1 millisecond'
            THEN
                PERFORM pg_catalog.set_config(idle_setting, idle_millis::pg_catalog.text, true);
            END IF;
            RETURN CASE WHEN its_took_over THEN 'ours over' ELSE 'ours new' END;
        END IF;
    END LOOP;
    RETURN 'busy';
END
";

const SETTLE_ARGUMENTS: &[(&str, &str)] = &[
    ("of_scope", "pg_catalog.text"),
    ("of_key", "pg_catalog.text"),
    ("by_token", "pg_catalog.bytea"),
    ("of_kind", "pg_catalog.int4"),
    ("sealed_reply", "pg_catalog.bytea"),
    ("for_ttl", "pg_catalog.interval"),
];

/// A reply that is there already, under this token, stays as it is: then this was sent again.
const SETTLE: &str = r"
#variable_conflict use_variable
DECLARE
    its_outcome pg_catalog.int2;
BEGIN
    SELECT r.outcome INTO its_outcome FROM {table} AS r
        WHERE r.scope = of_scope AND r.key = of_key AND r.token = by_token AND r.expires_at > pg_catalog.clock_timestamp()
        FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF its_outcome IS NULL THEN
        UPDATE {table} AS r SET outcome = of_kind, reply = sealed_reply, expires_at = pg_catalog.clock_timestamp() + for_ttl
            WHERE r.scope = of_scope AND r.key = of_key;
    END IF;
    RETURN true;
END
";

/// The functions of a table.
pub(super) struct Functions {
    pub(super) claim: Function,
    pub(super) settle: Function,
}

impl Functions {
    /// Of the table of this name.
    pub(super) fn of(table: &str) -> Self {
        Self {
            claim: Function::new(table, "claim", CLAIM_ARGUMENTS, "pg_catalog.text", CLAIM),
            settle: Function::new(table, "settle", SETTLE_ARGUMENTS, "pg_catalog.bool", SETTLE),
        }
    }

    pub(super) fn all(&self) -> [&Function; 2] {
        [&self.claim, &self.settle]
    }
}

/// A function that the server runs.
pub(super) struct Function {
    /// Letters, digits and underscores.
    pub(super) name: String,
    arguments: &'static [(&'static str, &'static str)],
    /// What stands in it.
    pub(super) body: String,
    /// What follows its name where it is made.
    definition: String,
}

impl Function {
    fn new(
        table: &str,
        what: &str,
        arguments: &'static [(&'static str, &'static str)],
        returns: &str,
        body: &str,
    ) -> Self {
        let body = body.replace("{table}", &format!("\"{table}\""));
        let named: Vec<String> = arguments.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
        let definition = format!(
            "({}) RETURNS {returns}\nLANGUAGE plpgsql VOLATILE SECURITY INVOKER SET {} AS $function${body}$function$",
            named.join(", "),
            SETTING.replace('=', " = "),
        );
        Self {
            name: name(table, what, &definition),
            arguments,
            body,
            definition,
        }
    }

    /// The SQL that makes it in this schema, which is in quotes if it needs them, or in the first of the search path.
    pub(super) fn create(&self, schema: Option<&str>) -> String {
        format!(
            "CREATE OR REPLACE FUNCTION {}{}",
            self.qualified(schema),
            self.definition
        )
    }

    /// Its name, in quotes.
    pub(super) fn qualified(&self, schema: Option<&str>) -> String {
        match schema {
            Some(schema) => format!("{schema}.\"{}\"", self.name),
            None => format!("\"{}\"", self.name),
        }
    }

    /// Its name and what it takes, as `to_regprocedure` reads them.
    pub(super) fn signature(&self) -> String {
        let kinds: Vec<&str> = self.arguments.iter().map(|(_, kind)| *kind).collect();
        format!("\"{}\"({})", self.name, kinds.join(", "))
    }

    /// A call of it with these arguments.
    pub(super) fn call(&self, arguments: &str) -> String {
        format!("SELECT \"{}\"({arguments})", self.name)
    }
}

/// `{table}_{what}_{hash}`, with less of the table's name where that is too long. The hash covers what the function is, and in it the name
/// of the table, so no two of them share one.
fn name(table: &str, what: &str, definition: &str) -> String {
    let hash = hex::encode(&Sha256::digest(definition)[..HASH / 2]);
    let left = MAX_NAME - what.len() - hash.len() - 2;
    format!("{}_{what}_{hash}", &table[..table.len().min(left)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_enough_and_differ() {
        let long = ["a", "b"].map(|end| "t".repeat(62) + end);
        let names: Vec<String> = ["records", &long[0], &long[1]]
            .iter()
            .flat_map(|table| Functions::of(table).all().map(|function| function.name.clone()))
            .collect();
        assert!(names[0].starts_with("records_claim_"), "{names:?}");
        assert!(names[1].starts_with("records_settle_"), "{names:?}");
        assert!(names.iter().all(|name| name.len() <= MAX_NAME), "{names:?}");
        let mut different = names.clone();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), names.len());
    }

    #[test]
    fn another_text_has_another_name() {
        let of = |body| Function::new("records", "claim", CLAIM_ARGUMENTS, "pg_catalog.text", body).name;
        assert_eq!(of("BEGIN END"), of("BEGIN END"));
        assert_ne!(of("BEGIN END"), of("BEGIN  END"));
    }

    #[test]
    fn what_quotes_them_is_not_in_them() {
        assert!(
            Functions::of("records")
                .all()
                .iter()
                .all(|function| !function.body.contains('$'))
        );
    }
}
