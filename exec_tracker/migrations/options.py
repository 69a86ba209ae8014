"""What an upgrade can be told: by argument, by `-x name=value`, or by the environment."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from exec_tracker.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DEFAULT_USERS_TABLE",
    "IDENTITY_VARIABLE",
    "NO_USERS_TABLE",
    "OPTIONS_KEY",
    "USERS_TABLE_NOTE",
    "VERSION_TABLE",
    "Options",
]

VERSION_TABLE: Final = "exec_tracker_alembic_version"
"""Of our own, so that the host's Alembic and ours never see each other's revisions."""

IDENTITY_VARIABLE: Final = "EXEC_TRACKER_IDENTITY"
OPTIONS_KEY: Final = "exec_tracker_options"
"""Where the options travel: in a Config's attributes and in a MigrationContext's opts."""

DEFAULT_USERS_TABLE: Final = "auth.users"
NO_USERS_TABLE: Final = "none"

USERS_TABLE_NOTE: Final = "Owner of the execution (users_table={})"
"""The comment on user_id that tells a later check of a users table other than the default."""

_IDENTITIES: Final = ("auto", "supabase", "standalone")
_NAME: Final = re.compile(r"[^\s\".]+(\.[^\s\".]+)?")
_YES: Final = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True, slots=True)
class Options:
    """How to migrate; nothing here is kept in the database but the users table.

    Raises:
        ConfigurationError: a value that is none of those documented.
    """

    identity: str = "auto"
    users_table: str = DEFAULT_USERS_TABLE
    schema: str | None = None
    concurrently: bool | None = None

    def __post_init__(self) -> None:
        if self.identity not in _IDENTITIES:
            raise ConfigurationError(
                f"identity={self.identity!r} is not known: take one of {', '.join(_IDENTITIES)}"
            )
        for name, value in (("users_table", self.users_table), ("schema", self.schema)):
            if value is not None and not _NAME.fullmatch(value):
                raise ConfigurationError(f"{name}={value!r} is no name: write it as app.users")

    @classmethod
    def gather(cls, given: Mapping[str, Any], arguments: Mapping[str, str]) -> Options:
        """Take each value from the call, else from `-x`, else from the environment."""
        concurrently = arguments.get("concurrently")
        found: dict[str, Any] = {
            "identity": os.environ.get(IDENTITY_VARIABLE, "").strip() or None,
            **{name: arguments.get(name) for name in ("users_table", "schema")},
            "concurrently": None if concurrently is None else concurrently.lower() in _YES,
        }
        if "identity" in arguments:
            found["identity"] = arguments["identity"]
        found.update({name: value for name, value in given.items() if value is not None})
        return cls(**{name: value for name, value in found.items() if value is not None})
