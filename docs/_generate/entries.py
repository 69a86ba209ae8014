"""The entry of one public name: how it is called, what it says, what its members are."""

from __future__ import annotations

import inspect
from enum import Enum
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

import exec_tracker
from _generate.signatures import code, doc, inline, readable, signature
from exec_tracker import ExecutionContext
from exec_tracker.aio.claim import AsyncClaim
from exec_tracker.models.base import Base
from exec_tracker.tracker import TransactionBlock

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["entry"]


def entry(name: str, thing: Any) -> list[str]:
    parts = [f"### {name}\n"]
    if inspect.isclass(thing):
        return parts + list(_class(thing))
    return [*parts, code(f"{name}{signature(thing)}"), doc(thing)]


def _class(thing: type) -> Iterator[str]:
    if issubclass(thing, Enum):
        yield doc(thing)
        yield " · ".join(f'`{one.name}` = `"{one.value}"`' for one in thing) + "\n"
        return
    if thing is Base:
        yield "The declarative base of the two tables; `Base.metadata` builds or compares them.\n"
        return
    if issubclass(thing, Base):
        yield from _table(thing)
        return
    if issubclass(thing, BaseModel):
        yield doc(thing)
        yield from _fields(thing)
    elif thing in {exec_tracker.Claim, AsyncClaim, TransactionBlock}:
        yield doc(thing)
    elif thing is ExecutionContext:
        yield doc(thing)
        told = inspect.get_annotations(thing).items()
        yield code("\n".join(f"{name}: {kind}" for name, kind in told if name[0] != "_"))
    else:
        yield code(f"{thing.__name__}{signature(thing)}")
        yield doc(thing)
        if "__init__" in vars(thing) and thing.__init__.__doc__:
            yield doc(thing.__init__)
    yield from _members(thing)


def _table(thing: Any) -> Iterator[str]:
    yield doc(thing)
    columns = ", ".join(f"`{column.name}`" for column in thing.__table__.columns)
    yield f"Table `{thing.__tablename__}`: {columns}. [The schema](schema.md) says more.\n"


def _fields(thing: type[BaseModel]) -> Iterator[str]:
    lines = []
    annotations: dict[str, str] = {}
    for owner in reversed(thing.__mro__):
        annotations |= inspect.get_annotations(owner)
    for name, field in thing.model_fields.items():
        made = field.default if field.default_factory is None else field.default_factory()
        default = "" if field.is_required() else f" = {made!r}"
        kind = annotations[name].replace("Name", "str")
        lines.append(f"{name}: {kind}{readable(default)}")
    yield code("\n".join(lines))


def _members(thing: type) -> Iterator[str]:
    members = _public_members(thing)
    properties = [pair for pair in members if isinstance(pair[1], property)]
    for name, member in properties:
        yield f"- **`{name}`** (property): {inline(member)}"
    yield ""
    awaited = []
    for name, member in members:
        line = f"async {name}" if inspect.iscoroutinefunction(member) else name
        if _is_twin(member):
            awaited.append(line + signature(member, method=True))
        elif not isinstance(member, property):
            yield f"#### {thing.__name__}.{name}\n"
            yield code(line + signature(member, method=True))
            yield doc(member)
    if awaited:
        yield "As on the sync twin, awaited:\n"
        yield code("\n".join(awaited))


def _is_twin(member: Any) -> bool:
    """Tell whether a docstring says no more than whose twin the method is."""
    return doc(member).startswith("Await ") and "\n\n" not in doc(member)


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
