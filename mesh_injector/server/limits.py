"""uvicorn's HTTP protocol with the bounds that it lacks: time, size of what is not the body, and number of connections.

RFC 9112 section 9.5 lets a server close a connection at any time; a client that is slow or sends too much is cut off without an answer.
"""

import asyncio
from typing import ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mesh_injector.server.options import Limits

HEAD_BYTES: Final = 64 * 1024
MESSAGE_BYTES: Final = 32 * 1024 * 1024
"""Body, framing and trailers. A body too large was answered long before; who goes on sending has this much room to come to the answer."""
_LOOKS: Final = 4
"""How many times within `message_seconds` a connection's clock is looked at."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection, whose time and room are set when a message begins and set anew when it is complete."""

    limits: ClassVar[Limits]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock of a connection, or close one too many."""
        super().connection_made(transport)
        self._room = HEAD_BYTES
        self._chunk = 0
        self._due = self.loop.time() + self.limits.keep_alive_seconds
        self._clock = self.loop.call_later(self.limits.message_seconds / _LOOKS, self._look)
        if len(self.connections) > self.limits.connections:
            self.logger.warning("More than %d connections: one is closed.", self.limits.connections)
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._clock.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and cut off a message that takes too much room."""
        self._chunk = len(data)
        super().data_received(data)
        self._room -= self._chunk
        if self._room < 0:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """Give a message its time, and room for its headers."""
        super().on_message_begin()
        self._due = self.loop.time() + self.limits.message_seconds
        self._room = HEAD_BYTES + self._chunk  # the chunk that is being read may hold earlier messages too: it does not count

    def on_headers_complete(self) -> None:
        """Give it room for its body."""
        self._room += MESSAGE_BYTES
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Give the connection its idle time; it covers our answer, which a client may refuse to read."""
        self._due = self.loop.time() + self.limits.keep_alive_seconds
        super().on_message_complete()

    def _look(self) -> None:
        if self.loop.time() >= self._due:
            self.transport.abort()
        else:
            self._clock = self.loop.call_later(self.limits.message_seconds / _LOOKS, self._look)

    def _unsupported_upgrade_warning(self) -> None:
        """End the connection with this answer: the parser takes what follows an Upgrade, a body too, for the next request."""
        self.cycle.keep_alive = False


def bounded(limits: Limits) -> type[HttpToolsProtocol]:
    """The protocol with these limits, as the class that uvicorn wants."""
    return type("BoundedProtocol", (BoundedProtocol,), {"limits": limits})
