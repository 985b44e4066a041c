//! What is wrong with a table, and the SQL that mends it.
//!
//! The catalogs are read in one question, in rows of one shape; what follows from them is decided here. The SQL for faults can be run in
//! the order they are listed in.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::error::PgFault;
use super::functions::{Function, Functions, SETTING};
use super::schema::{COLUMNS, Column};

/// A part of a table: itself, a right that is lacking, a column, an index, a function, or the lack of
/// a right to execute one.
pub(super) struct Part {
    of: String,
    /// Of a function the schema it is in, or should be, and of a right the role, as they stand in statements.
    name: String,
    /// Of the table its kind, of a column its type, of an index its columns, of a function its name.
    what: String,
    /// Of the table its persistence, of a column its collation, of an index the constraint it belongs to, of a
    /// function the number of its schema, and of a right to execute it the schema.
    more: String,
    /// Row-level security; NOT NULL; the primary key; missing.
    first: bool,
    /// Rules; filled in by default; unique; another than it has to be.
    second: bool,
    /// Generated; in use for all rows, at once.
    third: bool,
}

/// The question for this table, which is in quotes. No rows if it is not there.
pub(super) fn question(table: &str, functions: &Functions) -> String {
    let functions = functions
        .all()
        .map(|function| {
            format!(
                "('{}', '{}', $body${}$body$)",
                function.name,
                function.signature(),
                function.body
            )
        })
        .join(", ");
    format!(
        "WITH t AS MATERIALIZED (SELECT c.* FROM pg_catalog.pg_class AS c WHERE c.oid = pg_catalog.to_regclass('{table}')), \
         f AS MATERIALIZED ( \
             SELECT v.name, p.oid AS number, n.oid::pg_catalog.text AS schema_number, \
                 pg_catalog.quote_ident(n.nspname::pg_catalog.text) AS schema, \
                 p.oid IS NOT NULL AND (p.prosrc <> v.body OR p.prosecdef OR p.proisstrict OR p.provolatile <> 'v' \
                     OR p.proconfig IS DISTINCT FROM ARRAY['{SETTING}'] OR l.lanname <> 'plpgsql') AS is_another \
             FROM t CROSS JOIN (VALUES {functions}) AS v (name, signature, body) \
             LEFT JOIN pg_catalog.pg_proc AS p ON p.oid = pg_catalog.to_regprocedure(v.signature) \
             LEFT JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = COALESCE(p.pronamespace, t.relnamespace) \
         ) \
         SELECT 'table' AS part, t.oid::pg_catalog.regclass::pg_catalog.text AS name, t.relkind::pg_catalog.text AS what, \
             t.relpersistence::pg_catalog.text AS more, pg_catalog.row_security_active(t.oid) AS first, \
             EXISTS (SELECT FROM pg_catalog.pg_rewrite AS w WHERE w.ev_class = t.oid) AS second, false AS third, 0 AS place FROM t \
         UNION ALL SELECT 'right', pg_catalog.quote_ident(CURRENT_USER::pg_catalog.text), p.name, '', false, false, false, 1 \
             FROM t, (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) AS p (name) \
             WHERE NOT pg_catalog.has_table_privilege(t.oid, p.name) \
         UNION ALL SELECT 'column', a.attname::pg_catalog.text, pg_catalog.format_type(a.atttypid, a.atttypmod), \
             COALESCE((SELECT l.collname::pg_catalog.text FROM pg_catalog.pg_collation AS l WHERE l.oid = a.attcollation), ''), \
             a.attnotnull, a.atthasdef OR a.attidentity <> '', a.attgenerated <> '', a.attnum::pg_catalog.int4 \
             FROM t, pg_catalog.pg_attribute AS a WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped \
         UNION ALL SELECT 'index', i.indexrelid::pg_catalog.regclass::pg_catalog.text, \
             (SELECT COALESCE(pg_catalog.string_agg(COALESCE(a.attname::pg_catalog.text, '?'), ',' ORDER BY k.place), '') \
              FROM pg_catalog.unnest(i.indkey) WITH ORDINALITY AS k (attnum, place) \
              LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = k.attnum \
              WHERE k.place <= i.indnkeyatts), \
             COALESCE((SELECT pg_catalog.quote_ident(n.conname::pg_catalog.text) FROM pg_catalog.pg_constraint AS n \
                       WHERE n.conindid = i.indexrelid AND n.contype IN ('p', 'u')), ''), \
             i.indisprimary, i.indisunique, i.indisvalid AND i.indimmediate AND i.indpred IS NULL \
                 AND (SELECT x.relam FROM pg_catalog.pg_class AS x WHERE x.oid = i.indexrelid) = \
                     (SELECT m.oid FROM pg_catalog.pg_am AS m WHERE m.amname = 'btree'), 0 \
             FROM t, pg_catalog.pg_index AS i WHERE i.indrelid = t.oid \
         UNION ALL SELECT 'function', f.schema, f.name, f.schema_number, f.number IS NULL, f.is_another, false, 0 FROM f \
         UNION ALL SELECT 'execute', pg_catalog.quote_ident(CURRENT_USER::pg_catalog.text), f.name, f.schema, false, false, false, 0 \
             FROM f WHERE NOT pg_catalog.has_function_privilege(f.number, 'EXECUTE') \
         ORDER BY part DESC, place, name"
    )
}

