"""Addresses of what stands in a pod: `containers[app].env[FOO]`, `labels[x]`; how they are written, read, and found again.

The record lists addresses; placement makes them beside the JSON Pointers (RFC 6901) of its operations.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mesh_injector.engine import schema
from mesh_injector.engine.template.values import compact_json

METADATA: Final = ("labels", "annotations", "ownerReferences", "finalizers")
"""The first steps that stand in `metadata`; all others stand in `spec`."""

_STEP: Final = re.compile(r"(?P<field>[A-Za-z][A-Za-z0-9]*)|\[(?P<item>(?:[^\[\]\\.]|\\.)*)\]", re.DOTALL)
_ESCAPED: Final = re.compile(r"([\[\].\\])")


@dataclass(frozen=True, slots=True)
class Item:
    """A step into a list or map: the item's key, as text."""

    key: str


Step = str | Item
Address = tuple[Step, ...]


def write(address: Address) -> str:
    """Write an address; `]`, `[`, `.` and `\\` of keys are escaped by `\\`."""
    text = ""
    for step in address:
        if isinstance(step, Item):
            text += "[" + _ESCAPED.sub(r"\\\1", step.key) + "]"
        else:
            text += f".{step}" if text else step
    return text


def read(text: str) -> Address | None:
    """Read an address; None when the text is none, or is not written as `write` writes it."""
    steps: list[Step] = []
    position = 0
    while position < len(text):
        if steps and text[position] == ".":
            position += 1
        elif steps and text[position] != "[":
            return None
        match = _STEP.match(text, position)
        if match is None:
            return None
        steps.append(match["field"] or Item(re.sub(r"\\(.)", r"\1", match["item"] or "", flags=re.DOTALL)))
        position = match.end()
    return tuple(steps) if steps and write(tuple(steps)) == text else None


def item_key(item: Any, merge_keys: tuple[str, ...]) -> str:
    """Name an item of a list: the value of its merge keys, `8080/TCP` for a port, `#` and 12 hex digits where it has no key."""
    if not merge_keys or not isinstance(item, Mapping):
        return "#" + hashlib.sha256(compact_json(without_empty(item)).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return "/".join(str(item.get(key) or ("TCP" if key == "protocol" else "")) for key in merge_keys)


def item_keys(items: Iterable[Any], merge_keys: tuple[str, ...]) -> list[str]:
    """Name all items of a list, as `item_key` names one: a container may have thousands of variables, and most lists have one key."""
    if len(merge_keys) != 1:
        return [item_key(item, merge_keys) for item in items]
    name = merge_keys[0]
    return [key if item.__class__ is dict and (key := item.get(name)).__class__ is str else item_key(item, merge_keys) for item in items]


def without_empty(value: Any) -> Any:
    """Leave out members that are null, empty text, lists or mappings; `false` and 0 mean something (`tolerationSeconds: 0`)."""
    if isinstance(value, Mapping):
        kept = {key: without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, "", [], {})}
    return [without_empty(item) for item in value] if isinstance(value, list) else value


def keys_of(node: schema.Node | None, name: str) -> tuple[str, ...]:
    """Return the merge keys of the list in a field; none for lists whose items are told apart only whole."""
    return () if node is None or name in WHOLE_ITEMS else node.merge_keys


WHOLE_ITEMS: Final = frozenset(
    {
        "hostAliases",
        "tolerations",
        "envFrom",
        "finalizers",
        "preferredDuringSchedulingIgnoredDuringExecution",
        "requiredDuringSchedulingIgnoredDuringExecution",
    }
)
"""Lists whose items are equal only whole and are appended: contract, section 2."""


def half(address: Address) -> str:
    """Say in which half of the pod an address stands: `metadata` or `spec`."""
    return "metadata" if address[0] in METADATA else "spec"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address leads in a pod: the mapping or list that holds it, the key or index, its JSON Pointer and its schema node."""

    holder: Any
    key: str | int
    pointer: str
    node: schema.Node | None

    @property
    def value(self) -> Any:
        """What stands there."""
        return self.holder[self.key]


class Finder:
    """Finds what addresses name in one pod. The keys of a list are worked out once, so that a long record costs no more than a long list.

    It is right as long as the lists it has seen keep their items; make a new one after a change.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.body = body
        self._positions: dict[tuple[int, tuple[str, ...]], tuple[list[Any], dict[str, int]]] = {}

    def find(self, address: Address) -> Place | None:
        """Find what an address names: the first item of a doubled name; None when it is not there."""
        return self._walk(address, len(address))

    def parent(self, address: Address) -> Place | None:
        """Find what holds the last step of an address: for an address of one step the half of the pod."""
        return self._walk(address, len(address) - 1)

    def _walk(self, address: Address, length: int) -> Place | None:
        top = half(address)
        is_there = isinstance(self.body.get(top), Mapping)
        place = Place(self.body, top, f"/{top}", schema.POD.field(top)) if is_there else None
        name = ""
        for step in address[:length]:
            if place is None:
                return None
            place = self._item(place, step.key, name) if isinstance(step, Item) else _field(place, step)
            name = step if isinstance(step, str) else name
        return place

    def _item(self, place: Place, key: str, name: str) -> Place | None:
        holder = place.value
        if isinstance(holder, Mapping):
            return _field(place, key)
        if not isinstance(holder, list):
            return None
        index = self._index(holder, keys_of(place.node, name)).get(key)
        if index is None and key.startswith("#"):  # an item that was appended whole to a list that has keys
            index = self._index(holder, ()).get(key)
        if index is None:
            return None
        return Place(holder, index, f"{place.pointer}/{index}", place.node.item() if place.node else None)

    def _index(self, holder: list[Any], merge_keys: tuple[str, ...]) -> dict[str, int]:
        """Say where each key stands first; the list is kept beside it, so that no other can take its identity."""
        known = (id(holder), merge_keys)
        if known not in self._positions:
            positions: dict[str, int] = {}
            for index, key in enumerate(item_keys(holder, merge_keys)):
                positions.setdefault(key, index)
            self._positions[known] = (holder, positions)
        return self._positions[known][1]


def find(body: Mapping[str, Any], address: Address) -> Place | None:
    """Find what one address names in a pod; None when it is not there."""
    return Finder(body).find(address)


def parent(body: Mapping[str, Any], address: Address) -> Place | None:
    """Find what holds the last step of one address."""
    return Finder(body).parent(address)


def last_first(places: Iterable[Place]) -> list[Place]:
    """Sort places so that taking one away leaves the pointers of those that follow right: the deepest first, then the last; each once."""
    distinct = {(id(place.holder), place.key): place for place in places}
    return sorted(distinct.values(), key=_depth_and_index, reverse=True)


def _depth_and_index(place: Place) -> tuple[int, int]:
    return place.pointer.count("/"), place.key if isinstance(place.key, int) else -1


def _field(place: Place, name: str) -> Place | None:
    holder = place.value
    if not isinstance(holder, Mapping) or holder.get(name) is None:
        return None
    return Place(holder, name, f"{place.pointer}/{escape(name)}", place.node.field(name) if place.node else None)


def escape(name: str) -> str:
    """Escape a key for a JSON Pointer (RFC 6901, section 3)."""
    return name.replace("~", "~0").replace("/", "~1")
