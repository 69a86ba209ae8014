"""What Supabase's linter warns of, asked of the catalogs in our own words.

On databases with the default privileges that projects used to have, where every new table is
granted to the API roles, and with today's, where none is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from exec_tracker import migrations
from exec_tracker.settings import normalise_url

if TYPE_CHECKING:
    from collections.abc import Iterator

LEGACY = """
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
"""
CURRENT = ""

API_CAN_READ = (
    "(has_any_column_privilege('anon', c.oid, 'SELECT') "
    "OR has_any_column_privilege('authenticated', c.oid, 'SELECT'))"
)

# Each finds the names of what is wrong in the schema public.
LINTS = {
    "row security is off on a table that the API can read": f"""
        SELECT c.relname FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
           AND NOT c.relrowsecurity AND {API_CAN_READ}
        """,
    "row security is off although there are policies": """
        SELECT c.relname FROM pg_class c
         WHERE NOT c.relrowsecurity AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid)
        """,
    "a policy asks for the user once per row": """
        SELECT policyname FROM pg_policies
         WHERE schemaname = 'public'
           AND (regexp_replace(coalesce(qual, '') || coalesce(with_check, ''),
                               'select auth\\.\\w+\\(\\)', '', 'gi') ~ 'auth\\.\\w+\\(\\)')
        """,
    "several permissive policies for one role and action": """
        SELECT p.polrelid::regclass || ' ' || r.rolname || ' ' || a.action
          FROM pg_policy p
          JOIN pg_roles r ON r.oid = ANY (p.polroles) OR p.polroles = '{0}'
         CROSS JOIN LATERAL unnest(CASE p.polcmd WHEN '*' THEN ARRAY['r', 'a', 'w', 'd']
                                                 ELSE ARRAY[p.polcmd::text] END) AS a (action)
         WHERE p.polpermissive AND r.rolname IN ('anon', 'authenticated', 'service_role')
         GROUP BY 1 HAVING count(*) > 1
        """,
    "a policy that is always true lets the API write": """
        SELECT p.polname FROM pg_policy p
         WHERE p.polpermissive AND p.polcmd <> 'r'
           AND 'true' IN (pg_get_expr(p.polqual, p.polrelid),
                          pg_get_expr(p.polwithcheck, p.polrelid))
           AND (p.polroles = '{0}' OR p.polroles && ARRAY['anon'::regrole::oid,
                                                         'authenticated'::regrole::oid])
        """,
    "a policy asks for what the role claims to be": """
        SELECT policyname FROM pg_policies
         WHERE schemaname = 'public' AND coalesce(qual, '') || coalesce(with_check, '') ~
               'auth\\.role\\(\\)|user_metadata'
        """,
    "a function's search path is its caller's": """
        SELECT proname FROM pg_proc
         WHERE pronamespace = 'public'::regnamespace
           AND NOT coalesce(proconfig, '{}') && ARRAY['search_path=""']
        """,
    "the API can run a function as its definer": """
        SELECT proname FROM pg_proc f
         WHERE pronamespace = 'public'::regnamespace AND prosecdef
           AND (has_function_privilege('anon', f.oid, 'EXECUTE')
                OR has_function_privilege('authenticated', f.oid, 'EXECUTE'))
        """,
    "the API can call a function": """
        SELECT proname FROM pg_proc f
         WHERE pronamespace = 'public'::regnamespace
           AND (has_function_privilege('anon', f.oid, 'EXECUTE')
                OR has_function_privilege('authenticated', f.oid, 'EXECUTE'))
        """,
    "a function runs as its definer": """
        SELECT proname FROM pg_proc
         WHERE pronamespace = 'public'::regnamespace AND prosecdef
        """,
    "a foreign key has no index that starts with it": """
        SELECT k.conname FROM pg_constraint k
         WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace
           AND NOT EXISTS (
               SELECT FROM pg_index x
                WHERE x.indrelid = k.conrelid AND x.indisvalid
                  AND (string_to_array(x.indkey::text, ' ')::smallint[])
                      [1:cardinality(k.conkey)] = k.conkey)
        """,
    "a table has no primary key": """
        SELECT c.relname FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
           AND NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisprimary)
        """,
    "two indexes are the same": """
        SELECT min(indexname) FROM pg_indexes WHERE schemaname = 'public'
         GROUP BY tablename, replace(indexdef, indexname, '') HAVING count(*) > 1
        """,
    "an index is invalid": """
        SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid
        """,
    "the API can read the history or the versions": f"""
        SELECT c.relname FROM pg_class c
         WHERE c.relname IN ('workflow_execution_attempts', 'exec_tracker_alembic_version')
           AND {API_CAN_READ}
        """,
    "somebody may truncate": """
        SELECT c.relname FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
           AND (has_table_privilege('anon', c.oid, 'TRUNCATE')
                OR has_table_privilege('authenticated', c.oid, 'TRUNCATE')
                OR has_table_privilege('service_role', c.oid, 'TRUNCATE'))
        """,
}

# What there was to find before the revision that hardens, and so: that the lints can see.
FOUND_BEFORE = {
    "row security is off on a table that the API can read",
    "a policy asks for the user once per row",
    "several permissive policies for one role and action",
    "a policy asks for what the role claims to be",
    "a function's search path is its caller's",
    "the API can call a function",
    "the API can read the history or the versions",
    "somebody may truncate",
}


@pytest.fixture
def project(empty_database_url: str) -> Iterator[Engine]:
    engine = create_engine(normalise_url(empty_database_url))
    # The roles are the cluster's; any revision makes them.
    migrations.upgrade(engine, "0001_exec_tracker")
    migrations.downgrade(engine)
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {migrations.VERSION_TABLE}"))
    yield engine
    engine.dispose()


def findings(connection: Connection) -> dict[str, list[str]]:
    found = {what: list(connection.scalars(text(lint))) for what, lint in LINTS.items()}
    return {what: names for what, names in found.items() if names}


@pytest.mark.parametrize("privileges", [LEGACY, CURRENT], ids=["legacy", "current"])
def test_the_linter_finds_nothing(project: Engine, privileges: str) -> None:
    with project.begin() as connection:
        connection.exec_driver_sql(privileges or "SELECT")
    migrations.upgrade(project)
    with project.connect() as connection:
        assert findings(connection) == {}
    assert migrations.check(project) == []


def test_the_linter_found_plenty_in_the_specified_schema(project: Engine) -> None:
    with project.begin() as connection:
        connection.exec_driver_sql(LEGACY)
    migrations.upgrade(project, "0002_exec_tracker_claim")
    with project.connect() as connection:
        assert set(findings(connection)) == FOUND_BEFORE


CLAIM = "FUNCTION claim_workflow_execution_v1"
COMPLETE = "FUNCTION complete_workflow_execution_v1"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (f"ALTER {CLAIM} RESET search_path", {"a function's search path is its caller's"}),
        (f"ALTER {COMPLETE} SET search_path = x", {"a function's search path is its caller's"}),
        (f"GRANT EXECUTE ON {CLAIM} TO anon", {"the API can call a function"}),
        (f"GRANT EXECUTE ON {COMPLETE} TO PUBLIC", {"the API can call a function"}),
        (f"ALTER {COMPLETE} SECURITY DEFINER", {"a function runs as its definer"}),
        (
            f"ALTER {CLAIM} SECURITY DEFINER; GRANT EXECUTE ON {CLAIM} TO authenticated",
            {
                "a function runs as its definer",
                "the API can call a function",
                "the API can run a function as its definer",
            },
        ),
    ],
)
def test_the_linter_would_see_a_function_that_lets_in_too_much(
    project: Engine, change: str, found: set[str]
) -> None:
    migrations.upgrade(project)
    with project.begin() as connection:
        connection.exec_driver_sql(change)
        seen = findings(connection)
    assert set(seen) == found
    assert all(len(names) == 1 for names in seen.values())
    assert migrations.check(project) != []
