"""What the command line says about itself, and where a wrong call is sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

from exec_tracker.cli.app import app
from tests.integration.cli_support import CommandLine

if TYPE_CHECKING:
    from collections.abc import Iterator


def _commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*words, name))
        else:
            yield (*words, name)


_ALL = list(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("words", _ALL, ids=" ".join)
def test_help_marks_nothing_with_brackets_that_nobody_types(words: tuple[str, ...]) -> None:
    said = CommandLine(None)(*words, "--help").text
    assert said.startswith(f"Usage: exec-tracker {' '.join(words)} [OPTIONS]")
    assert not re.search(r"[{}]|\[default: \(|<(str|list)", said)


@pytest.mark.parametrize("words", _ALL, ids=" ".join)
def test_an_unknown_option_is_sent_to_the_help_of_its_command(words: tuple[str, ...]) -> None:
    answer = CommandLine(None)(*words, "--frob")
    assert answer.status == 2
    assert f"(`exec-tracker {' '.join(words)} --help` lists what can be said)" in answer.err


@pytest.mark.parametrize(
    ("arguments", "helpful"),
    [
        (("run", "--key"), "run"),
        (("purge", "--older-than", "5"), "purge"),
        (("list", "--limit", "many"), "list"),
        (("run", "--key", "k", "--workflow", "w"), "run"),
        (("resolve", "k"), "resolve"),
        (("db", "frob"), "db"),
    ],
    ids=str,
)
def test_a_wrong_call_is_sent_to_the_help_of_its_command(
    arguments: tuple[str, ...], helpful: str
) -> None:
    answer = CommandLine(None)(*arguments)
    assert (answer.status, answer.err.count("\n")) == (2, 1)
    assert f"(`exec-tracker {helpful} --help`" in answer.err


@pytest.mark.parametrize("arguments", [("frob",), ("--frob",)], ids=str)
def test_what_is_no_command_is_sent_to_the_list_of_commands(arguments: tuple[str, ...]) -> None:
    answer = CommandLine(None)(*arguments)
    assert answer.status == 2
    assert "(`exec-tracker --help` lists what can be said)" in answer.err


def test_resolve_warns_that_the_shape_of_a_result_is_yours() -> None:
    said = " ".join(CommandLine(None)("resolve", "--help").text.split())
    assert "its shape is not checked against the function's type" in said
