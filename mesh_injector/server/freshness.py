"""What a path tells: that the API server knows a mesh, a generation, and a namespace whose pods it selects.

A replica that knows less has missed something. It looks once, and where that does not help it refuses the pod: a pod that was to be
injected is never let through because a watch is behind.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from cachetools import TTLCache

from mesh_injector.admission import AdmissionRequest
from mesh_injector.engine.rules import Namespace
from mesh_injector.errors import ClusterError, InjectionError
from mesh_injector.formats.mesh.load import is_mesh
from mesh_injector.formats.mesh.mesh import Mesh
from mesh_injector.formats.mesh.ruling import INJECT_LABEL
from mesh_injector.kube.live import Live
from mesh_injector.kube.resource import MESHES, NAMESPACES, Object
from mesh_injector.kube.source import ClusterSource
from mesh_injector.reasons import Reason
from mesh_injector.server.witness import Witness
from mesh_injector.store import Snapshot, Store

_WAITING: Final = 256
"""Reviews that may wait for news; more are refused."""
_OLDER: Final = 1024
_OLDER_SECONDS: Final = 60
"""So many paths of older generations, and so long, are known to be of the mesh that is known, while its entry is not brought up to date."""

_Version = tuple[str, int]
"""Uid and generation of a Mesh: one that was created anew under an old name begins at generation 1."""


class Freshness:
    """Compares what the API server knows with what this replica knows, for one review after the other."""

    def __init__(self, store: Store, source: ClusterSource, live: Live) -> None:
        self._store, self._source, self._live = store, source, live
        self._waiting = 0
        self._news = asyncio.Event()
        self._index: tuple[object, Mapping[str, Mesh]] = (None, {})
        self._older: TTLCache[tuple[Witness, str], None] = TTLCache(_OLDER, _OLDER_SECONDS)

    def doubts(self, request: AdmissionRequest, seen: Witness) -> bool:
        """Whether the API server knows something that is not known here. It is asked for each review, and is quick."""
        snapshot = self._store.snapshot
        if snapshot is None or request.pod is None:
            return False
        namespace = snapshot.namespaces.get(request.namespace)
        return namespace is None or self._is_excluded(snapshot, seen, namespace) or not self._knows(snapshot, seen)

    async def settle(self, request: AdmissionRequest, seen: Witness, due: float) -> InjectionError | None:
        """Look what is true, by `due` of the monotonic clock; what is returned refuses the pod, since nobody knows."""
        if self._waiting >= _WAITING:
            return _not_ready("too many pods wait for news of the cluster")
        self._waiting += 1
        try:
            async with asyncio.timeout(due - time.monotonic()):
                return await self._namespace(request.namespace, seen) or await self._mesh(seen)
        except TimeoutError:
            return _not_ready("the news of the cluster did not come in time")
        except (ClusterError, ValueError) as error:
            return _not_ready(error.problem.what if isinstance(error, ClusterError) else str(error))
        finally:
            self._waiting -= 1

    def loaded(self) -> None:
        """Take notice of a new snapshot."""
        self._news.set()
        self._news = asyncio.Event()

    def _meshes(self, snapshot: Snapshot) -> Mapping[str, Mesh]:
        if self._index[0] is not snapshot.loaded:
            self._index = snapshot.loaded, {str(mesh): mesh for mesh in snapshot.loaded.meshes}
        return self._index[1]

    def _knows(self, snapshot: Snapshot, seen: Witness) -> bool:
        """Whether a mesh is known as the API server knows it; an older generation may be of another one, created anew under its name."""
        mesh = self._meshes(snapshot).get(f"{seen.namespace}/{seen.mesh}")
        if mesh is None or mesh.generation <= seen.generation:
            return not seen.mesh or (mesh is not None and mesh.generation == seen.generation)
        return not seen.mesh or (seen, mesh.uid) in self._older

    def _has(self, snapshot: Snapshot, name: str, version: _Version) -> bool:
        mesh = self._meshes(snapshot).get(name)
        return mesh is not None and mesh.uid == version[0] and mesh.generation >= version[1]

    def _is_excluded(self, snapshot: Snapshot, seen: Witness, namespace: Namespace) -> bool:
        """Whether the labels known of a namespace keep its pods from being injected, where the API server knows others."""
        mesh = self._meshes(snapshot).get(f"{seen.namespace}/{seen.mesh}")
        is_out = bool(seen.namespace) and namespace.labels.get(INJECT_LABEL) == "disabled"
        return is_out or (mesh is not None and bool(mesh.namespace_mismatch(namespace)))

    async def _namespace(self, name: str, seen: Witness) -> InjectionError | None:
        snapshot = self._store.snapshot
        known = snapshot.namespaces.get(name) if snapshot else None
        if snapshot is not None and known is not None and not self._is_excluded(snapshot, seen, known):
            return None
        body = await self._live.read(NAMESPACES, "", name)
        if body is None:
            return InjectionError(
                Reason.NAMESPACE_UNKNOWN, f"there is no namespace {name}", where="request.namespace", fix="create it first"
            )
        self._source.offer_namespace(body)
        snapshot = self._store.snapshot
        is_known = snapshot is not None and name in snapshot.namespaces
        return None if is_known else _not_ready(f"namespace {name} is not known here yet")

    async def _mesh(self, seen: Witness) -> InjectionError | None:
        snapshot = self._store.snapshot
        if snapshot is None or self._knows(snapshot, seen):
            return None
        body = await self._live.read(MESHES, seen.namespace, seen.mesh)
        if body is None:
            return None  # it was deleted, and the entry will go too
        self._source.meshes.offer(body)
        uid, generation = _version(body)
        fault = await self._news_of(f"{seen.namespace}/{seen.mesh}", (uid, min(seen.generation, generation)))
        if fault is None:
            self._older[seen, uid] = None
        return fault

    async def _news_of(self, name: str, version: _Version) -> InjectionError | None:
        """Wait until a mesh is in force, or is known to be of no use."""
        while (snapshot := self._store.snapshot) is not None and not self._has(snapshot, name, version):
            if name in snapshot.loaded.unusable:
                return _not_ready(f"the mesh {name} {snapshot.loaded.unusable[name]}")
            if name in snapshot.loaded.stale and _was_read(snapshot, name, version):
                return _not_ready(f"the mesh {name} cannot be used as it is written now")
            await self._news.wait()
        return None


def _was_read(snapshot: Snapshot, name: str, version: _Version) -> bool:
    """Whether a snapshot took account of a version of a Mesh, for better or worse."""
    found = (_version(each.body) for each in snapshot.documents if is_mesh(each) and f"{each.namespace}/{each.name}" == name)
    return any(uid == version[0] and generation >= version[1] for uid, generation in found)


def _version(body: Object) -> _Version:
    uid, generation = body["metadata"].get("uid"), body["metadata"].get("generation")
    return uid if isinstance(uid, str) else "", generation if isinstance(generation, int) else 0


def _not_ready(why: str) -> InjectionError:
    return InjectionError(Reason.NOT_READY, f"this replica does not know yet what the API server knows: {why}", fix="try again")
