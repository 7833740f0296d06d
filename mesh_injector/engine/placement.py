"""Place an overlay on a pod by one table (contract, section 2): the pod wins, and every change is written as an RFC 6902 operation.

`place` walks the overlay, not the pod: what the template does not bring is neither decoded nor written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh_injector.engine import address, checks, defaults, schema, union
from mesh_injector.engine.address import Address, Item
from mesh_injector.engine.checks import Finding
from mesh_injector.engine.defaults import Merge
from mesh_injector.engine.overlay import Overlay
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Operation
from mesh_injector.reasons import Reason

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Placement:
    """What placing did: the operations in order, and what the record needs to take exactly that out again.

    `added` are the addresses of leaves, `created` those of lists and maps that were not there, `replaced` the old values of defaults.
    """

    operations: list[Operation] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    replaced: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def then(self, later: "Placement") -> "Placement":
        """Join two placements, the second made on the pod as the first left it; the oldest value of a default is the pod's own."""
        return Placement(
            self.operations + later.operations,
            self.added + later.added,
            self.created + later.created,
            {**later.replaced, **self.replaced},
            self.warnings + later.warnings,
        )


@dataclass(frozen=True, slots=True)
class _At:
    """A place, in the three ways it is named: JSON Pointer in the pod, address in the record, path in the template's partial pod."""

    pointer: str
    address: Address
    path: Path
    node: schema.Node | None
    field: str = ""

    def member(self, name: str) -> "_At":
        step: Any = Item(name) if self.node is not None and self.node.kind == "map" else name
        node = self.node.field(name) if self.node else None
        return _At(f"{self.pointer}/{address.escape(name)}", (*self.address, step), (*self.path, name), node, self._name(name))

    def item(self, index: int | str, key: str, place: int) -> "_At":
        node = self.node.item() if self.node else None
        return _At(f"{self.pointer}/{index}", (*self.address, Item(key)), (*self.path, place), node, self.field)

    def _name(self, name: str) -> str:
        return f"{self.field}.{name}" if self.field in checks.CONTAINER_LISTS else name


def place(pod: Pod, overlay: Overlay) -> Placement:
    """Place an overlay; raise `InjectionError` (NameCollision, RenderedInvalidPod) when the pod would not get what it must have."""
    return _Placer(pod, overlay).run()


