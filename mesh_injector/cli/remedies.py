"""The commands that make a pod be injected: what an advice changes, as kubectl is told to change it."""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mesh_injector.cli.subjects import Answer, Subject
from mesh_injector.formats.mesh.advice import Advice, Labels

_PLURAL: Final = "meshes.mesh-injector.io"


def of(advice: Advice, subject: Subject[Answer]) -> Iterator[str]:
    """Iterate over the commands of an advice. Labels of a pod that exists are no use, so for a bare pod there is none."""
    if advice.namespace:
        changes = " ".join(shlex.quote(f"{key}-" if value is None else f"{key}={value}") for key, value in advice.namespace.items())
        yield f"kubectl label namespace {shlex.quote(subject.namespace.name)} --overwrite {changes}"
    metadata = {name: dict(texts) for name, texts in _changed(advice).items() if texts}
    if metadata and subject.workload.path:
        kind, _, name = subject.workload.label.partition("/")
        change: Any = {"metadata": metadata}
        for part in reversed(subject.workload.path):
            change = {part: change}
        yield _patch(kind.lower(), name, subject.namespace.name, change)
    if advice.mesh is not None and advice.spec:
        yield _patch(_PLURAL, advice.mesh.name, advice.mesh.namespace, {"spec": dict(advice.spec)})


def _changed(advice: Advice) -> Mapping[str, Labels]:
    return {"labels": advice.labels, "annotations": advice.annotations}


def _patch(kind: str, name: str, namespace: str, change: Mapping[str, Any]) -> str:
    body = shlex.quote(json.dumps(change, separators=(",", ":"), ensure_ascii=False))
    return f"kubectl patch {shlex.quote(kind)} {shlex.quote(name)} -n {shlex.quote(namespace)} --type merge -p {body}"
