"""The pods of a cluster by their metadata, with those who own them and the Meshes: what `status` counts, in few and small answers.

Whole pods are read only where one carries no record and a Mesh selects it.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from mesh_injector.documents import Document, Reading
from mesh_injector.errors import ClusterError, InjectionError, Problem
from mesh_injector.kube import client, objects, rights
from mesh_injector.kube.client import METADATA, Cluster
from mesh_injector.kube.credentials import Credentials
from mesh_injector.kube.lists import Scope, listed
from mesh_injector.kube.resource import MESHES, NAMESPACES, PODS, Key, Object, Resource, key

_OWNERS: Final = (Resource("apis/apps/v1", "replicasets", "ReplicaSet"), Resource("apis/batch/v1", "jobs", "Job"))
"""What pods are owned by that has an owner itself."""
_PAGE: Final = 500
_ALIVE: Final = "status.phase!=Succeeded,status.phase!=Failed"
_SINGLY: Final = 200
"""So many whole pods are read one by one, and more by a list."""
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Census:
    """Meshes with their status, what decisions read, the metadata of each pod that runs or will, the owner (kind and name) of each
    owner by (kind, namespace, name), and what could not be read."""

    meshes: tuple[Object, ...]
    reading: Reading
    pods: tuple[Object, ...]
    owners: Mapping[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()
    knows_all_meshes: bool = True


def take(given: Credentials, home: str, namespace: str = "", labels: str = "") -> Census:
    """Count the pods of one namespace, or (empty) of all, by metadata.

    What else may not be read is told in `unseen`. Raises ClusterError where pods, or every Mesh, may not.
    """

    async def taking() -> Census:
        async with client.connect(given) as cluster:
            return await _take(cluster, home, Scope(PODS, namespace, labels, fields=_ALIVE))

    return asyncio.run(taking())


def whole(given: Credentials, wanted: Iterable[Key], labels: str = "") -> tuple[Document, ...]:
    """Read some pods whole; those that are gone meanwhile are left out. Raises ClusterError."""
    keys = set(wanted)

    async def reading() -> tuple[Document, ...]:
        async with client.connect(given) as cluster:
            bodies = await (_singly(cluster, keys) if len(keys) <= _SINGLY else _together(cluster, keys, labels))
            return tuple(map(objects.whole, bodies))

    return asyncio.run(reading()) if keys else ()


async def _singly(cluster: Cluster, keys: set[Key]) -> list[Object]:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(name: Key) -> Object | None:
        async with turns:
            try:
                return await cluster.get(PODS.path(*name))
            except ClusterError as error:
                if error.status != 404:
                    raise
                return None

    return [body for body in await asyncio.gather(*map(one, sorted(keys))) if body]


async def _together(cluster: Cluster, keys: set[Key], labels: str) -> list[Object]:
    namespaces = {namespace for namespace, _ in keys}
    scope = Scope(PODS, namespaces.pop() if len(namespaces) == 1 else "", labels, fields=_ALIVE)
    found, _ = await listed(cluster, scope, _PAGE)
    return [body for name, body in found.items() if name in keys]


async def _take(cluster: Cluster, home: str, scope: Scope) -> Census:
    unseen: list[str] = []
    pods, _ = await listed(cluster, scope, _PAGE, METADATA)
    meshes, knows_all = await _meshes(cluster, scope.namespace, unseen)
    namespaces = await _namespaces(cluster, scope.namespace, unseen)
    owners: dict[tuple[str, str, str], tuple[str, str]] = {}
    for resource in _OWNERS:
        owners |= await _owners(cluster, Scope(resource, scope.namespace), unseen)
    documents = tuple(map(objects.document, (*meshes, *namespaces)))
    return Census(meshes, await _with_templates(cluster, home, documents), tuple(pods.values()), owners, tuple(unseen), knows_all)


async def _meshes(cluster: Cluster, namespace: str, unseen: list[str]) -> tuple[tuple[Object, ...], bool]:
    """List all, or where that is forbidden those of the namespace that is asked about; and whether it is all."""
    try:
        return tuple((await listed(cluster, Scope(MESHES)))[0].values()), True
    except ClusterError as error:
        if error.status == 404:
            fix = "see what is missing: mesh-injector check"
            raise ClusterError(Problem(error.problem.code, "there are no Meshes in this cluster", error.problem.where, fix), 404) from error
        if error.status != 403 or not namespace:
            raise
    unseen.append(f"the Meshes of other namespaces, needs `list {_full(MESHES)}`")
    return tuple((await listed(cluster, Scope(MESHES, namespace)))[0].values()), False


async def _namespaces(cluster: Cluster, namespace: str, unseen: list[str]) -> tuple[Object, ...]:
    """List all, or where that is forbidden the one that is asked about; a pod's namespace without labels is known by its name alone."""
    try:
        if namespace:
            return (await cluster.get(NAMESPACES.path(name=namespace)),)
        return tuple((await listed(cluster, Scope(NAMESPACES)))[0].values())
    except ClusterError as error:
        if error.status not in (403, 404):
            raise
        unseen.append(f"labels of namespaces, needs `{f'get namespaces/{namespace}' if namespace else 'list namespaces'}`")
        return ()


async def _owners(cluster: Cluster, scope: Scope, unseen: list[str]) -> dict[tuple[str, str, str], tuple[str, str]]:
    try:
        found, _ = await listed(cluster, scope, _PAGE, METADATA)
    except ClusterError as error:
        if error.status != 403:
            raise
        unseen.append(f"who owns a {scope.resource.kind}, needs `list {_full(scope.resource)}`")
        return {}
    owned = ((key(body), owner(body)) for body in found.values())
    return {(scope.resource.kind, *name): above for name, above in owned if above}


async def _with_templates(cluster: Cluster, home: str, documents: tuple[Document, ...]) -> Reading:
    meshes = tuple(one for one in documents if one.kind == MESHES.kind)
    found, unread = list(documents), dict[str, InjectionError]()
    for namespace in sorted(objects.template_namespaces(meshes, home)):
        try:
            found += map(objects.document, (await listed(cluster, objects.templates_in(namespace)))[0].values())
        except ClusterError as error:
            if error.status != 403:
                raise
            unread[namespace] = rights.unread(namespace, error)
    return Reading(tuple(found), unread=unread)


def owner(body: Object) -> tuple[str, str] | None:
    """Kind and name of the controller of an object: https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/."""
    references = body["metadata"].get("ownerReferences") or ()
    return next(((one["kind"], one["name"]) for one in references if one.get("controller")), None)


def _full(resource: Resource) -> str:
    group = resource.api.split("/")[1] if resource.api.startswith("apis/") else ""
    return f"{resource.plural}{f'.{group}' if group else ''}"
