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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import structlog
from starlette.types import ASGIApp
from uvicorn.loops.auto import auto_loop_factory

import mesh_injector
from mesh_injector import certs, reasons
from mesh_injector.errors import ConfigError, Problem
from mesh_injector.kube.entries import Target
from mesh_injector.metrics import Metrics
from mesh_injector.server import certificate, follower, listener, sources, tracing, validator
from mesh_injector.server.app import Readiness, health
from mesh_injector.server.certificate import Certificate
from mesh_injector.server.endpoint import PATH, ReviewEndpoint
from mesh_injector.server.limits import Traffic
from mesh_injector.server.options import Limits, Options
from mesh_injector.server.turns import Turns
from mesh_injector.server.validator import ValidationEndpoint
from mesh_injector.store import Store

if TYPE_CHECKING:
    from mesh_injector.server import leading

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running server answers: two URLs, the health port, and the CA in PEM that its certificate verifies against (or nothing)."""

    mutate: str
    health: str
    health_port: int
    ca: bytes


@dataclass(frozen=True, slots=True)
class Nudges:
    """Set to look now at what is looked at every so often."""

    source: asyncio.Event = field(default_factory=asyncio.Event)
    certificate: asyncio.Event = field(default_factory=asyncio.Event)

    def give(self) -> None:
        """Nudge both."""
        self.source.set()
        self.certificate.set()


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
    with _signals(stop, nudges), _ended_early(stop) as begun:
        async with _serving(options, nudges) as server:
            begun.set()
            print(f"ready: {server.addresses.mutate} (health on {server.addresses.health_port})", file=sys.stderr, flush=True)
            number = await stop
            _log.info("stopping", signal=signal.Signals(number).name)
            server.leave()
            if number == signal.SIGTERM:
                await asyncio.sleep(options.limits.leave_seconds)


@contextlib.contextmanager
def _ended_early(stop: asyncio.Future[int]) -> Iterator[asyncio.Event]:
    """Leave the block where a signal comes before the event is set: a cluster may take for ever to answer."""
    task, begun = asyncio.current_task(), asyncio.Event()
    stop.add_done_callback(lambda _: None if begun.is_set() or task is None else task.cancel())
    try:
        yield begun
    except asyncio.CancelledError:
        if begun.is_set() or not stop.done():
            raise
        _log.info("stopping", signal=signal.Signals(stop.result()).name)


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


@contextlib.asynccontextmanager
async def _serving(options: Options, nudges: Nudges) -> AsyncIterator[_Server]:
    readiness, metrics, current = Readiness(), Metrics(mesh_injector.__version__), Store(home=options.home_namespace)
    _target(options)  # before anything is opened
    limits, pair = options.limits, _pair(options)
    tls = certs.context(pair, options.client_ca)
    # Where no leader tells API servers of a new CA, waiting would not help.
    overlap = options.terms.overlap.total_seconds() if sources.CLUSTER in options.sources else 0
    serving = Certificate(tls, metrics, readiness, overlap)
    if pair is not None:
        serving.in_force(pair)
    following = follower.Follower(current, metrics, readiness)
    with (
        listener.bind(options.host, options.port, "--port") as port,
        listener.bind(options.host, options.health_port, "--health-port") as health_port,
        tracing.exporting() if options.is_traced else contextlib.nullcontext() as trace,
    ):
        addresses = _addresses(options.host, port, health_port, pair.ca if pair else b"")
        async with (
            listener.accepting(health(readiness, metrics), health_port, limits),
            sources.connected(options, current, metrics) as connection,
            contextlib.aclosing(sources.readings(options, connection, nudges.source)) as readings,
            listener.accepting(_endpoints(current, metrics, limits, trace, connection), port, limits, tls) as traffic,
        ):
            server = _Server(addresses, readiness, traffic)
            if connection is not None:
                following.loaded.append(connection.freshness.loaded)
            async with _meanwhile(*([sources.tell_missing(connection, following.wait_for)] if connection else [])):
                await following.first(readings)
            works: list[Coroutine[Any, Any, None]] = [following.source(readings)]
            if connection is not None:
                works.append(_leading(connection, options, metrics).lead(current, following, serving))
                if options.secret:
                    works.append(sources.followed_secret(connection, options, serving, readiness))
            if options.tls_dir:
                works.append(serving.follow(options.tls_dir, limits.certificate_seconds, nudges.certificate))
            async with _meanwhile(*works):
                await _certified(serving)
                readiness.missing["server"] = ""
                try:
                    yield server
                finally:
                    server.leave()


def _endpoints(
    current: Store, metrics: Metrics, limits: Limits, trace: tracing.Trace | None, connection: sources.Connected | None
) -> ASGIApp:
    freshness, find = (connection.freshness, connection.find) if connection else (None, None)
    reviews = ReviewEndpoint(current, metrics, Turns(limits.waiting), trace, freshness)
    return validator.beside(reviews, ValidationEndpoint(current, limits, find))


def _leading(connection: sources.Connected, options: Options, metrics: Metrics) -> "leading.Leader":
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


def _pair(options: Options) -> certs.Pair | None:
    """The pair of the TLS folder, or a new one for the names by which a cluster or somebody at this machine calls us; none where it will
    come from a Secret.

    Raises ConfigError.
    """
    if options.tls_dir and options.secret:
        fix = "give one of --tls-dir and --tls-secret"
        raise ConfigError(
            Problem(reasons.CERTIFICATE_INVALID, "the certificate cannot come from a folder and a Secret", "--tls-secret", fix)
        )
    if options.secret and sources.CLUSTER not in options.sources:
        fix = "add --source cluster, or give a folder by --tls-dir"
        raise ConfigError(Problem(reasons.CERTIFICATE_INVALID, "there is no cluster to read the Secret from", "--tls-secret", fix))
    if options.secret:
        return None
    if options.tls_dir:
        return certificate.serving_pair(options.tls_dir)
    return certs.issue(("localhost", "127.0.0.1", "::1", options.host, _target(options).host), datetime.now(UTC))


def _target(options: Options) -> Target:
    """Where API servers find us, but for the CA. Raises ConfigError."""
    return options.names.target(options.home_namespace, b"")


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
def _signals(stop: asyncio.Future[int], nudges: Nudges) -> Iterator[None]:
    """Set the future at the first signal that ends a process; the second one does not wait for anybody. SIGHUP nudges."""
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if stop.done():
            os._exit(128 + number)
        stop.set_result(number)

    def on_hang_up() -> None:
        _log.info("reading source and certificate anew, as SIGHUP asks")
        nudges.give()

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    loop.add_signal_handler(signal.SIGHUP, on_hang_up)
    try:
        yield
    finally:
        for number in (*_SIGNALS, signal.SIGHUP):
            loop.remove_signal_handler(number)
