"""Write docs/reference/api.md from the signatures and docstrings of the code.

`python docs/generate_reference.py` writes it; with `--check` it exits with 1 where the page is not
up to date, and writes nothing.
"""
# ruff: noqa: INP001 # a program beside the pages

from __future__ import annotations

import inspect
import re
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

import exec_tracker
from exec_tracker import ExecutionContext, embedded, keywords, migrations, testing
from exec_tracker.aio.claim import AsyncClaim
from exec_tracker.models.base import Base
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
        "ExecutionStatus",
        "ExecutionAttempt",
        "AttemptOutcome",
        "ExecutionEvent",
        "EventName",
    ),
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
            parts += _entry(name, getattr(exec_tracker, name))
            if name == "ExecutionTracker":
                parts += _keyword_tables()
            for handle in _HANDLES.get(name, ()):
                parts += _entry(handle.__name__, handle)
    parts += _module("Schema: exec_tracker.migrations", migrations)
    parts += _module("A private server: exec_tracker.embedded", embedded)
    parts += _fixtures()
    text = "\n".join(parts)
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def _entry(name: str, thing: Any) -> list[str]:
    parts = [f"### {name}\n"]
    if inspect.isclass(thing):
        return parts + list(_class(thing))
    return [*parts, _code(f"{name}{_signature(thing)}"), _doc(thing)]


def _class(thing: type) -> Iterator[str]:
    if issubclass(thing, Enum):
        yield _doc(thing)
        yield " · ".join(f'`{one.name}` = `"{one.value}"`' for one in thing) + "\n"
        return
    if thing is Base:
        yield "The declarative base of the two tables; `Base.metadata` builds or compares them.\n"
        return
    if issubclass(thing, Base):
        yield from _table(thing)
        return
    if issubclass(thing, BaseModel):
        yield _doc(thing)
        yield from _fields(thing)
    elif thing in {exec_tracker.Claim, AsyncClaim, TransactionBlock}:
        yield _doc(thing)
    elif thing is ExecutionContext:
        yield _doc(thing)
        told = inspect.get_annotations(thing).items()
        yield _code("\n".join(f"{name}: {kind}" for name, kind in told if name[0] != "_"))
    else:
        yield _code(f"{thing.__name__}{_signature(thing)}")
        yield _doc(thing)
        if "__init__" in vars(thing) and thing.__init__.__doc__:
            yield _doc(thing.__init__)
    yield from _members(thing)


def _table(thing: Any) -> Iterator[str]:
    yield _doc(thing)
    columns = ", ".join(f"`{column.name}`" for column in thing.__table__.columns)
    yield f"Table `{thing.__tablename__}`: {columns}. [The schema](schema.md) says more.\n"


def _fields(thing: type[BaseModel]) -> Iterator[str]:
    lines = []
    annotations = inspect.get_annotations(thing)
    for name, field in thing.model_fields.items():
        default = "" if field.is_required() else f" = {field.default!r}"
        kind = annotations[name].replace("Name", "str")
        lines.append(f"{name}: {kind}{_readable(default)}")
    yield _code("\n".join(lines))


def _members(thing: type) -> Iterator[str]:
    members = _public_members(thing)
    properties = [pair for pair in members if isinstance(pair[1], property)]
    for name, member in properties:
        yield f"- **`{name}`** (property): {_inline(member)}"
    yield ""
    awaited = []
    for name, member in members:
        line = f"async {name}" if inspect.iscoroutinefunction(member) else name
        if _is_twin(member):
            awaited.append(line + _signature(member, method=True))
        elif not isinstance(member, property):
            yield f"#### {thing.__name__}.{name}\n"
            yield _code(line + _signature(member, method=True))
            yield _doc(member)
    if awaited:
        yield "As on the sync twin, awaited:\n"
        yield _code("\n".join(awaited))


def _is_twin(member: Any) -> bool:
    """Tell whether a docstring says no more than whose twin the method is."""
    return _doc(member).startswith("Await ") and "\n\n" not in _doc(member)


