"""One call of an idempotent tool: start it, answer within a moment, and word what went wrong."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from exec_tracker import errors
from exec_tracker.integrations.mcp.background import Run
from exec_tracker.integrations.mcp.refusals import readable, readable_errors
from exec_tracker.integrations.mcp.showing import summary_of
from exec_tracker.integrations.mcp.users import UserOf, user_of
from exec_tracker.types import ExecutionStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from uuid import UUID

    from exec_tracker.aio import AsyncExecutionTracker
    from exec_tracker.decorating import OptionsOf, Request
    from exec_tracker.integrations.mcp.signatures import ToolSignature
    from exec_tracker.integrations.mcp.views import ToolAnswer
    from exec_tracker.keywords import ExecuteSettings
    from exec_tracker.types import ExecuteOptions

# Of these the row says more than the error does, and in the words of execution_status.
_RECORDED: Final = (
    errors.ExecutionAbandonedError,
    errors.ExecutionFailedError,
    errors.ResultErasedError,
    errors.ResultNotStorableError,
)


@dataclass(frozen=True, slots=True)
class IdempotentTool:
    """One decorated function, and how its calls become executions."""

    tracker: AsyncExecutionTracker
    function: Callable[..., Any]
    signature: ToolSignature
    request: Request
    users: UserOf
    answer_within: timedelta
    settings: ExecuteSettings

    def __post_init__(self) -> None:
        """Raise ConfigurationError where key or parameters name what is no argument."""
        self._bound(self.request)

    async def __call__(self, given: dict[str, Any]) -> ToolAnswer[Any]:
        """Answer one call; raises ToolError with a sentence for the client."""
        taken, named, context = self.signature.split(given)
        options = self._options(named, await user_of(self.users, context))
        run = Run(
            self.tracker,
            options,
            partial(self.function, **taken),
            {
                "result_type": self.signature.returns,
                **self.settings,
                "on_running": "wait",
                "wait_timeout": self.answer_within,
            },
        )
        if not await run.answerable(self.answer_within):
            return self._running(options)
        return await self._answer(run, options)

    def _bound(self, request: Request) -> OptionsOf:
        def named(**_arguments: Any) -> None: ...

        named.__signature__ = self.signature.named  # type: ignore[attr-defined] # for inspect
        return request.bind(named)

    def _options(self, arguments: dict[str, Any], user: UUID) -> ExecuteOptions:
        options_of = self._bound(replace(self.request, user_id=user))
        try:
            with readable_errors():
                return options_of((), arguments)
        except ValidationError as exc:
            raise ToolError(_validation(exc)) from None

    async def _answer(self, run: Run, options: ExecuteOptions) -> ToolAnswer[Any]:
        try:
            ended = run.task.result()
        except MCPError:
            raise  # the protocol's own, which the SDK answers as such
        except BaseException as error:
            if isinstance(error, errors.ExecutionInProgressError) and error is not run.raised:
                return self._running(options)
            refused = await self._refusal(error, run, options)
            if refused is None:
                raise
            raise refused from error
        said = "is completed."
        if ended.cached:
            said = "was completed by an earlier call; this is its result, and nothing was repeated."
        return self._said(
            options, ExecutionStatus.COMPLETED, said, replayed=ended.cached, result=ended.data
        )

    def _running(self, options: ExecuteOptions) -> ToolAnswer[Any]:
        return self._said(
            options,
            ExecutionStatus.RUNNING,
            "is running, and goes on by itself. Ask execution_status later what came of it; "
            "the same call with the same key does not do it twice.",
        )

    def _said(
        self, options: ExecuteOptions, status: ExecutionStatus, said: str, **more: Any
    ) -> ToolAnswer[Any]:
        key = options.idempotency_key
        summary = f"Execution {key!r} {said}"
        answer: ToolAnswer[Any] = self.signature.answer(
            key=key, status=status, summary=summary, **more
        )
        return answer

    async def _refusal(
        self, error: BaseException, run: Run, options: ExecuteOptions
    ) -> ToolError | None:
        """Word an error; None where it is neither the function's nor the tracker's."""
        recorded = (*_RECORDED, asyncio.CancelledError)
        if error is run.raised or isinstance(error, recorded):
            return await self._as_recorded(error, options)
        if isinstance(error, errors.StorageError) and run.has_begun:
            return ToolError(
                f"Execution {options.idempotency_key!r} ran, and what came of it could not be "
                "stored. Do not repeat it under another key; execution_status tells more later."
            )
        return readable(error) if isinstance(error, errors.ExecTrackerError) else None

    async def _as_recorded(self, error: BaseException, options: ExecuteOptions) -> ToolError:
        execution = getattr(error, "execution", None)
        try:
            execution = execution or await self.tracker.get_execution(options.execution_id)
        except errors.ExecTrackerError:
            execution = None
        if execution is None:
            return ToolError(
                f"Execution {options.idempotency_key!r} failed; execution_status tells more."
            )
        return ToolError(summary_of(execution))


def _validation(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in one['loc']) or 'the request'}: "
        f"{one['msg'].removeprefix('Value error, ')}"
        for one in found
    )
