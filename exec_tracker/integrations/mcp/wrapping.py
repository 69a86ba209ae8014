"""Make an MCP tool idempotent: one effect per key, an answer at once, the rest behind it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Unpack
from uuid import UUID

from exec_tracker.decorating import Request
from exec_tracker.errors import ConfigurationError
from exec_tracker.integrations.mcp.calling import IdempotentTool
from exec_tracker.integrations.mcp.signatures import ToolSignature
from exec_tracker.integrations.mcp.users import UserOf, check_user_of
from exec_tracker.keywords import CallSettings, check_duration, check_keywords
from exec_tracker.types import ExecutionActor, KeyScope

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from exec_tracker.aio import AsyncExecutionTracker
    from exec_tracker.integrations.mcp.views import ToolAnswer
    from exec_tracker.keywords import ExecuteSettings

__all__ = ["idempotent_tool"]

# What a person who waits for an assistant hardly notices, and far below clients' time limits.
_MOMENT: Final = timedelta(seconds=2)

# Stands for the user of a request where only the shape of requests is checked.
_NOBODY: Final = UUID(int=0)


def idempotent_tool(
    tracker: AsyncExecutionTracker,
    *,
    workflow_id: str,
    user_id: UserOf,
    key: str | Callable[..., str] = "idempotency_key",
    parameters: Iterable[str] | Callable[..., dict[str, Any]] | None = None,
    workflow_name: str | None = None,
    actor: ExecutionActor | None = ExecutionActor.AI_ASSISTANT,
    key_scope: KeyScope = KeyScope.USER,
    answer_within: timedelta = _MOMENT,
    **settings: Unpack[ExecuteSettings],
) -> Callable[[Callable[..., Any]], Callable[..., Coroutine[Any, Any, ToolAnswer[Any]]]]:
    """Decorate a tool, below `@server.tool()`, so that each key has one effect.

    `key` is the name of an argument, which is added to the tool where the function does not take
    it; or a template of arguments, such as `report:{month}`; or a function of the arguments.
    `parameters`, all other arguments unless given, must be the same when a key comes back. Keys are
    each user's own; `user_id` is as for `add_execution_tools`. What is promised is what
    `AsyncExecutionTracker.execute` promises; it takes the same `settings`, without `on_running` and
    `wait_timeout`.

    The tool answers with a ToolAnswer: completed, with what the function returned or what an
    earlier call with the key returned; or running, where it takes longer than `answer_within`. The
    work then goes on in this process whether or not its client is there, and `execution_status`
    tells the rest. `finishing` says what becomes of it when the server ends. All else that can
    happen is an error result, in words.

    Raises:
        ConfigurationError: the options cannot work, or the function cannot be such a tool.
    """
    _check(settings, answer_within)
    users, argument = check_user_of(user_id), _argument(key)

    def decorate(
        function: Callable[..., Any],
    ) -> Callable[..., Coroutine[Any, Any, ToolAnswer[Any]]]:
        signature = ToolSignature.of(function, argument, settings.get("result_type"))
        request = Request(
            key=key if argument is None else _Argument(argument),
            workflow_id=workflow_id,
            user_id=_NOBODY,
            parameters=signature.identifying(argument) if parameters is None else parameters,
            workflow_name=workflow_name,
            actor=actor,
            key_scope=key_scope,
        )
        tool = IdempotentTool(tracker, function, signature, request, users, answer_within, settings)

        async def call(**given: Any) -> ToolAnswer[Any]:
            return await tool(given)

        signature.dress(call, function)
        return call

    return decorate


class _Argument:
    """A key that is one argument's value, whatever it is: a template would make it a string."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, **given: Any) -> Any:
        return given[self._name]


def _argument(key: object) -> str | None:
    """Return the argument that a key names; raises ConfigurationError for a constant key."""
    if not isinstance(key, str) or "{" in key:
        return None
    if not key.isidentifier():
        # Every call would have it, and only the first would do anything.
        raise ConfigurationError(
            f"key must name an argument, or be a template of arguments, not {key!r}."
        )
    return key


def _check(settings: ExecuteSettings, answer_within: timedelta) -> None:
    for name in ("on_running", "wait_timeout"):
        if name in settings:
            raise ConfigurationError(
                f"{name} is not for tools: they wait for answer_within, and then say `running`."
            )
    check_keywords(settings, CallSettings)
    CallSettings(**settings)
    check_duration("answer_within", answer_within)
