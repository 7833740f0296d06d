"""A pod that carries our record: decide it anew as if nothing had been added, and bring what is there to what should be there.

Other webhooks may work on what we added, so an item stays when everything we would bring is in it.
"""

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import jsonpatch
import msgspec

from mesh_injector.engine import address, claims, defaults, record
from mesh_injector.engine.address import Address, Item, Place
from mesh_injector.engine.record import Record
from mesh_injector.engine.rules import Operation

SETTLED: Final = ("command", "args", "lifecycle")
"""Fields of a container that say what it runs: whoever adds them has made another container of it."""
_REGISTRY: Final = re.compile(r"(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::[0-9]+)?(?:/library)?|[a-z0-9-]+:[0-9]+")
OTHERS_MAY_SET: Final = ("resources", "imagePullPolicy")
"""Fields of a container that other webhooks own more often than not (autoscalers, image policies)."""


def reconcile(pod: Mapping[str, Any], old: Record, base: Mapping[str, Any], operations: list[Operation]) -> list[Operation]:
    """Write the operations that bring a pod to what placing anew on its base would give; none when it is there already.

    `base` is the pod without what the old record lists, `operations` what placing on it and sealing gave.
    """
    target = cast("dict[str, Any]", jsonpatch.apply_patch(base, operations))
    new = msgspec.json.decode(target["metadata"]["annotations"][record.ANNOTATION], type=Record)
    edit, ours = _Edit(pod), set(new.added)
    edit.remove([*(name for name in old.added if name not in ours), *(taken.at for taken in new.taken if taken.at not in ours)])
    for name in old.replaced:
        if name not in new.replaced:
            edit.bring(name, base)
    for name in (*new.added, *new.replaced):
        if edit.has(name) or not _is_default(name, target):
            edit.bring(name, target)
    for name in new.replaced:
        if name not in old.replaced and address.find(target, claims.where(name)) is None:
            edit.remove([name])
    for name in record.innermost_first(name for name in old.created if name not in new.created):
        edit.remove_if_empty(name)
    kept = tuple(name for name in old.created if name not in new.created and edit.has(name))
    new = msgspec.structs.replace(new, created=new.created + kept)
    return edit.seal(record.write(new)) if edit.operations or not _is_same(old, new) else []


def _is_default(name: str, target: Mapping[str, Any]) -> bool:
    """Whether a leaf is Kubernetes' default: an API server writes some of them, like `hostNetwork: false`, by leaving them out."""
    where = claims.where(name)
    wanted = address.find(target, where)
    return wanted is not None and claims.is_default(where, wanted.value)


def _is_same(old: Record, new: Record) -> bool:
    """Whether two records say the same, in whatever order; of a newer release's, what this one knows of it."""
    alike = (old.mesh, old.template, old.replaced, old.taken) == (new.mesh, new.template, new.replaced, new.taken)
    return alike and set(old.added) == set(new.added) and set(old.created) == set(new.created)


class _Edit:
    """A copy of the pod, edited step by step; every step is written down as an operation that is right at its turn."""

    def __init__(self, pod: Mapping[str, Any]) -> None:
        self.pod = copy.deepcopy(dict(pod))
        self.operations: list[Operation] = []
        self._finder = address.Finder(self.pod)

    def _apply(self, operation: Operation) -> None:
        self.operations.append(operation)
        jsonpatch.apply_patch(self.pod, [operation], in_place=True)
        if operation["op"] != "replace":  # what replaces an item has its key
            self._finder = address.Finder(self.pod)

    def has(self, name: str) -> bool:
        """Whether there is something at an address; `metadata` holds the record itself."""
        return name == "metadata" or self._find(name) is not None

    def remove(self, names: Iterable[str]) -> None:
        """Take out what some addresses name, found before anything moves."""
        for place in address.last_first(filter(None, [self._find(name) for name in names])):
            self._apply({"op": "remove", "path": place.pointer})

    def remove_if_empty(self, name: str) -> None:
        place = self._find(name)
        if place is not None and place.value in ({}, []):
            self._apply({"op": "remove", "path": place.pointer})

    def bring(self, name: str, target: Mapping[str, Any]) -> None:
        """Bring one leaf: leave it where all of ours is in it, replace it in its place, or add it where it is gone."""
        where = claims.where(name)
        wanted, found = address.find(target, where), self._finder.find(where)
        if wanted is None:
            return
        if found is None:
            self._add(where, wanted)
        elif not _is_in(found, wanted, where):
            self._apply({"op": "replace", "path": found.pointer, "value": wanted.value})

    def _add(self, where: Address, wanted: Place) -> None:
        """Add a leaf; lists and maps that are gone with it come back first, but only with what we bring."""
        for length in range(1, len(where)):
            if self._finder.find(where[:length]) is None:
                node = claims.node_of(where[:length])
                self._put(where[:length], [] if node and node.kind == "list" else {})
        self._put(where, wanted.value, wanted.key)

    def _put(self, where: Address, value: Any, index: str | int = "") -> None:
        """Add a value where its address says; an item of a list at the end, or at the index that an init container has before others."""
        holder, last = cast("Place", self._finder.parent(where)), where[-1]
        key = address.escape(last.key if isinstance(last, Item) else last)
        if isinstance(holder.value, list):
            is_first = where[0] == "initContainers" and len(where) == 2 and isinstance(index, int) and index < len(holder.value)
            key = str(index) if is_first else "-"
        self._apply({"op": "add", "path": f"{holder.pointer}/{key}", "value": value})

    def seal(self, text: str) -> list[Operation]:
        """Write the new record beside the edits."""
        self._apply({"op": "add", "path": f"/metadata/annotations/{address.escape(record.ANNOTATION)}", "value": text})
        return self.operations

    def _find(self, name: str) -> Place | None:
        return self._finder.find(claims.where(name))


def _is_in(found: Place, wanted: Place, where: Address) -> bool:
    """Whether all of ours is in what was found; of a whole container others may set some fields, and complete its image's name."""
    ours = wanted.value
    if len(where) == 2 and where[0] in ("containers", "initContainers") and isinstance(found.value, Mapping):
        if any(found.value.get(field) and not ours.get(field) for field in SETTLED):
            return False
        ours = {key: value for key, value in ours.items() if key not in OTHERS_MAY_SET}
        if _same_image(str(found.value.get("image", "")), str(ours.get("image", ""))):
            ours = {**ours, "image": found.value["image"]}
    return defaults.contains(found.value, ours, wanted.node, where[-1] if isinstance(where[-1], str) else "")


def _same_image(found: str, ours: str) -> bool:
    """Whether an image is ours with a registry before it or a digest behind it."""
    found = found if "@" in ours else found.partition("@")[0]
    return found == ours or (found.endswith(f"/{ours}") and bool(_REGISTRY.fullmatch(found.removesuffix(f"/{ours}"))))
