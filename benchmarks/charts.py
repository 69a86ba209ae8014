"""The charts of the page, as SVG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.figures import figure, ratio
from benchmarks.growth_tables import STYLES
from benchmarks.tables import TITLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matplotlib.axes import Axes

    from benchmarks.results import Results

FOLDER: Final = Path(__file__).parent.parent / "docs" / "explanation" / "charts"
_OURS, _FLOOR, _PEER = "#1f6feb", "#57606a", "#c9a227"
_FLOORS: Final = {"raw", "sqlalchemy", "pgbench", "asyncpg", "asyncpg-plain"}


def draw(results: Results) -> list[str]:
    """Draw what was measured, and return the names of the files."""
    import matplotlib as mpl  # noqa: PLC0415 # the group `bench` brings it, tests of the page do without

    mpl.use("Agg")
    mpl.rcParams |= {"svg.hashsalt": "exec_tracker", "svg.fonttype": "none", "font.size": 9}
    FOLDER.mkdir(parents=True, exist_ok=True)
    return list(_draw_all(results))


def _draw_all(results: Results) -> Iterator[str]:
    for kind in ("fresh", "replay"):
        found = results.found(kind)
        if found:
            yield _rates(kind, found)
    latencies = results.found("network")
    if latencies:
        yield _network(latencies["latencies"])
    growth = results.found("growth")
    if growth:
        yield _growth(growth)
        yield _wal(growth)


def _rates(kind: str, found: dict[str, Any]) -> str:
    measured = found["rates"]
    cells = list(next(iter(measured.values())))
    panels, save = _panels(len(cells), f"{kind}.svg", height=4.0)
    for panel, cell in zip(panels, cells, strict=True):
        names = sorted(measured, key=lambda name: figure(measured[name][cell]).middle)
        figures = [figure(measured[name][cell]) for name in names]
        middles = [one.middle for one in figures]
        spread = [
            [one.middle - one.low for one in figures],
            [one.high - one.middle for one in figures],
        ]
        panel.barh(
            [TITLES[name] for name in names], middles, color=[_colour(name) for name in names]
        )
        panel.errorbar(middles, range(len(names)), xerr=spread, fmt="none", ecolor="black", lw=0.8)
        threads = cell.rpartition("x")[2]
        panel.set_title(f"{kind}, {threads} thread{'s' * (threads != '1')}")
        panel.set_xlabel("per second: median, quartiles")
    return save()


def _network(latencies: dict[str, Any]) -> str:
    cells = ("fresh x1", "replay x1")
    panels, save = _panels(len(cells), "network.svg", height=3.0)
    for panel, cell in zip(panels, cells, strict=True):
        for name in next(iter(latencies.values()))["rates"]:
            points = [
                ratio(one["rates"][name][cell], one["rates"]["raw"][cell]).middle
                for one in latencies.values()
            ]
            panel.plot(list(latencies), points, marker="o", label=TITLES[name])
        panel.set_title(cell.removesuffix(" x1"))
        panel.set_xlabel("ms more per round trip")
        panel.set_ylabel("× raw psycopg2, INSERT then SELECT")
        panel.set_ylim(bottom=0)
    panels[-1].legend(fontsize=7)
    return save()


def _growth(found: dict[str, Any]) -> str:
    cells = ("fresh x1", "replay x1")
    panels, save = _panels(len(cells), "growth.svg", height=3.0)
    for panel, cell in zip(panels, cells, strict=True):
        for name, style in found["styles"].items():
            base = style["rates"][f"tracker {found['rows'][0]}"][cell]
            points = [
                ratio(style["rates"][f"tracker {rows}"][cell], base).middle
                for rows in found["rows"]
            ]
            panel.plot([f"{rows:,}" for rows in found["rows"]], points, "o-", label=STYLES[name])
        panel.set_title(cell.removesuffix(" x1"))
        panel.set_xlabel("rows")
        panel.set_ylabel("rate, × at the smallest")
        panel.set_ylim(0, 1.3)
    panels[-1].legend()
    return save()


def _wal(found: dict[str, Any]) -> str:
    (panel,), save = _panels(1, "wal.svg", height=2.5)
    for name, style in found["styles"].items():
        points = [style["wal"][str(rows)]["wal_bytes"] for rows in found["rows"]]
        panel.plot([f"{rows:,}" for rows in found["rows"]], points, "o-", label=STYLES[name])
    panel.set_xlabel("rows")
    panel.set_ylabel("WAL bytes per execution")
    panel.set_ylim(bottom=0)
    panel.legend()
    return save()


def _panels(number: int, file: str, height: float) -> tuple[list[Axes], Callable[[], str]]:
    from matplotlib import pyplot as plt  # noqa: PLC0415 # as above

    drawing, axes = plt.subplots(1, number, figsize=(5.2 * number, height), squeeze=False)

    def save() -> str:
        drawing.tight_layout()
        # No date: the same results make the same file.
        drawing.savefig(FOLDER / file, metadata={"Date": None})
        plt.close(drawing)
        return file

    return list(axes[0]), save


def _colour(name: str) -> str:
    if name.startswith(("tracker", "async-")):
        return _OURS
    return _FLOOR if name in _FLOORS else _PEER
