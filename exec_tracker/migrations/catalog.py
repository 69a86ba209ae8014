"""Read from the catalogs, and only from them, what the tables' behaviour and safety hang on.

A fact is a kind, a name and one line of text, in PostgreSQL's own spelling. Names that belong
to the host are left out: its own indexes, triggers, columns and grants to roles of its own.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from exec_tracker.migrations.options import VERSION_TABLE
from exec_tracker.models import Base

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

__all__ = ["Facts", "read_facts"]

Facts = dict[tuple[str, str], str]

_QUERIES: Final = (
    """
SELECT 'row security', t.relname::text,
       CASE WHEN t.relrowsecurity THEN 'enabled' ELSE 'disabled' END
       || CASE WHEN t.relforcerowsecurity THEN ', forced' ELSE '' END
  FROM pg_class t WHERE t.oid = ANY (CAST(:tables AS oid[]))
""",
    """
SELECT 'storage', t.relname::text,
       CASE t.relpersistence WHEN 'p' THEN 'logged' ELSE 'not logged' END
  FROM pg_class t WHERE t.oid = ANY (CAST(:tables AS oid[]))
""",
    """
SELECT 'policy', t.relname || ' ' || quote_ident(p.polname),
       CASE WHEN p.polpermissive THEN '' ELSE 'RESTRICTIVE ' END
       || 'FOR ' || CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w'
                    THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END
       || ' TO ' || (SELECT string_agg(coalesce(r.rolname, 'PUBLIC'), ', ' ORDER BY r.rolname)
                       FROM unnest(p.polroles) AS g (oid) LEFT JOIN pg_roles r USING (oid))
       || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
       || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')
  FROM pg_policy p JOIN pg_class t ON t.oid = p.polrelid WHERE t.oid = ANY (CAST(:tables AS oid[]))
""",
    """
SELECT 'trigger', t.relname || ' ' || g.tgname,
       CASE g.tgenabled WHEN 'O' THEN '' WHEN 'D' THEN 'disabled: ' WHEN 'A' THEN 'always: '
                        ELSE 'on replicas only: ' END
       || pg_get_triggerdef(g.oid, true)
  FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid
 WHERE t.oid = ANY (CAST(:tables AS oid[])) AND NOT g.tgisinternal AND g.tgname = ANY (:triggers)
""",
    """
SELECT 'foreign key triggers', t.relname::text,
       CASE WHEN bool_and(g.tgenabled = 'O') THEN 'enabled' ELSE 'disabled' END
  FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid
 WHERE t.oid = ANY (CAST(:tables AS oid[])) AND g.tgisinternal
 GROUP BY t.relname
""",
    """
SELECT 'rule', t.relname || ' ' || w.rulename, pg_get_ruledef(w.oid, true)
  FROM pg_rewrite w JOIN pg_class t ON t.oid = w.ev_class WHERE t.oid = ANY (CAST(:tables AS oid[]))
""",
    """
SELECT 'function', f.proname || '(' || oidvectortypes(f.proargtypes) || ')',
       l.lanname || CASE WHEN f.prosecdef THEN ' SECURITY DEFINER' ELSE '' END
       || CASE f.provolatile WHEN 'v' THEN '' WHEN 's' THEN ' STABLE' ELSE ' IMMUTABLE' END
       || CASE WHEN f.proisstrict THEN ' STRICT' ELSE '' END
       || CASE f.proparallel WHEN 'u' THEN '' WHEN 's' THEN ' PARALLEL SAFE'
                             ELSE ' PARALLEL RESTRICTED' END
       || CASE WHEN f.proleakproof THEN ' LEAKPROOF' ELSE '' END
       || ' (' || pg_get_function_arguments(f.oid) || ')'
       || ' RETURNS ' || pg_get_function_result(f.oid)
       || coalesce(' SET ' || array_to_string(f.proconfig, ', '), '') || ': '
       -- Without comments, which end with their lines: those are not kept in one line of text.
       -- Where the tables are named with their schema, it is this one.
       || replace(regexp_replace(f.prosrc, '--[^\n]*', '', 'g'),
                  quote_ident(n.nspname) || '.workflow_executions', '%1$s.workflow_executions')
  FROM pg_proc f JOIN pg_language l ON l.oid = f.prolang
  JOIN pg_namespace n ON n.oid = f.pronamespace
 WHERE f.pronamespace = :namespace AND f.proname = ANY (:functions)
""",
    """
