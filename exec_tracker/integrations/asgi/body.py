"""Read a request's body before the application does, and let it read the same again."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from exec_tracker.integrations.http.deciding import check_length, incomplete

if TYPE_CHECKING:
    from exec_tracker.integrations.asgi.protocol import Message, Receive
    from exec_tracker.integrations.http.policy import IdempotencyPolicy


class RequestBody:
    """What has been received of a body, by the application or ahead of it.

    At most `limit` bytes are kept, so that an application may go on to read a larger one that
    needs no key.
    """

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._seen = bytearray()
        self._length = 0
        self._ahead: deque[Message] = deque()
        self._complete = False
        self._broken = False

    @property
    def is_read(self) -> bool:
        """Whether the application has been given all there is."""
        return self._complete and not self._ahead

    async def next_message(self) -> Message:
        """Return what the application receives next."""
        return self._ahead.popleft() if self._ahead else await self._read()

    async def whole(self, policy: IdempotencyPolicy) -> bytes:
        """Return the whole body, also where the application has read some of it.

        Raises AnsweredError for one that is too large, or that broke off.
        """
        check_length(policy, self._length)
        while not self._complete:
            if self._broken:
                raise incomplete(policy)
            self._ahead.append(await self._read())
            check_length(policy, self._length)
        return bytes(self._seen)

    async def _read(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._broken = True
            return message
        body = message.get("body", b"")
        self._length += len(body)
        if self._length <= self._limit:
            self._seen += body
        self._complete = not message.get("more_body", False)
        return message
