"""How a template writes what it reads, and where it only asks: the subject of `default`, what `is defined` has shown of a branch."""

from typing import Final

from jinja2 import nodes

_ASKING: Final = ("default", "d", "get", "items")
"""The filters that take what is not defined; `items` is for the keys of a variable only."""


def key_of(node: nodes.Getattr | nodes.Getitem) -> str | None:
    """Return the key that a node reads, where the template spells it; None where it is computed or a position."""
    if isinstance(node, nodes.Getattr):
        return node.attr
    return node.arg.value if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str) else None


def path_of(node: nodes.Node) -> str:
    """Write a name with its keys as people do, `values.image`; empty where something on the way is computed."""
    if isinstance(node, nodes.Name):
        return node.name
    if not isinstance(node, nodes.Getattr | nodes.Getitem) or not (before := path_of(node.node)):
        return ""
    key = key_of(node)
    if key is not None:
        return f"{before}.{key}" if key.isidentifier() else f"{before}['{key}']"
    return f"{before}[{node.arg.value}]" if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) else ""


def subject(node: nodes.Node) -> nodes.Node | None:
    """Find the expression that a node only asks about: of `is defined`, `is undefined`, `default` and `get`."""
    if isinstance(node, nodes.Test):
        return node.node if node.name in ("defined", "undefined") else None
    if not isinstance(node, nodes.Filter) or node.name not in _ASKING:
        return None
    return None if node.name == "items" and isinstance(node.node, nodes.Name) else node.node


def defined_by(test: nodes.Node, outcome: bool) -> frozenset[str]:
    """Find what must be defined where a test had an outcome: `x is defined and …` true, `values.x is undefined or …` false."""
    if isinstance(test, nodes.Test) and test.name == ("defined" if outcome else "undefined"):
        return frozenset({path_of(test.node)} - {""})
    if isinstance(test, nodes.Not):
        return defined_by(test.node, not outcome)
    if isinstance(test, nodes.And if outcome else nodes.Or):
        return defined_by(test.left, outcome) | defined_by(test.right, outcome)
    return frozenset()
