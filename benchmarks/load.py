"""The client: TLS connections that are kept, each sending its next request when the answer to the last has come.

That is how an API server calls a webhook. It reads no more of an answer than its length, so that the server is what is measured.
"""

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

CONNECTIONS: Final = 16


@dataclass(slots=True)
class Answers:
    """What came back in one go: the time each answer took and the whole go, in seconds, and how many were not HTTP 200."""

    seconds: list[float] = field(default_factory=list)
    lasted: float = 0
    refused: int = 0


class _Connection(asyncio.Protocol):
    """One connection of a go: takes requests from the common queue until it is empty."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left, self._sent, self._head = 0, 0.0, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.WriteTransport = transport  # type: ignore[assignment]

    def begin(self, requests: "Queue") -> asyncio.Future[None]:
        """Send requests until there are none left; the future is done then."""
        self.ended = asyncio.get_running_loop().create_future()
        self.requests = requests
        self._next()
        return self.ended

    def _next(self) -> None:
        request = self.requests.take()
        if request is None:
            self.ended.set_result(None)
            return
        self._sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if not self._left:
            data = self._begin(self._head + data)
            if not data:
                return
        self._left -= len(data)
        if not self._left:
            self.answers.seconds.append(time.perf_counter() - self._sent)
            self._next()

    def _begin(self, data: bytes) -> bytes:
        """Read status and length of an answer; the body's part is what is left, nothing while the head is incomplete."""
        head, end, body = data.partition(b"\r\n\r\n")
        if not end:
            self._head = data
            return b""
        self._head = b""
        self.answers.refused += not head.startswith(b"HTTP/1.1 200")
        at = head.lower().index(b"content-length:") + 15
        self._left = int(head[at:].partition(b"\r\n")[0])
        return body

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionResetError("the server closed the connection"))


class Queue:
    """So many requests, made of some bodies in turn."""

    def __init__(self, bodies: Sequence[bytes], number: int, path: str) -> None:
        self._turns = cycle([_request(body, path) for body in bodies])
        self._left = number

    def take(self) -> bytes | None:
        """The next request; None when all are sent."""
        if not self._left:
            return None
        self._left -= 1
        return next(self._turns)


def _request(body: bytes, path: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: mesh-injector.mesh-system.svc:443\r\nUser-Agent: kube-apiserver-admission\r\n"
    head += (
        f"Content-Length: {len(body)}\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n"
    )
    return head.encode() + body


class Client:
    """Connections to one server."""

    def __init__(self, port: int, path: str = "/mutate?timeout=5s") -> None:
        self.port, self.path = port, path
        self._open: list[_Connection] = []

    async def connect(self) -> None:
        """Open the connections. The certificate is not verified: both ends are this benchmark's own."""
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            _, connection = await loop.create_connection(lambda: _Connection(Answers()), "127.0.0.1", self.port, ssl=tls)
            self._open.append(connection)

    async def send(self, bodies: Sequence[bytes], number: int) -> Answers:
        """Send so many requests, as fast as the answers come."""
        answers, requests = Answers(), Queue(bodies, number, self.path)
        for connection in self._open:
            connection.answers = answers
        began = time.perf_counter()
        await asyncio.gather(*[connection.begin(requests) for connection in self._open])
        answers.lasted = time.perf_counter() - began
        return answers

    def close(self) -> None:
        """Close the connections."""
        for connection in self._open:
            connection.transport.close()
