"""Without its extra a module says which one it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
sys.modules[{missing!r}] = None
from exec_tracker import ConfigurationError
try:
    import exec_tracker.integrations.{module}
except ConfigurationError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("module", "missing", "extra"),
    [
        ("asgi", "http_sf", "exec_tracker[http]"),
        ("wsgi", "http_sf", "exec_tracker[http]"),
        ("fastapi", "fastapi", "exec_tracker[fastapi]"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(module: str, missing: str, extra: str) -> None:
    code = CODE.format(module=module, missing=missing)
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=110
    )
    assert f"pip install '{extra}'" in said.stdout


def test_nothing_of_it_is_imported_with_the_package() -> None:
    code = "import exec_tracker, sys; print({'http_sf', 'fastapi', 'flask'} & set(sys.modules))"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=110
    )
    assert said.stdout.strip() == "set()"
