"""A leader in this process, on a real API server: what is in the cluster is read once, and written for as long as a test lets it."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from typing import Any, Final

from mesh_injector import store
from mesh_injector.kube import objects
from mesh_injector.kube.client import Cluster as Client
from mesh_injector.kube.client import connect
from mesh_injector.kube.credentials import Credentials
from mesh_injector.kube.entries import Target
from mesh_injector.kube.leadership import Term
from mesh_injector.kube.writing import Pace, Writing
from mesh_injector.store import Snapshot
from tests.e2e.cluster import Cluster

CONFIGURATION: Final = "mesh-injector"
HOME: Final = "mesh-system"
SHIPPED: Final = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "MutatingWebhookConfiguration",
    "metadata": {"name": CONFIGURATION},
}
"""The configuration as an installation brings it: without entries."""
HERE: Final = Target(ca=b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
PACE: Final = Pace(settle=0.1, backoff=0.5)


def a_mesh(name: str, namespace: str = HOME, **spec: Any) -> dict[str, Any]:
    given = {
        "enableAutoInject": True,
        "injectionSelector": {"podSelector": {"matchLabels": {"app": name}}},
        "sidecarPatchConfigMap": {"name": "sidecar"},
        **spec,
    }
    return {
        "apiVersion": "mesh-injector.io/v1alpha1",
        "kind": "Mesh",
        "metadata": {"name": name, "namespace": namespace},
        "spec": given,
    }


def a_template(namespace: str = HOME, text: str = "spec: {containers: [{name: envoy, image: 'envoy:1'}]}\n") -> dict[str, Any]:
    labels = {"mesh-injector.io/template": "true"}
    metadata = {"name": "sidecar", "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"patch": text}}


def read(cluster: Cluster, last: Snapshot | None = None) -> Snapshot:
    """Read what a replica would know now."""
    found = [*cluster.get("mi", "-A")["items"], *cluster.get("configmaps", "-A", "-l", objects.TEMPLATES)["items"]]
    return store.load(map(objects.document, found), HOME, last)


@contextlib.asynccontextmanager
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    async with connect(Credentials(str(cluster.kubeconfig))) as made:
        yield made
    await asyncio.sleep(0.1)  # TLS connections are closed a moment after the client


class Leader:
    """Writes what the cluster holds; after a change it is told to `look`."""

    def __init__(self, cluster: Cluster, api: Client, target: Target) -> None:
        self.cluster, self.target = cluster, target
        self.snapshot = read(cluster)
        self.writing = Writing(api, (CONFIGURATION, HOME), lambda: self.snapshot, lambda: self.target, PACE)

    def look(self) -> None:
        self.snapshot = read(self.cluster, self.snapshot)
        self.writing.nudge()


@contextlib.asynccontextmanager
async def leading(cluster: Cluster, target: Target = HERE) -> AsyncIterator[Leader]:
    """Lead while the block lasts."""
    async with client(cluster) as api:
        leader, term = Leader(cluster, api, target), Term("test/1")
        term.last_until(math.inf)
        task = asyncio.create_task(leader.writing.work(term))
        try:
            yield leader
        finally:
            task.cancel()
            (ended,) = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(ended, asyncio.CancelledError), ended
