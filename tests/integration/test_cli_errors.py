"""Whatever is wrong: one sentence that says what to do, a status, and never a traceback."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

from exec_tracker.settings import normalise_url
from tests.integration.cli_support import Answer, CommandLine

if TYPE_CHECKING:
    from uuid import UUID

_RUN = ("run", "--key", "k-1", "--workflow", "w", "--", "true")
_ON_A_DATABASE = [
    _RUN,
    ("retry", "k-1"),
    ("show", "k-1"),
    ("attempts", "k-1"),
    ("list",),
    ("abandoned",),
    ("watch", "k-1"),
    ("resolve", "k-1", "--error", "no"),
    ("reset", "k-1"),
    ("purge", "--older-than", "30d"),
]
_EVERYWHERE = [
    *_ON_A_DATABASE,
    ("db", "upgrade"),
    ("db", "downgrade", "base", "--yes"),
    ("db", "current"),
    ("db", "check"),
]


def _is_one_sentence(answer: Answer) -> bool:
    return (
        answer.err.startswith("exec-tracker: ")
        and answer.err.count("\n") == 1
        and "Traceback" not in answer.err
        and answer.out == b""
    )


@pytest.fixture
def line(database_url: str) -> CommandLine:
    return CommandLine(database_url)


@pytest.mark.parametrize("arguments", _EVERYWHERE, ids=" ".join)
def test_without_a_database_every_command_names_the_variables(arguments: tuple[str, ...]) -> None:
    answer = CommandLine(None)(*arguments)
    assert answer.status == 78
    assert _is_one_sentence(answer)
    assert "set EXEC_TRACKER_DATABASE_URL or DATABASE_URL" in answer.err


@pytest.mark.parametrize("arguments", _EVERYWHERE, ids=" ".join)
def test_an_unreachable_database_is_said_to_be(arguments: tuple[str, ...]) -> None:
    answer = CommandLine("postgresql://someone:hidden@127.0.0.1:1/none")(*arguments)
    assert answer.status == 69
    assert _is_one_sentence(answer)
    assert "The database cannot be reached" in answer.err
    assert "hidden" not in answer.err


@pytest.mark.parametrize("arguments", _ON_A_DATABASE, ids=" ".join)
def test_a_database_without_our_schema_is_sent_to_the_upgrade(
    empty_database_url: str, arguments: tuple[str, ...]
) -> None:
    answer = CommandLine(empty_database_url)(*arguments)
    assert answer.status == 78
    assert _is_one_sentence(answer)
    assert "exec-tracker db upgrade" in answer.err


@pytest.mark.parametrize("arguments", _EVERYWHERE, ids=" ".join)
def test_another_kind_of_database_is_refused(arguments: tuple[str, ...]) -> None:
    answer = CommandLine("mysql://localhost/x")(*arguments)
    assert answer.status == 78
    assert _is_one_sentence(answer)
    assert "PostgreSQL only" in answer.err


def test_the_url_given_wins_over_the_environment(database_url: str) -> None:
    line = CommandLine("postgresql://127.0.0.1:1/none")
    assert line("list", "--url", database_url).status == 0


@pytest.mark.parametrize("key", ["", "  ", "a\nb", "a\x00b", "k" * 300, "\udcff"])
def test_a_key_that_cannot_be_one_is_refused(line: CommandLine, key: str) -> None:
    answers = [
        line("run", "--key", key, "--workflow", "w", "--", "true"),
        *(line(*command, key) for command in (("show",), ("attempts",), ("reset",), ("watch",))),
    ]
    assert [one.status for one in answers] == [65] * 5
    assert all(_is_one_sentence(one) for one in answers)


def test_a_user_that_is_no_uuid_is_refused(line: CommandLine) -> None:
    answer = line("run", "--user", "me", *_RUN[1:])
    assert answer.status == 2
    assert _is_one_sentence(answer)
    assert "--user" in answer.err
    assert line("list", "--user", "me").status == 2


def test_a_user_that_does_not_exist_is_refused(line: CommandLine) -> None:
    answer = line("run", "--user", "00000000-0000-4000-8000-000000000000", *_RUN[1:])
    assert answer.status == 67
    assert _is_one_sentence(answer)
    assert "create the user first" in answer.err


def test_somebody_elses_key_is_refused_without_telling_about_it(
    line: CommandLine, user_id: UUID
) -> None:
    assert line(*_RUN).status == 0
    answer = line("run", "--user", str(user_id), *_RUN[1:])
    assert answer.status == 65
    assert _is_one_sentence(answer)
    assert "somebody else's request" in answer.err


@pytest.mark.parametrize("command", ["show", "attempts", "retry", "reset", "watch"])
def test_an_execution_that_is_not_there_is_not_found(line: CommandLine, command: str) -> None:
    answer = line(command, "nobody")
    assert answer.status == 66
    assert _is_one_sentence(answer)
    assert "no execution with id 'nobody'" in answer.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("run", "--key", "k-1"),
        ("run", "--key", "k-1", "--workflow", "w"),
        ("list", "--status", "done"),
        ("list", "--limit", "0"),
        ("list", "--limit", "1001"),
        ("purge",),
        ("purge", "--older-than", "a while"),
        ("purge", "--older-than", "1d", "--status", "running"),
        ("demo", "--workers", "0"),
        ("db", "nonsense"),
        ("resolve", "k-1"),
        ("resolve", "k-1", "--result", "1", "--error", "no"),
        ("db", "downgrade", "base"),
    ],
    ids=" ".join,
)
def test_a_call_that_cannot_be_understood_has_status_2(
    line: CommandLine, arguments: tuple[str, ...]
) -> None:
    answer = line(*arguments)
    assert answer.status == 2
    assert _is_one_sentence(answer)


def test_a_read_only_database_replays_and_says_why_it_runs_nothing(
    line: CommandLine, database_url: str
) -> None:
    assert line("run", "--key", "stored", *_RUN[3:5], "echo", "hi").status == 0
    engine = create_engine(normalise_url(database_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    engine.dispose()
    answer = line(*_RUN)
    assert answer.status == 69
    assert _is_one_sentence(answer)
    assert "read-only" in answer.err
    assert line("run", "--key", "stored", *_RUN[3:5], "echo", "hi").out == b"hi\n"


def test_without_the_extra_the_command_line_names_it() -> None:
    for missing in ("typer", "rich"):
        program = (
            f"import sys; sys.modules[{missing!r}] = None; "
            "from exec_tracker.__main__ import main; main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "pip install 'exec_tracker[cli]'" in done.stderr
        assert done.stderr.count("\n") == 1


def test_version_and_help_need_no_database() -> None:
    from exec_tracker import __version__

    assert CommandLine(None)("--version").text == f"exec-tracker {__version__}\n"
    assert "Commands:" in CommandLine(None)("--help").text
    assert "Commands:" in CommandLine(None)().text


def test_a_reader_that_goes_away_is_no_error_of_ours(line: CommandLine) -> None:
    for number in range(3):
        assert line("run", "--key", f"k-{number}", "--workflow", "w", "true").status == 0
    with line.start("list", "--json") as reading:
        assert reading.stdout is not None
        assert reading.stderr is not None
        reading.stdout.close()
        assert reading.stderr.read() == b""
        assert reading.wait(30) == 141
