//! What is in the database: its version, and its SQL.

/// What `cache_core.version()` says once [`CREATE`] has run. A change of it needs a way from the version before.
pub(super) const VERSION: i32 = 1;

/// Makes the schema and all in it.
pub(super) const CREATE: &str = include_str!("schema.sql");

/// Whether it is there. Does not fail where it is not. Reads the catalogs as tables: what is only looked up in them
/// (`to_regprocedure`) may have been found missing before it was our turn, and that is remembered.
pub(super) const IS_THERE: &str = "SELECT EXISTS (
    SELECT FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
    WHERE n.nspname OPERATOR(pg_catalog.=) 'cache_core'::pg_catalog.name
    AND p.proname OPERATOR(pg_catalog.=) 'version'::pg_catalog.name)";

pub(super) const GET_VERSION: &str = "SELECT cache_core.version()";

/// One at a time installs and removes. Ends with the transaction, and so means something behind a pooler too.
pub(super) const TAKE_TURNS: &str = "SELECT pg_catalog.pg_advisory_xact_lock(7162953874205161823)";

/// Folds rows of all tables, for a reader who found many.
pub(super) const FOLD: &str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SELECT cache_core.fold_all()";

/// Everything that has triggers of ours, or had. What is watched comes first: after that, no trigger is anybody's.
pub(super) const TOUCHED: &str = "
    SELECT pg_catalog.int8(t.relation), t.relation::pg_catalog.regclass::pg_catalog.text FROM (
        SELECT w.relation::pg_catalog.oid, 1 FROM cache_core.watched AS w
        UNION ALL SELECT g.tgrelid, 2 FROM pg_catalog.pg_trigger AS g
        WHERE g.tgfoid OPERATOR(pg_catalog.=) 'cache_core.changed()'::pg_catalog.regprocedure
        AND g.tgparentid OPERATOR(pg_catalog.=) 0::pg_catalog.oid
    ) AS t (relation, step) GROUP BY t.relation ORDER BY pg_catalog.min(t.step)";

/// Removes what [`CREATE`] made, once nothing is watched. What others have put into the schema stays, and then so does the schema.
pub(super) const DROP: &str = "
    DROP FUNCTION cache_core.incomplete(pg_catalog.regclass[], pg_catalog.bool), cache_core.revisions(pg_catalog.regclass[]),
        cache_core.watch(pg_catalog.regclass, pg_catalog.bool), cache_core.unwatch(pg_catalog.regclass),
        cache_core.members(pg_catalog.regclass[]), cache_core.changed(), cache_core.fold_all(),
        cache_core.fold(pg_catalog.int4), cache_core.version();
    DROP TABLE cache_core.changes, cache_core.watched;
    DO $body$ BEGIN
        DROP SCHEMA cache_core;
    EXCEPTION WHEN dependent_objects_still_exist THEN
        NULL;
    END $body$;";
