"""What a path names in a pod: `containers[envoy].env[LOG_LEVEL].value`, as `explain` and the record write addresses.

For people it takes more: a leading `metadata.` or `spec.`, dots inside brackets as they are, `[0]` for an item by its place and `[*]`
for all items.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from mesh_injector.documents import fitting
from mesh_injector.engine import address, schema
from mesh_injector.engine.address import Address, Finder, Item, Step

EVERY: Final = Item("*")
_STEP: Final = re.compile(r"(?:^|(?!^)\.)(?P<field>[A-Za-z][A-Za-z0-9]*)|\[(?P<item>(?:[^\[\]\\]|\\.)+)\]")


class Mistaken(ValueError):
    """A path that no pod has, or a matcher that cannot match: what is wrong, and how to fix it."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what, self.fix = what, fix


def parse(text: str) -> Address:
    """Read a path. Raises Mistaken where a pod has no such field."""
    steps: list[Step] = []
    end = 0
    while end < len(text):
        match = _STEP.match(text, end)
        if match is None:
            raise Mistaken(f"`{text:.100}` is no path", "write it as `explain` does: `containers[envoy].env[LOG_LEVEL].value`")
        steps.append(match["field"] or Item(re.sub(r"\\(.)", r"\1", match["item"])))
        end = match.end()
    if steps and steps[0] in ("metadata", "spec"):
        del steps[0]
    _check(text, steps)
    return tuple(steps)


def _check(text: str, steps: Iterable[Step]) -> None:
    """Walk a path down the schema of a pod."""
    top = {name: half for half in ("spec", "metadata") for name in _fields(schema.POD.field(half))}
    node, known = None, list(top)
    first = True
    for step in steps:
        if isinstance(step, Item):
            if node is None or node.kind not in ("list", "map"):
                raise Mistaken(f"`[{step.key:.60}]` in `{text:.100}` stands behind something that is no list and no map", "take it away")
            node = node.inner
        elif step not in known:
            raise Mistaken(f"a pod has no `{step:.60}` in `{text:.100}`", fitting.meant(step, known))
        else:
            parent = schema.POD.field(top[step]) if first else node
            node = parent.field(step) if parent else None
        first, known = False, list(_fields(node))
    if first:
        raise Mistaken("an empty path", "write it as `explain` does: `containers[envoy].image`")


def _fields(node: schema.Node | None) -> Iterable[str]:
    return node.fields if node is not None and node.kind == "object" else ()


def find(body: Mapping[str, Any], path: Address) -> Any:
    """Find what stands at a path, None where there is nothing; with `[*]` a list of what stands at the path in each item."""
    return _find(Finder(body), path)


def _find(finder: Finder, path: Address) -> Any:
    for at, step in enumerate(path):
        if isinstance(step, Item) and step != EVERY and not step.key.isdecimal():
            continue
        keys = _keys(finder, path[:at]) if isinstance(step, Item) else None
        if isinstance(step, Item) and step == EVERY:
            return [_find(finder, (*path[:at], Item(key), *path[at + 1 :])) for key in keys or ()]
        if isinstance(step, Item) and keys is not None and step.key not in keys:
            if int(step.key) >= len(keys):
                return None
            return _find(finder, (*path[:at], Item(keys[int(step.key)]), *path[at + 1 :]))
    place = finder.find(path)
    return place.value if place else None


def _keys(finder: Finder, path: Address) -> list[str] | None:
    """Name the items of the list or the entries of the map at a path; None where there is none of them."""
    place = finder.find(path)
    if place is None or not isinstance(place.value, list):
        return list(place.value) if place is not None and isinstance(place.value, Mapping) else None
    name = next(step for step in reversed(path) if isinstance(step, str))
    return address.item_keys(place.value, address.keys_of(place.node, name))
