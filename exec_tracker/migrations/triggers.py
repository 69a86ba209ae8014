"""The host's triggers on executions, which run under the empty search path of our functions."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from exec_tracker.migrations.expected import NAMES
from exec_tracker.models import EXECUTIONS_TABLE
from exec_tracker.models.functions import CLAIM_FUNCTION

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["tell_of_triggers"]

_LOG: Final = logging.getLogger(__name__)

# Internal and C functions do not look names up by a search path.
_WITHOUT_A_PATH: Final = text("""
SELECT g.tgname AS name, CAST(CAST(f.oid AS regprocedure) AS text) AS function
  FROM pg_trigger g
  JOIN pg_proc f ON f.oid = g.tgfoid
  JOIN pg_language l ON l.oid = f.prolang
 WHERE g.tgrelid = to_regclass(:executions) AND to_regproc(:claim) IS NOT NULL
   AND NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgname <> ALL (:ours)
   AND l.lanname NOT IN ('internal', 'c')
   AND NOT EXISTS (SELECT FROM unnest(f.proconfig) AS s (setting)
                    WHERE s.setting LIKE 'search\\_path=%')
 ORDER BY 1
""")


def tell_of_triggers(connection: Connection) -> None:
    """Log the triggers whose functions set no search path: they may find their names no more.

    One on INSERT fails a claim before anything has run, but one on UPDATE only a completion.
    """
    names = {"executions": EXECUTIONS_TABLE, "claim": CLAIM_FUNCTION, "ours": NAMES["triggers"]}
    with nullcontext() if connection.in_transaction() else connection.begin():
        for trigger in connection.execute(_WITHOUT_A_PATH, names):
            _LOG.warning(
                "The trigger %s runs %s under an empty search path where a tracker claims or "
                "completes. Unless it names everything with its schema, give it a search path: "
                "ALTER FUNCTION %s SET search_path = …",
                trigger.name,
                trigger.function,
                trigger.function,
            )
