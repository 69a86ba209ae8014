"""A shop whose tools are called over MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.mcp.clients import Shop

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from exec_tracker.testing.effects import Effects


@pytest.fixture
def shop(database_url: str, user_id: UUID, effects: Effects, tmp_path: Path) -> Shop:
    """Return the shop of one user; its effects are counted by the fixture `effects`."""
    return Shop(database_url, user_id, tmp_path)
