"""What changes while the server serves: the source and the certificate. Whatever is wrong with the new, the last good one serves on."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from mesh_injector import certs, store
from mesh_injector.directory import Reading
from mesh_injector.errors import ConfigError, Problem
from mesh_injector.store import Snapshot, Store

_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()


async def first(readings: AsyncIterator[Reading], home: str) -> Store:
    """A store with what the source holds now. Raises ConfigError where it cannot be read at all."""
    reading = await anext(readings)
    if not reading.ok:
        raise ConfigError(reading.problems[0])
    snapshot = store.load(reading.documents, home)
    _tell(snapshot, reading.problems)
    return Store(snapshot)


async def source(readings: AsyncIterator[Reading], current: Store) -> None:
    """Put each new reading in force; one that is not `ok` leaves the last snapshot."""
    async for reading in readings:
        if not reading.ok:
            _log.warning("the source cannot be read: the last one that could serves on")
            _tell_problems(reading.problems)
            continue
        try:
            before = len(current.snapshot.documents)
            _tell(current.replace(reading.documents, reading.broken), reading.problems)
            if len(current.snapshot.documents) >= before > len(reading.documents):
                _log.warning("what broken or empty files held before serves on; remove a file to end it", files=reading.broken)
        except Exception:  # noqa: BLE001 - reviews are answered from the last snapshot whatever happens here
            _log.exception("internal error while loading: the last snapshot serves on")


def _tell(snapshot: Snapshot, unread: Iterable[Problem]) -> None:
    problems = (*unread, *snapshot.problems)
    _log.info("loaded", meshes=len(snapshot.loaded.meshes), templates=len(snapshot.loaded.templates), problems=len(problems))
    _tell_problems(problems)


def _tell_problems(problems: Iterable[Problem]) -> None:
    for problem in problems:
        _log.warning("problem", code=problem.code, what=problem.what, where=problem.where, fix=problem.fix)


def serving_pair(directory: Path) -> certs.Pair:
    """The pair of a folder, good to serve now. Raises ConfigError with the file where it is not."""
    pair = certs.read(directory)
    certs.check(pair, datetime.now(UTC))
    return pair


async def certificate(directory: Path, live: certs.ServingContext, loaded: certs.Pair, seconds: float) -> None:
    """Read a TLS folder every so often and load what has changed; a mount swaps a link, of which not every file system tells."""
    told = ""
    while True:
        await asyncio.sleep(seconds)
        try:
            pair = await asyncio.to_thread(serving_pair, directory)
            if pair != loaded:
                certs.reload(live, pair)
                _log.info("certificate loaded", directory=str(directory), expires=certs.expires(pair).isoformat())
            loaded, told = pair, ""
        except ConfigError as error:
            if str(error) != told:
                _log.warning("the certificate cannot be used: the last good one serves on")
                _tell_problems([error.problem])
            told = str(error)
        except Exception:  # noqa: BLE001 # whatever it is, the next look may be better than the end of all looks
            _log.exception("internal error while the certificate was read: the last good one serves on")
