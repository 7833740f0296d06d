"""A stand-in pod that is given, one after the other, what a template reads of pods and namespaces and does not find.

What it lacked is told, and hides nothing of what stands behind it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mesh_injector.engine import schema
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace
from mesh_injector.engine.template import PatchTemplate, Place, Rendered
from mesh_injector.engine.template.source import Fault
from mesh_injector.errors import InjectionError
from mesh_injector.formats.mesh import sketch, variables
from mesh_injector.formats.mesh.mesh import Mesh
from mesh_injector.reasons import Reason

GRANTED: Final = 20
"""So many labels, annotations and fields are given to a stand-in pod."""
_STEP: Final = re.compile(r"\.(\w+)|\['([^']*)'\]")


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a stand-in pod: what it lacked, what the template rendered to (None: it stopped at `stop`), and which outputs are the
    same for every pod."""

    lacked: tuple[InjectionError, ...]
    rendered: Rendered | None
    stop: Fault | None
    settled: Mapping[Place, Any]


def trial(mesh: Mesh, template: PatchTemplate) -> Trial:
    """Render a mesh's template for a stand-in pod that gets what it lacks. Raises `InjectionError` where the mesh lacks something."""
    body, namespace = sketch.stand_in_pod(mesh)
    lacked: list[InjectionError] = []
    while True:
        given = variables.of(mesh, template, Pod.from_document(body), namespace)
        stop = _stop(template, given)
        around = _granted(template, stop, body, namespace) if stop and len(lacked) < GRANTED else None
        if stop is None or around is None:
            rendered = None if stop else template.render(given)
            return Trial(tuple(lacked), rendered, stop, template.settled(given, variables.settled(mesh)))
        lacked.append(template.source.error(stop))
        namespace = around


def _stop(template: PatchTemplate, given: Mapping[str, Any]) -> Fault | None:
    try:
        template.run(given)
    except Fault as fault:
        return fault.with_traceback(None)
    return None


def _granted(template: PatchTemplate, fault: Fault, body: dict[str, Any], namespace: Namespace) -> Namespace | None:
    """Put what was not found into the pod, or into a copy of the namespace, which is returned; None where that cannot be done."""
    name, *path = _path(template, fault)
    if name == "pod" and path:
        return namespace if _put(body, path) else None
    if name == "namespace" and len(path) == 2 and path[0] in ("labels", "annotations"):
        given = {"labels": dict(namespace.labels), "annotations": dict(namespace.annotations)}
        given[path[0]][path[1]] = "stand-in"
        return Namespace(namespace.name, given["labels"], given["annotations"])
    return None


def _path(template: PatchTemplate, fault: Fault) -> list[str]:
    """Read the path of what is not defined: `pod.metadata.labels['a/b']` is pod, metadata, labels, a/b; an empty text without one."""
    text = template.names.paths.get((int(fault.line), fault.word), "") if fault.reason is Reason.UNDEFINED_VARIABLE else ""
    name = re.match(r"\w*", text)[0]  # type: ignore[index] # it matches everything
    steps = [first or second for first, second in _STEP.findall(text)]
    return [name, *steps] if _STEP.sub("", text) == name and steps[-1:] == [fault.word] else [""]


def _put(body: dict[str, Any], path: list[str]) -> bool:
    """Put a stand-in that Kubernetes would accept at a path of the pod; False where the path leads through something else than mappings."""
    node: schema.Node | None = schema.POD
    place: Any = body
    for key in path[:-1]:
        node = node.field(key) if node else None
        place = place.setdefault(key, {}) if isinstance(place, dict) else None
    if not isinstance(place, dict) or path[-1] in place:
        return False
    place[path[-1]] = sketch.stand_in(node.field(path[-1]) if node else None, 0)
    return True