class _Placer:
    """One placing: operations are in order, so every pointer is right for the pod as the earlier operations left it."""

    def __init__(self, pod: Pod, overlay: Overlay) -> None:
        self.pod, self.overlay, self.done = pod, overlay, Placement()

    def run(self) -> Placement:
        metadata = _At("/metadata", (), ("metadata",), schema.POD.field("metadata"))
        spec = _At("/spec", (), ("spec",), schema.POD.field("spec"))
        if self.overlay.metadata and not self.pod.has_metadata:
            self.done.operations.append({"op": "add", "path": "/metadata", "value": {}})
            self.done.created.append("metadata")
        for name, brought in self.overlay.metadata.items():
            self.member(metadata.member(name), self.pod.metadata_member(name), brought)
        for name, brought in self.overlay.spec.items():
            if name in checks.CONTAINER_LISTS:
                self.containers(spec.member(name), brought)
            elif self.is_told_otherwise(name):
                self.keep(spec.member(name))
            else:
                self.member(spec.member(name), self.pod.spec_member(name), brought)
                self.companions(spec, name)
        for finding in union.find(self.pod, self.overlay.spec, self.overlay.metadata.get("annotations")):
            raise self.overlay.error(finding)
        return self.done

    def member(self, at: _At, current: Any, brought: Any) -> None:
        """Merge one member: absent and null alike are added whole."""
        if current is None:
            self.add(at, brought)
            self.describe(at, brought)
            return
        kind = defaults.merge(_last(at.path), at.node)
        if kind is Merge.FIELDS and isinstance(current, Mapping):
            for name, child in brought.items():
                self.member(at.member(name), current.get(name), child)
        elif kind in (Merge.KEYED, Merge.WHOLE) and isinstance(current, list):
            self.items(at, current, brought)
        else:
            self.unit(at, current, brought)

    def unit(self, at: _At, current: Any, brought: Any) -> None:
        """Keep the pod's value, unless it is Kubernetes' default, which counts as not set; a label or other entry of a map has none."""
        if defaults.contains(current, brought, at.node, _last(at.path)):
            return
        if isinstance(at.address[-1], Item) or not defaults.is_not_set(at.field, current):
            self.keep(at)
            return
        self.done.operations.append({"op": "replace", "path": at.pointer, "value": brought})
        self.done.replaced[address.write(at.address)] = current

    def items(self, at: _At, current: list[Any], brought: list[Any]) -> None:
        """Append the items that the pod lacks; of a key that it has, the pod's is kept (a volume is refused)."""
        name = _last(at.path)
        merge_keys = address.keys_of(at.node, name)
        known: dict[str, Any] = {}
        for item in current:
            known.setdefault(address.item_key(item, merge_keys), item)
        for place, item in enumerate(brought):
            key = address.item_key(item, merge_keys)
            here = at.item("-", key, place)
            if key not in known:
                self.add(here, item)
                self.done.added.append(address.write(here.address))
            elif merge_keys and not defaults.contains(known[key], item, here.node):
                if name == "volumes":
                    raise self.collision(here, f"the pod has another volume `{key}`", "our mount would read the user's volume")
                self.keep(here)

    def containers(self, at: _At, brought: list[Any]) -> None:
        """Merge containers without an image into the pod's own, then add those with one; the pod's come first unless told otherwise."""
        existing = self.pod.init_containers if _last(at.path) == "initContainers" else self.pod.containers
        names = [container.name for container in existing]
        added = []
        for place, container in enumerate(brought):
            if "image" in container:
                added.append((place, container))
            else:
                self.touch(at, place, container, names)
        self.add_containers(at, added, is_new=self.pod.spec_member(_last(at.path)) is None)

    def touch(self, at: _At, place: int, container: Mapping[str, Any], names: list[str]) -> None:
        """Merge env, mounts, ports and other fields into the pod's container of that name."""
        name = container["name"]
        if name not in names:
            fix = "give it an `image` to add it, or name one of the pod's containers, as `container_names` lists them"
            raise self.overlay.error(Finding((*at.path, place), f"the pod has no container `{name:.80}`, and this one has no image", fix))
        index = names.index(name)
        here, current = at.item(index, name, place), self.pod.spec_member(_last(at.path))[index]
        for field_name, brought in container.items():
            if field_name != "name":
                self.member(here.member(field_name), current.get(field_name), brought)

    def add_containers(self, at: _At, added: list[tuple[int, Any]], *, is_new: bool) -> None:
        taken = {container.name for container in (*self.pod.containers, *self.pod.init_containers)}
        first = self.overlay.init_first and _last(at.path) == "initContainers"
        for count, (place, container) in enumerate(added):
            here = at.item(count if first else "-", container["name"], place)
            if container["name"] in taken:
                raise self.collision(here, f"the pod has a container `{container['name']}` already", "it would run without its sidecar")
            if not is_new:
                self.add(here, container)
            self.done.added.append(address.write(here.address))
        if added and is_new:
            self.add(at, [container for _, container in added])
            self.done.created.append(address.write(at.address))

    def collision(self, at: _At, what: str, why: str) -> Exception:
        return self.overlay.error(Finding(at.path, f"{what}: {why}", "rename one of the two", Reason.NAME_COLLISION))

    def is_told_otherwise(self, name: str) -> bool:
        """Whether the pod leaves a field open and says the same by another: `serviceAccount`, a `priority` of its own."""
        companions = (self.pod.spec_member(companion) for companion in defaults.COMPANIONS.get(name, ()))
        return self.is_open(name) and not all(map(defaults.is_not_set, defaults.COMPANIONS.get(name, ()), companions))

    def is_open(self, name: str) -> bool:
        return defaults.is_not_set(name, self.pod.spec_member(name))

    def companions(self, spec: _At, name: str) -> None:
        """Change or let go what Kubernetes computed for the default that ours stands in for."""
        for companion in defaults.COMPANIONS.get(name, ()) if self.is_open(name) else ():
            current = self.pod.spec_member(companion)
            if current is None or companion in self.overlay.spec:
                continue
            if name == "serviceAccountName":
                self.unit(spec.member(companion), current, self.overlay.spec[name])
            else:
                self.done.operations.append({"op": "remove", "path": f"/spec/{companion}"})
                self.done.replaced[companion] = current

    def add(self, at: _At, value: Any) -> None:
        self.done.operations.append({"op": "add", "path": at.pointer, "value": value})

    def keep(self, at: _At) -> None:
        self.done.warnings.append(f"kept the pod's {address.write(at.address)}, which differs from the template's")

    def describe(self, at: _At, value: Any) -> None:
        """List the addresses of a member that was added whole: what was created, and the leaves in it."""
        kind = defaults.merge(_last(at.path), at.node)
        if kind is Merge.UNIT:
            self.done.added.append(address.write(at.address))
            return
        self.done.created.append(address.write(at.address))
        if kind is Merge.FIELDS:
            for name, child in value.items():
                self.describe(at.member(name), child)
            return
        merge_keys = address.keys_of(at.node, _last(at.path))
        self.done.added += [address.write((*at.address, Item(address.item_key(item, merge_keys)))) for item in value]


def _last(path: Path) -> str:
    """Name the field that a path ends in: of an item of a list, the list's."""
    return next(part for part in reversed(path) if isinstance(part, str))
