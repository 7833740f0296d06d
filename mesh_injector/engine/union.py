"""What only pod and overlay together make wrong, found when the overlay is placed: the pod alone and the overlay alone were good.

Only what the overlay touches is looked at, and what is wrong in the pod without it is the API server's to tell.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from mesh_injector.engine import address, defaults, hostports, schema
from mesh_injector.engine.checks import around, finding, metadata, relations
from mesh_injector.engine.checks.finding import CONTAINER_LISTS, Finding, Path
from mesh_injector.engine.defaults import Merge
from mesh_injector.engine.pod import Pod

_CONTAINER: Final = schema.definition("Container")
_SPEC: Final = schema.definition("PodSpec")


def find(pod: Pod, spec: Mapping[str, Any], annotations: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Find what only pod and overlay together make wrong: a mount without its volume, a port name twice, a request above its limit."""
    yield from _mounts(pod, spec)
    yield from hostports.find(pod, spec)
    yield from _containers(pod, spec)
    yield from _specs(pod, spec)
    yield from _profiles(pod, spec, annotations or {})


def together(theirs: Any, ours: Any, node: schema.Node | None, name: str, field: str = "") -> Any:
    """Merge a member as placement does: the pod's wins, defaults count as not set, items are appended unless there."""
    if theirs is None:
        return ours
    kind = defaults.merge(name, node)
    if kind is Merge.FIELDS and isinstance(theirs, Mapping) and node is not None:
        return {**theirs, **{key: together(theirs.get(key), value, node.field(key), key) for key, value in ours.items()}}
    if kind in (Merge.KEYED, Merge.WHOLE) and isinstance(theirs, list):
        keys = address.keys_of(node, name)
        known = {address.item_key(item, keys) for item in theirs}
        return [*theirs, *(item for item in ours if address.item_key(item, keys) not in known)]
    return ours if defaults.is_not_set(field or name, theirs) else theirs


class _Around:
    """The spec as it will be, of which a member is merged only when a rule reads it."""

    def __init__(self, pod: Pod, spec: Mapping[str, Any]) -> None:
        self.pod, self.spec = pod, spec

    def __getitem__(self, name: str) -> Any:
        ours, theirs = self.spec.get(name), self.pod.spec_member(name)
        return theirs if ours is None else together(theirs, ours, _SPEC.field(name), name)


def _containers(pod: Pod, spec: Mapping[str, Any]) -> Iterator[Finding]:
    """Find what a container that we bring or add to is, in itself and to the spec around it, that it was not before."""
    after = _Around(pod, spec)
    for path, ours in finding.containers(spec):
        kind, fields = str(path[1]), frozenset(ours) - {"name"}
        if "image" in ours:
            yield from finding.at(path, _told(around.of_container(ours, after, fields)))
            continue
        theirs = _named(pod.spec_member(kind), ours["name"])
        brought = {name: together(theirs.get(name), ours[name], _CONTAINER.field(name), name, f"containers.{name}") for name in fields}
        found = _told(_rules({**theirs, **brought}, kind, fields, after))
        before = {one.what for one in _told(_rules(theirs, kind, fields, _Around(pod, {})))} if found else set()
        for one in found:
            if one.what not in before:
                where = (*path, *(one.path[:1] if one.path[0] in ours else ()))
                yield Finding(where, f"{one.what}, in the pod as it would be", one.fix)


def _rules(container: Mapping[str, Any], kind: str, fields: frozenset[str], spec: _Around) -> Iterator[Finding]:
    yield from relations.of_container(container, kind, fields)
    yield from around.of_container(container, spec, fields)


def _told(findings: Iterator[Finding]) -> list[Finding]:
    """What rules find; nothing in a pod whose members are not even of the right types, which is the API server's to tell."""
    try:
        return list(findings)
    except (AttributeError, KeyError, TypeError):
        return []


def _specs(pod: Pod, spec: Mapping[str, Any]) -> Iterator[Finding]:
    for fields, rule in around.SPEC_RULES:
        if fields.isdisjoint(spec):
            continue
        theirs = {name: pod.spec_member(name) for name in fields}
        merged = {**theirs, **{name: together(theirs[name], spec[name], _SPEC.field(name), name) for name in fields & spec.keys()}}
        found = _told(rule(merged))
        before = {one.what for one in _told(rule(theirs))} if found else set()
        for one in found:
            if one.what not in before:
                field = one.path[0] if one.path[0] in spec else min(fields & spec.keys())
                yield Finding(("spec", field), f"{one.what}, in the pod as it would be", one.fix)


def _named(items: Any, name: str) -> Mapping[str, Any]:
    """Find the item of that name among the pod's own."""
    found: Mapping[str, Any] = next((item for item in items or () if item.get("name") == name), {})
    return found


def _mounts(pod: Pod, spec: Mapping[str, Any]) -> Iterator[Finding]:
    used = [
        ((*path, field, index), item["name"], word)
        for path, container in finding.containers(spec)
        for field, word in (("volumeMounts", "mounts"), ("volumeDevices", "uses"))
        for index, item in enumerate(container.get(field) or ())
    ]
    if not used:
        return
    theirs = pod.spec_member("volumes")
    there = [*(spec.get("volumes") or ()), *(theirs if isinstance(theirs, list) else ())]
    volumes = {str(volume.get("name")) for volume in there if isinstance(volume, Mapping)}
    for path, name, word in used:
        if name not in volumes:
            yield Finding(path, f"{word} the volume `{name}`, which neither the template nor the pod has", "add it under `volumes`")


def _profiles(pod: Pod, spec: Mapping[str, Any], annotations: Mapping[str, str]) -> Iterator[Finding]:
    """Source: the API server refuses an annotation that names the AppArmor profile of a container that is not there."""
    for key in annotations:
        if key.startswith(metadata.APPARMOR):
            name, named = key.removeprefix(metadata.APPARMOR), _names(pod, spec)
            if name not in named:
                path: Path = ("metadata", "annotations", key)
                yield Finding(path, f"is about the container `{name:.80}`, which is not there", "name a container, or remove it")


def _names(pod: Pod, spec: Mapping[str, Any]) -> set[str]:
    ours: Iterable[Mapping[str, Any]] = (container for kind in CONTAINER_LISTS for container in spec.get(kind) or ())
    return {container["name"] for container in ours} | {container.name for container in (*pod.containers, *pod.init_containers)}
