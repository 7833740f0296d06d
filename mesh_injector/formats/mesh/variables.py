"""What a template gets: the variables that it names, and the reasons for which a pod or mesh cannot give them."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace
from mesh_injector.engine.template import Fault, PatchTemplate, Settled
from mesh_injector.engine.template.names import Lookup
from mesh_injector.engine.template.values import suggestion
from mesh_injector.errors import InjectionError
from mesh_injector.formats.mesh.mesh import Mesh
from mesh_injector.reasons import Reason

Texts = tuple[tuple[str, str], ...]

OVERRIDE: Final = "values.mesh-injector.io/"

_OF_THE_MESH: Final = frozenset({"mesh_name", "MeshName", "region", "AwsRegion", "mesh"})
"""The variables that no pod changes."""
_FILLED: Final = frozenset({"container_names"})
"""The lists that are never empty: the API server takes no pod without a container."""
_PORTS: Final = frozenset({"container_ports", "app_ports", "AppPort"})
_REGION: Final = frozenset({"region", "AwsRegion"})
_NODE: Final = frozenset({"virtual_node_name", "VirtualNodeName"})
_INTEGER: Final = re.compile(r"-?[0-9]{1,19}\Z")
_FLOAT: Final = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?\Z")


class Context(msgspec.Struct, frozen=True, cache_hash=True):
    """What one rendering depends on beside its mesh: of a pod and its namespace exactly what the template names, and nothing else."""

    node: str = ""
    ports: tuple[int, ...] = ()
    portless: str = ""
    names: tuple[str, ...] = ()
    overrides: tuple[tuple[str, str], ...] = ()
    namespace: tuple[str, Texts, Texts] = ("", (), ())
    pod: Pod | None = None


class Reader:
    """Reads the context of one mesh and template from pods; what that is, is worked out once."""

    def __init__(self, mesh: Mesh, template: PatchTemplate) -> None:
        named, needed = template.named, template.needed
        self._label = mesh.spec.virtual_node_label if named & _NODE else ""
        self._ports = bool(named & _PORTS)
        self._every_port = bool(needed & _PORTS) and mesh.spec.require_container_ports
        self._names = "container_names" in named
        self._overrides = tuple((name, OVERRIDE + name) for name in mesh.spec.overrides) if "values" in named else ()
        self._namespace = "namespace" in named
        self.reads_pod = "pod" in named
        """Whether the template names the whole pod, so that no two contexts are alike."""

    def read(self, pod: Pod, namespace: Namespace) -> Context:
        """Read what the rendering depends on."""
        return Context(
            pod.labels.get(self._label, "") if self._label else "",
            container_ports(pod) if self._ports else (),
            _portless(pod) if self._every_port else "",
            tuple([container.name for container in pod.containers]) if self._names else (),
            tuple([(name, pod.annotations[key]) for name, key in self._overrides if key in pod.annotations]) if self._overrides else (),
            (namespace.name, _texts(namespace.labels), _texts(namespace.annotations)) if self._namespace else ("", (), ()),
            pod if self.reads_pod else None,
        )


def _texts(texts: Mapping[str, str]) -> Texts:
    return tuple(texts.items())


def _portless(pod: Pod) -> str:
    """Name the first container that names no port."""
    for container in pod.containers:
        if not container.ports:
            return container.name or "?"
    return ""


def of(mesh: Mesh, template: PatchTemplate, pod: Pod, namespace: Namespace) -> dict[str, Any]:
    """Collect exactly the variables that a template names; raises what `from_context` raises."""
    return from_context(mesh, template, Reader(mesh, template).read(pod, namespace))


def from_context(mesh: Mesh, template: PatchTemplate, context: Context) -> dict[str, Any]:
    """Make exactly the variables that a template names.

    Raises `InjectionError` (RegionMissing, VirtualNodeLabelMissing, ContainerPortMissing, OverrideInvalid) for what it needs and lacks.
    """
    _require(mesh, template, context)
    variables: dict[str, Any] = {"mesh_name": mesh.name, "MeshName": mesh.name}
    if mesh.spec.region:
        variables |= {"region": mesh.spec.region, "AwsRegion": mesh.spec.region}
    if context.node:
        variables |= {"virtual_node_name": context.node, "VirtualNodeName": context.node}
    joined = ",".join(map(str, context.ports))
    name, labels, annotations = context.namespace
    variables |= {
        "container_ports": list(context.ports),
        "app_ports": joined,
        "AppPort": joined,
        "container_names": list(context.names),
        "mesh": mesh.for_template(),
        "namespace": {"name": name, "labels": dict(labels), "annotations": dict(annotations)},
        "values": values(mesh, context.overrides),
        "pod": context.pod.whole() if context.pod else {},
    }
    return {name: value for name, value in variables.items() if name in template.named}


def settled(mesh: Mesh) -> Settled:
    """Tell which variables no pod changes; `values` is one where the mesh lists no overrides, else the keys that it does not list."""
    if mesh.spec.overrides:
        return Settled(_OF_THE_MESH, "values", mesh.spec.overrides, filled=_FILLED)
    return Settled(_OF_THE_MESH | {"values"}, filled=_FILLED)


def container_ports(pod: Pod) -> tuple[int, ...]:
    """List the ports of the pod's own containers, any protocol, in order of appearance and without repeats."""
    return tuple(dict.fromkeys([port.container_port for container in pod.containers for port in container.ports or ()]))


