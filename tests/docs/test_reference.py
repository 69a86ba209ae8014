"""The reference is what the code says, and every error is explained."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

import exec_tracker
from exec_tracker import errors
from tests.docs.pages import ROOT, page

ERRORS = ROOT / "docs" / "reference" / "errors.md"
API = ROOT / "docs" / "reference" / "api.md"


def test_the_generated_reference_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate_reference.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_explained_and_exported(name: str) -> None:
    assert name.lower() in page(ERRORS).anchors
    assert name in exec_tracker.__all__


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    drawn = re.search(r"```text\n(ExecTrackerError\n.*?)```", page(ERRORS).text, re.DOTALL)
    assert drawn is not None
    assert drawn[1].strip() in (errors.__doc__ or "")


@pytest.mark.parametrize("name", sorted(set(exec_tracker.__all__) - {"__version__"}))
def test_every_public_name_is_in_the_reference_and_has_a_docstring(name: str) -> None:
    public: Any = getattr(exec_tracker, name)
    assert public.__doc__
    assert name.lower() in page(API).anchors | page(ERRORS).anchors
