"""What a record can claim: addresses that placement writes, and old values that are no more than Kubernetes' own.

Anybody can write a record, so a claim is judged by what this program does, never by who made it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from mesh_injector.engine import address, checks, defaults, schema, taking
from mesh_injector.engine.address import Address, Item
from mesh_injector.engine.defaults import Merge

RECORD_ANNOTATION: Final[Address] = ("annotations", Item(checks.RECORD))


def where(name: str) -> Address:
    """Read an address of a record; one that leads nowhere for what is none."""
    return address.read(name) or ("",)


def is_leaf(name: str) -> bool:
    """Whether placement can have added what an address names: an item, or a member that is one value."""
    at = where(name)
    node, last = node_of(at), at[-1]
    if isinstance(last, Item):
        return node is not None and at != RECORD_ANNOTATION
    is_essence = at[0] in checks.CONTAINER_LISTS and at[2:] in (("name",), ("image",))
    return node is not None and not is_essence and defaults.merge(last, node) is Merge.UNIT


def is_member(name: str) -> bool:
    """Whether placement can have replaced the default of what an address names: a member, never an item."""
    return is_leaf(name) and not isinstance(where(name)[-1], Item)


def is_creation(name: str) -> bool:
    """Whether placement can have created what an address names: a list or map; `containers` are always there."""
    if name == "metadata":
        return True
    at = where(name)
    node, last = node_of(at), at[-1]
    return node is not None and isinstance(last, str) and name != "containers" and defaults.merge(last, node) is not Merge.UNIT


def is_default(at: Address, value: Any) -> bool:
    """Whether a value at an address is Kubernetes' default or empty, so that a member that is absent says the same."""
    last = at[-1]
    is_member = at[0] in checks.CONTAINER_LISTS and len(at) == 3
    return isinstance(last, str) and defaults.is_not_set(f"containers.{last}" if is_member else last, value)


def node_of(at: Address) -> schema.Node | None:
    """Walk the bundled schema along an address as placement walks it; None where placement does not come."""
    node = schema.POD.field(address.half(at))
    for depth, step in enumerate(at):
        if node is None or not _is_way(at, depth, node):
            return None
        node = (node.item() or node.field(step.key)) if isinstance(step, Item) else node.field(step)
    return node


def _is_way(at: Address, depth: int, node: schema.Node) -> bool:
    """Whether placement takes a step of an address from a node: from lists and maps to items, from what is merged by fields to a field."""
    before = at[depth - 1] if depth else ""
    if isinstance(at[depth], Item):
        return isinstance(before, str) and node.kind != "object" and defaults.merge(before, node) is not Merge.UNIT
    if isinstance(before, Item):
        return depth == 2 and at[0] in checks.CONTAINER_LISTS
    return node.kind == "object" and defaults.merge(before, node) is Merge.FIELDS


POSSIBLE: Final[Mapping[str, Callable[[Any], bool]]] = {
    "added": is_leaf,
    "created": is_creation,
    "replaced": is_member,
    "taken": taking.is_possible,
}
"""By the members of a record: whether something we do can have made a claim."""
