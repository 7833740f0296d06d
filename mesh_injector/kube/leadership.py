"""Leadership: of all replicas one writes, the one whose name is in the Lease, and it stops before its lease runs out.

The elector of `kubernetes` is not used, as docs/decisions/0006-leadership.md says; reviews are answered without any of this.
"""

import asyncio
import itertools
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn

import structlog

from mesh_injector.kube import lease
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.lease import LEASES, Seen
from mesh_injector.kube.resource import Key

_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, in seconds. A term ends `renew` after the last renewal was sent, and nobody else begins before `lease.SECONDS` are
    over; a call is under half of it, so that a lost one is tried again."""

    renew: float = 10
    retry: float = 2
    call: float = 4
    release: float = 2


class Deposed(Exception):
    """The term is over: whoever wanted to write must not."""


class Term:
    """The time in which a replica may write. Whoever writes asks for the seconds its request may take, each time."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        """The leader and the number of its election: never used twice."""
        self._clock, self._until = clock, -math.inf

    def last_until(self, until: float) -> None:
        """Let it last until a time of the clock."""
        self._until = until

    def end(self) -> None:
        """Let it be over."""
        self._until = -math.inf

    @property
    def remaining(self) -> float:
        """How many seconds it lasts; after a process was frozen that may be less than nothing."""
        return self._until - self._clock()

    def seconds(self, most: float) -> float:
        """The seconds that a request may take. Raises Deposed where the term is over."""
        if self.remaining <= 0:
            raise Deposed
        return min(most, self.remaining)


Work = Callable[[Term], Awaitable[None]]


class Leadership:
    """One candidate for a Lease, which is there already: it never creates one."""

    def __init__(self, cluster: Cluster, name: Key, identity: str, changed: Callable[[bool], None], pace: Pace = Pace()) -> None:
        """`changed` is told whether it leads, first that it does not; `identity` belongs to this process alone."""
        self._cluster, self._identity, self._changed, self._pace = cluster, identity, changed, pace
        self._path = LEASES.path(*name)
        self._seen: Seen | None = None
        self._told = ""

    async def lead(self, work: Work) -> NoReturn:
        """Wait until it is the leader and do the work while it is, again and again until cancelled.

        The work is cancelled, and has ended, before anybody else may begin; one that fails gives the lease to another replica.
        """
        self._changed(False)
        for number in itertools.count(1):
            term = Term(f"{self._identity}/{number}")
            if await self._attempt(term):
                await self._reign(term, work)
            await asyncio.sleep(self._pace.retry)
        raise AssertionError

    async def _reign(self, term: Term, work: Work) -> None:
        """Do the work and renew the lease, until the work fails or the term is over."""
        _log.info("leading", lease=self._path)
        self._changed(True)
        task = asyncio.create_task(_told(work(term)))
        try:
            while not task.done() and term.remaining > 0:
                await asyncio.wait((task,), timeout=min(self._pace.retry, term.remaining))
                if not task.done():
                    await self._attempt(term, self._identity)
        finally:
            term.end()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._changed(False)
            _log.info("no longer leading", lease=self._path)
            await self._release()

    async def _attempt(self, term: Term, leader: str = "") -> bool:
        """Claim the lease, or renew it as its `leader`: whatever goes wrong, it has failed."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._pace.call):
                found = await self._cluster.get(self._path)
                self._seen = lease.observe(found, time.monotonic(), self._seen)
                if not (self._seen.holder == leader if leader else lease.is_free(self._seen, self._identity, time.monotonic())):
                    term.end()
                    return False
                await self._cluster.request("PUT", self._path, lease.claimed(found, self._identity, datetime.now(UTC)))
        except Exception as error:  # noqa: BLE001 - a renewal that failed in any way is none, and may be better the next time
            self._tell(error)
            return False
        self._told = ""
        term.last_until(began + self._pace.renew)
        return True

    async def _release(self) -> None:
        """Give the lease back where it is still ours, so that nobody has to wait for its end."""
        try:
            async with asyncio.timeout(self._pace.release):
                found = await self._cluster.get(self._path)
                if lease.observe(found, 0, None).holder == self._identity:
                    await self._cluster.request("PUT", self._path, lease.released(found, datetime.now(UTC)))
        except Exception as error:  # noqa: BLE001 - whatever it was, the lease runs out
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        told = str(error) or type(error).__name__
        if told != self._told:
            _log.warning("the lease can be neither taken nor renewed", lease=self._path, error=told)
        self._told = told


async def _told(work: Awaitable[None]) -> None:
    """Log what ends a work that should go on."""
    try:
        await work
    except Deposed:
        return
    except Exception:  # noqa: BLE001 - another replica may do better
        _log.exception("internal error: the leader's work ended, and its lease is given back")
