"""Every Python block of README and docs runs; `tests.docs.pages` says how."""

from __future__ import annotations

import ast
import asyncio
import fnmatch
import inspect
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.pages import ROOT, Block, all_pages, name_of, page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

_PATIENCE = 90


def runs(path: Path) -> bool:
    """Tell whether there is anything on a page to run."""
    return any(is_run(block) or block.directive == "run" for block in page(path).blocks)


def is_run(block: Block) -> bool:
    """Tell whether a block is Python to be run in the page's namespace."""
    return block.language == "python" and block.directive not in {"file", "from", "not run"}


def as_parameter(path: Path) -> Any:
    """Return a page as a test's parameter; starting programs takes time."""
    slow = any(block.directive == "run" for block in page(path).blocks)
    return pytest.param(path, id=name_of(path), marks=[pytest.mark.slow] if slow else [])


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return an empty folder that every account may enter: the embedded server has its own."""
    made = Path(tempfile.mkdtemp()).resolve()
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


class Reader:
    """Does what a page says, in order."""

    def __init__(self, path: Path, folder: Path, names: dict[str, Any]) -> None:
        self._path = path
        self._folder = folder
        self._names = {"__name__": "page", **names}
        self._loop = ExitStack()
        self._runner: asyncio.Runner | None = None

    def read(self) -> None:
        """Run the page from beginning to end."""
        with self._loop:
            for block in page(self._path).blocks:
                if block.directive == "file":
                    target = self._folder / block.argument
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_text(block.text, encoding="utf-8")
                elif block.directive == "run":
                    self._run_commands(block)
                elif is_run(block):
                    self._execute(block)

    def _execute(self, block: Block) -> None:
        code = compile(
            "\n" * (block.line - 1) + block.text,
            str(self._path),
            "exec",
            flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            dont_inherit=True,
        )
        if code.co_flags & inspect.CO_COROUTINE:
            if self._runner is None:
                self._runner = self._loop.enter_context(asyncio.Runner())
            self._runner.run(eval(code, self._names))  # noqa: S307 # our own documentation
        else:
            exec(code, self._names)  # noqa: S102 # our own documentation

    def _run_commands(self, block: Block) -> None:
        commands: list[tuple[str, list[str]]] = []
        for line in block.text.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            else:
                commands[-1][1].append(line)
        for command, expected in commands:
            self._run_command(command, expected)

    def _run_command(self, command: str, expected: list[str]) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        unset = {"PYTEST_ADDOPTS", "EXEC_TRACKER_DATABASE_URL", "DATABASE_URL"}
        kept = {name: value for name, value in os.environ.items() if name not in unset}
        done = subprocess.run(  # noqa: S602 # our own documentation
            command,
            shell=True,
            cwd=self._folder,
            env={**kept, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        printed = iter(done.stdout.splitlines())
        for line in expected:
            pattern = line.replace("[", "[[]").replace("…", "*")
            seen = any(fnmatch.fnmatchcase(one.rstrip(), pattern) for one in printed)
            assert seen, f"{command} did not print {line!r} but:\n{done.stdout}"


@pytest.mark.parametrize("path", [as_parameter(one) for one in all_pages() if runs(one)])
def test_the_code_on_a_page_runs_and_prints_what_it_says(
    path: Path,
    folder: Path,
    database_url: str,
    user_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EXEC_TRACKER_DATABASE_URL", database_url)
    Reader(path, folder, {"database_url": database_url, "user_id": user_id}).read()


@pytest.mark.parametrize("path", all_pages(), ids=name_of)
def test_code_that_is_not_run_says_why(path: Path) -> None:
    unsaid = [
        block.line
        for block in page(path).blocks
        if block.directive == "not run" and not block.argument
    ]
    assert unsaid == []


@pytest.mark.parametrize("path", all_pages(), ids=name_of)
def test_an_excerpt_stands_in_the_file_that_it_is_from(path: Path) -> None:
    excerpts = [block for block in page(path).blocks if block.directive == "from"]
    strange = [
        block.line
        for block in excerpts
        if f"\n{block.text}" not in (ROOT / block.argument).read_text(encoding="utf-8")
    ]
    assert strange == []
