"""For whom a tool answers: one user for the whole server, or the one who made the request."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import UUID

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

from exec_tracker.errors import ConfigurationError

__all__ = ["AnyContext", "UserOf", "check_user_of", "user_of"]

AnyContext: TypeAlias = Context[Any, Any]

UserOf: TypeAlias = (
    UUID | str | Callable[[AnyContext], UUID | str | Awaitable[UUID | str | None] | None]
)
"""A user, or a function that tells the user of a request, or None where it knows none."""


def check_user_of(given: UserOf) -> UserOf:
    """Return what `user_of` can use, or raise ConfigurationError; there is no everybody."""
    if isinstance(given, UUID) or callable(given):
        return given
    try:
        return UUID(given)
    except (AttributeError, TypeError, ValueError):
        raise ConfigurationError(
            "user_id must be a UUID, or a function from the request's context to one, "
            f"not {given!r}."
        ) from None


async def user_of(given: UserOf, context: AnyContext) -> UUID:
    """Return the user of a request; raises ToolError where nobody is signed in."""
    user = await _told(given(context)) if callable(given) else given
    if user is None:
        raise ToolError("This server does not know who is asking: sign in first.")
    return user if isinstance(user, UUID) else UUID(user)


async def _told(answer: Any) -> UUID | str | None:
    told: UUID | str | None = await answer if inspect.isawaitable(answer) else answer
    return told
