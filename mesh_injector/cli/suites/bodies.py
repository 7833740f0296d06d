"""The pods of a suite: what its file may leave out of one, and the names by which its cases call them."""

from collections.abc import Iterable, Mapping
from typing import Any

from mesh_injector import workloads
from mesh_injector.documents import fitting
from mesh_injector.workloads import Workload


def unknown(name: str, pods: Iterable[str]) -> tuple[str, str]:
    """Say what is wrong with a name that no pod has, or several in different namespaces have, and how to fix it."""
    alike = [known for known in pods if known.endswith(f"/{name}")]
    if alike:
        return f"several pods are called `{name}`", f"write {' or '.join(f'`{known}`' for known in alike)}"
    meant = fitting.meant(name, pods)
    known = f"there are {', '.join(f'`{known}`' for known in pods)}" if pods else "write it under `pods`, or name its file in `files`"
    return f"there is no pod `{name}`", meant if meant.startswith("did") else known


def completed(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Complete what cases may leave out of a pod: kind and name."""
    if "kind" in body:
        return dict(body)
    metadata = body.get("metadata")
    named = {"name": name, **metadata} if isinstance(metadata, Mapping) else {"name": name} if metadata is None else metadata
    return {"apiVersion": "v1", "kind": "Pod", **body, "metadata": named}


def workload(body: Mapping[str, Any]) -> Workload:
    """Find the pod in what was found to hold one."""
    found = workloads.find(body)
    assert found is not None  # noqa: S101 # checked when it was loaded
    return found


def call(checked: Mapping[str, Workload], found: dict[str, Workload | None]) -> None:
    """Name a workload of a file with its namespace, and without it where there is one of that name only."""
    for name, workload in checked.items():
        found[f"{workload.namespace or 'default'}/{name}"] = workload
        found[name] = None if name in found else workload