impl Part {
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            of: row.try_get("part")?,
            name: row.try_get("name")?,
            what: row.try_get("what")?,
            more: row.try_get("more")?,
            first: row.try_get("first")?,
            second: row.try_get("second")?,
            third: row.try_get("third")?,
        })
    }

    /// Whether it is a table, and neither a view nor a temporary one.
    pub(super) fn is_lasting_table(&self) -> bool {
        self.of == "table" && self.what == "r" && self.more != "t"
    }

    /// Whether it is this function, which is missing: then the number of the schema that it should be in, and its name there.
    pub(super) fn lacks(&self, function: &Function) -> Option<(&str, &str)> {
        let is_missing = self.of == "function" && self.what == function.name && self.first;
        is_missing.then_some((&self.more, &self.name))
    }
}

/// All that is wrong with the table of these parts.
pub(super) fn faults(table: &str, functions: &Functions, parts: &[Part]) -> Vec<PgFault> {
    let mut faults = Faults {
        alter: format!("ALTER TABLE {table}"),
        table,
        found: Vec::new(),
    };
    let of = |part: &'static str| parts.iter().filter(move |found| found.of == part);
    for part in of("table") {
        // What follows could not be said of it.
        if part.what != "r" {
            faults.no_table(part);
            return faults.found;
        }
        faults.table(part);
    }
    for part in of("right") {
        let sql = format!("GRANT {} ON TABLE {table} TO {}", part.what, part.name);
        faults.add(format!("the role {} may not {}", part.name, part.what), sql);
    }
    for column in &COLUMNS {
        match of("column").find(|part| part.name == column.name) {
            Some(part) => faults.column(column, part),
            None => faults.no_column(column),
        }
    }
    for part in of("column").filter(|part| COLUMNS.iter().all(|column| column.name != part.name)) {
        if part.first && !part.second {
            let sql = format!("{} ALTER COLUMN {} DROP NOT NULL", faults.alter, quoted(&part.name));
            faults.add(
                format!(
                    "column {} of somebody else's is NOT NULL and has no default",
                    quoted(&part.name)
                ),
                sql,
            );
        }
    }
    faults.indexes(&of("index").collect::<Vec<_>>());
    for function in functions.all() {
        if let Some(part) = of("function").find(|part| part.what == function.name) {
            faults.function(function, part);
        }
        for part in of("execute").filter(|part| part.what == function.name) {
            let name = function.qualified(Some(&part.more));
            let sql = format!("GRANT EXECUTE ON FUNCTION {name} TO {}", part.name);
            faults.add(format!("the role {} may not EXECUTE {name}", part.name), sql);
        }
    }
    faults.found
}

struct Faults<'a> {
    /// In quotes.
    table: &'a str,
    alter: String,
    found: Vec<PgFault>,
}

