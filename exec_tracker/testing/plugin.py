"""pytest's hooks: one server per run, started when first asked for, shared by xdist's workers."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import pytest

from exec_tracker.testing.databases import Server, choose, provision

if TYPE_CHECKING:
    from exec_tracker.testing.databases import Choice

__all__ = [
    "pytest_configure_node",
    "pytest_report_header",
    "pytest_terminal_summary",
    "pytest_unconfigure",
    "server_of",
]

_INPUT: Final = "exec_tracker_server"


class _Provider:
    """The run's server, started at most once."""

    def __init__(self) -> None:
        self.choice: Choice = choose()
        self.server: Server | None = None
        self._cleanup = ExitStack()

    def start(self) -> Server:
        if self.server is None:
            self.server = self._cleanup.enter_context(provision(self.choice))
        return self.server

    def stop(self) -> None:
        self._cleanup.close()


_PROVIDER: Final = pytest.StashKey[_Provider]()


def server_of(config: pytest.Config) -> Server:
    """Return the run's server, starting it if this is the first time it is asked for."""
    shared = getattr(config, "workerinput", {}).get(_INPUT)
    return Server(*shared) if shared else _provider(config).start()


def _provider(config: pytest.Config) -> _Provider:
    if _PROVIDER not in config.stash:
        config.stash[_PROVIDER] = _Provider()
    return config.stash[_PROVIDER]


def pytest_report_header(config: pytest.Config) -> str:
    """Say which server the tests will run on."""
    return f"exec_tracker database: {_provider(config).choice}"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Start the server in xdist's controller, which outlives its workers, and hand it to them."""
    server = _provider(node.config).start()
    node.workerinput[_INPUT] = (server.url, server.description)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say so where another server had to stand in for the one that was announced."""
    provider = _provider(config)
    server = provider.server
    if server is not None and not server.description.startswith(provider.choice.kind):
        terminalreporter.write_line(f"exec_tracker database: {server.description}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server this process started."""
    if _PROVIDER in config.stash:
        config.stash[_PROVIDER].stop()
