"""A site: one place of an overlay in the three ways it is named, walked from member to member and from list to item.

It depends on the overlay and the schema only, save for the index of an item of the pod's own; so what a walk finds is kept for the next.
"""

from typing import Any, Final

from mesh_injector.engine import address, checks, schema
from mesh_injector.engine.address import Address, Item

Path = tuple[str | int, ...]

NEAR: Final = 2
"""So many containers at the front of a pod's lists have sites that are kept: where an item stands is the pod's choice."""


class Site:
    """JSON Pointer in the pod, address in the record (`str`), path in the overlay's partial pod.

    `name` is that of the field (of an item of a list, the list's), `field` the one that defaults go by, `is_entry` whether it is an entry
    of a map or an item of a list and not a field that Kubernetes names.
    """

    __slots__ = ("_items", "_members", "_text", "address", "field", "is_entry", "name", "node", "path", "pointer")

    def __init__(self, pointer: str, where: Address, path: Path, node: schema.Node | None, field: str = "") -> None:
        self.pointer, self.address, self.path, self.node, self.field = pointer, where, path, node, field
        self.name = next(part for part in reversed(path) if isinstance(part, str))
        self.is_entry = bool(where) and isinstance(where[-1], Item)
        self._text = address.write(where)
        self._members: dict[str, Site] = {}
        self._items: dict[tuple[int | str, str, int], Site] = {}

    @property
    def key(self) -> str:
        """The key of an item, the name of a field."""
        last = self.address[-1]
        return last.key if isinstance(last, Item) else last

    def __str__(self) -> str:
        return self._text

    def member(self, name: str) -> "Site":
        """The site of a field, or of an entry of a map."""
        found = self._members.get(name)
        if found is None:
            step: Any = Item(name) if self.node is not None and self.node.kind == "map" else name
            node = self.node.field(name) if self.node else None
            field = f"{self.field}.{name}" if self.field in checks.CONTAINER_LISTS else name
            found = Site(f"{self.pointer}/{address.escape(name)}", (*self.address, step), (*self.path, name), node, field)
            self._members[name] = found
        return found

    def item(self, index: int | str, key: str, place: int) -> "Site":
        """The site of an item: its index in the pod (or `-`), its key, and its index in the overlay."""
        found = self._items.get((index, key, place))
        if found is None:
            node = self.node.item() if self.node else None
            found = Site(f"{self.pointer}/{index}", (*self.address, Item(key)), (*self.path, place), node, self.field)
            if index == "-" or (int(index) < NEAR and self.name in checks.CONTAINER_LISTS):
                self._items[index, key, place] = found
        return found


def halves() -> tuple[Site, Site]:
    """Make the sites of metadata and spec, where every walk of one overlay begins."""
    metadata, spec = (Site(f"/{half}", (), (half,), schema.POD.field(half)) for half in ("metadata", "spec"))
    return metadata, spec
