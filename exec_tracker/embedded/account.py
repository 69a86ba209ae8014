"""Which operating system account runs the server, and what that account may read."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from exec_tracker.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

_ACCOUNTS: Final = ("postgres", "nobody")
"""Tried in this order: PostgreSQL refuses to run as root."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user and group a server runs as."""

    uid: int
    gid: int

    @property
    def is_current(self) -> bool:
        """Whether no privileges have to be dropped to become this account."""
        return self.uid == os.geteuid()

    def may_reach(self, path: Path) -> bool:
        """Whether every folder above the path may be entered, and the path itself be read."""
        return self.obstacle(path) is None

    def obstacle(self, path: Path) -> Path | None:
        """Return the first folder on the way to the path that this account cannot enter."""
        resolved = path.resolve()
        for folder in (*reversed(resolved.parents), resolved):
            if folder.exists() and not self._may_enter(folder):
                return folder
        return None

    def _may_enter(self, path: Path) -> bool:
        if self.is_current:  # the kernel knows all our groups
            return os.access(path, os.X_OK)
        status = path.stat()
        if status.st_uid == self.uid:
            needed = stat.S_IXUSR
        elif status.st_gid == self.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        return bool(status.st_mode & needed)


def account_for(cluster: Path) -> Account:
    """Choose who runs the server on this cluster folder: oneself, or, for root, someone else.

    A cluster that exists keeps its owner.

    Raises:
        ConfigurationError: started by root on a machine without any unprivileged account.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    if cluster.exists() and cluster.stat().st_uid != 0:
        status = cluster.stat()
        return Account(status.st_uid, status.st_gid)
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise ConfigurationError(
        "PostgreSQL refuses to run as root, and this machine has no account named "
        f"{' or '.join(_ACCOUNTS)}: create one, or start as another user"
    )
