"""The status of every Mesh in the cluster, written where it is not what it should be, a bounded number each second.

What is there is listed once in a term and then remembered, and a write is for exactly the version that is known.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from mesh_injector.documents import Document
from mesh_injector.errors import ClusterError
from mesh_injector.kube import conditions, lists
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.conditions import Facts, Status
from mesh_injector.kube.events import Events
from mesh_injector.kube.fence import Fenced
from mesh_injector.kube.lists import Scope
from mesh_injector.kube.registration import Registered
from mesh_injector.kube.resource import MESHES, Key, Object
from mesh_injector.store import Snapshot

AT_ONCE: Final = 8
PAUSE_SECONDS: Final = 0.1
"""After so many writes, which are sent together, comes a pause: at most 80 a second."""
_GONE_OR_NEWER: Final = frozenset({404, 409})
"""Not written, and no harm: a Mesh that is gone, and one that has changed meanwhile, of which the next snapshot tells."""
_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Known:
    """A Mesh as it was read or written last, without its spec."""

    metadata: Object
    status: Status

    def is_version(self, metadata: Object) -> bool:
        """Whether it is one generation of one Mesh: one of the same name may have taken its place."""
        return (self.metadata["uid"], self.metadata["generation"]) == (metadata["uid"], metadata["generation"])


class Statuses:
    """Writes the statuses of one leader's term."""

    def __init__(self, cluster: Fenced, events: Events) -> None:
        self._cluster, self._events = cluster, events
        self._known: dict[Key, _Known] = {}

    async def read(self, cluster: Cluster) -> None:
        """List the statuses that are there. Raises ClusterError."""
        found, _ = await lists.listed(cluster, Scope(MESHES))
        self._known = {name: _known(body) for name, body in found.items()}

    async def report(self, snapshot: Snapshot, registered: Registered, is_outdated: Callable[[], bool]) -> bool:
        """Write each status that has changed, of meshes whose registration is known; whether all could be written.

        Ends early where what it was told `is_outdated`. Raises Deposed, and ClusterError where the API server is away.
        """
        is_done = True
        due = [each for each in conditions.facts(snapshot, registered.problems) if registered.knows(each[0]) and self._is_due(*each)]
        for start in range(0, len(due), AT_ONCE):
            if is_outdated():
                return False
            for done in await asyncio.gather(*(self._tried(*each) for each in due[start : start + AT_ONCE]), return_exceptions=True):
                if isinstance(done, BaseException):
                    raise done
                is_done = is_done and done
            await asyncio.sleep(PAUSE_SECONDS)
        return is_done

    def _is_due(self, document: Document, known: Facts) -> bool:
        metadata, before = document.body["metadata"], self._known.get((document.namespace, document.name))
        if before is None or not before.is_version(metadata):
            return True
        return conditions.status(known, metadata["generation"], before.status, "") != before.status

    async def _tried(self, document: Document, known: Facts) -> bool:
        """Write one status; one that cannot be written is tried again later and keeps no other from being written."""
        try:
            await self._write(document, known)
        except ClusterError as error:
            if error.status == 0:
                raise
            if error.status not in _GONE_OR_NEWER:
                _log.warning("a status cannot be written", mesh=f"{document.namespace}/{document.name}", what=error.problem.what)
            return error.status == 404
        return True

    async def _write(self, document: Document, known: Facts) -> None:
        """Write a status if the Mesh is still the generation that is spoken of. Raises ClusterError, and Deposed.

        One that has changed since it was seen is read again, by the next attempt.
        """
        key, metadata = (document.namespace, document.name), document.body["metadata"]
        before = self._known.pop(key, None)
        if before is None or not before.is_version(metadata):
            before = _known(await self._cluster.get(MESHES.path(*key)))
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = conditions.status(known, metadata["generation"], before.status, now)
        if before.is_version(metadata) and status != before.status:
            written = _known(await self._apply(before.metadata, status))
            for condition in conditions.changes(before.status, status):
                await self._events.tell(written.metadata, condition)
            before = written
        self._known[key] = before

    async def _apply(self, metadata: Object, status: Status) -> Object:
        names = ("name", "namespace", "uid", "resourceVersion")
        body = {
            "apiVersion": MESHES.api_version,
            "kind": MESHES.kind,
            "metadata": {name: metadata[name] for name in names},
            "status": status,
        }
        return await self._cluster.apply(MESHES.path(metadata["namespace"], metadata["name"], "status"), body)


def _known(mesh: Object) -> _Known:
    kept = ("name", "namespace", "uid", "generation", "resourceVersion")
    return _Known({name: mesh["metadata"][name] for name in kept}, mesh.get("status") or {})
