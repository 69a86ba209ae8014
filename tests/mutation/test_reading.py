"""What mutmut says is understood, and reasons are about functions that there are."""

from __future__ import annotations

import importlib

import pytest

from tests.mutation.explained import REASONS, Reason, reason
from tests.mutation.running import MODULES, Mutant, changed_lines, place_of


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("exec_tracker.codec.x__adapter__mutmut_3", ("codec", "_adapter")),
        (
            "exec_tracker.codec.storable.x_storable_json__mutmut_12",
            ("codec.storable", "storable_json"),
        ),
        ("exec_tracker.codec.xǁResultCodecǁ__init____mutmut_1", ("codec", "ResultCodec.__init__")),
        ("To see a mutant", None),
    ],
)
def test_the_name_of_a_mutant_tells_its_function(name: str, place: tuple[str, str] | None) -> None:
    assert place_of(name) == place


def test_a_diff_tells_what_was_changed() -> None:
    diff = ["--- a.py", "+++ a.py", "@@ -1 +1 @@", " def f():", "-    return 1", "+    return 2"]
    assert changed_lines(diff) == ("return 1", "return 2")


def test_a_reason_is_for_its_function_and_its_line() -> None:
    mutant = Mutant("codec", "_same_moments", "survived", added="read.astimezone(None)")
    assert reason(mutant)
    assert reason(Mutant("codec", "_same_moments", "survived", added="return")) is None


@pytest.mark.parametrize("one", REASONS, ids=lambda one: one.added)
def test_a_reason_is_about_a_function_that_there_is(one: Reason) -> None:
    modules = [importlib.import_module(f"exec_tracker.{name}") for name in MODULES]
    owner = one.function.split(".")[0]
    assert any(hasattr(module, owner) for module in modules)
