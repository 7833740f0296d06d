"""A site: one place of an overlay in the three ways it is named, walked from member to member and from list to item.

It depends on the overlay and the schema only, save for the index of an item of the pod's own.
"""

from dataclasses import dataclass
from typing import Any, Final

from mesh_injector.engine import address, checks, schema
from mesh_injector.engine.address import Address, Item

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """JSON Pointer in the pod, address in the record, path in the overlay's partial pod; `field` is the name that defaults go by."""

    pointer: str
    address: Address
    path: Path
    node: schema.Node | None
    field: str = ""

    @property
    def name(self) -> str:
        """The name of the field; of an item of a list, the list's."""
        return next(part for part in reversed(self.path) if isinstance(part, str))

    @property
    def key(self) -> str:
        """The key of an item, the name of a field."""
        last = self.address[-1]
        return last.key if isinstance(last, Item) else last

    @property
    def is_entry(self) -> bool:
        """Whether it is an entry of a map or an item of a list, not a field that Kubernetes names."""
        return isinstance(self.address[-1], Item)

    def __str__(self) -> str:
        return address.write(self.address)

    def member(self, name: str) -> "Site":
        """The site of a field, or of an entry of a map."""
        step: Any = Item(name) if self.node is not None and self.node.kind == "map" else name
        node = self.node.field(name) if self.node else None
        field = f"{self.field}.{name}" if self.field in checks.CONTAINER_LISTS else name
        return Site(f"{self.pointer}/{address.escape(name)}", (*self.address, step), (*self.path, name), node, field)

    def item(self, index: int | str, key: str, place: int) -> "Site":
        """The site of an item: its index in the pod (or `-`), its key, and its index in the overlay."""
        node = self.node.item() if self.node else None
        return Site(f"{self.pointer}/{index}", (*self.address, Item(key)), (*self.path, place), node, self.field)


METADATA: Final = Site("/metadata", (), ("metadata",), schema.POD.field("metadata"))
SPEC: Final = Site("/spec", (), ("spec",), schema.POD.field("spec"))
"""The two halves of a pod, where every walk begins."""
