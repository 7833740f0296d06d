"""What only pod and overlay together make wrong, found when the overlay is placed: the pod alone and the overlay alone were good.

Only what the overlay touches is looked at, and what is wrong in the pod without it is the API server's to tell. What an overlay asks of any
pod is worked out once, so that a pod which has no part in it costs nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from mesh_injector.engine import address, defaults, hostports, schema
from mesh_injector.engine.checks import around, finding, metadata, relations
from mesh_injector.engine.checks.finding import CONTAINER_LISTS, Finding, Path
from mesh_injector.engine.defaults import Merge
from mesh_injector.engine.pod import Pod

Question: TypeAlias = Callable[[Pod], Iterator[Finding]]

_CONTAINER: Final = schema.definition("Container")
_SPEC: Final = schema.definition("PodSpec")


class Union:
    """The questions that one overlay asks of every pod that it is placed on."""

    def __init__(self, spec: Mapping[str, Any], annotations: Mapping[str, str] | None = None) -> None:
        self._spec = spec
        self._mounts = list(_mounts(spec))
        self._host_ports = hostports.asked(spec)
        self._parts = [part for part in map(_part, finding.containers(spec)) if part.together or part.around]
        self._spec_rules = [(fields, rule) for fields, rule in around.SPEC_RULES if not fields.isdisjoint(spec)]
        self._profiles = [key for key in annotations or {} if key.startswith(metadata.APPARMOR)]

    def find(self, pod: Pod) -> Iterator[Finding]:
        """Find what the two make wrong: a mount without its volume, a port name twice, a request above its limit."""
        if self._mounts:
            yield from self._volumes(pod)
        if self._host_ports:
            yield from hostports.find(pod, self._spec, self._host_ports)
        if self._parts:
            yield from self._containers(pod)
        for fields, rule in self._spec_rules:
            yield from self._specs(pod, fields, rule)
        for key in self._profiles:
            yield from self._named(pod, key)

    def _volumes(self, pod: Pod) -> Iterator[Finding]:
        theirs = pod.spec_member("volumes")
        there = {str(volume.get("name")) for volume in (theirs if isinstance(theirs, list) else ()) if isinstance(volume, Mapping)}
        for path, name, word in self._mounts:
            if name not in there:
                yield Finding(path, f"{word} the volume `{name}`, which neither the template nor the pod has", "add it under `volumes`")

    def _containers(self, pod: Pod) -> Iterator[Finding]:
        """Find what a container that we bring or add to is, in itself and to the spec around it, that it was not before."""
        after = _Merged(self._spec, pod.spec_member, _SPEC)
        for part in self._parts:
            yield from part.touching(pod, after) if "image" not in part.ours else part.wrong(part.ours, after)

    def _specs(self, pod: Pod, fields: frozenset[str], rule: around.SpecRule) -> Iterator[Finding]:
        found = _told(rule(_Merged(self._spec, pod.spec_member, _SPEC)))
        before = {one.what for one in _told(rule(_Merged({}, pod.spec_member, _SPEC)))} if found else set()
        for one in found:
            if one.what not in before:
                field = one.path[0] if one.path[0] in self._spec else min(fields & self._spec.keys())
                yield Finding(("spec", field), f"{one.what}, in the pod as it would be", one.fix)

    def _named(self, pod: Pod, key: str) -> Iterator[Finding]:
        """Source: the API server refuses an annotation that names the AppArmor profile of a container that is not there."""
        ours = (container["name"] for kind in CONTAINER_LISTS for container in self._spec.get(kind) or ())
        name = key.removeprefix(metadata.APPARMOR)
        if name not in {*ours, *(container.name for container in (*pod.containers, *pod.init_containers))}:
            path: Path = ("metadata", "annotations", key)
            yield Finding(path, f"is about the container `{name:.80}`, which is not there", "name a container, or remove it")


def together(theirs: Any, ours: Any, node: schema.Node | None, name: str, field: str = "") -> Any:
    """Merge a member as placement does: the pod's wins, defaults count as not set, items are appended unless there."""
    if theirs is None:
        return ours
    kind = defaults.merge(name, node)
    if kind is Merge.FIELDS and isinstance(theirs, Mapping) and node is not None:
        return {**theirs, **{key: together(theirs.get(key), value, node.field(key), key) for key, value in ours.items()}}
    if kind in (Merge.KEYED, Merge.WHOLE) and isinstance(theirs, list):
        keys = address.keys_of(node, name)
        known = set(address.item_keys(theirs, keys))
        return [*theirs, *(item for key, item in zip(address.item_keys(ours, keys), ours, strict=True) if key not in known)]
    return ours if defaults.is_not_set(field or name, theirs) else theirs


class _Merged(Mapping[str, Any]):
    """A spec or container as it will be, of which a member is merged only when a rule reads it; absent and null are the same."""

    def __init__(self, ours: Mapping[str, Any], theirs: Callable[[str], Any], node: schema.Node, prefix: str = "") -> None:
        self._ours, self._theirs, self._node, self._prefix = ours, theirs, node, prefix

    def __getitem__(self, name: str) -> Any:
        ours, theirs = self._ours.get(name), self._theirs(name)
        return theirs if ours is None else together(theirs, ours, self._node.field(name), name, self._prefix + name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._node.fields if self[name] is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class _Part:
    """A container of the overlay, and the rules that it has to be held to again: with the pod's own fields, and with the spec around it."""

    path: Path
    ours: Mapping[str, Any]
    together: tuple[relations.ContainerRule, ...]
    around: tuple[around.AroundRule, ...]

    @property
    def kind(self) -> str:
        return str(self.path[1])

    def wrong(self, container: Mapping[str, Any], spec: Mapping[str, Any]) -> list[Finding]:
        found = [one for rule in self.together for one in _told(rule(container, self.kind))]
        found += [one for rule in self.around for one in _told(rule(container, spec))]
        return list(finding.at(self.path, found))

    def touching(self, pod: Pod, after: Mapping[str, Any]) -> Iterator[Finding]:
        """Find what is wrong with the pod's own container once ours is in it."""
        theirs = pod.container(self.kind, self.ours["name"])
        found = self.wrong(_Merged(self.ours, theirs.member, _CONTAINER, "containers."), after) if theirs else []
        alone = self.wrong(_Merged({}, theirs.member, _CONTAINER), _Merged({}, pod.spec_member, _SPEC)) if theirs and found else []
        before = {one.what for one in alone}
        for one in found:
            if one.what not in before:
                path = one.path[: 4 if one.path[3] in self.ours else 3]
                yield Finding(path, f"{one.what}, in the pod as it would be", one.fix)


def _part(part: tuple[Path, Mapping[str, Any]]) -> _Part:
    path, ours = part
    return _Part(path, ours, () if "image" in ours else relations.reading(ours.keys() - {"name"}), around.asking(ours))


def _told(findings: Iterator[Finding]) -> list[Finding]:
    """What rules find; nothing in a pod whose members are not even of the right types, which is the API server's to tell."""
    try:
        return list(findings)
    except (AttributeError, KeyError, TypeError):
        return []


def _mounts(spec: Mapping[str, Any]) -> Iterator[tuple[Path, str, str]]:
    """Find what containers mount or use that is no volume of the overlay itself."""
    ours = {volume["name"] for volume in spec.get("volumes") or ()}
    for path, container in finding.containers(spec):
        for field, word in (("volumeMounts", "mounts"), ("volumeDevices", "uses")):
            for index, item in enumerate(container.get(field) or ()):
                if item["name"] not in ours:
                    yield (*path, field, index), item["name"], word