def _public_members(thing: type) -> list[tuple[str, Any]]:
    found: dict[str, Any] = {}
    for owner in reversed(thing.__mro__):
        if not owner.__module__.startswith("exec_tracker"):
            continue
        if owner.__name__ in {"Driver", "AsyncDriver"}:
            closing = {"close", "aclose"} & vars(owner).keys()
            found |= {name: vars(owner)[name] for name in closing}
            continue
        for name, member in vars(owner).items():
            if name.startswith("_") or name in {"model_config", "model_post_init"}:
                continue
            member = getattr(member, "wrapped", member)  # noqa: PLW2901 # pydantic's decorators
            if isinstance(member, property) or inspect.isfunction(member):
                found[name] = member
    properties = [pair for pair in found.items() if isinstance(pair[1], property)]
    return properties + [pair for pair in found.items() if not isinstance(pair[1], property)]


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
        yield _code(_readable("\n".join(lines)))
        yield _doc(settings)


def _module(title: str, module: Any) -> Iterator[str]:
    yield f"## {title}\n"
    yield _doc(module)
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            yield from _entry(name, thing)


def _fixtures() -> Iterator[str]:
    yield "## Fixtures: exec_tracker.testing\n"
    yield _doc(testing)
    yield "| fixture | |"
    yield "|---|---|"
    for name in testing.__all__:
        function = _fixture_function(getattr(testing, name))
        if function is not None:
            yield f"| `{name}` | {_inline(function)} |"
    yield ""
    for name in ("DatabaseClock", "Effects", "ExecutedOnce"):
        yield from _entry(name, getattr(testing, name))


def _fixture_function(thing: Any) -> Callable[..., Any] | None:
    """Return the function below a pytest fixture; where pytest keeps it depends on its version."""
    for attribute in ("_fixture_function", "__pytest_wrapped__"):
        found = getattr(thing, attribute, None)
        if found is not None:
            function: Callable[..., Any] = getattr(found, "obj", found)
            return function
    return None


def _signature(thing: Any, *, method: bool = False) -> str:
    signature = inspect.signature(thing)
    parameters = list(signature.parameters.values())
    if method and parameters and parameters[0].name == "self":
        parameters = parameters[1:]
    returns = "" if inspect.isclass(thing) else signature.return_annotation
    shown = [_parameter(one) for one in parameters]
    kinds = [one.kind for one in parameters]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        shown.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    arrow = f" -> {_annotation(returns)}" if returns and returns is not signature.empty else ""
    line = f"({', '.join(shown)}){arrow}"
    if len(line) <= 75:  # noqa: PLR2004 # with a name in front it still fits a line
        return line
    body = "".join(f"    {one},\n" for one in shown)
    return f"(\n{body}){arrow}"


def _parameter(one: inspect.Parameter) -> str:
    text = str(one).partition(":")[0].partition("=")[0].strip()
    if one.annotation is not one.empty:
        text += f": {_annotation(one.annotation)}"
    if one.default is not one.empty:
        text += f" = {one.default!r}" if one.annotation is not one.empty else f"={one.default!r}"
    return _readable(text)


def _annotation(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "Any")


def _readable(text: str) -> str:
    text = re.sub(r"<(\w+)\.(\w+): '[^']*'>", r"\1.\2", text)
    text = re.sub(r"datetime\.timedelta\(0\)", "timedelta(0)", text)
    text = re.sub(r"datetime\.timedelta\(([^()]*)\)", r"timedelta(\1)", text)
    text = re.sub(r"<object object at 0x[0-9a-f]+>", "<not given>", text)
    text = re.sub(r"RetryPolicy\(.*\)", "RetryPolicy()", text)
    return text.replace("mappingproxy({})", "{}")


def _code(text: str) -> str:
    return f"```text\n{text}\n```\n"


def _doc(thing: Any) -> str:
    text = inspect.cleandoc(getattr(thing, "__doc__", None) or "")
    return re.sub(r"^Raises:\n((?: {4}.*\n?)+)", _raises, text, flags=re.MULTILINE) + "\n"


def _raises(found: re.Match[str]) -> str:
    return "Raises:\n\n" + re.sub(r"^ {4}(\S)", r"- \1", found[1], flags=re.MULTILINE)


def _inline(thing: Any) -> str:
    return " ".join(_doc(thing).split()).replace("|", "\\|")


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