impl Faults<'_> {
    fn add(&mut self, what: String, sql: String) {
        self.found.push(PgFault { what, sql });
    }

    fn no_table(&mut self, part: &Part) {
        let mut other = self.table.trim_matches('"').to_owned();
        other.truncate(super::MAX_NAME - "_other".len());
        self.add(
            format!("{} is not an ordinary table, but of kind `{}`", part.name, part.what),
            format!("{} RENAME TO \"{other}_other\"", self.alter),
        );
    }

    fn table(&mut self, part: &Part) {
        match part.more.as_str() {
            "t" => self.add(
                format!(
                    "{} is temporary: others do not see it, and it is gone with the connection",
                    part.name
                ),
                format!("DROP TABLE pg_temp.{}", self.table),
            ),
            "u" => self.add(
                format!(
                    "{} is unlogged: a crash empties it, and then everything runs again",
                    part.name
                ),
                format!("{} SET LOGGED", self.alter),
            ),
            _ => {}
        }
        if part.first {
            self.add(
                format!("row-level security of {} keeps rows from this role", part.name),
                format!("{} DISABLE ROW LEVEL SECURITY", self.alter),
            );
        }
        if part.second {
            self.add(
                format!("{} has rules, under which ON CONFLICT does not work", part.name),
                // There may be several: this drops all of them.
                format!(
                    "DO $$ DECLARE r text; BEGIN FOR r IN SELECT rulename FROM pg_rewrite WHERE ev_class = '{}'::regclass LOOP \
                     EXECUTE format('DROP RULE %I ON {}', r); END LOOP; END $$",
                    self.table, self.table
                ),
            );
        }
    }

    fn no_column(&mut self, column: &Column) {
        let (alter, name, kind) = (&self.alter, column.name, column.with_collation());
        let sql = if column.not_null {
            let filler = column.filler;
            format!(
                "{alter} ADD COLUMN {name} {kind} NOT NULL DEFAULT {filler}; {alter} ALTER COLUMN {name} DROP DEFAULT"
            )
        } else {
            format!("{alter} ADD COLUMN {name} {kind}")
        };
        self.add(format!("column `{name}` is missing"), sql);
    }

    fn column(&mut self, column: &Column, part: &Part) {
        let (alter, name, kind) = (self.alter.clone(), column.name, column.with_collation());
        if part.third {
            self.add(
                format!("column `{name}` is generated"),
                format!("{alter} ALTER COLUMN {name} DROP EXPRESSION"),
            );
        }
        if part.what != column.kind {
            let using = match column.kind {
                "bytea" => format!("pg_catalog.convert_to({name}::pg_catalog.text, 'UTF8')"),
                kind => format!("{name}::{kind}"),
            };
            self.add(
                format!("column `{name}` is {} and has to be {}", part.what, column.kind),
                format!("{alter} ALTER COLUMN {name} TYPE {kind} USING {using}"),
            );
        } else if column.is_name() && part.more != "C" {
            self.add(
                format!("column `{name}` has no COLLATE \"C\", so another language may take names for the same, or sort them anew"),
                format!("{alter} ALTER COLUMN {name} TYPE {kind}"),
            );
        }
        match (column.not_null, part.first) {
            (true, false) => self.add(
                format!("column `{name}` is not NOT NULL"),
                format!(
                    "UPDATE {} SET {name} = {} WHERE {name} IS NULL; {alter} ALTER COLUMN {name} SET NOT NULL",
                    self.table, column.filler
                ),
            ),
            (false, true) => self.add(
                format!("column `{name}` is NOT NULL, and is NULL while a request runs"),
                format!("{alter} ALTER COLUMN {name} DROP NOT NULL"),
            ),
            _ => {}
        }
    }

    fn function(&mut self, function: &Function, part: &Part) {
        let name = function.qualified(Some(&part.name));
        if part.first {
            let what = format!(
                "the function {name} is missing: the table was made by another version of this library, or by hand"
            );
            self.add(what, function.create(Some(&part.name)));
        } else if part.second {
            let what = format!("the function {name} is another one than it has to be");
            self.add(what, function.create(Some(&part.name)));
        }
    }

    fn indexes(&mut self, indexes: &[&Part]) {
        let alter = self.alter.clone();
        let add = "ADD PRIMARY KEY (scope, key)";
        match indexes.iter().find(|index| index.first) {
            None => self.add("there is no primary key".into(), format!("{alter} {add}")),
            Some(index) if index.what != "scope,key" || !index.third => {
                let later = if index.third {
                    ""
                } else {
                    ", and is checked later or not valid"
                };
                self.add(
                    format!(
                        "the primary key is of ({}){later}, and has to be of (scope, key)",
                        index.what
                    ),
                    format!("{alter} DROP CONSTRAINT {}, {add}", index.more),
                );
            }
            Some(_) => {}
        }
        for index in indexes.iter().filter(|index| index.second && !index.first) {
            let mut columns = index.what.split(',');
            // What has both is unique already.
            if columns.clone().any(|name| name == "scope") && columns.any(|name| name == "key") {
                continue;
            }
            let sql = if index.more.is_empty() {
                format!("DROP INDEX {}", index.name)
            } else {
                format!("{alter} DROP CONSTRAINT {}", index.more)
            };
            self.add(
                format!("{} lets no two records have the same ({})", index.name, index.what),
                sql,
            );
        }
        if !indexes
            .iter()
            .any(|index| index.third && index.what.split(',').next() == Some("expires_at"))
        {
            self.add(
                "there is no index on `expires_at`, so each sweep reads the whole table".into(),
                format!("CREATE INDEX ON {} (expires_at)", self.table),
            );
        }
    }
}

/// A name of somebody else's.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
