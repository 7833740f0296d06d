"""What only pod and overlay together make wrong, found when the overlay is placed: the pod alone and the overlay alone were good.

Only what the overlay touches is looked at, and what is wrong in the pod without it is the API server's to tell. What an overlay asks of any
pod is worked out once, so that a pod which has no part in it costs nothing.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mesh_injector.engine import merged
from mesh_injector.engine.checks import amounts, around, finding, metadata, relations
from mesh_injector.engine.checks.finding import CONTAINER_LISTS, Finding, Path
from mesh_injector.engine.hostports import HostPorts
from mesh_injector.engine.pod import Container, Pod


class Union:
    """The questions that one overlay asks of every pod that it is placed on: `spec` and the parts of `metadata` that it brings."""

    def __init__(self, spec: Mapping[str, Any], brought: Mapping[str, Any] | None = None) -> None:
        self._spec, self._metadata = spec, brought or {}
        self._mounts = list(_mounts(spec))
        self._host_ports = HostPorts(spec)
        self._parts = [part for part in map(_part, finding.containers(spec)) if part.together or part.around]
        self._spec_rules = [(fields, rule) for fields, rule in around.SPEC_RULES if not fields.isdisjoint(spec)]
        self._harmful = [(fields, rule) for _, fields, rule in around.CONTAINER_RULES if not fields.isdisjoint(spec)]
        self._profiles = [key for key in self._metadata.get("annotations") or {} if key.startswith(metadata.APPARMOR)]

    @property
    def mounted(self) -> frozenset[str]:
        """The names of volumes that containers mount or use, and the overlay does not bring."""
        return frozenset(name for _, name, _ in self._mounts)

    @property
    def reads(self) -> frozenset[str] | None:
        """The members of a pod's spec that the questions read, beside containers and volumes by name; None where one looks further."""
        rules = [rule for part in self._parts for rule in part.around]
        if self._host_ports.always or self._harmful or self._profiles or "ownerReferences" in self._metadata:
            return None
        if "resources" in self._spec or not around.READS.keys() >= set(rules):
            return None
        spec = (fields for fields, rule in self._spec_rules if rule is not amounts.find)  # which has a say only where there are resources
        return frozenset().union(*spec, *(around.READS[rule] for rule in rules))

    def find(self, pod: Pod) -> Iterator[Finding]:
        """Find what the two make wrong: a mount without its volume, a port name twice, a request above its limit."""
        if self._mounts:
            yield from self._volumes(pod)
        yield from self._host_ports.find(pod)
        if self._parts:
            yield from self._containers(pod)
        for fields, rule in self._spec_rules:
            if rule is not amounts.find or "resources" in self._spec or pod.has("resources"):  # hardly a pod has any as a whole
                yield from self._specs(pod, fields, rule)
        if self._harmful:
            yield from self._others(pod)
        for key in self._profiles:
            yield from self._named(pod, key)
        if "ownerReferences" in self._metadata:
            yield from self._owners(pod)

    def _volumes(self, pod: Pod) -> Iterator[Finding]:
        theirs = pod.spec_member("volumes")
        there = {str(volume.get("name")) for volume in (theirs if isinstance(theirs, list) else ()) if isinstance(volume, Mapping)}
        for path, name, word in self._mounts:
            if name not in there:
                yield Finding(path, f"{word} the volume `{name}`, which neither the template nor the pod has", "add it under `volumes`")

    def _containers(self, pod: Pod) -> Iterator[Finding]:
        """Find what a container that we bring or add to is, in itself and to the spec around it, that it was not before."""
        after = merged.spec_of(pod, self._spec)
        for part in self._parts:
            yield from part.touching(pod, after) if "image" not in part.ours else part.wrong(part.ours, after)

    def _specs(self, pod: Pod, fields: frozenset[str], rule: around.SpecRule) -> Iterator[Finding]:
        for one in _new(rule(merged.spec_of(pod, self._spec)), lambda: rule(merged.spec_of(pod, {}))):
            field = one.path[0] if one.path[0] in self._spec else min(fields & self._spec.keys())
            yield Finding(("spec", field), f"{one.what}, in the pod as it would be", one.fix)

    def _others(self, pod: Pod) -> Iterator[Finding]:
        """Find what our fields of the spec make wrong with the pod's own containers, those that we add to too."""
        for kind in CONTAINER_LISTS:
            ours = {container["name"]: container for container in self._spec.get(kind) or ()}
            for theirs in pod.init_containers if kind == "initContainers" else pod.containers:
                yield from self._harm(pod, theirs, ours.get(theirs.name, {}))

    def _harm(self, pod: Pod, theirs: Container, ours: Mapping[str, Any]) -> Iterator[Finding]:
        after, before = merged.spec_of(pod, self._spec), merged.spec_of(pod, {})
        for fields, rule in self._harmful:
            alone = functools.partial(rule, merged.container_of(theirs, {}), before)
            for one in _new(rule(merged.container_of(theirs, ours), after), alone):
                what = f"does not go with `{one.path[0]}` of the pod's container `{theirs.name:.80}`: {one.what}"
                yield Finding(("spec", min(fields & self._spec.keys())), what, "remove it, or exclude such pods")

    def _named(self, pod: Pod, key: str) -> Iterator[Finding]:
        """Source: the API server refuses an annotation that names the AppArmor profile of a container that is not there."""
        ours = (container["name"] for kind in CONTAINER_LISTS for container in self._spec.get(kind) or ())
        name = key.removeprefix(metadata.APPARMOR)
        if name not in {*ours, *(container.name for container in (*pod.containers, *pod.init_containers))}:
            path: Path = ("metadata", "annotations", key)
            yield Finding(path, f"is about the container `{name:.80}`, which is not there", "name a container, or remove it")

    def _owners(self, pod: Pod) -> Iterator[Finding]:
        """Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/; one controller at most."""
        theirs, ours = merged.owners_of(pod, []), self._metadata["ownerReferences"]
        yield from _new(metadata.controllers(merged.owners_of(pod, ours)), lambda: metadata.controllers(theirs))


