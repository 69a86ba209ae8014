"""Start the command line, or say which extra it needs."""

from __future__ import annotations

import sys

_EXTRA = frozenset({"typer", "rich"})


def main() -> None:
    """Run `exec-tracker` and exit with its status."""
    try:
        from exec_tracker.cli.app import run  # noqa: PLC0415 - needs the extra `cli`
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.exit(
            "exec-tracker: the command line needs packages that are not installed; "
            "install them with: pip install 'exec_tracker[cli]'"
        )
    except KeyboardInterrupt:  # while the packages were being loaded
        sys.exit(130)
    sys.exit(run())


if __name__ == "__main__":
    main()
