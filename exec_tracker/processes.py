"""Which process this is, without asking the kernel each time.

What a tracker holds belongs to the process that opened it, and every call makes sure. The question
costs little by itself, but a call to the kernel empties the caches that the next lines need.
"""

from __future__ import annotations

import os

__all__ = ["pid"]

pid = os.getpid()


def _look_again() -> None:
    global pid  # noqa: PLW0603 # one for all, as in os
    pid = os.getpid()


# Also billiard's, multiprocessing's and uWSGI's children run these hooks.
if hasattr(os, "register_at_fork"):  # where there is no fork, there is nothing to notice
    os.register_at_fork(after_in_child=_look_again)
