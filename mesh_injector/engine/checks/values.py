"""Whether fields hold what they may: texts, numbers, quantities, and choices of which one is made; one walk over the partial pod.

What each may hold is in the tables of `fields`, what the members of one item must be to each other in `items`.
"""

import functools
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from mesh_injector.engine import defaults, schema
from mesh_injector.engine.checks import fields, grammar, items
from mesh_injector.engine.checks.finding import Finding, Path, at


def find(value: Any, node: schema.Node | None, path: Path) -> list[Finding]:
    """Find what is wrong with the values of a part, whose structure is right: plain dictionaries, lists and scalars."""
    found: list[Finding] = []
    if node is not None:
        _walk(value, node, path, found)
    return found


def _walk(value: Any, node: schema.Node, path: Path, found: list[Finding]) -> None:
    """Add what is wrong to a list: mostly nothing is, and a generator for each part would take longer than the looking."""
    if isinstance(value, dict):
        if node.kind == "object":
            found += _object(value, node.name, path)
        for name, item in value.items():
            inner = node.field(name)
            if inner is not None and (item.__class__ in _WALKED or inner.kind == "quantity"):
                _walk(item, inner, (*path, name), found)
    elif isinstance(value, list):
        inner = node.item()
        if inner is not None and inner.kind in _HOLDING:
            for index, item in enumerate(value):
                _walk(item, inner, (*path, index), found)
    elif node.kind == "quantity" and not isinstance(defaults.quantity(value), Decimal):
        fix = "write a number with a suffix such as m, k, Mi or Gi: `100m`, `128Mi`"
        found.append(Finding(path, f"`{value!s:.40}` is no quantity", fix))


_WALKED: Final = (dict, list)
_HOLDING: Final = ("object", "map", "list", "quantity")
"""The kinds of which a part may be wrong by itself; other scalars are judged by the object that they are a member of."""


class _Asked(msgspec.Struct, frozen=True):
    """What is asked of an object of one definition; `judged` are the members that are judged by their name, as the tables write it."""

    required: tuple[str, ...]
    one_of: tuple[str, ...]
    at_most_one: tuple[str, ...]
    judged: Mapping[str, str]
    rule: items.Rule | None


@functools.cache
def _asked(definition: str) -> _Asked:
    """Collect the rows of the tables; there are as many answers as the schema has definitions."""
    judged = (field.rpartition(".") for field in (*fields.TEXTS, *fields.BOUNDS, *fields.NOT_EMPTY))
    return _Asked(
        tuple(fields.REQUIRED.get(definition, ())),
        tuple(fields.ONE_OF.get(definition, ())),
        tuple(fields.AT_MOST_ONE.get(definition, ())),
        {name: f"{owner}.{name}" for owner, _, name in judged if owner == definition},
        items.RULES.get(definition),
    )


def _object(members: Mapping[str, Any], definition: str, path: Path) -> Iterable[Finding]:
    asked = _asked(definition)
    found = [
        Finding((), f"`{name}` is required", "write it, or leave out what needs it")
        for name in asked.required
        if not members.get(name) and members.get(name) != ""
    ]
    if asked.one_of or asked.at_most_one:
        found += _choices(members, asked, definition)
    if asked.judged:
        for name, value in members.items():
            if name in asked.judged:
                found += _member(value, asked.judged[name], (name,))
    if asked.rule is not None:
        found += asked.rule(members)
    return at(path, found) if found else ()


def _choices(members: Mapping[str, Any], asked: _Asked, definition: str) -> Iterable[Finding]:
    made = [name for name in asked.one_of or asked.at_most_one if name in members and members[name] != ""]
    if len(made) > 1:
        return (Finding((), f"has several {fields.CHOICES.get(definition, 'sources')}: {', '.join(made)}", "keep one"),)
    return (Finding((), f"has none of {', '.join(asked.one_of)}", "write one"),) if asked.one_of and not made else ()


def _member(value: Any, field: str, path: Path) -> Iterable[Finding]:
    """Judge a field by its name; of a list each item."""
    if not isinstance(value, list):
        return _scalar(value, field, path)
    return [one for index, item in enumerate(value) for one in _scalar(item, field, (*path, index))]


def _scalar(value: Any, field: str, path: Path) -> Iterable[Finding]:
    if value == "":
        if field in fields.NOT_EMPTY:
            return (Finding(path, "is empty", fields.EMPTY_FIXES.get(field, "write it, or leave out what it belongs to")),)
    elif isinstance(value, str):
        rule = fields.TEXTS.get(field)
        if rule and not rule.holds(value):
            length = f" ({len(value)} characters)" if rule is grammar.PORT_NAME else ""
            return (Finding(path, f"{_shown(value)}{length} {rule.what}", rule.fix),)
    elif field in fields.BOUNDS and not fields.BOUNDS[field][0] <= value <= fields.BOUNDS[field][1]:
        return (Finding(path, *_out_of_bounds(value, field)),)
    return ()


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
