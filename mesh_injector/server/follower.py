"""What changes while the server serves: the source. Whatever is wrong with the new, the last good one serves on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import structlog

from mesh_injector import store
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
