"""The environment that the examples read, in this process and in theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.examples.listening import Listener, listening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def settings(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what the examples read; those that are started inherit it."""
    monkeypatch.setenv("EXEC_TRACKER_DATABASE_URL", database_url)
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_loopback")
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", "It's a Secret to Everybody")
    monkeypatch.setenv("N8N_SECRET", "open-sesame")
    for name in ("PARCELS", "BUILDS", "REPORTS"):
        monkeypatch.setenv(name, str(tmp_path / "effects.txt"))


@pytest.fixture
def effects(tmp_path: Path) -> Path:
    """Where the examples' effects are: a line each."""
    return tmp_path / "effects.txt"


@pytest.fixture
def n8n(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    with listening() as listener:
        monkeypatch.setenv("N8N_URL", listener.url)
        yield listener
