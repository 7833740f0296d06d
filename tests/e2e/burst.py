"""A burst of pods against an API server, as a process of its own, so that it can run where the stand's network is.

A creation that is refused is tried again, as a controller does. It says how far it is, and at the end what happened.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from typing import Any

from mesh_injector.engine import record
from mesh_injector.errors import ClusterError
from mesh_injector.kube.client import Cluster, connect
from mesh_injector.kube.credentials import Credentials
from mesh_injector.kube.resource import PODS

LABELS = {"app": "cart", "mesh-injector.io/virtual-node": "cart-vn"}
CONTAINER = {"name": "app", "image": "shop/app:1", "ports": [{"containerPort": 80}]}
OURS = "mesh-injector"
"""Whoever refuses a pod is to be found by this word in the message."""


class Burst:
    """What happened to the pods so far."""

    def __init__(self, cluster: Cluster, namespace: str, deadline: float) -> None:
        self.cluster, self.namespace, self.deadline = cluster, namespace, deadline
        self.counts: Counter[str] = Counter()
        self.strange: list[str] = []

    async def create(self, name: str) -> None:
        """Create one pod, however often that takes until the deadline."""
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": LABELS}, "spec": {"containers": [CONTAINER]}}
        for attempt in range(1000):
            try:
                made = await self.cluster.request("POST", PODS.path(self.namespace), body)
            except ClusterError as error:
                if error.status == 409:  # an earlier attempt was taken, whose answer got lost
                    made = await self.cluster.get(PODS.path(self.namespace, name))
                else:
                    await self._refused(error)
                    if time.monotonic() > self.deadline:
                        return
                    continue
            self.counts["created"] += 1
            self.counts["retried"] += attempt > 0
            self.counts["uninjected"] += not is_injected(made)
            return

    async def _refused(self, error: ClusterError) -> None:
        self.counts["refused"] += 1
        if OURS not in error.problem.what and len(self.strange) < 5:
            self.strange.append(error.problem.what)
        await asyncio.sleep(0.1)


def is_injected(pod: dict[str, Any]) -> bool:
    """Whether a pod has the sidecar and the record of it."""
    names = [container["name"] for container in pod["spec"]["containers"]]
    return "envoy" in names and record.ANNOTATION in (pod["metadata"].get("annotations") or {})


async def main(given: argparse.Namespace) -> None:
    """Create the pods, so many at once."""
    async with connect(Credentials(given.kubeconfig)) as cluster:
        began = time.monotonic()
        burst, names = Burst(cluster.within(20), given.namespace, began + given.seconds), iter(range(given.pods))

        async def one_after_the_other() -> None:
            for number in names:
                await burst.create(f"cart-{number}")
                if number % 50 == 0:
                    print(f"created {burst.counts['created']}", flush=True)

        await asyncio.gather(*(one_after_the_other() for _ in range(given.at_once)))
        seconds = round(time.monotonic() - began, 2)
    counts = {name: burst.counts[name] for name in ("created", "refused", "retried", "uninjected")}
    print(json.dumps({**counts, "seconds": seconds, "strange": burst.strange}), flush=True)
    await asyncio.sleep(0.1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--pods", type=int, required=True)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=230, help="How long a pod is tried again.")
    asyncio.run(main(parser.parse_args()))
