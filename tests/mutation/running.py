"""Run mutmut on a copy of the sources, and read what came of every mutant."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).parents[2]
MODULES: Final = ("transitions", "fingerprint", "codec", "codec.storable", "codec.annotations")
_TESTS: Final = (
    "test_transitions",
    "test_illegal_transitions",
    "test_fingerprint",
    "test_digests",
    "test_codec",
    "test_codec_details",
    "test_annotations",
)
_COPIED: Final = ("exec_tracker", "tests", "proof", "alembic", "pyproject.toml", "README.md")

# A process per mutant that has run no test before: mutmut's usual one has, and in it what our
# functions keep (a codec, for one) was made by code that was not mutated.
_CONFIGURATION: Final = """
[tool.mutmut]
source_paths = ["exec_tracker"]
only_mutate = {modules}
also_copy = {copied}
process_isolation = "forkserver"
pytest_add_cli_args = ["-p", "no:randomly", "-p", "no:cacheprovider", "-x", "-q"]
pytest_add_cli_args_test_selection = {tests}
"""

_MANGLED: Final = re.compile(r"exec_tracker\.([\w.]+)\.x(?:ǁ(\w+)ǁ|_)(\w+?)__mutmut_\d+")
_CAUGHT: Final = frozenset({"killed", "timeout", "segfault"})


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change to one line, and whether a test noticed it."""

    module: str
    function: str
    status: str
    removed: str = ""
    added: str = ""

    @property
    def is_caught(self) -> bool:
        """Whether a test failed under it."""
        return self.status in _CAUGHT


def mutants(jobs: int) -> list[Mutant]:
    """Make every mutant and run the unit tests of its module under it; takes minutes."""
    with tempfile.TemporaryDirectory(prefix="exec_tracker-mutants-") as name:
        copy = Path(name)
        _copy_into(copy)
        _mutmut(copy, "run", "--max-children", str(jobs), is_shown=True)
        return list(_read(copy))


def _copy_into(folder: Path) -> None:
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy2(source, folder / name)
    configuration = _CONFIGURATION.format(
        modules=[_file_of(name) for name in MODULES],
        copied=list(_COPIED),
        tests=[f"tests/unit/{name}.py" for name in _TESTS],
    )
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(configuration.replace("'", '"'))


def _file_of(module: str) -> str:
    path = Path("exec_tracker", *module.split("."))
    is_package = (ROOT / path).is_dir()
    return str(path / "__init__.py" if is_package else path.with_suffix(".py"))


def _mutmut(folder: Path, *arguments: str, is_shown: bool = False) -> str:
    command = [sys.executable, "-m", "mutmut", *arguments]
    output = None if is_shown else subprocess.PIPE
    done = subprocess.run(command, cwd=folder, stdout=output, text=True, check=True)
    return done.stdout or ""


def _read(folder: Path) -> Iterator[Mutant]:
    for line in _mutmut(folder, "results", "--all", "true").splitlines():
        name, _, status = line.strip().rpartition(": ")
        place = place_of(name)
        if place is None:
            continue
        mutant = Mutant(*place, status)
        if mutant.is_caught:
            yield mutant
        else:
            lines = changed_lines(_mutmut(folder, "show", name).splitlines())
            yield Mutant(*place, status, *lines)


def place_of(name: str) -> tuple[str, str] | None:
    """Return the module and the function of a mutant's name; None where it is no such name."""
    found = _MANGLED.fullmatch(name)
    if not found:
        return None
    module, owner, function = found.groups()
    return module, f"{owner}.{function}" if owner else function


def changed_lines(diff: Sequence[str]) -> tuple[str, str]:
    """Return what a diff takes away and what it puts there."""

    def lines(sign: str) -> str:
        kept = (one[1:].strip() for one in diff if one.startswith(sign) and one[:3] != sign * 3)
        return " ".join(kept)

    return lines("-"), lines("+")
