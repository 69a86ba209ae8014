"""The seed of everything that is left to chance: fixed unless somebody asks for another."""

from __future__ import annotations

import os

SEED_VARIABLE = "EXEC_TRACKER_PROOF_SEED"
_DEFAULT = 1729


def chosen_seed() -> int:
    """Return the seed that the environment names, or the usual one; say which it is."""
    print(seed_as_setting(), flush=True)
    return _seed()


def seed_as_setting() -> str:
    """Return what to set for the same seed again."""
    return f"{SEED_VARIABLE}={_seed()}"


def _seed() -> int:
    return int(os.environ.get(SEED_VARIABLE) or _DEFAULT)
