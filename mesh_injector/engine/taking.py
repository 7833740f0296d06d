"""What an overlay takes away from the pod's own containers, and putting it back: each thing with its old value and its place.

What the record says was taken is a claim; only what an overlay can have taken is believed (docs/decisions/0004-what-is-taken-away.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from mesh_injector.engine import address, checks, policy, structure
from mesh_injector.engine.address import Address, Finder, Item, Place
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Operation

MERGE_KEYS: Final = {"env": ("name",), "volumeMounts": ("mountPath",)}
"""By what the items of the lists that give way are told apart."""


class Taken(msgspec.Struct, frozen=True):
    """One item of the pod's own that is gone or replaced: its address, the index at which it stood, and what it was."""

    at: str
    index: int
    value: Any


def away(pod: Pod, keys_by_field: Mapping[str, frozenset[str]]) -> Iterator[tuple[Operation, Taken]]:
    """Take items out of every container of a pod; of each list the last one first, so that every index is right at its turn."""
    for kind in checks.CONTAINER_LISTS:
        for position, container in enumerate(pod.spec_member(kind) or ()):
            for field, keys in keys_by_field.items():
                items = container.get(field)
                for index, item in reversed(list(enumerate(items if isinstance(items, list) else ()))):
                    key = address.item_key(item, MERGE_KEYS[field])
                    if key in keys:
                        at = address.write((kind, Item(container["name"]), field, Item(key)))
                        yield {"op": "remove", "path": f"/spec/{kind}/{position}/{field}/{index}"}, Taken(at, index, item)


def is_possible(taken: Taken) -> bool:
    """Whether an overlay can have taken this: an item of a list that gives way, whole and as Kubernetes has it."""
    where = address.read(taken.at) or ()
    if len(where) != 4 or where[0] not in checks.CONTAINER_LISTS or where[2] not in policy.GIVES_WAY or taken.index < 0:
        return False
    field = str(where[2])
    is_whole = structure.is_sound({"spec": {"containers": [{"name": "any", field: [taken.value]}]}})
    return is_whole and Item(address.item_key(taken.value, MERGE_KEYS[field])) == where[3] and isinstance(where[1], Item)


def put_back(finder: Finder, gone: Sequence[Taken]) -> Iterator[Operation]:
    """Put what was taken back in its place, the last taken first, and say by which operations.

    What is there again stays as it is, and what stood in a container that is gone is gone with it.
    """
    absent = [(taken, where) for taken in gone if finder.find(where := _address(taken)) is None]
    for taken, where in reversed(absent):
        container = finder.find(where[:2])
        if container is not None and isinstance(container.value, dict):
            yield from _insert(container, str(where[2]), taken)


def _insert(container: Place, field: str, taken: Taken) -> Iterator[Operation]:
    if container.value.get(field) is None:
        container.value[field] = []
        yield {"op": "add", "path": f"{container.pointer}/{field}", "value": []}
    items = container.value[field]
    if isinstance(items, list):
        index = min(taken.index, len(items))
        items.insert(index, taken.value)
        yield {"op": "add", "path": f"{container.pointer}/{field}/{index}", "value": taken.value}


def _address(taken: Taken) -> Address:
    return cast("Address", address.read(taken.at))
