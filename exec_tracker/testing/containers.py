"""PostgreSQL in a container, by way of testcontainers, where a Docker engine answers."""

from __future__ import annotations

import importlib
import importlib.util
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from exec_tracker.settings import normalise_url

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ContainerUnavailableError", "PostgresContainer", "engine_problem", "postgres_container"]

IMAGE_VARIABLE: Final = "EXEC_TRACKER_TEST_IMAGE"
_IMAGE: Final = "postgres:17-alpine"
_PORT: Final = 5432
_ENGINE_TIMEOUT: Final = 3
_PULL_TIMEOUT: Final = 60
_READY_TIMEOUT: Final = 60.0
_MAX_TRIES: Final = 20
"""testcontainers' own patience, in seconds; its default of 120 is a long way to a fallback."""
_PASSWORD: Final = "throwaway"  # noqa: S105 - of a container that lives as long as a test run


class ContainerUnavailableError(Exception):
    """No PostgreSQL container can be had; the message says why."""


@dataclass(frozen=True, slots=True)
class PostgresContainer:
    """A running container."""

    url: str
    image: str
    _container: Any

    def stop(self) -> None:
        """Stop and remove the container, with its data."""
        self._container.stop()


def engine_problem() -> str | None:
    """Return why no Docker engine can be used, or None where one answers."""
    if not any(_possible_sockets()):
        return "no Docker engine"
    if importlib.util.find_spec("testcontainers") is None:
        return "testcontainers is not installed"
    docker = _docker()
    try:
        client = docker.from_env(timeout=_ENGINE_TIMEOUT)
        try:
            client.ping()
        finally:
            client.close()
    except (docker.errors.DockerException, OSError):
        return "no Docker engine answers"
    return None


def _docker() -> Any:
    """Import the engine's client, an optional dependency without types that is slow to import."""
    return importlib.import_module("docker")


def _possible_sockets() -> list[bool]:
    """Look where an engine may listen, since importing the client to find none takes longer."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    candidates = [Path("/var/run/docker.sock"), Path.home() / ".docker" / "run" / "docker.sock"]
    candidates += [Path(runtime) / "docker.sock"] if runtime else []
    return [bool(os.environ.get("DOCKER_HOST")), *(path.exists() for path in candidates)]


def postgres_container(settings: Mapping[str, str]) -> PostgresContainer:
    """Start a container and wait until its server accepts connections.

    Raises:
        ContainerUnavailableError: no engine, no image, or the server does not come up.
    """
    problem = engine_problem()
    if problem:
        raise ContainerUnavailableError(problem)
    image = os.environ.get(IMAGE_VARIABLE) or _IMAGE
    _fetch(image)
    container = _make(image, settings)
    try:
        container.start()
        url = _url(container)
        _wait_until_ready(url)
    except (_docker().errors.DockerException, OSError, OperationalError) as error:
        container.stop()
        raise ContainerUnavailableError(f"{image} does not start: {error}") from error
    return PostgresContainer(url, image, container)


def _make(image: str, settings: Mapping[str, str]) -> Any:
    from testcontainers.core.config import testcontainers_config  # noqa: PLC0415 - optional
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - optional

    if "TC_MAX_TRIES" not in os.environ:
        testcontainers_config.max_tries = _MAX_TRIES
    if not testcontainers_config.ryuk_disabled and not _can_fetch(testcontainers_config.ryuk_image):
        # The reaper cleans up after a test run that was killed; without it that is left to people.
        testcontainers_config.ryuk_disabled = True
    command = ["postgres", *(f"-c{name}={value}" for name, value in settings.items())]
    container = DockerContainer(image).with_exposed_ports(_PORT).with_command(command)
    return container.with_envs(
        POSTGRES_USER="postgres", POSTGRES_PASSWORD=_PASSWORD, POSTGRES_DB="postgres"
    )


def _can_fetch(image: str) -> bool:
    try:
        _fetch(image)
    except ContainerUnavailableError:
        return False
    return True


def _fetch(image: str) -> None:
    """Make sure that the image is there, pulling it only if it is not."""
    docker = _docker()
    client = docker.from_env(timeout=_PULL_TIMEOUT)
    try:
        client.images.get(image)
    except docker.errors.ImageNotFound:
        try:
            client.images.pull(image)
        except (docker.errors.DockerException, OSError) as error:
            raise ContainerUnavailableError(f"cannot pull {image}") from error
    finally:
        client.close()


def _url(container: Any) -> str:
    url = URL.create(
        "postgresql",
        username="postgres",
        password=_PASSWORD,
        host=container.get_container_host_ip(),
        port=int(container.get_exposed_port(_PORT)),
        database="postgres",
    )
    return url.render_as_string(hide_password=False)


def _wait_until_ready(url: str) -> None:
    engine = create_engine(normalise_url(url), poolclass=NullPool)
    deadline = time.monotonic() + _READY_TIMEOUT
    while True:
        try:
            engine.connect().close()
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