def _new(after: Iterable[Finding], before: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Leave out what was found before already."""
    found = list(after)
    known = {one.what for one in before()} if found else set()
    return (one for one in found if one.what not in known)


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

    def wrong(self, container: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[Finding]:
        for rule in self.together:
            yield from finding.at(self.path, rule(container, self.kind))
        for around_rule in self.around:
            yield from finding.at(self.path, around_rule(container, spec))

    def touching(self, pod: Pod, after: Mapping[str, Any]) -> Iterator[Finding]:
        """Find what is wrong with the pod's own container once ours is in it."""
        theirs = pod.container(self.kind, self.ours["name"])
        if theirs is None:
            return
        found = self.wrong(merged.container_of(theirs, self.ours), after)
        for one in _new(found, lambda: self.wrong(merged.container_of(theirs, {}), merged.spec_of(pod, {}))):
            path = one.path[: 4 if one.path[3] in self.ours else 3]
            yield Finding(path, f"{one.what}, in the pod as it would be", one.fix)


def _part(part: tuple[Path, Mapping[str, Any]]) -> _Part:
    path, ours = part
    return _Part(path, ours, () if "image" in ours else relations.reading(ours.keys() - {"name"}), around.asking(ours))


def _mounts(spec: Mapping[str, Any]) -> Iterator[tuple[Path, str, str]]:
    """Find what containers mount or use that is no volume of the overlay itself."""
    ours = {volume["name"] for volume in spec.get("volumes") or ()}
    for path, container in finding.containers(spec):
        for field, word in (("volumeMounts", "mounts"), ("volumeDevices", "uses")):
            for index, item in enumerate(container.get(field) or ()):
                if item["name"] not in ours:
                    yield (*path, field, index), item["name"], word
