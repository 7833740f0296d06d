"""A pod that carries our record: decide it anew as if nothing had been added, and bring what is there to what should be there.

Other webhooks may work on what we added, so an item stays when everything we would bring is in it.
"""

import copy
import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import jsonpatch
import msgspec

from mesh_injector.engine import address, claims, defaults, record
from mesh_injector.engine.address import Address, Finder, Item, Place
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.record import Record, Stripped
from mesh_injector.engine.rules import Operation

SETTLED: Final = ("command", "args", "lifecycle")
"""Fields of a container that say what it runs: whoever adds them has made another container of it."""
_REGISTRY: Final = re.compile(r"(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::[0-9]+)?(?:/library)?|[a-z0-9-]+:[0-9]+")
OTHERS_MAY_SET: Final = ("resources", "imagePullPolicy")
"""Fields of a container that other webhooks own more often than not (autoscalers, image policies)."""


def reconcile(pod: Pod, stripped: Stripped, operations: list[Operation]) -> list[Operation]:
    """Write the operations that bring a pod to what placing anew on its base would give; none when it is there already.

    `stripped` is the pod without what its record lists, and used up; `operations` are what placing on that and sealing gave.
    """
    old = stripped.record
    before = _found(Finder(stripped.body), old.replaced)
    target = Finder(jsonpatch.apply_patch(stripped.body, operations, in_place=True))
    new = msgspec.json.decode(target.body["metadata"]["annotations"][record.ANNOTATION], type=Record)
    edit, ours = _Edit(pod), set(new.added)
    edit.remove([*(name for name in old.added if name not in ours), *(taken.at for taken in new.taken if taken.at not in ours)])
    for name, wanted in before.items():
        if name not in new.replaced:
            edit.bring(name, wanted)
    ours_now = _found(target, (*new.added, *new.replaced))
    for name, wanted in ours_now.items():
        if not claims.is_default(claims.where(name), wanted.value) or edit.has(name):
            edit.bring(name, wanted)
    edit.remove([name for name in new.replaced if name not in old.replaced and name not in ours_now])
    for name in record.innermost_first(name for name in old.created if name not in new.created):
        edit.remove_if_empty(name)
    kept = tuple(name for name in old.created if name not in new.created and edit.has(name))
    new = msgspec.structs.replace(new, created=new.created + kept)
    return edit.seal(record.write(new)) if edit.operations or not _is_same(old, new) else []


def _found(finder: Finder, names: Iterable[str]) -> dict[str, Place]:
    """Find what is there of some addresses; each value stays what it is when the pod is changed."""
    places = ((name, finder.find(claims.where(name))) for name in names)
    return {name: dataclasses.replace(place, holder={place.key: place.value}) for name, place in places if place is not None}


def _is_same(old: Record, new: Record) -> bool:
    """Whether two records say the same, in whatever order; of a newer release's, what this one knows of it."""
    alike = (old.mesh, old.template, old.replaced, old.taken) == (new.mesh, new.template, new.replaced, new.taken)
    return alike and set(old.added) == set(new.added) and set(old.created) == set(new.created)


class _Edit:
    """The pod, edited step by step; every step is written down as an operation that is right at its turn."""

    def __init__(self, pod: Pod) -> None:
        self.operations: list[Operation] = []
        self._finder = Finder(pod.whole())

    def has(self, name: str) -> bool:
        """Whether there is something at an address; `metadata` holds the record itself."""
        return name == "metadata" or self._find(name) is not None

    def remove(self, names: Iterable[str]) -> None:
        """Take out what some addresses name, found before anything moves."""
        places = address.last_first(filter(None, map(self._find, names)))
        self.operations += map(record.remove, places)
        self._finder = Finder(self._finder.body) if places else self._finder

    def remove_if_empty(self, name: str) -> None:
        place = self._find(name)
        if place is not None and place.value in ({}, []):
            self.operations.append(record.remove(place))

    def bring(self, name: str, wanted: Place) -> None:
        """Bring one leaf: leave it where all of ours is in it, replace it in its place, or add it where it is gone."""
        where = claims.where(name)
        found = self._finder.find(where)
        if found is None:
            self._add(where, wanted)
        elif not _is_in(found, wanted, where):
            self.operations.append({"op": "replace", "path": found.pointer, "value": wanted.value})
            found.holder[found.key] = copy.deepcopy(wanted.value)  # an item has the key of the one that it replaces

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
        items, mine = holder.value, copy.deepcopy(value)  # what is put into it later is an operation of its own
        key = last.key if isinstance(last, Item) else last
        if isinstance(items, list):
            is_first = where[0] == "initContainers" and len(where) == 2 and isinstance(index, int) and index < len(items)
            key = str(index) if is_first else "-"
            self._finder.put(items, int(index) if is_first else len(items), mine)
        else:
            items[key] = mine
        self.operations.append({"op": "add", "path": f"{holder.pointer}/{address.escape(key)}", "value": value})

    def seal(self, text: str) -> list[Operation]:
        """Write the new record beside the edits."""
        path = f"/metadata/annotations/{address.escape(record.ANNOTATION)}"
        return [*self.operations, {"op": "add", "path": path, "value": text}]

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
