"""Place an overlay on a pod by one table (contract, section 2): the pod wins, and every change is written as an RFC 6902 operation.

`place` walks the overlay, not the pod: what the template does not bring is neither decoded nor written.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import jsonpatch

from mesh_injector.engine import address, checks, defaults, taking
from mesh_injector.engine.checks import Finding
from mesh_injector.engine.defaults import Merge
from mesh_injector.engine.overlay import Overlay
from mesh_injector.engine.placed import Placement
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.policy import Policy
from mesh_injector.engine.site import Site
from mesh_injector.engine.taking import Taken
from mesh_injector.engine.union import Union
from mesh_injector.reasons import Reason

_WORDS: Final = {"volumes": "volume", "containers": "container", "initContainers": "container", "volumeMounts": "mount at"}
_RESOURCES: Final = tuple(f"{kind}.resources" for kind in checks.CONTAINER_LISTS)
_WHY: Final = {
    "volumes": "our mount would read the user's volume",
    **dict.fromkeys(checks.CONTAINER_LISTS, "it would run without its sidecar"),
}


def place(pod: Pod, overlay: Overlay) -> Placement:
    """Place an overlay; raise `InjectionError` (NameCollision, RenderedInvalidPod) when the pod would not get what it must have."""
    if not overlay.policies.takes_away:
        return _Placer(pod, overlay).run()
    gone = list(taking.away(pod, overlay.policies.takes_away))
    warnings = [f"took away the pod's {taken.at}" for _, taken in gone]
    done = Placement([operation for operation, _ in gone], warnings=warnings, taken=[taken for _, taken in gone])
    return done.then(_Placer(changed(pod, done), overlay).run())


def changed(pod: Pod, done: Placement) -> Pod:
    """Return the pod as a placement left it."""
    return Pod.from_document(jsonpatch.apply_patch(pod.whole(), done.operations)) if done.operations else pod


class _Placer:
    """One placing: operations are in order, so every pointer is right for the pod as the earlier operations left it."""

    def __init__(self, pod: Pod, overlay: Overlay) -> None:
        self.pod, self.overlay, self.done = pod, overlay, Placement()
        self.spec, self.union = overlay.spec, overlay.union
        self.at_metadata, self.at_spec = overlay.sites

    def run(self) -> Placement:
        if self.overlay.metadata and not self.pod.has_metadata:
            self.done.operations.append({"op": "add", "path": "/metadata", "value": {}})
            self.done.created.append("metadata")
        for name, brought in self.overlay.metadata.items():
            self.member(self.at_metadata.member(name), self.pod.metadata_member(name), brought)
        for name, brought in self.overlay.spec.items():
            if name in checks.CONTAINER_LISTS:
                self.containers(self.at_spec.member(name), brought)
            elif self.is_told_otherwise(name):
                self.keep(self.at_spec.member(name))
            else:
                self.member(self.at_spec.member(name), self.pod.spec_member(name), brought)
                self.companions(name)
        for finding in self.union.find(self.pod):
            raise self.overlay.error(finding)
        return self.done

    def member(self, at: Site, current: Any, brought: Any) -> None:
        """Merge one member: absent and null alike are added whole."""
        if current is None:
            self.add(at, brought)
            self.describe(at, brought)
            return
        kind = defaults.merge(at.name, at.node)
        if kind is Merge.FIELDS and isinstance(current, Mapping):
            implied = defaults.implied_requests(current) if at.field in _RESOURCES else {}
            for name, child in brought.items():
                left = self.not_implied(at.member(name), implied, child) if implied and name == "requests" else child
                if left or not child:
                    self.member(at.member(name), current.get(name), left)
        elif kind in (Merge.KEYED, Merge.WHOLE) and isinstance(current, list):
            self.items(at, current, brought)
        else:
            self.unit(at, current, brought)

    def not_implied(self, at: Site, implied: Mapping[str, Any], brought: Mapping[str, Any]) -> Mapping[str, Any]:
        """Keep the requests that the API server fills in from the pod's limits, before it asks a webhook; return the others."""
        for name in brought.keys() & implied.keys():
            self.unit(at.member(name), implied[name], brought[name])
        return {name: value for name, value in brought.items() if name not in implied}

    def unit(self, at: Site, current: Any, brought: Any) -> None:
        """Keep the pod's value, unless it is Kubernetes' default, which counts as not set; a label or other entry of a map has none."""
        if defaults.contains(current, brought, at.node):
            return
        if at.is_entry or not defaults.is_not_set(at.field, current):
            self.keep(at)
            return
        self.done.operations.append({"op": "replace", "path": at.pointer, "value": brought})
        self.done.replaced[str(at)] = current

    def items(self, at: Site, current: list[Any], brought: list[Any]) -> None:
        """Append the items that the pod lacks; an item of a key that it has meets the pod's by its policy."""
        policy, also_by = self.overlay.policies.of(at.name), self.overlay.policies.also_by.get(at.name)
        merge_keys = () if policy is Policy.APPEND else address.keys_of(at.node, at.name)
        known: dict[str, int] = {}
        for index, key in enumerate(address.item_keys(current, merge_keys)):
            known.setdefault(key, index)
        there = [item.get(also_by) for item in current if isinstance(item, Mapping)] if also_by else []
        for place, (key, item) in enumerate(zip(address.item_keys(brought, merge_keys), brought, strict=True)):
            here = at.item(known.get(key, "-"), key, place)
            if key in known:
                self.meet(here, current[known[key]], item, policy if merge_keys else None)
            elif also_by and item.get(also_by) in there:
                self.done.warnings.append(f"left out {here}, since the pod has one of the same {also_by}")
            else:
                self.add(here, item)
                self.done.added.append(str(here))

    def meet(self, at: Site, current: Any, brought: Any, policy: Policy | None) -> None:
        """Decide about an item that the pod has by the same key; without a policy they are the same."""
        if policy is None or defaults.contains(defaults.with_source(current) if at.name == "volumes" else current, brought, at.node):
            return
        if policy is Policy.REFUSE:
            raise self.collision(at, f"the pod has another {_WORDS.get(at.name, at.name)} `{at.key}`")
        if policy is Policy.KEEP:
            self.keep(at)
            return
        self.done.operations.append({"op": "replace", "path": at.pointer, "value": brought})
        self.done.added.append(str(at))
        self.done.warnings.append(f"replaced the pod's {at}")
        self.done.taken.append(Taken(str(at), int(at.pointer.rpartition("/")[2]), current))

    def containers(self, at: Site, brought: list[Any]) -> None:
        """Merge containers without an image into the pod's own, then add those with one; the pod's come first unless told otherwise."""
        added = []
        for place, container in enumerate(brought):
            if "image" not in container:
                self.touch(at, place, container)
            elif not self.is_there(at.item("-", container["name"], place), container):
                added.append((place, container))
        if added:
            self.add_containers(at, added)

    def touch(self, at: Site, place: int, container: Mapping[str, Any]) -> None:
        """Merge env, mounts, ports and other fields into the pod's container of that name."""
        name = container["name"]
        theirs = self.pod.init_containers if at.name == "initContainers" else self.pod.containers
        index = next((index for index, one in enumerate(theirs) if one.name == name), None)
        if index is None:
            fix = "give it an `image` to add it, or name one of the pod's containers, as `container_names` lists them"
            raise self.overlay.error(Finding((*at.path, place), f"the pod has no container `{name:.80}`, and this one has no image", fix))
        here = at.item(index, name, place)
        for field_name, brought in container.items():
            if field_name != "name":
                self.member(here.member(field_name), theirs[index].member(field_name), brought)

    def is_there(self, at: Site, container: Mapping[str, Any]) -> bool:
        """Whether the pod has a container of that name and the overlay's policy lets it be; else it is refused."""
        name = container["name"]
        if all(name != theirs.name for theirs in (*self.pod.containers, *self.pod.init_containers)):
            return False
        policy = self.overlay.policies.collisions.get(at.name)
        theirs = next((theirs for theirs in self.pod.spec_member(at.name) or () if theirs["name"] == name), None)
        is_equal = theirs is not None and defaults.contains(theirs, container, at.node)
        if policy is None or (policy is Policy.REFUSE and not is_equal):
            raise self.collision(at, f"the pod has a container `{name}` already")
        if not is_equal:
            self.keep(at)
        placed = [{"name": name} if one is container else one for one in self.spec[at.name]]
        self.spec = {**self.spec, at.name: placed}
        self.union = Union(self.spec, self.overlay.metadata)  # what is not placed is not judged
        return True

    def add_containers(self, at: Site, added: Sequence[tuple[int, Any]]) -> None:
        is_new = not self.pod.has(at.name)
        first = self.overlay.init_first and at.name == "initContainers"
        for count, (place, container) in enumerate(added):
            here = at.item(count if first else "-", container["name"], place)
            if not is_new:
                self.add(here, container)
            self.done.added.append(str(here))
        if is_new:
            self.add(at, [container for _, container in added])
            self.done.created.append(str(at))

    def collision(self, at: Site, what: str) -> Exception:
        why = f": {_WHY[at.name]}" if at.name in _WHY else ""
        return self.overlay.error(Finding(at.path, what + why, "rename one of the two", Reason.NAME_COLLISION))

    def is_told_otherwise(self, name: str) -> bool:
        """Whether the pod leaves a field open and says the same by another: `serviceAccount`, a `priority` of its own."""
        companions = (self.pod.spec_member(companion) for companion in defaults.COMPANIONS.get(name, ()))
        return self.is_open(name) and not all(map(defaults.is_not_set, defaults.COMPANIONS.get(name, ()), companions))

    def is_open(self, name: str) -> bool:
        return defaults.is_not_set(name, self.pod.spec_member(name))

    def companions(self, name: str) -> None:
        """Change or let go what Kubernetes computed for the default that ours stands in for."""
        for companion in defaults.COMPANIONS.get(name, ()) if self.is_open(name) else ():
            current = self.pod.spec_member(companion)
            if current is None or companion in self.overlay.spec:
                continue
            if name == "serviceAccountName":
                self.unit(self.at_spec.member(companion), current, self.overlay.spec[name])
            else:
                self.done.operations.append({"op": "remove", "path": f"/spec/{companion}"})
                self.done.replaced[companion] = current

    def add(self, at: Site, value: Any) -> None:
        self.done.operations.append({"op": "add", "path": at.pointer, "value": value})

    def keep(self, at: Site) -> None:
        self.done.warnings.append(f"kept the pod's {at}, which differs from the template's")

    def describe(self, at: Site, value: Any) -> None:
        """List the addresses of a member that was added whole: what was created, and the leaves in it."""
        kind = defaults.merge(at.name, at.node)
        if kind is Merge.UNIT:
            self.done.added.append(str(at))
            return
        self.done.created.append(str(at))
        if kind is Merge.FIELDS:
            for name, child in value.items():
                self.describe(at.member(name), child)
            return
        merge_keys = address.keys_of(at.node, at.name)
        self.done.added += [str(at.item("-", address.item_key(item, merge_keys), place)) for place, item in enumerate(value)]
