//! Names of tables and columns, which become part of SQL: checked, then quoted.

use std::sync::Arc;

use super::error::RevisionsError;

/// How long Postgres lets a name be, in bytes. It would cut what is longer.
const MAX_BYTES: usize = 63;

/// A table's name: as it was given, and as SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableName {
    pub(super) given: Arc<str>,
    pub(super) sql: String,
}

impl TableName {
    /// `table` or `schema.table`. Each part is taken as it is, upper case and spaces included.
    pub(super) fn parse(given: &str) -> Result<Self, RevisionsError> {
        let invalid = |why| RevisionsError::InvalidName {
            name: given.into(),
            why,
        };
        let sql = match given.split_once('.') {
            None => quoted(given).map_err(invalid)?,
            Some((schema, table)) => {
                let schema = quoted(schema).map_err(invalid)?;
                format!("{schema}.{}", quoted(table).map_err(invalid)?)
            }
        };
        Ok(Self {
            given: given.into(),
            sql,
        })
    }

    /// Several: each once, in the order of the alphabet, so that the order they are named in makes no difference.
    pub(super) fn parse_all(given: &[impl AsRef<str>]) -> Result<Vec<Self>, RevisionsError> {
        if given.is_empty() {
            return Err(RevisionsError::NoTables);
        }
        let mut given: Vec<&str> = given.iter().map(AsRef::as_ref).collect();
        given.sort_unstable();
        given.dedup();
        given.into_iter().map(Self::parse).collect()
    }

    /// SQL for an array of the tables, with NULL for those that are not there. Whoever runs it looks them up, on his search path.
    pub(super) fn array(tables: &[Self]) -> String {
        let mut sql = String::from("ARRAY[");
        for (number, table) in tables.iter().enumerate() {
            if number > 0 {
                sql.push(',');
            }
            sql.push_str("pg_catalog.to_regclass('");
            sql.push_str(&table.sql);
            sql.push_str("')");
        }
        // Of a type of its own, lest an operator of another schema has a say.
        sql.push_str("]::pg_catalog.regclass[]");
        sql
    }
}

/// A name in double quotes, which needs no escapes in them, nor in single ones around them.
pub(super) fn quoted(name: &str) -> Result<String, &'static str> {
    if name.is_empty() {
        return Err("a name, and a schema before a dot, cannot be empty");
    }
    if name.len() > MAX_BYTES {
        return Err("a name has at most 63 bytes in Postgres");
    }
    if name.contains(['"', '\'', '\\']) {
        return Err("leave out quotes and backslashes: names are quoted here, and taken as they are");
    }
    if name.contains('.') {
        return Err("write `table` or `schema.table`: a name with a dot of its own cannot be told from that");
    }
    if name.chars().any(char::is_control) {
        return Err("a name cannot have control characters");
    }
    Ok(format!("\"{name}\""))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    #[test]
    fn each_part_is_quoted_and_taken_as_it_is() {
        for (given, sql) in [
            ("topics", r#""topics""#),
            ("public.topics", r#""public"."topics""#),
            ("Order Items", r#""Order Items""#),
            ("select", r#""select""#),
            ("größe-1$", r#""größe-1$""#),
        ] {
            assert_eq!(TableName::parse(given).unwrap().sql, sql);
        }
    }

    #[test]
    fn what_could_leave_the_quotes_is_refused() {
        let long = "x".repeat(64);
        for given in [
            "", ".", "a.", ".a", "a.b.c", "a\"b", "a'b", "a\\b", "a\0b", "a\nb", &long,
        ] {
            let error = TableName::parse(given).unwrap_err();
            assert!(
                matches!(error, RevisionsError::InvalidName { .. }),
                "{given:?}: {error}"
            );
        }
    }

    #[test]
    fn names_are_taken_once_and_in_order() {
        let names = TableName::parse_all(&["b", "a", "b"]).unwrap();
        assert_eq!(names.iter().map(|name| &*name.given).collect::<Vec<_>>(), ["a", "b"]);
        let none: [&str; 0] = [];
        assert!(matches!(TableName::parse_all(&none), Err(RevisionsError::NoTables)));
    }
}
