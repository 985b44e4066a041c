-- What `install` puts into a database, once. The argument for it is at the top of `install.rs`.
--
-- Every function, type and operator here names its schema. What runs for a writer runs with the rights of who installed
-- it and with the writer's search path, so a name without a schema could be taken over. (`SET search_path` on the functions
-- would do as well, but costs each call.)

CREATE SCHEMA IF NOT EXISTS cache_core;
-- Whoever owns a schema can put other functions in the place of those in it, which writers then would run with our rights.
DO $owner$ BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_namespace AS n
        WHERE n.nspname OPERATOR(pg_catalog.=) 'cache_core'::pg_catalog.name
        AND n.nspowner OPERATOR(pg_catalog.=) CURRENT_USER::pg_catalog.regrole
    ) THEN
        RAISE insufficient_privilege USING MESSAGE = 'the schema cache_core belongs to another role';
    END IF;
END $owner$;
COMMENT ON SCHEMA cache_core IS 'Revisions of tables, for caches. Installed and removed by the Rust library cache-core.';

-- A table that dumps write by its name, so that what is restored from one is still installed.
CREATE TABLE cache_core.watched (
    id pg_catalog.int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relation pg_catalog.regclass NOT NULL UNIQUE,
    notify pg_catalog.bool NOT NULL
);

-- One row for each transaction that changed a watched table, until rows are folded into one. Without an index, so that writers
-- meet nowhere. `mark` is different for each transaction, so that the sums of two histories that parted (a failover or a crash
-- that lost commits) differ.
CREATE TABLE cache_core.changes (
    watched pg_catalog.int4 NOT NULL,
    commits pg_catalog.int8 NOT NULL,
    mark pg_catalog.int8 NOT NULL
) WITH (
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_cost_delay = 0,
    -- Giving pages back takes a lock that readers on a standby would meet.
    vacuum_truncate = false
);
-- Without a key, a publication of all tables would forbid to delete.
ALTER TABLE cache_core.changes REPLICA IDENTITY FULL;

CREATE FUNCTION cache_core.version() RETURNS pg_catalog.int4
LANGUAGE sql IMMUTABLE AS 'SELECT 1';

-- Makes one row of up to 1,000 rows of a watched table. It takes rows that nobody else is folding, and so never waits. Under
-- REPEATABLE READ and above it could fail, and the transaction of the writer with it, so there it does nothing.
CREATE FUNCTION cache_core.fold(id pg_catalog.int4) RETURNS pg_catalog.void
LANGUAGE plpgsql SECURITY DEFINER AS $body$
BEGIN
    IF pg_catalog.starts_with(pg_catalog.current_setting('transaction_isolation'), 'read ') THEN
        WITH folded AS (
            DELETE FROM cache_core.changes AS c
            WHERE c.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(
                SELECT o.ctid FROM cache_core.changes AS o
                WHERE o.watched OPERATOR(pg_catalog.=) fold.id
                LIMIT 1000
                FOR UPDATE SKIP LOCKED
            ))
            RETURNING c.commits, c.mark
        )
        INSERT INTO cache_core.changes (watched, commits, mark)
        SELECT fold.id, pg_catalog.sum(f.commits), pg_catalog.mod(pg_catalog.sum(f.mark), 4611686018427387904)
        FROM folded AS f
        HAVING pg_catalog.int8gt(pg_catalog.count(*), 0);
    END IF;
END
$body$;

-- For who finds many rows when reading: where all writers run under REPEATABLE READ, none of them folds.
CREATE FUNCTION cache_core.fold_all() RETURNS pg_catalog.void
LANGUAGE sql SECURITY DEFINER AS
'SELECT cache_core.fold(w.id) FROM cache_core.watched AS w';

-- What the triggers call, once for a transaction and table: their WHEN sees to that. One in 64 folds.
CREATE FUNCTION cache_core.changed() RETURNS pg_catalog.trigger
LANGUAGE plpgsql SECURITY DEFINER AS $body$
DECLARE
    -- Not negative, so that it makes no difference to the rest of a sum what was folded before.
    own_mark CONSTANT pg_catalog.int8 := pg_catalog.int8and(
        pg_catalog.hashfloat8extended(
            pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()),
            pg_catalog.pg_current_xact_id()::pg_catalog.text::pg_catalog.int8
        ),
        4611686018427387903
    );
BEGIN
    INSERT INTO cache_core.changes (watched, commits, mark) VALUES (TG_ARGV[0]::pg_catalog.int4, 1, own_mark);
    IF pg_catalog.texteq(TG_ARGV[1], 'notify') THEN
        PERFORM pg_catalog.pg_notify('cache_core', TG_ARGV[0]);
    END IF;
    IF pg_catalog.int8eq(pg_catalog.mod(own_mark, 64::pg_catalog.int8), 0) THEN
        PERFORM cache_core.fold(TG_ARGV[0]::pg_catalog.int4);
    END IF;
    RETURN NULL;
