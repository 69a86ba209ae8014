"""The seed of everything that is left to chance: fixed unless somebody asks for another."""

from __future__ import annotations

import os

SEED_VARIABLE = "EXEC_TRACKER_PROOF_SEED"
_DEFAULT = 1729


def chosen_seed() -> int:
    """Return the seed that the environment names, or the usual one; say which it is."""
    seed = int(os.environ.get(SEED_VARIABLE) or _DEFAULT)
    print(f"{SEED_VARIABLE}={seed}", flush=True)
    return seed
