"""Whether fields hold what they may: texts, numbers, quantities, and choices of which one is made; one walk over the partial pod.

What each may hold is in the tables of `fields`, what the members of one item must be to each other in `items`.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from mesh_injector.engine import defaults, schema
from mesh_injector.engine.checks import fields, grammar, items
from mesh_injector.engine.checks.finding import Finding, Path, at


def find(value: Any, node: schema.Node | None, path: Path) -> Iterator[Finding]:
    """Find what is wrong with the values of a part, whose structure is right: plain dictionaries, lists and scalars."""
    if node is None:
        return
    if isinstance(value, dict):
        if node.kind == "object":
            yield from at(path, _object(value, node.name))
        for name, item in value.items():
            inner = node.field(name)
            if inner is not None and (inner.kind == "quantity" or item.__class__ in _WALKED):
                yield from find(item, inner, (*path, name))
    elif isinstance(value, list):
        inner = node.item()
        if inner is not None and inner.kind in _HOLDING:
            for index, item in enumerate(value):
                yield from find(item, inner, (*path, index))
    elif node.kind == "quantity" and not isinstance(defaults.quantity(value), Decimal):
        yield Finding(path, f"`{value!s:.40}` is no quantity", "write a number with a suffix such as m, k, Mi or Gi: `100m`, `128Mi`")


_WALKED: Final = (dict, list)
_HOLDING: Final = ("object", "map", "list", "quantity")
"""The kinds of which a part may be wrong by itself; other scalars are judged by the object that they are a member of."""
_JUDGED: Final = fields.TEXTS.keys() | fields.BOUNDS.keys() | fields.NOT_EMPTY


def _object(members: Mapping[str, Any], definition: str) -> Iterator[Finding]:
    for name in fields.REQUIRED.get(definition, ()):
        if not members.get(name) and members.get(name) != "":
            yield Finding((), f"`{name}` is required", "write it, or leave out what needs it")
    yield from _choices(members, definition)
    for name, value in members.items():
        field = f"{definition}.{name}"
        if field in _JUDGED:
            yield from at((name,), _member(value, field))
    if definition in items.RULES:
        yield from items.RULES[definition](members)


def _choices(members: Mapping[str, Any], definition: str) -> Iterator[Finding]:
    one_of = fields.ONE_OF.get(definition, ())
    made = [name for name in one_of or fields.AT_MOST_ONE.get(definition, ()) if name in members and members[name] != ""]
    if len(made) > 1:
        yield Finding((), f"has several {fields.CHOICES.get(definition, 'sources')}: {', '.join(made)}", "keep one")
    elif one_of and not made:
        yield Finding((), f"has none of {', '.join(one_of)}", "write one")


def _member(value: Any, field: str) -> Iterator[Finding]:
    """Judge a field by its name; of a list each item."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from at((index,), _scalar(item, field))
    else:
        yield from _scalar(value, field)


def _scalar(value: Any, field: str) -> Iterator[Finding]:
    if value == "":
        if field in fields.NOT_EMPTY:
            yield Finding((), "is empty", fields.EMPTY_FIXES.get(field, "write it, or leave out what it belongs to"))
    elif isinstance(value, str):
        rule = fields.TEXTS.get(field)
        if rule and not rule.holds(value):
            length = f" ({len(value)} characters)" if rule is grammar.PORT_NAME else ""
            yield Finding((), f"{_shown(value)}{length} {rule.what}", rule.fix)
    elif field in fields.BOUNDS and not fields.BOUNDS[field][0] <= value <= fields.BOUNDS[field][1]:
        yield Finding((), *_out_of_bounds(value, field))


def _shown(value: str) -> str:
    return f"`{value:.80}`" if value.isprintable() else f"`{value!r:.80}`"


def _out_of_bounds(value: int, field: str) -> tuple[str, str]:
    """Say what a number is not, and how to write it."""
    least, most = fields.BOUNDS[field]
    if field.lower().endswith("mode"):
        return f"{value} is no file mode", f"use 0 to {most}, which is 0{most:o} in octal"
    if most == fields.PORT[1]:
        return f"{value} is no port number", "use 1 to 65535"
    return f"{value} is out of bounds", f"use {least} to {most}" if most < fields.MOST else f"use {least} or more"
