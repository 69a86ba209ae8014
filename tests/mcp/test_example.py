"""The example of the documentation, started by a client as it would be."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.mcp.clients import answer, ended, started

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_example_charges_once_and_makes_its_report_in_the_background(
    empty_database_url: str, tmp_path: Path
) -> None:
    command = (sys.executable, "examples/mcp_server.py", empty_database_url)
    async with started(tmp_path / "log", *command) as client:
        charge = {"order": 1042, "cents": 4200, "idempotency_key": "k"}
        first = await answer(client, "charge_order", **charge)
        again = await answer(client, "charge_order", **charge)
        report = await answer(client, "make_report", year=2026)
        told = await ended(client, report["key"])
    assert first["result"] == again["result"] == {"charge": "ch_1042_k", "cents": 4200}
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert told["result"] == "the report for 2026"
