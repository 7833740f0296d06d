"""What changes while the server serves: the source and the certificate. Whatever is wrong with the new, the last good one serves on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from mesh_injector import certs, store
from mesh_injector.documents import Reading
from mesh_injector.errors import ConfigError, Problem
from mesh_injector.metrics import Metrics
from mesh_injector.server.app import Readiness
from mesh_injector.store import Store

_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()
_TOLD: Final = 100
"""So many problems of one reading are told, a line each."""


class Follower:
    """Puts what it reads in force, and tells it: to the log, to the metrics, and to whoever asks whether the server is ready."""

    def __init__(self, current: Store, metrics: Metrics, readiness: Readiness) -> None:
        self._current, self._metrics, self._readiness = current, metrics, readiness
        self.loaded: list[Callable[[], None]] = []
        """Who is told of each new snapshot."""

    def wait_for(self, missing: str) -> None:
        """Say what the source lacks until it can be read."""
        self._readiness.missing["source"] = missing

    async def first(self, readings: AsyncIterator[Reading]) -> None:
        """Put in force what the source holds now. Raises ConfigError where it cannot be read at all."""
        reading = await anext(readings)
        if not reading.ok:
            raise ConfigError(reading.problems[0])
        await self._load(reading)
        self._readiness.missing["source"] = ""

    async def source(self, readings: AsyncIterator[Reading]) -> None:
        """Put each new reading in force; one that is not `ok` leaves the last snapshot."""
        async for reading in readings:
            if not reading.ok:
                _log.warning("the source cannot be read: the last one that could serves on")
                _tell_problems(reading.problems)
                continue
            try:
                await self._load(reading)
            except Exception:  # noqa: BLE001 - reviews are answered from the last snapshot whatever happens here
                _log.exception("internal error while loading: the last snapshot serves on")

    async def _load(self, reading: Reading) -> None:
        """Load in a thread, which lets reviews pass."""
        before = self._current.snapshot
        after = await asyncio.to_thread(self._current.replace, reading.documents, reading.broken, reading.unread)
        self._metrics.loaded(store.modes(after), store.templates_valid(after), store.population(after))
        self._metrics.reloaded(store.reloads(before, after))
        for tell in self.loaded:
            tell()
        problems = (*reading.problems, *after.problems)
        _log.info("loaded", meshes=len(after.loaded.meshes), templates=len(after.loaded.templates), problems=len(problems))
        _tell_problems(problems)
        if before and len(after.documents) >= len(before.documents) > len(reading.documents):
            _log.warning("what broken or empty files held before serves on; remove a file to end it", files=reading.broken)


def _tell_problems(problems: Sequence[Problem]) -> None:
    for problem in problems[:_TOLD]:
        _log.warning("problem", code=problem.code, what=problem.what, where=problem.where, fix=problem.fix)
    if len(problems) > _TOLD:
        _log.warning("more problems than are told", left_out=len(problems) - _TOLD)


def serving_pair(directory: Path) -> certs.Pair:
    """The pair of a folder, good to serve now. Raises ConfigError with the file where it is not."""
    pair = certs.read(directory)
    certs.check(pair, datetime.now(UTC))
    return pair


class Certificate:
    """The serving certificate of a TLS folder: what is in force, and loading what has changed."""

    def __init__(self, live: certs.ServingContext, pair: certs.Pair, metrics: Metrics, readiness: Readiness) -> None:
        self._live, self.pair, self._metrics, self._readiness = live, pair, metrics, readiness
        self.listeners: list[Callable[[], None]] = []
        """Called in the event loop when another pair is in force."""
        self._told = ""
        self._in_force(pair)

    async def follow(self, directory: Path, seconds: float, nudge: asyncio.Event) -> None:
        """Read the folder every so often, or when nudged: a mount swaps a link, of which not every file system tells."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(nudge.wait(), seconds)
            nudge.clear()
            try:
                pair = await asyncio.to_thread(serving_pair, directory)
                if pair != self.pair:
                    certs.reload(self._live, pair)
                    self._in_force(pair)
                    _log.info("certificate loaded", directory=str(directory), expires=certs.expires(pair).isoformat())
                self._told = ""
            except ConfigError as error:
                self._tell(error)
            except Exception:  # noqa: BLE001 # whatever it is, the next look may be better than the end of all looks
                _log.exception("internal error while the certificate was read: the last good one serves on")

    def _in_force(self, pair: certs.Pair) -> None:
        self.pair = pair
        self._readiness.certificate_expires = certs.expires(pair)
        self._metrics.certificate(self._readiness.certificate_expires)
        for tell in self.listeners:
            tell()

    def _tell(self, error: ConfigError) -> None:
        if str(error) != self._told:
            self._metrics.certificate(None)
            _log.warning("the certificate cannot be used: the last good one serves on")
            _tell_problems([error.problem])
        self._told = str(error)