END
$body$;

-- The tables, and all that inherit from them or are their partitions: what a trigger has to be on. Takes no lock on any of
-- them. `link` changes when one is attached or detached.
CREATE FUNCTION cache_core.members(tables pg_catalog.regclass[])
RETURNS TABLE (place pg_catalog.int8, relation pg_catalog.oid, link pg_catalog.text)
LANGUAGE plpgsql STABLE AS $body$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE member (place, relation, link) AS (
        SELECT a.place, a.relation::pg_catalog.oid, NULL::pg_catalog.text
        FROM ROWS FROM (pg_catalog.unnest(tables)) WITH ORDINALITY AS a (relation, place)
        UNION
        SELECT m.place, i.inhrelid, i.xmin::pg_catalog.text
        FROM member AS m
        JOIN pg_catalog.pg_inherits AS i ON i.inhparent OPERATOR(pg_catalog.=) m.relation
    )
    SELECT m.place, m.relation, m.link FROM member AS m;
END
$body$;

-- The revision of each of these tables: what was counted, and the state of its members. Without an id it is not installed, and
-- without a state it is not there. A fault is why a change of it could go unseen: a letter, and where.
CREATE FUNCTION cache_core.revisions(tables pg_catalog.regclass[])
RETURNS TABLE (
    place pg_catalog.int8,
    id pg_catalog.int4,
    notify pg_catalog.bool,
    commits pg_catalog.int8,
    mark pg_catalog.int8,
    pieces pg_catalog.int8,
    state pg_catalog.text,
    fault pg_catalog.text
)
LANGUAGE plpgsql STABLE AS $body$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT a.place, w.id, w.notify
        FROM ROWS FROM (pg_catalog.unnest(tables)) WITH ORDINALITY AS a (relation, place)
        LEFT JOIN cache_core.watched AS w ON w.relation OPERATOR(pg_catalog.=) a.relation
    ), tally AS (
        SELECT
            c.watched,
            pg_catalog.sum(c.commits)::pg_catalog.int8 AS commits,
            pg_catalog.mod(pg_catalog.sum(c.mark), 4611686018427387904)::pg_catalog.int8 AS mark,
            pg_catalog.count(*) AS pieces
        FROM cache_core.changes AS c
        WHERE c.watched OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT a.id FROM asked AS a))
        GROUP BY c.watched
    ), standing AS (
        SELECT
            a.place,
            pg_catalog.string_agg(
                pg_catalog.concat_ws(':', c.oid, c.relfilenode, c.xmin, g.xmin, m.link),
                ' ' ORDER BY c.oid, m.link
            ) AS state,
            pg_catalog.min(CASE
                WHEN c.relkind OPERATOR(pg_catalog.<>) ALL (ARRAY['r', 'p']::pg_catalog."char"[]) THEN 'k '
                WHEN c.relpersistence OPERATOR(pg_catalog.<>) 'p'::pg_catalog."char" THEN 'u '
                WHEN g.oid IS NULL THEN 'm '
                WHEN g.tgenabled OPERATOR(pg_catalog.<>) 'A'::pg_catalog."char" THEN 'd '
            END OPERATOR(pg_catalog.||) c.oid::pg_catalog.regclass::pg_catalog.text) AS fault
        FROM asked AS a
        JOIN cache_core.members(tables) AS m ON m.place OPERATOR(pg_catalog.=) a.place
        JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) m.relation
        LEFT JOIN pg_catalog.pg_trigger AS g
            ON g.tgrelid OPERATOR(pg_catalog.=) m.relation
            AND g.tgname OPERATOR(pg_catalog.=) pg_catalog.concat('cache_core_', a.id)::pg_catalog.name
        GROUP BY a.place
    )
    SELECT
        a.place,
        a.id,
        a.notify,
        COALESCE(t.commits, 0),
        COALESCE(t.mark, 0),
        COALESCE(t.pieces, 0),
        s.state,
        s.fault
    FROM asked AS a
    LEFT JOIN standing AS s ON s.place OPERATOR(pg_catalog.=) a.place
    LEFT JOIN tally AS t ON t.watched OPERATOR(pg_catalog.=) a.id;
END
$body$;

-- Which of these tables lack something that `watch` would add.
CREATE FUNCTION cache_core.incomplete(tables pg_catalog.regclass[], notify pg_catalog.bool)
RETURNS TABLE (place pg_catalog.int8)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    RETURN QUERY
    SELECT r.place FROM cache_core.revisions(tables) AS r
    WHERE r.id IS NULL OR r.fault IS NOT NULL OR r.notify <> incomplete.notify OR EXISTS (
        SELECT FROM cache_core.members(tables) AS m
        LEFT JOIN pg_trigger AS g
            ON g.tgrelid = m.relation AND g.tgname = concat('cache_core_', r.id, '_truncate')::name
        WHERE m.place = r.place AND g.tgenabled IS DISTINCT FROM 'A'
    );
