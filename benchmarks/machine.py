"""What a run was made on, without names of hosts or folders."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.contenders import ENTRIES
from benchmarks.server import binaries, settings

_PACKAGES: Final = ("exec_tracker", "SQLAlchemy", "psycopg2-binary", "asyncpg", "pydantic")


def machine() -> dict[str, str]:
    """Return processors, memory and operating system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processors": f"{os.cpu_count()} × {_processor()}",
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": f"{_system()}, {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Return the versions of everything that takes part."""
    found = {"PostgreSQL": _postgresql(), "Python": platform.python_version()}
    found |= {name.removesuffix("-binary"): version(name) for name in _PACKAGES}
    for entry in ENTRIES.values():
        for requirement in entry.requirements:
            name, _, number = requirement.partition("==")
            found[name.partition("[")[0]] = number
    return found


def server_settings() -> dict[str, str]:
    """Return what the server was told beyond its defaults."""
    return settings()


def load() -> float:
    """Return how many processes wanted a processor during the last minute."""
    return round(os.getloadavg()[0], 2)


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        found = re.search(r"^model name\s*: (.+)$", information.read_text(), re.MULTILINE)
        if found:
            return " ".join(found[1].split())
    return platform.processor() or platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _postgresql() -> str:
    said = subprocess.run(  # noqa: S603 # the server's own program
        [str(binaries() / "postgres"), "--version"], check=True, capture_output=True, text=True
    )
    found = re.search(r"\d+(\.\d+)?", said.stdout)
    return found[0] if found else said.stdout.strip()
