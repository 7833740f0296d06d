"""The certificate's Secret and the entries that rely on it, read with the rights of whoever asks, and asking the leader to renew it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from mesh_injector import reasons
from mesh_injector.certs.pair import CA, CERTIFICATE
from mesh_injector.certs.rotation import Wish
from mesh_injector.errors import ClusterError, Problem
from mesh_injector.kube import registration, rotating, secret, validating
from mesh_injector.kube.client import MERGE, Cluster
from mesh_injector.kube.resource import Object, Resource

_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class Place:
    """Where a certificate is kept: the home namespace, the Secret, and the name of both webhook configurations."""

    home: str
    secret: str
    configuration: str

    @property
    def path(self) -> str:
        """The path of the Secret."""
        return secret.SECRETS.path(self.home, self.secret)


@dataclass(frozen=True, slots=True)
class Found:
    """The Secret, and the CA bundle of each of our entries by its name."""

    body: Object
    bundles: dict[str, bytes]


async def read(cluster: Cluster, place: Place) -> Found:
    """Read both. Raises ClusterError; a configuration that is not there has no entries."""
    configurations = [
        await _configuration(cluster, resource, place.configuration)
        for resource in (registration.CONFIGURATIONS, validating.CONFIGURATIONS)
    ]
    return Found(await cluster.get(place.path), rotating.named_bundles(configurations))


async def renew(cluster: Cluster, place: Place, wish: Wish, seconds: float = 1) -> AsyncIterator[str]:
    """Ask by the Secret's annotation and tell each step that is seen, looking every so many seconds; it ends when all is done.

    Raises ClusterError (CLUSTER_REFUSED, with status 409) where the Secret is not the leader's to renew.
    """
    before = await cluster.get(place.path)
    if not secret.is_ours(before):
        what, fix = f"{secret.origin(before)} is not kept by the leader", "renew it where it comes from, such as by `cmctl renew`"
        raise ClusterError(Problem(reasons.CLUSTER_REFUSED, what, "", fix), 409)
    metadata = {"annotations": {secret.RENEW: wish.value}, "resourceVersion": before["metadata"]["resourceVersion"]}
    await cluster.request("PATCH", place.path, {"metadata": metadata}, None, MERGE)
    yield f"asked the leader to renew: {wish.value}"
    now = before
    while secret.RENEW in (now["metadata"].get("annotations") or {}) or _entry(now, CERTIFICATE) == _entry(before, CERTIFICATE):
        await asyncio.sleep(seconds)
        last, now = now, await cluster.get(place.path)
        if _entry(now, CERTIFICATE) != _entry(last, CERTIFICATE):
            yield "the new certificate is in the Secret: replicas serve it within seconds"
        elif _entry(now, CA) != _entry(last, CA):
            yield "a new CA is beside the old one: its certificate follows when API servers have had it for the overlap"


def _entry(body: Object, name: str) -> object:
    return (body.get("data") or {}).get(name)


async def _configuration(cluster: Cluster, resource: Resource, name: str) -> Object:
    try:
        return await cluster.get(resource.path(name=name))
    except ClusterError as error:
        if error.status != _NOT_FOUND:
            raise
        return {}
