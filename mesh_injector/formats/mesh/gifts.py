"""What a template was given for one pod: each variable and value that it reads, and where that came from, or that it was not there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace
from mesh_injector.engine.template import PatchTemplate, names
from mesh_injector.errors import InjectionError
from mesh_injector.formats.mesh import variables
from mesh_injector.formats.mesh.mesh import Mesh


@dataclass(frozen=True, slots=True)
class Gift:
    """One name that a template reads (`values.image`), what it got, and from where; not `given` where it was not there."""

    name: str
    value: Any
    whence: str
    given: bool = True
    needed: bool = False


def of(mesh: Mesh, template: PatchTemplate, pod: Pod, namespace: Namespace) -> tuple[Gift, ...]:
    """List what a template reads and got, in the order of the reference."""
    node = pod.labels.get(mesh.spec.virtual_node_label, "")
    ports = variables.container_ports(pod)
    label, containers = f"the pod's label {mesh.spec.virtual_node_label}", "the pod's containers"
    known = {
        "mesh_name": (mesh.name, "the Mesh's name"),
        "virtual_node_name": (node or None, label),
        "region": (mesh.spec.region, "the Mesh's spec.region"),
        "container_ports": (ports, containers),
        "app_ports": (",".join(map(str, ports)), containers),
        "container_names": ([container.name for container in pod.containers], containers),
        "namespace": (namespace.name, "the namespace, with its labels and annotations"),
        "pod": (pod.name or "(no name yet)", "the whole pod as it was sent"),
        "mesh": (str(mesh), "the Mesh, with its labels and annotations"),
    }
    known |= {alias: known[name] for alias, name in _ALIASES.items()}
    found: list[Gift] = []
    for name in names.VARIABLES:
        if name == "values" and name in template.named:
            found += _values(mesh, template, pod)
        elif name in template.named:
            value, whence = known[name]
            found.append(Gift(name, value, whence, value is not None, name in template.needed))
    return tuple(found)


_ALIASES = {"MeshName": "mesh_name", "VirtualNodeName": "virtual_node_name", "AwsRegion": "region", "AppPort": "app_ports"}


def _values(mesh: Mesh, template: PatchTemplate, pod: Pod) -> Iterator[Gift]:
    read = {key for variable, key in template.names.read if variable == "values"}
    read |= {lookup.key for lookup in template.names.lookups if lookup.variable == "values"}
    asked = mesh.spec.values if "values" in template.names.whole else ()
    for key in sorted({*read, *asked}):
        yield _value(key, mesh, template, pod)


def _value(key: str, mesh: Mesh, template: PatchTemplate, pod: Pod) -> Gift:
    """Find where one value comes from; an override that does not fit is shown as it was written."""
    name, annotation = f"values.{key}", f"{variables.OVERRIDE}{key}"
    needed = any(lookup.always and (lookup.variable, lookup.key) == ("values", key) for lookup in template.names.lookups)
    text = pod.annotations.get(annotation)
    if text is not None and key in mesh.spec.overrides:
        try:
            value = variables.values(mesh, ((key, text),))[key]
        except InjectionError:
            value = text
        return Gift(name, value, f"the pod's annotation {annotation}", needed=needed)
    if mesh.spec.values.get(key) is not None:
        return Gift(name, mesh.spec.values[key], "the Mesh's spec.values", needed=needed)
    return Gift(name, None, "the Mesh's spec.values", given=False, needed=needed)