SELECT 'index', i.relname::text,
       CASE WHEN x.indisvalid AND x.indisready THEN '' ELSE 'INVALID ' END
       || CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END
       || regexp_replace(pg_get_indexdef(x.indexrelid), '^.* USING ', '')
  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
 WHERE x.indrelid = ANY (CAST(:tables AS oid[])) AND i.relname = ANY (:indexes)
""",
    """
SELECT 'constraint', t.relname || ' ' || c.conname, pg_get_constraintdef(c.oid)
  FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
 WHERE t.oid = ANY (CAST(:tables AS oid[])) AND c.conname = ANY (:constraints)
""",
    # To whom an API, or everybody, acts as; what others may do is between the host and them.
    """
SELECT 'grant', o.kind || ' ' || o.name || ' to ' || g.grantee,
       string_agg(g.privilege || CASE WHEN g.again THEN ' WITH GRANT OPTION' ELSE '' END, ', '
                  ORDER BY g.privilege COLLATE "C")
  FROM (SELECT 'table' AS kind, relname::text AS name, relowner AS owner,
               coalesce(relacl, acldefault('r', relowner)) AS acl
          FROM pg_class WHERE oid = ANY (CAST(:tables AS oid[])) OR oid = :version_table
        UNION ALL
        SELECT 'column', t.relname || '.' || a.attname, t.relowner, a.attacl
          FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid
         WHERE t.oid = ANY (CAST(:tables AS oid[])) AND NOT a.attisdropped AND a.attacl IS NOT NULL
        UNION ALL
        SELECT 'sequence', s.relname, s.relowner, coalesce(s.relacl, acldefault('s', s.relowner))
          FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.deptype IN ('a', 'i')
         WHERE s.relkind = 'S' AND d.refobjid = ANY (CAST(:tables AS oid[]))
        UNION ALL
        SELECT 'function', proname || '(' || oidvectortypes(proargtypes) || ')', proowner,
               coalesce(proacl, acldefault('f', proowner))
          FROM pg_proc WHERE pronamespace = :namespace AND proname = ANY (:functions)) AS o,
       LATERAL (SELECT coalesce(r.rolname, 'public') AS grantee, x.privilege_type AS privilege,
                       x.is_grantable AS again
                  FROM aclexplode(o.acl) AS x LEFT JOIN pg_roles r ON r.oid = x.grantee
                 WHERE x.grantee <> o.owner) AS g
 WHERE g.grantee IN ('public', 'anon', 'authenticated', 'service_role')
 GROUP BY o.kind, o.name, g.grantee
""",
    """
SELECT 'row security', relname::text, CASE WHEN relrowsecurity THEN 'enabled' ELSE 'disabled' END
  FROM pg_class WHERE oid = :version_table
""",
    """
SELECT 'comment', t.relname || coalesce('.' || a.attname, ''), d.description
  FROM pg_description d JOIN pg_class t ON t.oid = d.objoid
  LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.objsubid AND a.attnum > 0
 WHERE d.classoid = 'pg_class'::regclass AND t.oid = ANY (CAST(:tables AS oid[]))
""",
)

_TABLES: Final = text("""
SELECT c.oid, c.relname, n.oid AS namespace, quote_ident(n.nspname) AS path
  FROM unnest(CAST(:names AS text[])) AS t (name)
  JOIN pg_class c ON c.oid = to_regclass(t.name)
  JOIN pg_namespace n ON n.oid = c.relnamespace
""")


def read_facts(connection: Connection, names: dict[str, list[str]]) -> Facts:
    """Read the facts about our tables, and about what bears one of the given `names` on them.

    Tables that are missing have no facts.
    """
    found = {
        row.relname: row
        for row in connection.execute(_TABLES, {"names": [*Base.metadata.tables, VERSION_TABLE]})
    }
    versions = found.pop(VERSION_TABLE, None)
    if not found:
        return {}
    one = next(iter(found.values()))
    values = {
        **names,
        "tables": [row.oid for row in found.values()],
        "namespace": one.namespace,
        "version_table": versions.oid if versions is not None else None,
    }
    with _path(connection, one.path):
        return {
            (kind, name): " ".join(value.split())
            for query in _QUERIES
            for kind, name, value in connection.execute(text(query), values)
        }


@contextmanager
def _path(connection: Connection, path: str) -> Iterator[None]:
    """Have names spelled alike whatever the role's search path is."""
    statement = text("SELECT set_config('search_path', :path, true)")
    before = connection.scalar(text("SELECT current_setting('search_path')"))
    connection.execute(statement, {"path": path})
    yield
    connection.execute(statement, {"path": before})
