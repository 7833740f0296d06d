"""A pod's spec, or a container, as it will be once the overlay is placed; a member is merged only when somebody reads it.

Of the pod only what is of the right types is seen: the rest is the API server's to refuse.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from mesh_injector.engine import address, defaults, schema
from mesh_injector.engine.checks.finding import CONTAINER_LISTS
from mesh_injector.engine.defaults import Merge
from mesh_injector.engine.pod import Container, Pod

_CONTAINER: Final = schema.definition("Container")
_SPEC: Final = schema.definition("PodSpec")
_OWNERS: Final = schema.definition("ObjectMeta").field("ownerReferences")

_TYPES: Final[dict[schema.Kind, tuple[type, ...]]] = {
    "text": (str,),
    "integer": (int,),
    "number": (int, float),
    "int-or-text": (int, str),
    "quantity": (int, float, str),
}


class Merged(Mapping[str, Any]):
    """A spec or container, of which a member is merged only when a rule reads it; absent and null are the same."""

    def __init__(self, ours: Mapping[str, Any], theirs: Callable[[str], Any], node: schema.Node, prefix: str = "") -> None:
        self._ours, self._theirs, self._node, self._prefix = ours, theirs, node, prefix

    def __getitem__(self, name: str) -> Any:
        node, ours = self._node.field(name), self._ours.get(name)
        theirs = fitting(self._theirs(name), node)
        return theirs if ours is None else together(theirs, ours, node, name, self._prefix + name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._node.fields if self[name] is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def spec_of(pod: Pod, ours: Mapping[str, Any]) -> Mapping[str, Any]:
    """The spec of a pod with an overlay's on it; with an empty one it is the pod's own."""
    return Merged(ours, pod.spec_member, _SPEC)


def container_of(theirs: Container, ours: Mapping[str, Any]) -> Mapping[str, Any]:
    """A container of a pod with what an overlay adds to it."""
    return Merged(ours, theirs.member, _CONTAINER, "containers.")


def owners_of(pod: Pod, ours: list[Any]) -> Any:
    """The owners of a pod with those of an overlay."""
    return together(fitting(pod.metadata_member("ownerReferences"), _OWNERS) or [], ours, _OWNERS, "ownerReferences")


def together(theirs: Any, ours: Any, node: schema.Node | None, name: str, field: str = "") -> Any:
    """Merge a member as placement does: the pod's wins, defaults count as not set, items are appended unless there."""
    if theirs is None:
        return ours
    if name in CONTAINER_LISTS:
        return _containers(theirs, ours)
    kind = defaults.merge(name, node)
    if kind is Merge.FIELDS and isinstance(theirs, Mapping) and node is not None:
        theirs = {**theirs, "requests": _requests(theirs)} if field == "containers.resources" else theirs
        if node.kind == "map":  # an entry is named by a user: it has no default, whatever it is called
            return {**theirs, **{key: value for key, value in ours.items() if theirs.get(key) is None}}
        return {**theirs, **{key: together(theirs.get(key), value, node.field(key), key) for key, value in ours.items()}}
    if kind in (Merge.KEYED, Merge.WHOLE) and isinstance(theirs, list):
        keys = address.keys_of(node, name)
        known = set(address.item_keys(theirs, keys))
        return [*theirs, *(item for key, item in zip(address.item_keys(ours, keys), ours, strict=True) if key not in known)]
    return ours if defaults.is_not_set(field or name, theirs) else theirs


def _requests(resources: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**(resources.get("requests") or {}), **defaults.implied_requests(resources)}


def _containers(theirs: list[Any], ours: list[Any]) -> list[Any]:
    """Merge containers of the same name by their fields, and append the others."""
    added = {container["name"]: container for container in ours}
    touched = [(container, added.pop(container["name"], {})) for container in theirs]
    return [*(_container(*both) for both in touched), *added.values()]


def _container(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Mapping[str, Any]:
    members = ours.items()
    return {**theirs, **{key: together(theirs.get(key), value, _CONTAINER.field(key), key, f"containers.{key}") for key, value in members}}


def fitting(value: Any, node: schema.Node | None) -> Any:
    """What of a value is of the types that the schema says, None where it is not: wrong types are the API server's to refuse."""
    if value is None or node is None or node.kind == "any":
        return value
    if node.kind in ("object", "map"):
        return _fitting_members(value, node) if isinstance(value, Mapping) else None
    if node.kind == "list":
        return [one for item in value if (one := fitting(item, node.inner)) is not None] if isinstance(value, list) else None
    if isinstance(value, bool):
        return value if node.kind == "boolean" else None
    return value if isinstance(value, _TYPES.get(node.kind, ())) else None


def _fitting_members(value: Mapping[str, Any], node: schema.Node) -> Mapping[str, Any] | None:
    """An object without what it must have is none."""
    members = {name: one for name, item in value.items() if (one := fitting(item, node.field(name))) is not None}
    return members if all(name in members for name in node.required) else None
