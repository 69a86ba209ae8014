"""A shop behind each door, on a real server, and a client signed in at it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.http.applications import DOORS
from tests.http.client import Client, connected
from tests.http.servers import uvicorn_server, werkzeug_server
from tests.http.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    Served = Callable[..., Client]


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    yield made
    made.open_door()


# What differs in threads is how claims are made and ended; tests of that ask for every door.
@pytest.fixture(params=[door for door in DOORS if door != "asgi-in-threads"])
def door(request: pytest.FixtureRequest) -> str:
    """How requests get in."""
    return str(request.param)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def open_shop(shop: Shop, database_url: str, user_id: UUID, stack: ExitStack) -> Served:
    """Serve the shop through a door and return a client."""

    def serve(door: str, url: str | None = None) -> Client:
        app = DOORS[door](shop, url or database_url)
        server = werkzeug_server if door == "flask" else uvicorn_server
        address = stack.enter_context(server(app))
        stack.callback(shop.open_door)
        http = stack.enter_context(connected(address))
        return Client(http, user_id)

    return serve


@pytest.fixture
def client(door: str, open_shop: Any) -> Client:
    made: Client = open_shop(door)
    return made
