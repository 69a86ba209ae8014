"""The SQL of the stand-in for Supabase Auth: small, compatible, and safe to run again.

Two spellings of the claims are read, as Supabase does: one setting for each claim, which wins,
and one for all of them as JSON. A setting that was local to an earlier transaction of a pooled
session reads '' and not NULL, hence the nullif.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CREATE_ROLES", "CREATE_STAND_IN", "DROP_STAND_IN", "STAND_IN_COMMENT"]

STAND_IN_COMMENT: Final = "Stand-in for Supabase Auth, made by exec_tracker"

CREATE_ROLES: Final = """
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        CONTINUE WHEN to_regrole(role_name) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', role_name);
        EXCEPTION
            -- Roles belong to the cluster: another of its databases may be upgrading too.
            WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
END
$$
"""

_SCHEMA: Final = "CREATE SCHEMA IF NOT EXISTS auth"

_SCHEMA_COMMENT: Final = """
COMMENT ON SCHEMA auth IS 'Stand-in for Supabase Auth, made by exec_tracker'
"""

_USERS: Final = "CREATE TABLE IF NOT EXISTS auth.users (id uuid PRIMARY KEY)"

_USERS_COMMENT: Final = """
COMMENT ON TABLE auth.users IS 'Users that workflow_executions refers to'
"""

_UID: Final = """
CREATE OR REPLACE FUNCTION auth.uid() RETURNS uuid
    LANGUAGE sql STABLE SET search_path = ''
    AS $$
    SELECT coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    )::uuid
$$
"""

_ROLE: Final = """
CREATE OR REPLACE FUNCTION auth.role() RETURNS text
    LANGUAGE sql STABLE SET search_path = ''
    AS $$
    SELECT coalesce(
        nullif(current_setting('request.jwt.claim.role', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
    )
$$
"""

_JWT: Final = """
CREATE OR REPLACE FUNCTION auth.jwt() RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = ''
    AS $$
    SELECT coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
$$
"""

CREATE_STAND_IN: Final = (
    CREATE_ROLES,
    _SCHEMA,
    _SCHEMA_COMMENT,
    _USERS,
    _USERS_COMMENT,
    _UID,
    "COMMENT ON FUNCTION auth.uid() IS 'The user of the request, from its claims'",
    _ROLE,
    "COMMENT ON FUNCTION auth.role() IS 'The role of the request, from its claims'",
    _JWT,
    "COMMENT ON FUNCTION auth.jwt() IS 'The claims of the request'",
    "GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role",
    "GRANT SELECT, INSERT, DELETE ON auth.users TO service_role",
)
"""Each statement may be run again, and by several upgraders at once."""

DROP_STAND_IN: Final = """
DO $$
BEGIN
    IF obj_description(to_regnamespace('auth'), 'pg_namespace')
        IS DISTINCT FROM 'Stand-in for Supabase Auth, made by exec_tracker'
    THEN
        RETURN;
    END IF;
    LOCK TABLE auth.users IN ACCESS EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM auth.users) THEN
        RAISE NOTICE 'schema auth stays: auth.users has rows';
        RETURN;
    END IF;
    DROP FUNCTION auth.uid(), auth.role(), auth.jwt();
    DROP TABLE auth.users;
    DROP SCHEMA auth;
EXCEPTION
    WHEN dependent_objects_still_exist THEN
        RAISE NOTICE 'schema auth stays: other objects depend on it';
END
$$
"""
