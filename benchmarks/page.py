"""Write docs/explanation/performance.md, and the measured parts of other pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import derived, growth_tables, prose, tables, targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.results import Results
    from benchmarks.tables import Table

DOCS: Final = Path(__file__).parent.parent / "docs"
PAGE: Final = DOCS / "explanation" / "performance.md"
_REMARKS: Final = Path(__file__).parent / "remarks.md"
_CHARTS: Final = {
    "fresh": ("fresh.svg",),
    "replay": ("replay.svg",),
    "network": ("network.svg",),
    "growth": ("growth.svg", "wal.svg"),
}
_MEASURED: Final = re.compile(
    r"(<!-- measured: (\w+) -->\n).*?(<!-- end of measured -->)", re.DOTALL
)


def write(results: Results) -> list[Path]:
    """Write every page that shows results, and return which."""
    PAGE.write_text(performance(results), encoding="utf-8")
    written = [PAGE]
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        filled_in = fill_in(text, results)
        if filled_in != text:
            page.write_text(filled_in, encoding="utf-8")
            written.append(page)
    return written


def fill_in(text: str, results: Results) -> str:
    """Return a page with what stands between its marks replaced by what was measured."""

    def replaced(mark: re.Match[str]) -> str:
        measured = derived.PARTS[mark[2]](results)
        return f"{mark[1]}\n{measured or prose.NOT_MEASURED}\n\n{mark[3]}"

    return _MEASURED.sub(replaced, text)


def performance(results: Results) -> str:
    """Return the page."""
    parts = [prose.INTRODUCTION, _targets(results), prose.METHOD, _circumstances(results)]
    parts += [_section(name, results) for name in prose.HEADINGS]
    if _REMARKS.exists():
        parts.append(f"## Remarks\n\n{_REMARKS.read_text(encoding='utf-8').strip()}\n")
    return "\n".join(parts).rstrip() + "\n"


def all_tables(name: str, found: dict[str, Any]) -> Iterator[Table]:
    """Yield a section's tables."""
    if name in ("fresh", "replay", "batch"):
        yield tables.rates("", found, "tracker" if name == "batch" else "raw")
    elif name == "async":
        yield tables.rates("", found, "asyncpg")
        yield tables.stalls(found)
    elif name == "costs":
        yield tables.costs(found)
    elif name == "waiters":
        yield tables.waiters(found)
        yield tables.crowd(found)
    elif name == "network":
        yield from tables.latencies(found)
    elif name == "growth":
        yield from growth_tables.tables(found)
    elif name == "heartbeat":
        yield tables.heartbeat(found)
    elif name == "memory":
        yield tables.memory(found)


def _targets(results: Results) -> str:
    return f"## What it was to reach\n\n{targets.table(results).markdown()}\n"


def _section(name: str, results: Results) -> str:
    found = results.found(name)
    lines = [prose.HEADINGS[name], ""]
    if found is None:
        return "\n".join([*lines, prose.NOT_MEASURED, ""])
    lines += [prose.EXPLANATIONS[name], ""]
    for table in all_tables(name, found):
        if table.title:
            lines += [f"### {table.title}", ""]
        lines += [table.markdown(), ""]
    lines += [
        line for chart in _CHARTS.get(name, ()) for line in (f"![{name}](charts/{chart})", "")
    ]
    missing = tables.absent(found)
    if missing:
        lines += ["Could not take part:", "", *(f"- {one}" for one in missing), ""]
    return "\n".join([*lines, _how(name, results), ""])


def _how(name: str, results: Results) -> str:
    run = results.run(name)
    options = run["options"]
    return (
        f"*{run['began_at']}, {run['seconds']:.0f} s; {options['rounds']} rounds of "
        f"{options['seconds']:g} s; {run['load_before']:g} processes wanted a processor in the "
        f"minute before.* `python -m benchmarks --only {name}`"
    )


def _circumstances(results: Results) -> str:
    """Describe machine and versions, once for every difference between the sections' runs."""
    lines: list[str] = []
    described: dict[str, list[str]] = {}
    for name in prose.HEADINGS:
        if results.found(name) is not None:
            described.setdefault(_described(results.run(name)), []).append(name)
    for description, names in described.items():
        lines += [f"For {', '.join(names)}:" if len(described) > 1 else "The run:", ""]
        lines += [description, ""]
    return "\n".join(lines)


def _described(run: dict[str, Any]) -> str:
    machine, server = run["machine"], run["server"]
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    told = ", ".join(f"`{name} = {setting}`" for name, setting in server.items())
    return (
        f"- {machine['processors']}, {machine['memory']} of memory, {machine['system']}; client "
        f"and server share it\n- {versions}\n- the server is told {told}, and else has its defaults"
    )
