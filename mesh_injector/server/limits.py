"""uvicorn's HTTP protocol with the bounds that it lacks: time, size of what is not the body, memory, and number of connections.

RFC 9112 section 9.5 lets a server close a connection at any time; a client that is slow or sends too much is cut off without an answer.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, ClassVar, Final

import structlog
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mesh_injector import logs
from mesh_injector.server.options import Limits

HEAD_BYTES: Final = 64 * 1024
MESSAGE_BYTES: Final = 32 * 1024 * 1024
"""Body, framing and trailers. A body too large was answered long before; who goes on sending has this much room to come to the answer."""
BEGAN: Final = "began"
"""The key of a request's `state` under which stands when its first byte was read, by `time.monotonic`."""
_LOOKS: Final = 4
"""How many times within `message_seconds` a connection's clock is looked at."""
_LATER: Final = 1
"""So many seconds after uvicorn should have closed an idle connection it is closed here; uvicorn does not time those that never begin."""

_strangers: Final = logs.Sparing(structlog.get_logger())


class Traffic:
    """What the connections of one port share: their limits, what their bodies hold in memory, and whether the server is leaving."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.held = 0
        self.is_leaving = False

    def leave(self) -> None:
        """From now on say `Connection: close` with every answer, so that clients go elsewhere with their next request."""
        self.is_leaving = True


class _Flow(FlowControl):
    """Reads on only when nothing is left to be answered: else requests that come faster than answers go would pile up in memory."""

    def __init__(self, transport: asyncio.Transport, waiting: deque[Any]) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """One connection, whose time and room are set when a message begins and set anew when it is complete."""

    traffic: ClassVar[Traffic]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock of a connection; where there are too many, close the one that is missed least."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        self._limits = self.traffic.limits
        self._room = HEAD_BYTES
        self._chunk = self._held = 0
        self._is_message = False
        self._rest()
        self._clock = self.loop.call_later(self._limits.message_seconds / _LOOKS, self._look)
        if len(self.connections) > self._limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock and give the memory back."""
        self._clock.cancel()
        self._hold(-self._held)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and cut off a message that takes too much room."""
        self._chunk = len(data)
        super().data_received(data)
        self._room -= self._chunk
        if self._room < 0:
            self._cut_off("a client sent too much in one request")

    def on_message_begin(self) -> None:
        """Give a message its time, and room for its headers."""
        super().on_message_begin()
        self._is_message = True
        self._since = time.monotonic()  # the loop's own time stands still while it is busy
        self._due = self._since + self._limits.message_seconds
        self._room = HEAD_BYTES + self._chunk  # the chunk that is being read may hold earlier messages too: it does not count
        self.scope["state"][BEGAN] = self._since

    def on_headers_complete(self) -> None:
        """Give it room for its body."""
        self._room += MESSAGE_BYTES
        super().on_headers_complete()
        if self.traffic.is_leaving:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body; where all clients together send more than there is memory for, the slowest one gives way."""
        super().on_body(body)
        if self.cycle.response_complete:
            return
        self._hold(len(body))
        if self.traffic.held > self._limits.held_bytes:
            senders = [each for each in self._open() if each._is_message and each._held]  # noqa: SLF001 # another one of this class
            min(senders, key=_since)._cut_off("clients sent more than there is memory for")  # noqa: SLF001

    def on_message_complete(self) -> None:
        """Give the connection its idle time; it covers our answer, which a client may refuse to read."""
        self._rest()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Give the memory of what was answered back."""
        if not self.pipeline:
            self._hold(-self._held)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, once."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _rest(self) -> None:
        self._is_message = False
        self._since = time.monotonic()
        seconds = self._limits.message_seconds if self.traffic.is_leaving else self._limits.keep_alive_seconds + _LATER
        self._due = self._since + seconds

    def _hold(self, size: int) -> None:
        self._held += size
        self.traffic.held += size

    def _look(self) -> None:
        if time.monotonic() < self._due:
            self._clock = self.loop.call_later(self._limits.message_seconds / _LOOKS, self._look)
        elif self._is_message:
            self._cut_off("a client took too long for one request")
        else:
            self.transport.abort()

    def _make_room(self) -> None:
        """Close the connection that has been idle for longest, else cut off the slowest client; those that wait for an answer stay."""
        others = [each for each in self._open() if each is not self]
        if len(others) < self._limits.connections:
            return
        if idle := [each for each in others if each._is_idle]:  # noqa: SLF001
            min(idle, key=_since).transport.close()
            _strangers.warning("more connections than the limit: the one that was idle for longest is closed")
        else:
            slow = [each for each in others if each._is_message]  # noqa: SLF001
            min(slow or [self], key=_since)._cut_off("more connections than the limit, and none is idle")  # noqa: SLF001

    @property
    def _is_idle(self) -> bool:
        return not self._is_message and (self.cycle is None or self.cycle.response_complete)

    def _open(self) -> "Iterable[BoundedProtocol]":
        found = (each for each in self.connections if isinstance(each, BoundedProtocol))
        return (each for each in found if not each.transport.is_closing())

    def _cut_off(self, why: str) -> None:
        _strangers.info(why, client=self.client[0] if self.client else "")
        self.transport.abort()

    def _unsupported_upgrade_warning(self) -> None:
        """End the connection with this answer: the parser takes what follows an Upgrade, a body too, for the next request."""
        self.cycle.keep_alive = False


def _since(connection: BoundedProtocol) -> float:
    return connection._since  # noqa: SLF001 # they are of one room


def bounded(traffic: Traffic) -> type[HttpToolsProtocol]:
    """The protocol for the connections of one port, as the class that uvicorn wants."""
    return type("BoundedProtocol", (BoundedProtocol,), {"traffic": traffic})
