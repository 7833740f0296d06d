"""The server as a whole: two ports in one event loop, brought up in order and taken down in the opposite one.

`run` is what `serve` does, signals and all; `running` is the same server for those who have an event loop: the demo and the tests.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from uvicorn.loops.auto import auto_loop_factory

from mesh_injector import certs, directory
from mesh_injector.server import follower, listener
from mesh_injector.server.app import Readiness, health
from mesh_injector.server.endpoint import PATH, ReviewEndpoint
from mesh_injector.server.options import Options

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running server answers: two URLs, the health port, and the CA in PEM that its certificate verifies against (or nothing)."""

    mutate: str
    health: str
    health_port: int
    ca: bytes


def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT, in an event loop of its own. Raises ConfigError where the server cannot start."""
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(serve(options))


async def serve(options: Options) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return; a second signal ends the process at once. For the main thread."""
    stop = asyncio.Event()
    with _stopping(stop):
        async with running(options) as addresses:
            print(f"ready: {addresses.mutate} (health on {addresses.health_port})", file=sys.stderr, flush=True)
            await stop.wait()
            _log.info("stopping")


@contextlib.asynccontextmanager
async def running(options: Options) -> AsyncIterator[Addresses]:
    """A server that is ready when the block begins, follows its source and certificate, and drains when the block ends.

    Raises ConfigError where a port, the certificate or the source cannot be used.
    """
    readiness = Readiness(("the source has not been read yet",))
    limits, pair = options.limits, _pair(options)
    tls = certs.context(pair)
    with (
        listener.bind(options.host, options.port, "--port") as port,
        listener.bind(options.host, options.health_port, "--health-port") as health_port,
    ):
        addresses = _addresses(options.host, port, health_port, pair.ca)
        async with (
            listener.accepting(health(readiness), health_port, limits),
            contextlib.aclosing(directory.follow(options.sources)) as readings,
        ):
            current = await follower.first(readings, options.home_namespace)
            following = [follower.source(readings, current)]
            if options.tls_dir:
                following.append(follower.certificate(options.tls_dir, tls, pair, limits.certificate_seconds))
            async with _meanwhile(*following), listener.accepting(ReviewEndpoint(current), port, limits, tls):
                readiness.missing = ()
                try:
                    yield addresses
                finally:
                    readiness.missing = ("the server is stopping",)


def _pair(options: Options) -> certs.Pair:
    """The pair of the TLS folder, or a new one for the names by which a cluster or somebody at this machine calls us."""
    if options.tls_dir:
        return follower.serving_pair(options.tls_dir)
    service = f"mesh-injector.{options.home_namespace}.svc"
    return certs.issue(("localhost", "127.0.0.1", "::1", options.host, service), datetime.now(UTC))


def _addresses(host: str, port: socket.socket, health_port: socket.socket, ca: bytes) -> Addresses:
    name = f"[{host}]" if ":" in host else host
    number, health_number = port.getsockname()[1], health_port.getsockname()[1]
    return Addresses(f"https://{name}:{number}{PATH}", f"http://{name}:{health_number}", health_number, ca)


@contextlib.asynccontextmanager
async def _meanwhile(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do work beside the block and cancel it at its end."""
    tasks = [asyncio.create_task(_told(work)) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _told(work: Coroutine[Any, Any, None]) -> None:
    """Log what ends a work that should go on; reviews are answered without it."""
    try:
        await work
    except Exception:  # noqa: BLE001 - it is told, and the server serves on
        _log.exception("internal error: changes are no longer followed, restart the server")


@contextlib.contextmanager
def _stopping(stop: asyncio.Event) -> Iterator[None]:
    """Set an event at the first signal; the second one does not wait for anybody."""
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
