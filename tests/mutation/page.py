"""Write docs/explanation/mutation-testing.md from a run."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from tests.mutation.explained import reason
from tests.mutation.running import MODULES, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.mutation.running import Mutant

PAGE = ROOT / "docs" / "explanation" / "mutation-testing.md"

_INTRODUCTION = """\
# Mutation testing

Do the unit tests of the pure rules notice a mistake? mutmut makes one small change after the other
to `transitions`, `fingerprint` and `codec` (another operator, another constant, an argument left
out, a message spelt otherwise) and runs their tests under each. A mutant is *caught* if a test
fails. This page is written by `make mutation`. [The decision](../decisions/0501-mutmut.md) says why
this tool.

The protocol itself is mutated by hand, and judged on a real server:
[does it bite?](proof.md#does-it-bite)
"""

_SURVIVORS = """\
## Those that live

No test can tell these from the code:
"""


def write(mutants: Sequence[Mutant]) -> str:
    """Return the page."""
    today = datetime.now(UTC).date()
    ran_on = f"Python {platform.python_version()}, mutmut {version('mutmut')}"
    parts = [_INTRODUCTION, f"Run of {today}, with {ran_on}:", "", "    make mutation", ""]
    parts += _table(mutants)
    living = [mutant for mutant in mutants if not mutant.is_caught]
    if living:
        parts += [_SURVIVORS, *_survivors(living)]
    return "\n".join(parts).rstrip() + "\n"


def _table(mutants: Sequence[Mutant]) -> Iterator[str]:
    yield "| module | mutants | caught | |"
    yield "|---|---|---|---|"
    for module in (*MODULES, "all"):
        mine = [one for one in mutants if module in (one.module, "all")]
        caught = sum(one.is_caught for one in mine)
        yield f"| {module} | {len(mine)} | {caught} | {caught / len(mine):.1%} |"
    yield ""


def _survivors(living: Sequence[Mutant]) -> Iterator[str]:
    yield "| in | the code | the mutant | why it is no mistake |"
    yield "|---|---|---|---|"
    for one in living:
        cells = (f"`{one.module}.{one.function}`", _code(one.removed), _code(one.added))
        yield f"| {' | '.join(cells)} | {reason(one) or '**not explained**'} |"
    yield ""


def _code(line: str) -> str:
    escaped = line.replace("|", "\\|")
    return f"`{escaped}`" if line else ""
