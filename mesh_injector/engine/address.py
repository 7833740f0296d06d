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

_STEP: Final = re.compile(r"(?:^|(?!^)\.)([A-Za-z][A-Za-z0-9]*)|\[((?:[^\[\]\\.]|\\[\[\]\\.])*)\]")
_ESCAPE: Final = re.compile(r"\\(.)")
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
    end = 0
    while end < len(text):
        match = _STEP.match(text, end)
        if match is None:
            return None
        field, item = match.groups()
        steps.append(field or Item(_ESCAPE.sub(r"\1", item) if "\\" in item else item))
        end = match.end()
    return tuple(steps) or None


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
    if value.__class__ is str:  # most are
        return value
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


class _Index:
    """Where the items of one list stand by their keys, of several with one key the first; right also after items were put in."""

    def __init__(self, items: list[Any], merge_keys: tuple[str, ...]) -> None:
        self._items = items  # kept, so that no other list can take its identity
        self._merge_keys = merge_keys
        self._first = dict(zip(reversed(item_keys(items, merge_keys)), reversed(range(len(items))), strict=True))
        self._later: dict[str, tuple[int, int]] = {}
        self._moves: list[int] = []

    def find(self, key: str) -> int | None:
        found, since = self._later.get(key, (self._first.get(key), 0))
        if found is None:
            return None
        for index in self._moves[since:]:
            found += index <= found
        return found

    def learn(self, index: int) -> None:
        """Take note of an item that was put in; those behind it have moved."""
        if index < len(self._items) - 1:
            self._moves.append(index)
        key = item_key(self._items[index], self._merge_keys)
        first = self.find(key)
        if first is None or index < first:
            self._later[key] = index, len(self._moves)


class Finder:
    """Finds what addresses name in one pod. The keys of a list are worked out once, so that a long record costs no more than a long list.

    It is right as long as the lists it has seen keep their items, or get others by `put`; make a new one after taking items out.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.body = body
        self._indexes: dict[int, dict[tuple[str, ...], _Index]] = {}

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
        index = self._index(holder, keys_of(place.node, name)).find(key)
        if index is None and key.startswith("#"):  # an item that was appended whole to a list that has keys
            index = self._index(holder, ()).find(key)
        if index is None:
            return None
        return Place(holder, index, f"{place.pointer}/{index}", place.node.item() if place.node else None)

    def _index(self, holder: list[Any], merge_keys: tuple[str, ...]) -> _Index:
        known = self._indexes.setdefault(id(holder), {})
        if merge_keys not in known:
            known[merge_keys] = _Index(holder, merge_keys)
        return known[merge_keys]

    def put(self, holder: list[Any], index: int, item: Any) -> None:
        """Put an item into a list that it walks, before the one at an index or at the end."""
        holder.insert(index, item)
        for known in self._indexes.get(id(holder), {}).values():
            known.learn(index)


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
