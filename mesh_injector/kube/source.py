"""A cluster as a source: Meshes, template ConfigMaps and Namespaces, followed as they change.

ConfigMaps are watched where meshes are and nowhere else, each namespace by a watch of its own, so that a namespace that forbids it harms
only its own meshes.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from mesh_injector import store
from mesh_injector.documents import Document, Reading
from mesh_injector.engine.rules import Namespace
from mesh_injector.kube import objects, rights
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.lists import Scope
from mesh_injector.kube.reflector import Pace, Reflector
from mesh_injector.kube.resource import Key, Object

_KINDS: Final = ("Mesh", "ConfigMap", "Namespace")


@dataclass(frozen=True, slots=True)
class Tempo:
    """How quickly changes are taken over, in seconds: those within `settle` are one; a new namespace's ConfigMaps are waited for."""

    settle: float = 0.1
    patience: float = 5
    reflecting: Pace = field(default_factory=Pace)


class CacheState(NamedTuple):
    """How one kind of objects is known: whether all were listed, when the API server was last heard, and watches begun anew by reason."""

    kind: str
    synced: bool
    last_event: float
    restarts: Mapping[str, int]


class _Documents:
    """The documents of one reflector's objects; `touched` is told where one of them is different."""

    def __init__(self, touched: Callable[[], None]) -> None:
        self.by_key: dict[Key, Document] = {}
        self.state = touched
        self._touched = touched

    def changed(self, key: Key, body: Object | None) -> None:
        """Keep the document of an object; one that is equal, as after a change of its status, keeps its identity."""
        made = objects.document(body) if body is not None else None
        if made == self.by_key.get(key):
            return
        if made is None:
            self.by_key.pop(key, None)
        else:
            self.by_key[key] = made
        self._touched()


class _Namespaces:
    """The namespaces by their names, handed on as a whole soon after a change."""

    def __init__(self, described: Callable[[Mapping[str, Namespace]], None], state: Callable[[], None]) -> None:
        self.by_name: dict[str, Namespace] = {}
        self.state = state
        self._described, self._is_due = described, False

    def changed(self, key: Key, body: Object | None) -> None:
        """Keep a namespace, and hand all on when the events that have come already are taken over."""
        if body is None:
            self.by_name.pop(key[1], None)
        else:
            self.by_name[key[1]] = store.namespace_of(objects.document(body))
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self.publish)

    def publish(self) -> None:
        """Hand all on now."""
        self._is_due = False
        self._described(dict(self.by_name))


class ClusterSource:
    """What a cluster holds, kept up to date by reflectors."""

    def __init__(
        self, cluster: Cluster, home: str, described: Callable[[Mapping[str, Namespace]], None], tempo: Tempo | None = None
    ) -> None:
        self._cluster, self._home, self._tempo = cluster, home, tempo or Tempo()
        self._dirty = asyncio.Event()
        self._was_read = False
        self._given_up: set[Reflector] = set()
        self._tasks: dict[Reflector, asyncio.Task[None]] = {}
        self._retired: dict[str, Counter[str]] = {kind: Counter() for kind in _KINDS}
        self._meshes, self._found = _Documents(self._dirty.set), _Namespaces(described, self._dirty.set)
        self._templates: dict[str, tuple[Reflector, _Documents]] = {}
        self.meshes = self._reflect(objects.ALL_MESHES, self._meshes)
        """The Meshes as the API server has them, with their status."""
        self.namespaces = self._reflect(objects.ALL_NAMESPACES, self._found)
        """The Namespaces as the API server has them."""

    async def readings(self) -> AsyncGenerator[Reading, None]:
        """The first when everything has been listed, and another whenever a Mesh or template has changed."""
        while True:
            await self._dirty.wait()
            await asyncio.sleep(self._tempo.settle)
            self._follow()
            await self._listed()
            self._dirty.clear()
            yield self._reading()

    def missing(self) -> str:
        """What has not been listed yet, and why; empty when everything has."""
        told = (f"{_name(each.scope)} not listed yet{f' ({each.error.problem.what})' if each.error else ''}" for each in self._unlisted())
        return "; ".join(told)

    def _unlisted(self) -> list[Reflector]:
        return [each for each in self._tasks if not each.synced and not _is_forbidden(each)]

    def states(self) -> list[CacheState]:
        """How each kind is known; of several watches the oldest word counts."""
        states = []
        for kind in _KINDS:
            mine = [each for each in self._tasks if each.scope.resource.kind == kind]
            restarts = sum((each.restarts for each in mine), self._retired[kind])
            synced = bool(mine) and all(each.synced or _is_forbidden(each) for each in mine)
            states.append(CacheState(kind, synced, min((each.last_event for each in mine if each.synced), default=0.0), restarts))
        return states

    def offer_namespace(self, body: Object) -> None:
        """Take over a Namespace that was read beside the watch, at once."""
        self.namespaces.offer(body)
        self._found.publish()

    async def stop(self) -> None:
        """End all watches."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _reflect(self, scope: Scope, listener: "_Documents | _Namespaces") -> Reflector:
        made = Reflector(self._cluster, scope, listener, self._tempo.reflecting)
        self._tasks[made] = asyncio.create_task(made.run())
        return made

    def _follow(self) -> None:
        """Watch the ConfigMaps of the namespaces where templates may be, and of no others."""
        if not self.meshes.synced:
            return
        wanted = objects.template_namespaces(tuple(self._meshes.by_key.values()), self._home)
        for namespace in self._templates.keys() - wanted:
            self._retire(self._templates.pop(namespace)[0])
        for namespace in sorted(wanted - self._templates.keys()):
            documents = _Documents(self._dirty.set)
            self._templates[namespace] = self._reflect(objects.templates_in(namespace), documents), documents

    def _retire(self, reflector: Reflector) -> None:
        self._retired[reflector.scope.resource.kind].update(reflector.restarts)
        self._tasks.pop(reflector).cancel()

    async def _listed(self) -> None:
        """Wait until everything has been listed; after the first time only for what is new, and only for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._tempo.patience if self._was_read else None):
                while not self._templates or any(each not in self._given_up for each in self._unlisted()):
                    self._dirty.clear()
                    await self._dirty.wait()
                    self._follow()
        self._was_read = True
        self._given_up = set(self._unlisted())

    def _reading(self) -> Reading:
        documents = [*self._meshes.by_key.values(), *(each for _, found in self._templates.values() for each in found.by_key.values())]
        unread = {
            namespace: rights.unread(namespace, reflector.error)
            for namespace, (reflector, _) in self._templates.items()
            if not reflector.synced or _is_forbidden(reflector)
        }
        return Reading(tuple(documents), unread=unread)


def _is_forbidden(reflector: Reflector) -> bool:
    """Whether it may not read ConfigMaps: that of Meshes and Namespaces is nothing to do without."""
    return bool(reflector.scope.namespace) and reflector.error is not None and reflector.error.status == 403


def _name(scope: Scope) -> str:
    return scope.resource.kind + (f" of namespace {scope.namespace}" if scope.namespace else "")


@contextlib.asynccontextmanager
async def following(
    cluster: Cluster, home: str, described: Callable[[Mapping[str, Namespace]], None], tempo: Tempo | None = None
) -> AsyncIterator[ClusterSource]:
    """A cluster followed while the block lasts; `described` is told all namespaces whenever one has changed."""
    source = ClusterSource(cluster, home, described, tempo)
    try:
        yield source
    finally:
        await source.stop()