END
$body$;

-- Takes the triggers off a table and its members, those that nothing is known of any more as well.
CREATE FUNCTION cache_core.unwatch(relation pg_catalog.regclass) RETURNS pg_catalog.void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    trigger record;
BEGIN
    FOR trigger IN
        SELECT g.tgname, g.tgrelid::regclass AS tgrelid
        FROM cache_core.members(ARRAY[unwatch.relation]) AS m
        JOIN pg_trigger AS g ON g.tgrelid = m.relation
        WHERE g.tgfoid = 'cache_core.changed()'::regprocedure
        AND g.tgparentid = 0
        AND NOT EXISTS (
            SELECT FROM cache_core.watched AS w
            WHERE w.relation <> unwatch.relation
            AND g.tgname IN (concat('cache_core_', w.id), concat('cache_core_', w.id, '_truncate'))
        )
        GROUP BY 1, 2
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', trigger.tgname, trigger.tgrelid);
    END LOOP;
    WITH gone AS (DELETE FROM cache_core.watched AS w WHERE w.relation = unwatch.relation RETURNING w.id)
    DELETE FROM cache_core.changes AS c USING gone WHERE c.watched = gone.id;
END
$body$;

-- Waits until nobody has written to the table who has not ended, then puts the triggers on it and on its members. Partitions have
-- those of rows from their parent, and so will those that are still to come. The first row that is written marks the transaction
-- in the WHEN already, because the triggers themselves run at the end of a statement: of 100,000 rows only one is queued.
CREATE FUNCTION cache_core.watch(relation pg_catalog.regclass, notify pg_catalog.bool) RETURNS pg_catalog.void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    own_id int4;
    condition text;
    call text;
    member record;
BEGIN
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', relation);
    PERFORM cache_core.unwatch(w.relation) FROM cache_core.watched AS w
    WHERE w.relation = watch.relation OR NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = w.relation);
    PERFORM cache_core.unwatch(relation);
    INSERT INTO cache_core.watched (relation, notify) VALUES (watch.relation, watch.notify) RETURNING id INTO own_id;
    condition := format(
        'WHEN (CASE WHEN pg_catalog.current_setting(%1$L, true) IS DISTINCT FROM pg_catalog.pg_current_xact_id()::text '
        'THEN pg_catalog.set_config(%1$L, pg_catalog.pg_current_xact_id()::text, true) IS NOT NULL ELSE false END)',
        'cache_core.w' || own_id
    );
    call := format(
        '%s EXECUTE FUNCTION cache_core.changed(%L, %L)', condition, own_id, CASE WHEN notify THEN 'notify' ELSE '' END
    );
    FOR member IN
        SELECT DISTINCT m.relation::regclass AS name, m.relation = watch.relation::oid OR NOT c.relispartition AS own
        FROM cache_core.members(ARRAY[watch.relation]) AS m
        JOIN pg_class AS c ON c.oid = m.relation
    LOOP
        IF member.own THEN
            EXECUTE format(
                'CREATE TRIGGER cache_core_%s AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW %s',
                own_id, member.name, call
            );
        END IF;
        EXECUTE format(
            'CREATE TRIGGER cache_core_%s_truncate AFTER TRUNCATE ON %s FOR EACH STATEMENT %s', own_id, member.name, call
        );
    END LOOP;
    FOR member IN
        SELECT DISTINCT m.relation::regclass AS name FROM cache_core.members(ARRAY[watch.relation]) AS m
    LOOP
        EXECUTE format(
            'ALTER TABLE %s ENABLE ALWAYS TRIGGER cache_core_%s, ENABLE ALWAYS TRIGGER cache_core_%s_truncate',
            member.name, own_id, own_id
        );
    END LOOP;
END
$body$;

-- Readers need no more than the right to use the schema. Installing is for its owner.
REVOKE ALL ON FUNCTION cache_core.watch(pg_catalog.regclass, pg_catalog.bool), cache_core.unwatch(pg_catalog.regclass),
    cache_core.fold(pg_catalog.int4), cache_core.changed() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cache_core.version(), cache_core.fold_all(), cache_core.members(pg_catalog.regclass[]),
    cache_core.incomplete(pg_catalog.regclass[], pg_catalog.bool), cache_core.revisions(pg_catalog.regclass[]) TO PUBLIC;
GRANT SELECT ON cache_core.watched, cache_core.changes TO PUBLIC;
