"""Objects of a cluster as documents: what decisions read of them, and nothing that changes without meaning, as a status does."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from mesh_injector.documents import Document, Origin
from mesh_injector.kube.lists import Scope
from mesh_injector.kube.live import Live
from mesh_injector.kube.resource import CONFIG_MAPS, MESHES, NAMESPACES, Object

TEMPLATES: Final = "mesh-injector.io/template=true"
"""Which ConfigMaps are read: RBAC cannot choose by label, so no others are asked for."""
_PARTS: Final = ("apiVersion", "kind", "spec", "data")
_METADATA: Final = ("name", "namespace", "uid", "labels", "annotations", "generation")

ALL_MESHES: Final = Scope(MESHES)
ALL_NAMESPACES: Final = Scope(NAMESPACES)


def templates_in(namespace: str) -> Scope:
    """The template ConfigMaps of a namespace."""
    return Scope(CONFIG_MAPS, namespace, TEMPLATES)


def document(body: Object) -> Document:
    """The document of a Mesh, ConfigMap or Namespace."""
    metadata = {name: body["metadata"][name] for name in _METADATA if name in body["metadata"]}
    kept: dict[str, Any] = {name: body[name] for name in _PARTS if name in body}
    return Document({**kept, "metadata": metadata}, Origin(_name(body["kind"], metadata)))


def whole(body: Object) -> Document:
    """The document of an object as it is, but for `managedFields`."""
    metadata = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
    return Document({**body, "metadata": metadata}, Origin(_name(body["kind"], metadata)))


def _name(kind: str, metadata: dict[str, Any]) -> str:
    return f"{kind} {'/'.join(filter(None, (metadata.get('namespace'), metadata['name'])))}"


def finder(live: Live) -> Callable[[str, str], Awaitable[Document | None]]:
    """What looks for a ConfigMap by its namespace and name. It raises ClusterError, and ValueError for what cannot be a name."""

    async def find(namespace: str, name: str) -> Document | None:
        body = await live.read(CONFIG_MAPS, namespace, name)
        return document(body) if body else None

    return find


def template_namespaces(meshes: "tuple[Document, ...]", home: str) -> set[str]:
    """Where templates may be: at home, where there are meshes, and where a mesh at home says that its ConfigMap is."""
    found = {home}
    for mesh in meshes:
        found.add(mesh.namespace)
        spec = mesh.body.get("spec")
        ref = spec.get("sidecarPatchConfigMap") if isinstance(spec, dict) else None
        named = ref.get("namespace") if isinstance(ref, dict) else None
        if mesh.namespace == home and isinstance(named, str) and named:
            found.add(named)
    return found