def missing_region(mesh: Mesh, template: PatchTemplate) -> InjectionError | None:
    """Say that the template names a region and the mesh has none: known before any pod comes."""
    if mesh.spec.region or not template.needed & _REGION:
        return None
    fix = "set `spec.region` in the Mesh, or use `region|default('…')`"
    return InjectionError(Reason.REGION_MISSING, "the template names the region and the mesh has none", where="spec.region", fix=fix)


def missing_key(mesh: Mesh, template: PatchTemplate) -> InjectionError | None:
    """Say that every rendering reads a key of `values` or `mesh` that is not there and that no pod can set."""
    known = {"values": {*mesh.spec.values, *mesh.spec.overrides}, "mesh": set(mesh.for_template())}
    for lookup in template.names.lookups:
        if lookup.always and lookup.key not in known.get(lookup.variable, (lookup.key,)):
            return template.source.error(undefined(lookup, known[lookup.variable]))
    return None


def undefined(lookup: Lookup, known: Iterable[str]) -> Fault:
    """Make the fault of a key that is not among those known."""
    fix = suggestion(lookup.key, known) or "add it to the mesh, or use `default`"
    what = f"`{lookup.variable}.{lookup.key}` is not defined"
    return Fault(Reason.UNDEFINED_VARIABLE, what, line=lookup.line, word=lookup.key, fix=fix)


def _require(mesh: Mesh, template: PatchTemplate, context: Context) -> None:
    region = missing_region(mesh, template)
    if region is not None:
        raise region
    label = mesh.spec.virtual_node_label
    if template.needed & _NODE and not context.node:
        raise InjectionError(
            Reason.VIRTUAL_NODE_LABEL_MISSING,
            f"the pod has no label `{label}`, whose value the template names",
            where="metadata.labels",
            fix=f"label the pod `{label}: <name>`, in a workload under spec.template.metadata.labels",
        )
    if context.portless:
        raise InjectionError(
            Reason.CONTAINER_PORT_MISSING,
            f"the container `{context.portless:.63}` names no port, so its traffic would bypass the proxy",
            where=f"spec.containers[{context.portless:.63}].ports",
            fix="name its containerPort, or set `requireContainerPorts: false` in the Mesh",
        )


def values(mesh: Mesh, overrides: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Merge the mesh's values with what the pod overrides by annotation; an override takes the type of the mesh's value."""
    merged = dict(mesh.spec.values)
    for name, text in overrides:
        merged[name] = _typed(name, text, mesh.spec.values.get(name))
    return merged


def _typed(name: str, text: str, model: Any) -> Any:
    if model is None or isinstance(model, str):
        return text
    if isinstance(model, bool) and text in ("true", "false"):
        return text == "true"
    if isinstance(model, int) and not isinstance(model, bool) and _INTEGER.match(text) and -(2**63) <= int(text) < 2**63:
        return int(text)
    if isinstance(model, float) and _FLOAT.match(text) and math.isfinite(float(text)):
        return float(text)
    no_scalar = "nothing: the mesh's value is a list or a mapping, and only text, numbers and booleans can be overridden"
    expected = {bool: "true or false", int: "a whole number", float: "a number"}.get(type(model), no_scalar)
    raise InjectionError(
        Reason.OVERRIDE_INVALID,
        f"the override `{name}` is {text!r:.60}; expected {expected}",
        where=f"metadata.annotations[{OVERRIDE}{name}]",
        fix="change the annotation, or remove it to get the mesh's value",
    )


def unlisted(mesh: Mesh, annotations: Mapping[str, str]) -> list[str]:
    """Warn of override annotations that the mesh does not list: they change nothing."""
    if OVERRIDE not in "\0".join(annotations):  # the quickest way to look at many keys
        return []
    names = sorted(key[len(OVERRIDE) :] for key in annotations if key.startswith(OVERRIDE))
    return [f"mesh {mesh} lists no override `{name}`: the annotation changes nothing" for name in names if name not in mesh.spec.overrides]
