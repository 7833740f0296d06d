"""The status of every Mesh in the cluster, written where it is not what it should be, a bounded number each second.

What is there is listed once in a term and then remembered; before a write the Mesh is read, and the write is for exactly that version.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from mesh_injector.documents import Document
from mesh_injector.errors import ClusterError
from mesh_injector.kube import conditions, reflector
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.conditions import Facts, Status
from mesh_injector.kube.events import Events
from mesh_injector.kube.fence import Fenced
from mesh_injector.kube.reflector import Scope
from mesh_injector.kube.registration import Registered
from mesh_injector.kube.resource import MESHES, Key, Object
from mesh_injector.store import Snapshot

WRITES_PER_SECOND: Final = 50
_GONE_OR_NEWER: Final = frozenset({404, 409})
"""Not written, and no harm: a Mesh that is gone, and one that has changed meanwhile, of which the next snapshot tells."""
_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Known:
    uid: str
    status: Status


class Statuses:
    """Writes the statuses of one leader's term."""

    def __init__(self, cluster: Fenced, events: Events) -> None:
        self._cluster, self._events = cluster, events
        self._known: dict[Key, _Known] = {}

    async def read(self, cluster: Cluster) -> None:
        """List the statuses that are there. Raises ClusterError."""
        found, _ = await reflector.listed(cluster, Scope(MESHES))
        self._known = {name: _known(body) for name, body in found.items()}

    async def report(self, snapshot: Snapshot, registered: Registered, is_outdated: Callable[[], bool]) -> bool:
        """Write each status that has changed, of meshes whose registration is known; whether all could be written.

        Ends early where what it was told `is_outdated`. Raises Deposed, and ClusterError where the API server is away.
        """
        is_done = True
        for document, known in conditions.facts(snapshot, registered.problems):
            if is_outdated():
                return False
            if registered.knows(document) and self._is_due(document, known):
                is_done &= await self._tried(document, known)
                await asyncio.sleep(1 / WRITES_PER_SECOND)
        return is_done

    def _is_due(self, document: Document, known: Facts) -> bool:
        metadata, before = document.body["metadata"], self._known.get((document.namespace, document.name))
        if before is None or before.uid != metadata["uid"]:
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
        """Read a Mesh, and write its status if it is still the generation that is spoken of. Raises ClusterError, and Deposed."""
        key, metadata = (document.namespace, document.name), document.body["metadata"]
        mesh = await self._cluster.get(MESHES.path(*key))
        self._known[key] = before = _known(mesh)
        if (before.uid, mesh["metadata"]["generation"]) != (metadata["uid"], metadata["generation"]):
            return
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = conditions.status(known, metadata["generation"], before.status, now)
        if status == before.status:
            return
        self._known[key] = _known(await self._apply(mesh, status))
        for condition in conditions.changes(before.status, status):
            await self._events.tell(mesh, condition)

    async def _apply(self, mesh: Object, status: Status) -> Object:
        names = ("name", "namespace", "uid", "resourceVersion")
        body = {
            "apiVersion": MESHES.api_version,
            "kind": MESHES.kind,
            "metadata": {name: mesh["metadata"][name] for name in names},
            "status": status,
        }
        path = MESHES.path(mesh["metadata"]["namespace"], mesh["metadata"]["name"], "status")
        return await self._cluster.apply(path, body)


def _known(mesh: Object) -> _Known:
    return _Known(mesh["metadata"]["uid"], mesh.get("status") or {})
