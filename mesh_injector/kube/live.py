"""Reading one object beside the watch, for a question that cannot wait: so rarely that nobody can make a flood of it.

Those who ask the same share one answer, but never one that was asked for before they came: it might be older than what they know.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mesh_injector import reasons
from mesh_injector.errors import ClusterError, Problem
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.resource import Object, Resource

_NOT_FOUND: Final = 404
_Question = tuple[Resource, str, str]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what the API server is asked, in seconds and numbers."""

    per_second: float = 20
    burst: float = 40
    spacing_seconds: float = 0.2
    """The same is asked again so long after its last answer came, at the earliest."""
    timeout_seconds: float = 2
    open: int = 64
    """Questions that are being asked or wait for it."""


class Live:
    """Asks an API server for single objects."""

    def __init__(self, cluster: Cluster, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits or Limits(), clock
        self._cluster = cluster.within(self._limits.timeout_seconds)
        self._tokens, self._counted = self._limits.burst, clock()
        self._next: dict[_Question, asyncio.Task[Object | None]] = {}
        self._resting: dict[_Question, asyncio.Task[None]] = {}

    async def read(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """The object as it is now, or None where there is none. Raises ClusterError, also where too much is asked."""
        question = (resource, namespace, name)
        if question not in self._next:
            self._spend()
            self._next[question] = task = asyncio.create_task(self._ask(question))
            task.add_done_callback(_seen)
        return await asyncio.shield(self._next[question])

    async def stop(self) -> None:
        """Ask nothing any more."""
        tasks = (*self._next.values(), *self._resting.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _spend(self) -> None:
        now = self._clock()
        self._tokens = min(self._limits.burst, self._tokens + (now - self._counted) * self._limits.per_second)
        self._counted = now
        if self._tokens < 1 or len(self._next) + len(self._resting) >= self._limits.open:
            raise ClusterError(Problem(reasons.CLUSTER_REFUSED, "too much is asked that nobody knows yet", fix="try again"), 429)
        self._tokens -= 1

    async def _ask(self, question: _Question) -> Object | None:
        """Ask when the last answer is old enough. From then on whoever comes needs another answer."""
        if resting := self._resting.get(question):
            await asyncio.wait([resting])
        answer = self._next.pop(question)
        self._resting[question] = asyncio.create_task(self._rest(question, answer))
        resource, namespace, name = question
        try:
            return await self._cluster.get(resource.path(namespace, name))
        except ClusterError as error:
            if error.status != _NOT_FOUND:
                raise
            return None

    async def _rest(self, question: _Question, answer: asyncio.Task[Object | None]) -> None:
        await asyncio.wait([answer])
        await asyncio.sleep(self._limits.spacing_seconds)
        del self._resting[question]


def _seen(answer: asyncio.Task[Object | None]) -> None:
    """Take notice of an error: nobody may be waiting for it any more."""
    if not answer.cancelled():
        answer.exception()
