"""Which combinations of PostgreSQL, Python and SQLAlchemy there are, and how a user names them."""

from __future__ import annotations

import itertools
import re
import sys
from dataclasses import dataclass
from typing import Final

import sqlalchemy

SERVERS: Final = ("14", "15", "16", "17", "18")
PYTHONS: Final = ("3.11", "3.12", "3.13")
SQLALCHEMYS: Final = ("2.0", "2.1")

EVERYTHING: Final = "all"
"""Asks for the full product."""

_PART: Final = re.compile(r"(pg|py|sqlalchemy)([0-9.]+)")


class UnknownCellError(ValueError):
    """A name that is no cell; the message shows the form."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination; None is what the project's own environment has."""

    server: str | None = None
    python: str | None = None
    sqlalchemy: str | None = None

    @property
    def name(self) -> str:
        """What the table and `CELLS=` call it."""
        named = {"pg": self.server, "py": self.python, "sqlalchemy": self.sqlalchemy}
        return "-".join(f"{part}{version}" for part, version in named.items() if version)


def usual_cells() -> tuple[Cell, ...]:
    """Return every server with the environment at hand, and every other client with one server."""
    python, own = versions_at_hand()
    servers = [Cell(server=version) for version in SERVERS]
    pythons = [Cell(python=version) for version in PYTHONS if version != python]
    others = [Cell(sqlalchemy=version) for version in SQLALCHEMYS if version != own]
    return (*servers, *pythons, *others)


def versions_at_hand() -> tuple[str, str]:
    """Return Python's and SQLAlchemy's minor versions in this process."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}", ".".join(
        sqlalchemy.__version__.split(".")[:2]
    )


def all_cells() -> tuple[Cell, ...]:
    """Return the full product."""
    return tuple(itertools.starmap(Cell, itertools.product(SERVERS, PYTHONS, SQLALCHEMYS)))


def chosen_cells(names: list[str]) -> tuple[Cell, ...]:
    """Return the cells of these names, the usual ones for none, the product for `all`.

    Raises:
        UnknownCellError: a name is not of the form pg14-py3.12-sqlalchemy2.0, or parts of it.
    """
    if not names:
        return usual_cells()
    if names == [EVERYTHING]:
        return all_cells()
    return tuple(_parse(name) for name in names)


def _parse(name: str) -> Cell:
    parts = [_PART.fullmatch(part) for part in name.split("-")]
    found = {part[1]: part[2] for part in parts if part}
    if len(found) != len(parts) or found.get("pg", SERVERS[0]) not in SERVERS:
        raise UnknownCellError(
            f"no cell {name!r}: one is named as pg14-py3.12-sqlalchemy2.0, or by some of these "
            f"parts; servers are {', '.join(SERVERS)}; {EVERYTHING!r} is the full product"
        )
    return Cell(found.get("pg"), found.get("py"), found.get("sqlalchemy"))
