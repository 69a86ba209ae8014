"""Notice that a server has ended a connection while nobody used it, without asking there."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine
    from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["end_of", "replace_ended"]


def replace_ended(engine: Engine) -> None:
    """Have an engine of our own replace connections that ended while nobody used them.

    Pre-ping would do it for a round trip more at every checkout.
    """

    def remember(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[_HAS_ENDED] = None  # a new one is not looked at: SQLAlchemy tries twice only

    def check(_connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        has_ended = record.info[_HAS_ENDED]
        if has_ended is None:
            record.info[_HAS_ENDED] = end_of(record.driver_connection)
        elif has_ended():
            raise DisconnectionError("the server has ended this connection")

    event.listen(engine, "connect", remember)
    event.listen(engine, "checkout", check)


_HAS_ENDED = "exec_tracker_has_ended"


def end_of(connection: Any) -> Callable[[], bool]:
    """Return what tells of an idle connection of a driver whether its server has gone.

    It asks nobody: a server says nothing on an idle connection but its end, or a notice that nobody
    waits for.
    """
    if hasattr(connection, "is_closed"):  # asyncpg, whose event loop reads all the time
        return connection.is_closed  # type: ignore[no-any-return] # a method of the driver's
    if not hasattr(select, "poll"):  # on Windows
        return lambda: connection.closed or bool(select.select([connection], [], [], 0)[0])
    waiting = select.poll()  # unlike select, for any number of open files
    waiting.register(connection.fileno(), select.POLLIN)
    return lambda: connection.closed or bool(waiting.poll(0))
