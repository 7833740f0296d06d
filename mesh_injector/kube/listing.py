"""Reading a cluster once, with the rights of whoever asks: what the offline commands need, and nothing is followed."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from mesh_injector.documents import Document, Reading
from mesh_injector.errors import ClusterError, InjectionError
from mesh_injector.kube import client, objects, rights
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.credentials import Credentials
from mesh_injector.kube.lists import Scope, listed
from mesh_injector.kube.resource import PODS

_Answer = TypeVar("_Answer")


def read(given: Credentials, home: str) -> Reading:
    """Meshes, template ConfigMaps where there are meshes, and Namespaces, as they are now.

    A namespace whose ConfigMaps may not be read is in `unread`. Raises ClusterError for anything else that cannot be read.
    """

    async def reading() -> Reading:
        async with client.connect(given) as cluster:
            return await _read(cluster, home)

    return _run(reading())


def pods(given: Credentials, namespace: str = "", labels: str = "", name: str = "") -> tuple[Document, ...]:
    """Live pods with their labels, of one namespace or (empty) of all, or the one of a name, as kubectl would give them.

    Raises ClusterError, with status 404 where there is no pod of that name.
    """

    async def reading() -> tuple[Document, ...]:
        async with client.connect(given) as cluster:
            if name:
                return (objects.whole(await cluster.get(PODS.path(namespace, name))),)
            found, _ = await listed(cluster, Scope(PODS, namespace, labels))
            return tuple(map(objects.whole, found.values()))

    return _run(reading())


async def _read(cluster: Cluster, home: str) -> Reading:
    meshes = await _documents(cluster, objects.ALL_MESHES)
    found = [*meshes, *await _documents(cluster, objects.ALL_NAMESPACES)]
    unread: dict[str, InjectionError] = {}
    for namespace in sorted(objects.template_namespaces(meshes, home)):
        try:
            found += await _documents(cluster, objects.templates_in(namespace))
        except ClusterError as error:
            if error.status != 403:
                raise
            unread[namespace] = rights.unread(namespace, error)
    return Reading(tuple(found), unread=unread)


async def _documents(cluster: Cluster, scope: Scope) -> tuple[Document, ...]:
    found, _ = await listed(cluster, scope)
    return tuple(map(objects.document, found.values()))


def _run(asking: Coroutine[Any, Any, _Answer]) -> _Answer:
    return asyncio.run(asking)
