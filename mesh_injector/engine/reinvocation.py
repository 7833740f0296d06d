"""A pod that carries our record: decide it anew as if nothing had been added, and bring what is there to what should be there.

Other webhooks may work on what we added, so an item stays when everything we would bring is in it.
"""

import copy
from collections.abc import Mapping
from typing import Any, Final, cast

import jsonpatch

from mesh_injector.engine import address, defaults, record
from mesh_injector.engine.address import Address, Item, Place
from mesh_injector.engine.record import Record
from mesh_injector.engine.rules import Operation

OTHERS_MAY_SET: Final = ("resources", "imagePullPolicy")
"""Fields of a container that other webhooks own more often than not (autoscalers, image policies)."""


def reconcile(pod: Mapping[str, Any], old: Record, base: Mapping[str, Any], operations: list[Operation]) -> list[Operation]:
    """Write the operations that bring a pod to what placing anew on its base would give; none when it is there already.

    `base` is the pod without what the old record lists, `operations` what placing on it and sealing gave.
    """
    target = cast("dict[str, Any]", jsonpatch.apply_patch(base, operations))
    new = record.read(target["metadata"]["annotations"][record.ANNOTATION])
    if new is None:
        raise AssertionError("the record that was just written cannot be read")
    edit = _Edit(pod)
    for name in old.added:
        if name not in new.added:
            edit.remove(name)
    for name, value in old.replaced.items():
        if name not in new.replaced:
            edit.restore(name, value)
    for name in (*new.added, *new.replaced):
        edit.bring(name, target)
    for name in sorted(set(old.created) - set(new.created), key=len, reverse=True):
        edit.remove_if_empty(name)
    return edit.seal(record.write(new)) if edit.operations or record.write(new) != record.write(old) else []


class _Edit:
    """A copy of the pod, edited step by step; every step is written down as an operation that is right at its turn."""

    def __init__(self, pod: Mapping[str, Any]) -> None:
        self.pod = copy.deepcopy(dict(pod))
        self.operations: list[Operation] = []

    def _apply(self, operation: Operation) -> None:
        self.operations.append(operation)
        jsonpatch.apply_patch(self.pod, [operation], in_place=True)

    def remove(self, name: str) -> None:
        place = self._find(name)
        if place is not None:
            self._apply({"op": "remove", "path": place.pointer})

    def remove_if_empty(self, name: str) -> None:
        place = self._find(name)
        if place is not None and place.value in ({}, []):
            self._apply({"op": "remove", "path": place.pointer})

    def restore(self, name: str, value: Any) -> None:
        place = self._find(name)
        if place is not None and place.value != value:
            self._apply({"op": "replace", "path": place.pointer, "value": value})

    def bring(self, name: str, target: Mapping[str, Any]) -> None:
        """Bring one leaf: leave it where all of ours is in it, replace it in its place, or add it where it is gone."""
        where = address.read(name) or ()
        wanted, found = address.find(target, where), address.find(self.pod, where)
        if wanted is None:
            return
        if found is None:
            self._add(where, wanted, target)
        elif not _is_in(found, wanted, where):
            self._apply({"op": "replace", "path": found.pointer, "value": wanted.value})

    def _add(self, where: Address, wanted: Place, target: Mapping[str, Any]) -> None:
        """Add a leaf; the highest member that is gone with it comes back whole, but only with what we bring."""
        for length in range(1, len(where)):
            if address.find(self.pod, where[:length]) is None:
                parent = address.find(target, where[:length])
                if parent is not None and not isinstance(where[length - 1], Item):
                    self._create(where[:length])
        holder = address.find(self.pod, where[:-1])
        if holder is not None and isinstance(holder.value, list):
            last = where[:-1] == ("initContainers",) and isinstance(wanted.key, int) and wanted.key < len(holder.value)
            self._apply({"op": "add", "path": f"{holder.pointer}/{wanted.key if last else '-'}", "value": wanted.value})
        else:
            self._apply(
                {"op": "add", "path": wanted.pointer if holder is None else f"{holder.pointer}/{_key(where)}", "value": wanted.value}
            )

    def _create(self, where: Address) -> None:
        node = record.node_of(where)
        holder = address.find(self.pod, where[:-1]) if len(where) > 1 else None
        half, _ = address.root(where)
        pointer = holder.pointer if holder else f"/{half}"
        self._apply({"op": "add", "path": f"{pointer}/{_key(where)}", "value": [] if node and node.kind == "list" else {}})

    def seal(self, text: str) -> list[Operation]:
        """Write the new record beside the edits."""
        self._apply({"op": "add", "path": f"/metadata/annotations/{address.escape(record.ANNOTATION)}", "value": text})
        return self.operations

    def _find(self, name: str) -> Place | None:
        return address.find(self.pod, address.read(name) or ("",))


def _key(where: Address) -> str:
    last = where[-1]
    return address.escape(last.key if isinstance(last, Item) else last)


def _is_in(found: Place, wanted: Place, where: Address) -> bool:
    """Whether all of ours is in what was found; of a whole container others may set some fields, and complete its image's name."""
    ours = wanted.value
    if len(where) == 2 and where[0] in ("containers", "initContainers") and isinstance(found.value, Mapping):
        ours = {key: value for key, value in ours.items() if key not in OTHERS_MAY_SET}
        if _same_image(str(found.value.get("image", "")), str(ours.get("image", ""))):
            ours = {**ours, "image": found.value["image"]}
    return defaults.contains(found.value, ours, wanted.node, where[-1] if isinstance(where[-1], str) else "")


def _same_image(found: str, ours: str) -> bool:
    """Whether an image is ours with a registry before it or a digest behind it."""
    found = found if "@" in ours else found.partition("@")[0]
    return found == ours or found.endswith(f"/{ours}")
