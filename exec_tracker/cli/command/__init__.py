"""`exec-tracker run` and `retry`: any command, once per key, its outcome kept."""

from __future__ import annotations

from exec_tracker.cli.command.running import retry, run

__all__ = ["retry", "run"]
