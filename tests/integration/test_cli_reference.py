"""The reference of the command line names whatever there is, and what it shows works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

from exec_tracker.cli.app import app
from exec_tracker.cli.statuses import ExitStatus
from tests.integration.cli_support import CommandLine

if TYPE_CHECKING:
    from collections.abc import Iterator

_DOCS = Path(__file__).parents[2] / "docs"
_PAGE = (_DOCS / "reference" / "cli.md").read_text()
_GUIDE = (_DOCS / "howto" / "run-a-command.md").read_text()


def _commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


_ALL = dict(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", _ALL)
def test_every_command_and_option_is_in_the_reference(name: str) -> None:
    assert re.search(rf"^\$ exec-tracker {name}\b", _PAGE, re.MULTILINE), "no example"
    for parameter in _ALL[name].params:
        for option in (*parameter.opts, *parameter.secondary_opts):
            if option.startswith("--"):
                assert f"`{option}" in _PAGE, option


def test_every_exit_status_is_in_the_reference() -> None:
    stated = set(re.findall(r"^\| (\d+) \|", _PAGE, re.MULTILINE))
    assert {str(int(one)) for one in ExitStatus if one not in (130, 141)} == stated


@pytest.mark.parametrize("page", [_PAGE, _GUIDE], ids=["reference", "guide"])
def test_every_example_is_understood(page: str) -> None:
    examples = re.findall(r"^\$ exec-tracker (.*)", page, re.MULTILINE)
    assert examples
    for example in examples:
        arguments = shlex.split(example.partition(" > ")[0], comments=True)
        words = " ".join(arguments[: 2 if arguments[0] == "db" else 1])
        assert words in _ALL
        if words in {"demo", "db serve"}:  # they bring a database where there is none
            continue
        # Without a database nothing is done; but what cannot be understood has status 2.
        answer = CommandLine(None)(*arguments)
        assert answer.status in (0, 78), example
