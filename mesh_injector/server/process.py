"""The server as a whole: two ports in one event loop, brought up in order and taken down in the opposite one.

`run` is what `serve` does, signals and all; `running` is the same server for those who have an event loop: the demo and the tests.
"""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from starlette.types import ASGIApp
from uvicorn.loops.auto import auto_loop_factory

import mesh_injector
from mesh_injector import certs
from mesh_injector.documents import Reading
from mesh_injector.metrics import Metrics
from mesh_injector.server import certificate, listener, signals, sources, tracing, validator
from mesh_injector.server.app import Readiness, health
from mesh_injector.server.certificate import Certificate
from mesh_injector.server.endpoint import PATH, ReviewEndpoint
from mesh_injector.server.follower import Follower
from mesh_injector.server.limits import Traffic
from mesh_injector.server.options import Options
from mesh_injector.server.signals import Nudges
from mesh_injector.server.sources import Connected
from mesh_injector.server.turns import Turns
from mesh_injector.server.validator import ValidationEndpoint
from mesh_injector.store import Store

if TYPE_CHECKING:
    from mesh_injector.server import leading

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
    """Serve until SIGTERM or SIGINT, then drain and return; a second signal ends the process at once. SIGHUP reads everything anew.

    After SIGTERM the server is unready and goes on accepting for `leave_seconds`, until it is no endpoint any more. For the main thread.
    """
    stop: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    nudges = Nudges()
    with signals.heard(stop, nudges), signals.ended_early(stop) as begun:
        async with _serving(options, nudges) as server:
            begun.set()
            print(f"ready: {server.addresses.mutate} (health on {server.addresses.health_port})", file=sys.stderr, flush=True)
            number = await stop
            _log.info("stopping", signal=signal.Signals(number).name)
            server.leave()
            if number == signal.SIGTERM:
                await asyncio.sleep(options.limits.leave_seconds)


@contextlib.asynccontextmanager
async def running(options: Options) -> AsyncIterator[Addresses]:
    """A server that is ready when the block begins, follows its source and certificate, and drains when the block ends.

    Raises ConfigError where a port, the certificate or the source cannot be used.
    """
    async with _serving(options, Nudges()) as server:
        yield server.addresses


@dataclass(frozen=True, slots=True)
class _Server:
    addresses: Addresses
    readiness: Readiness
    traffic: Traffic

    def leave(self) -> None:
        """Be unready, and let go of each client with its next answer."""
        self.readiness.missing["server"] = "it is stopping"
        self.traffic.leave()


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a server is made of before it listens."""

    options: Options
    readiness: Readiness
    metrics: Metrics
    current: Store
    tls: certs.ServingContext
    serving: Certificate
    following: Follower

    def endpoints(self, trace: tracing.Trace | None, connection: Connected | None) -> ASGIApp:
        """What answers reviews: those of pods, and those of changed Meshes and templates."""
        freshness, find = (connection.freshness, connection.find) if connection else (None, None)
        reviews = ReviewEndpoint(self.current, self.metrics, Turns(self.options.limits.waiting), trace, freshness)
        return validator.beside(reviews, ValidationEndpoint(self.current, self.options.limits, find))

    def works(self, connection: Connected | None, nudges: Nudges) -> Iterator[Coroutine[Any, Any, None]]:
        """Iterate over what goes on beside the reviews and the reading of the source."""
        if connection is not None:
            yield _leading(connection, self.options, self.metrics).lead(self.current, self.following, self.serving)
            if self.options.secret:
                yield sources.followed_secret(connection, self.options, self.serving, self.readiness)
        if self.options.tls_dir:
            yield self.serving.follow(self.options.tls_dir, self.options.limits.certificate_seconds, nudges.certificate)


def _parts(options: Options) -> _Parts:
    """Make what needs no port and no cluster. Raises ConfigError for a certificate or a name that cannot be used."""
    readiness, metrics, current = Readiness(), Metrics(mesh_injector.__version__), Store(home=options.home_namespace)
    pair = certificate.first_pair(options)
    tls = certs.context(pair, options.client_ca)
    # Where no leader tells API servers of a new CA, waiting would not help.
    overlap = options.terms.overlap.total_seconds() if options.reads_cluster else 0
    serving = Certificate(tls, metrics, readiness, overlap)
    if pair is not None:
        serving.in_force(pair)
    return _Parts(options, readiness, metrics, current, tls, serving, Follower(current, metrics, readiness))


@contextlib.asynccontextmanager
async def _serving(options: Options, nudges: Nudges) -> AsyncIterator[_Server]:
    parts, limits = _parts(options), options.limits
    with (
        listener.bind(options.host, options.port, "--port") as port,
        listener.bind(options.host, options.health_port, "--health-port") as health_port,
        tracing.exporting() if options.is_traced else contextlib.nullcontext() as trace,
    ):
        addresses = _addresses(options.host, port, health_port, parts.serving.ca)
        async with (
            listener.accepting(health(parts.readiness, parts.metrics), health_port, limits),
            sources.connected(options, parts.current, parts.metrics) as connection,
            contextlib.aclosing(sources.readings(options, connection, nudges.source)) as readings,
            listener.accepting(parts.endpoints(trace, connection), port, limits, parts.tls) as traffic,
        ):
            await _begun(parts, readings, connection)
            async with _meanwhile(parts.following.source(readings), *parts.works(connection, nudges)):
                await _certified(parts.serving)
                server = _Server(addresses, parts.readiness, traffic)
                parts.readiness.missing["server"] = ""
                try:
                    yield server
                finally:
                    server.leave()


async def _begun(parts: _Parts, readings: AsyncGenerator[Reading, None], connection: Connected | None) -> None:
    """Load the first reading of the source; what of a cluster is missing until then is told."""
    if connection is not None:
        parts.following.loaded.append(connection.freshness.loaded)
    async with _meanwhile(*([sources.tell_missing(connection, parts.following.wait_for)] if connection else [])):
        await parts.following.first(readings)


def _leading(connection: Connected, options: Options, metrics: Metrics) -> "leading.Leader":
    from mesh_injector.server import leading  # needs the client, which takes half a second

    if not options.tls_dir and not options.secret:
        _log.warning("the certificate is this replica's own: where there are several, give all of them one by --tls-secret or --tls-dir")
    return leading.Leader(connection.cluster, options, metrics)


async def _certified(serving: Certificate) -> None:
    """Wait until there is a pair to serve with."""
    is_there = asyncio.Event()
    serving.listeners.append(is_there.set)
    if serving.pair is None:
        await is_there.wait()


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
