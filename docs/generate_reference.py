"""Write docs/reference/api.md from the signatures and docstrings of the code.

`python docs/generate_reference.py` writes it; with `--check` it exits with 1 where the page is not
up to date, and writes nothing.
"""

# ruff: noqa: INP001 # a program beside the pages
from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _generate.entries import entry
from _generate.signatures import code, doc, inline, readable

import exec_tracker
from exec_tracker import embedded, keywords, migrations, testing
from exec_tracker.aio.claim import AsyncClaim
from exec_tracker.integrations import asgi, celery, fastapi, http, log_records, mcp, otel, wsgi
from exec_tracker.testing import conformance
from exec_tracker.tracker import TransactionBlock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TARGET = Path(__file__).parent / "reference" / "api.md"

_HEAD = """# API

<!-- Written by docs/generate_reference.py from the code; do not edit. -->

Every public name with its signature, what it does and what it raises. Everything in the sections
*Running work* to *Units of work* is imported from `exec_tracker`. Errors have
[a page of their own](errors.md).
"""

_SECTIONS: dict[str, tuple[str, ...]] = {
    "Running work": (
        "ExecutionTracker",
        "get_execution_tracker",
        "reset_execution_tracker",
        "normalise_url",
        "AsyncExecutionTracker",
        "Claim",
        "ExecutionContext",
    ),
    "What goes in": (
        "ExecuteOptions",
        "KeyScope",
        "ExecutionActor",
        "RetryPolicy",
        "Happened",
        "DidNotHappen",
        "Unknown",
    ),
    "What comes out": (
        "Execution",
        "ExecutionResult",
        "ExecutionOutcome",
        "ExecutionStatus",
        "ExecutionAttempt",
        "AttemptOutcome",
        "ExecutionEvent",
        "EventName",
    ),
    "Watching": ("Instrumentation", "Observation", "ObservedCall", "Renewals"),
    "The tables": ("WorkflowExecution", "WorkflowExecutionAttempt", "Base"),
    "Units of work": ("UnitOfWork", "AsyncUnitOfWork", "ExecutionRepository"),
}

# What calls return and nobody constructs.
_HANDLES: dict[str, tuple[type, ...]] = {"Claim": (AsyncClaim, TransactionBlock)}


def reference() -> str:
    """Return the whole page."""
    parts = [_HEAD]
    for title, names in _SECTIONS.items():
        parts.append(f"## {title}\n")
        for name in names:
            parts += entry(name, getattr(exec_tracker, name))
            if name == "ExecutionTracker":
                parts += _keyword_tables()
            for handle in _HANDLES.get(name, ()):
                parts += entry(handle.__name__, handle)
    parts += _module("Schema: exec_tracker.migrations", migrations)
    parts += _module("A private server: exec_tracker.embedded", embedded)
    parts += _fixtures()
    parts += _module("Conformance: exec_tracker.testing.conformance", conformance)
    parts += _module("HTTP: exec_tracker.integrations.http", http)
    parts += _module("FastAPI: exec_tracker.integrations.fastapi", fastapi)
    parts += _module("ASGI: exec_tracker.integrations.asgi", asgi)
    parts += _module("WSGI: exec_tracker.integrations.wsgi", wsgi)
    parts += _module("MCP: exec_tracker.integrations.mcp", mcp)
    parts += _module("Celery: exec_tracker.integrations.celery", celery)
    parts += _module("OpenTelemetry: exec_tracker.integrations.otel", otel)
    parts += _module("Log records: exec_tracker.integrations.log_records", log_records)
    text = "\n".join(parts)
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def _keyword_tables() -> Iterator[str]:
    for settings, call in (
        (keywords.ExecuteSettings, keywords.CallSettings),
        (keywords.TransactionSettings, keywords.TransactionCall),
    ):
        name = settings.__name__
        yield f"### {name}\n"
        fields = call.__dataclass_fields__
        kinds = inspect.get_annotations(settings)
        lines = [
            f"{key}: {getattr(kind, '__forward_arg__', kind)} = {fields[key].default!r}"
            for key, kind in kinds.items()
        ]
        yield code(readable("\n".join(lines)))
        yield doc(settings)


def _module(title: str, module: Any) -> Iterator[str]:
    yield f"## {title}\n"
    yield doc(module)
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            yield from entry(name, thing)


def _fixtures() -> Iterator[str]:
    yield "## Fixtures: exec_tracker.testing\n"
    yield doc(testing)
    yield "| fixture | |"
    yield "|---|---|"
    for name in testing.__all__:
        function = _fixture_function(getattr(testing, name))
        if function is not None:
            yield f"| `{name}` | {inline(function)} |"
    yield ""
    for name in ("DatabaseClock", "Effects", "ExecutedOnce"):
        yield from entry(name, getattr(testing, name))


def _fixture_function(thing: Any) -> Callable[..., Any] | None:
    """Return the function below a pytest fixture; where pytest keeps it depends on its version."""
    for attribute in ("_fixture_function", "__pytest_wrapped__"):
        found = getattr(thing, attribute, None)
        if found is not None:
            function: Callable[..., Any] = getattr(found, "obj", found)
            return function
    return None


def main() -> int:
    """Write or check the page."""
    text = reference()
    if "--check" in sys.argv[1:]:
        current = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
        if current == text:
            return 0
        sys.stderr.write(f"{TARGET.name} is out of date: run python docs/generate_reference.py\n")
        return 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
