"""The three tools that read, and a server that has no others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field, TypeAdapter, ValidationError

from exec_tracker.integrations.mcp.background import finishing
from exec_tracker.integrations.mcp.refusals import readable_errors, unknown
from exec_tracker.integrations.mcp.showing import attempt_listing, ids_of, overview, report
from exec_tracker.integrations.mcp.users import UserOf, check_user_of, user_of
from exec_tracker.integrations.mcp.views import (
    AttemptListing,
    ExecutionListing,
    ExecutionReport,
    Shown,
)
from exec_tracker.types import (
    MAX_ID_LENGTH,
    Execution,
    ExecutionStatus,
    Name,
    check_execution_id,
)

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

    from exec_tracker.aio import AsyncExecutionTracker

__all__ = ["add_execution_tools", "build_server"]

# A page is read as a whole by whoever asks; the next one is a call away.
_LONGEST_PAGE: Final = 100

READ_ONLY: Final = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)

_INSTRUCTIONS: Final = (
    "Tells what became of executions: pieces of work that are done once per idempotency key. "
    "execution_status answers for one key, list_executions lists them, execution_attempts tells "
    "why earlier attempts failed. Nothing here changes anything."
)

_Key = Annotated[
    str,
    Field(
        description="The idempotency key.",
        json_schema_extra={"minLength": 1, "maxLength": MAX_ID_LENGTH},
    ),
]
_WORKFLOW: Final[TypeAdapter[str]] = TypeAdapter(Name)


def build_server(
    tracker: AsyncExecutionTracker,
    *,
    user_id: UserOf,
    name: str = "executions",
    diagnostics: bool = False,
    finish_within: timedelta | None = None,
    **options: Any,
) -> MCPServer[Any]:
    """Make a server with the three tools that read.

    `options` are MCPServer's, such as `auth` and `token_verifier`. At the server's end, background
    work of the tracker's idempotent tools is waited for as `finishing` does, for `finish_within`.
    The tracker stays yours to close. MCPServer configures logging where the host has not.

    Raises:
        ConfigurationError: `user_id` is neither a UUID nor a function.
    """
    keywords = {} if finish_within is None else {"within": finish_within}
    server = MCPServer[Any](
        name,
        lifespan=lambda _: finishing(tracker, **keywords),
        **{"instructions": _INSTRUCTIONS, **options},
    )
    add_execution_tools(server, tracker, user_id=user_id, diagnostics=diagnostics)
    return server


def add_execution_tools(
    server: MCPServer[Any],
    tracker: AsyncExecutionTracker,
    *,
    user_id: UserOf,
    diagnostics: bool = False,
    largest_result: int = 100_000,
) -> None:
    """Add `execution_status`, `list_executions` and `execution_attempts` to a server.

    They read, and change nothing. All answers are about the executions of one user: `user_id`, or
    whom that function names for the request's context; where it returns None the call is refused.
    Another user's key is answered like one that does not exist. Results and parameters of more than
    `largest_result` characters of JSON are left out. Claim tokens are never shown; tracebacks and
    the names of workers only with `diagnostics`, to whoever may call the tools.

    Raises:
        ConfigurationError: `user_id` is neither a UUID nor a function.
    """
    tools = _Reading(tracker, check_user_of(user_id), Shown(diagnostics, largest_result))
    for tool in (tools.execution_status, tools.list_executions, tools.execution_attempts):
        server.add_tool(tool, annotations=READ_ONLY)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The tools as methods; their docstrings and annotations are what clients read."""

    tracker: AsyncExecutionTracker
    users: UserOf
    shown: Shown

    async def execution_status(self, key: _Key, context: Context[Any, Any]) -> ExecutionReport:
        """Tell where the execution with this idempotency key stands, and what came of it."""
        with readable_errors():
            return report(await self._found(key, await user_of(self.users, context)), self.shown)

    async def execution_attempts(self, key: _Key, context: Context[Any, Any]) -> AttemptListing:
        """List the attempts of an execution that failed or were abandoned, oldest first."""
        with readable_errors():
            found = await self._found(key, await user_of(self.users, context))
            return attempt_listing(found, await self.tracker.get_attempts(found.id), self.shown)

    async def list_executions(  # noqa: PLR0917 # a client passes them by name
        self,
        context: Context[Any, Any],
        workflow: Annotated[str | None, Field(description="Only of this workflow.")] = None,
        status: Annotated[ExecutionStatus | None, Field(description="Only in this status.")] = None,
        limit: Annotated[
            int,
            Field(
                description="At most so many.",
                json_schema_extra={"minimum": 1, "maximum": _LONGEST_PAGE},
            ),
        ] = 20,
        before: Annotated[
            str | None, Field(description="Only older ones than the execution with this key.")
        ] = None,
        abandoned_only: Annotated[
            bool, Field(description="Only those of which nobody knows if they happened.")
        ] = False,
    ) -> ExecutionListing:
        """List executions, newest first."""
        if not 1 <= limit <= _LONGEST_PAGE:
            raise ToolError(f"limit must be between 1 and {_LONGEST_PAGE}, not {limit}.")
        if abandoned_only and status is not None:
            raise ToolError("Ask for a status or for abandoned_only, not for both.")
        with readable_errors():
            user = await user_of(self.users, context)
            last = None if before is None else await self._found(before, user)
            named = None if workflow is None else _workflow(workflow)
            page = await self._page(user, named, status, last, limit, abandoned_only=abandoned_only)
            return ExecutionListing(
                executions=[overview(one) for one in page[:limit]], more=len(page) > limit
            )

    async def _page(
        self,
        user: UUID,
        workflow: str | None,
        status: ExecutionStatus | None,
        before: Execution | None,
        limit: int,
        *,
        abandoned_only: bool,
    ) -> list[Execution]:
        """Read one more than is shown, which tells whether there are more."""
        if abandoned_only:
            return await self.tracker.find_abandoned(
                user_id=user, workflow_id=workflow, before=before, limit=limit + 1
            )
        return await self.tracker.list_executions(
            user_id=user, workflow_id=workflow, status=status, before=before, limit=limit + 1
        )

    async def _found(self, key: str, user: UUID) -> Execution:
        """Return the user's execution; another's is as absent as one that is not there."""
        check_execution_id(key)
        for id_ in ids_of(key, user):
            if len(id_) <= MAX_ID_LENGTH:
                execution = await self.tracker.get_execution(id_)
                if execution is not None and execution.user_id == user:
                    return execution
        raise unknown(key)


def _workflow(name: str) -> str:
    try:
        return _WORKFLOW.validate_python(name)
    except ValidationError as exc:
        said = exc.errors(include_url=False, include_input=False)[0]["msg"]
        raise ToolError(f"workflow: {said.removeprefix('Value error, ')}.") from None
