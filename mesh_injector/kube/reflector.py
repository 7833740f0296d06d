"""A reflector: a copy of some objects of an API server, listed once and then kept up to date by a watch, whatever happens in between.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

import structlog

from mesh_injector import reasons
from mesh_injector.errors import ClusterError, Problem
from mesh_injector.kube import lists
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.lists import Scope
from mesh_injector.kube.resource import Key, Object

_EXPIRED: Final = 410
_RESUMED: Final = frozenset({0, 429, 503})
"""Whatever else happens to a watch, it is not resumed: where it stood may be what is wrong, as in a cluster that was restored."""
_REASONS: Final = {0: "unreachable", 200: "unreadable", 401: "forbidden", 403: "forbidden", _EXPIRED: "expired"}
_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How a reflector takes its time, in seconds, and how many objects it lists at once."""

    page: int = lists.PAGE
    list_seconds: float = 120
    watch_seconds: int = 300
    """The API server ends a watch after this time, or up to twice it: not all watches at once."""
    idle_seconds: float = 150
    """A connection that says nothing for so long is given up; bookmarks come every minute."""
    first_backoff: float = 0.25
    last_backoff: float = 10
    lasting_seconds: float = 0.5
    """A watch that lasted so long was no failure, even if it was cut: the next one follows after the first backoff at most."""


class Listener(Protocol):
    """Who is told what a reflector learns."""

    def changed(self, key: Key, body: Object | None) -> None:
        """Take an object that came or changed, or None for one that is gone."""
        ...

    def state(self) -> None:
        """Take notice that everything was listed, or that it cannot be, or can be again."""
        ...


class Reflector:
    """Keeps `objects` as the API server has them, without `managedFields`; a deletion that was missed is told after the next list."""

    def __init__(self, cluster: Cluster, scope: Scope, listener: Listener, pace: Pace | None = None) -> None:
        self.scope = scope
        self.objects: dict[Key, Object] = {}
        self.synced = False
        """Whether everything has been listed once."""
        self.error: ClusterError | None = None
        """Why it cannot be listed or watched now."""
        self.last_event = 0.0
        """When the API server was last heard, in Unix time."""
        self.restarts: Counter[str] = Counter()
        """How often a watch began anew, by reason: `ended`, or what failed, one of the words of `_REASONS`, `refused` or `internal`."""
        self._cluster, self._listener, self._pace = cluster, listener, pace or Pace()
        self._version, self._failures = "", 0

    async def run(self) -> NoReturn:
        """List and watch until it is cancelled."""
        while True:
            try:
                if not self._version:
                    await self._list()
                began = time.monotonic()
                try:
                    await self._watch()
                finally:
                    if time.monotonic() - began > self._pace.lasting_seconds:
                        self._failures = 0
                self._restart("ended")
            except ClusterError as error:
                self._fail(error)
            except Exception:  # noqa: BLE001 - it is told, and to list again is the best that can be done
                _log.exception("internal error while watching", kind=self.scope.resource.kind)
                self._version = ""
                self._restart("internal")
            await asyncio.sleep(self._delay())

    def offer(self, body: Object) -> None:
        """Take over an object that was read beside the watch, unless the watch has come past it: then the watch knows better."""
        if _number(lists.version(body)) > _number(self._version):
            self._put(body)

    async def _list(self) -> None:
        """Read everything, page by page, and tell what is different from what was known."""
        try:
            async with asyncio.timeout(self._pace.list_seconds):
                found, version = await lists.listed(self._cluster, self.scope, self._pace.page)
        except TimeoutError as error:
            what = f"listing takes longer than {self._pace.list_seconds:.0f} s"
            raise ClusterError(Problem(reasons.CLUSTER_UNREACHABLE, what)) from error
        for gone in self.objects.keys() - found.keys():
            self._remove(gone)
        for body in found.values():
            self._put(body)
        self._version = version
        self._heard()
        if not self.synced:
            self.synced = True
            self._listener.state()

    async def _watch(self) -> None:
        """Follow one watch to its end."""
        seconds = random.randint(self._pace.watch_seconds, 2 * self._pace.watch_seconds)  # noqa: S311 - no secret
        query: dict[str, str | int] = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": seconds,
            **self.scope.selectors,
        }
        async with self._cluster.lines(self.scope.resource.path(self.scope.namespace), query, self._pace.idle_seconds) as events:
            async for event in events:
                self._take(event)

    def _take(self, event: Object) -> None:
        """Take one event over. Raises ClusterError for one that says that the watch is over, or is none."""
        kind, body = event.get("type"), event.get("object")
        if kind == "ERROR" and isinstance(body, dict):
            code = body.get("code")
            problem = Problem(reasons.CLUSTER_REFUSED, str(body.get("message", "the watch is over")))
            raise ClusterError(problem, code if isinstance(code, int) and code not in _RESUMED else 500)
        if not isinstance(body, dict):
            raise lists.unreadable()
        version = lists.version(body)
        if kind in ("ADDED", "MODIFIED"):
            self._put(body)
        elif kind == "DELETED":
            self._remove(lists.key(body))
        self._version = version
        self._failures = 0
        self._heard()

    def _put(self, body: Object) -> None:
        body["metadata"].pop("managedFields", None)
        name, known = lists.key(body), self.objects.get(lists.key(body))
        self.objects[name] = body
        if known is None or lists.version(known) != lists.version(body):
            self._listener.changed(name, body)

    def _remove(self, name: Key) -> None:
        if self.objects.pop(name, None) is not None:
            self._listener.changed(name, None)

    def _heard(self) -> None:
        self.last_event = time.time()
        if self.error is not None:
            _log.info("watching again", kind=self.scope.resource.kind, namespace=self.scope.namespace)
            self.error = None
            self._listener.state()

    def _fail(self, error: ClusterError) -> None:
        known, self.error = self.error, error
        if known is None or known.status != error.status:
            what, where = error.problem.what, error.problem.where
            _log.warning("not watching", kind=self.scope.resource.kind, namespace=self.scope.namespace, what=what, where=where)
            self._listener.state()
        if error.status not in _RESUMED:
            self._version = ""
        self._restart(_REASONS.get(error.status, "refused"))

    def _restart(self, reason: str) -> None:
        self._failures += 1
        self.restarts[reason] += 1

    def _delay(self) -> float:
        """Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/."""
        most = self._pace.first_backoff * 2.0 ** min(self._failures - 1, 16)
        return random.uniform(0, min(most, self._pace.last_backoff))  # noqa: S311 - no secret


def _number(version: str) -> int:
    """A resource version to compare: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions."""
    return int(version) if version.isdecimal() and len(version) < 40 else -1
