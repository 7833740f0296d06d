"""What is right and seldom meant for one workload, told to whoever looks before it runs: the webhook says nothing of it.

A Job waits for every ordinary container, and containers of one pod share their ports.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from mesh_injector.engine.checks import CONTAINER_LISTS
from mesh_injector.engine.rules import Operation
from mesh_injector.workloads import Workload

INSTEAD: Final = "write it under `initContainers` with `restartPolicy: Always`, unless it ends by itself"
"""What to do about a container that a Job would wait for. Source: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/."""

_JOBS: Final = ("Job", "CronJob")

Containers = Mapping[str, Sequence[Mapping[str, Any]]]
"""The containers of each list of a pod."""


def of(workload: Workload, patch: Sequence[Operation], after: Mapping[str, Any]) -> Iterator[str]:
    """Iterate over what to say of a workload that a patch injects; `after` is its pod with the patch applied."""
    names = {container["name"] for container in added(patch)}
    spec = after.get("spec") or {}
    ours, theirs = _split({kind: spec.get(kind) or () for kind in CONTAINER_LISTS}, names)
    if is_job(workload):
        for container in ours["containers"]:
            yield f"the Job finishes only when the container `{container['name']:.63}` does: {INSTEAD}"
    yield from _contended(ours, theirs)


def is_job(workload: Workload) -> bool:
    """Whether a workload is to end by itself: a Job, a CronJob, or a pod that a Job controls."""
    return (workload.controlled_by or workload.label).partition("/")[0] in _JOBS


def added(patch: Sequence[Operation]) -> Iterator[Mapping[str, Any]]:
    """Iterate over the containers that a patch for a pod adds."""
    for operation in patch:
        parts = operation["path"].split("/")[1:]
        if operation["op"] == "add" and len(parts) in (2, 3) and parts[0] == "spec" and parts[1] in CONTAINER_LISTS:
            yield from operation["value"] if len(parts) == 2 else [operation["value"]]


def _split(containers: Containers, names: set[str]) -> tuple[Containers, Containers]:
    ours = {kind: [one for one in some if one.get("name") in names] for kind, some in containers.items()}
    return ours, {kind: [one for one in some if one.get("name") not in names] for kind, some in containers.items()}


def _contended(ours: Containers, theirs: Containers) -> Iterator[str]:
    """Find the ports on which one of ours listens and one of the pod's own."""
    taken = {port: str(one.get("name")) for one in _staying(theirs) for port in _ports(one)}
    for container in _staying(ours):
        for number, protocol in _ports(container):
            if other := taken.get((number, protocol)):
                yield (
                    f"`{container['name']:.63}` and the pod's own `{other:.63}` both list port {number}/{protocol}: "
                    "they share one network, and the second to listen there fails"
                )


def _staying(containers: Containers) -> Iterator[Mapping[str, Any]]:
    """Iterate over the containers that run beside each other: init containers only where they are sidecars."""
    yield from containers["containers"]
    yield from (one for one in containers["initContainers"] if one.get("restartPolicy") == "Always")


def _ports(container: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Iterate over the ports of a container; those of the pod's own may be of any form that the API server is to refuse."""
    ports = container.get("ports")
    for port in ports if isinstance(ports, list) else ():
        if isinstance(port, Mapping) and isinstance(number := port.get("containerPort"), int):
            yield number, str(port.get("protocol") or "TCP")
