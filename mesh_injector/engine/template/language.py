"""The language: Jinja's syntax cut down to an allow-list, every node of which is checked before anything is compiled."""

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final

from jinja2 import TemplateSyntaxError, nodes

from mesh_injector.engine.template import filters, syntax, trials
from mesh_injector.engine.template.bounds import NESTING, TEMPLATE_CHARACTERS
from mesh_injector.engine.template.environment import environment, nested
from mesh_injector.engine.template.source import Fault, Line, refused
from mesh_injector.engine.template.state import CLOSE, OPEN
from mesh_injector.engine.template.values import suggestion

_FORBIDDEN: Final = re.compile(f"[{OPEN}{CLOSE}\ud800-\udfff]")
"""What marks where values stand, and what is no Unicode text."""
LOOP_FIELDS: Final = ("index", "first", "last", "length")

_ARITHMETIC: Final = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Neg, nodes.Pos)
_ALLOWED: Final[tuple[type[nodes.Node], ...]] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair,
    nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr,
    nodes.Filter, nodes.Keyword, nodes.Test, nodes.Concat, *_ARITHMETIC, nodes.If, nodes.For, nodes.Assign, nodes.Call,
)  # fmt: skip
_INSTEAD: Final[dict[type[nodes.Node], tuple[str, str]]] = {
    nodes.Macro: ("a macro", "write the lines where they are needed, or loop over a list"),
    nodes.CallBlock: ("a `call` block", "write the lines where they are needed"),
    nodes.FilterBlock: ("a `filter` block", "apply the filter to each value: `{{ value|lower }}`"),
    nodes.AssignBlock: ("a block `set`", "set a name to an expression: `{% set name = 'a' ~ b %}`"),
    nodes.Include: ("`include`", "keep the whole patch in one ConfigMap entry"),
    nodes.Import: ("`import`", "keep the whole patch in one ConfigMap entry"),
    nodes.FromImport: ("`import`", "keep the whole patch in one ConfigMap entry"),
    nodes.Extends: ("`extends`", "keep the whole patch in one ConfigMap entry"),
    nodes.Block: ("`block`", "there is nothing to extend: write the lines as they are"),
    nodes.With: ("`with`", "use `{% set name = … %}`"),
    nodes.NSRef: ("a namespace attribute", "set a plain name"),
}
_METHODS: Final[dict[str, str]] = {
    "items": "|items", "keys": "|list", "get": "|get('key', 'default')", "lower": "|lower", "upper": "|upper", "strip": "|trim",
    "split": "|split(',')", "replace": "|replace('a', 'b')", "join": "|join(',')", "startswith": "|startswith('a')",
    "endswith": "|endswith('a')",
}  # fmt: skip
_NOT_NEEDED: Final = {
    "indent": "indent is not needed: a value keeps its structure wherever it stands, write `{{ value }}`",
    "nindent": "nindent is not needed: a value keeps its structure wherever it stands, write `{{ value }}`",
    "safe": "nothing is escaped, so there is nothing to mark as safe",
    "e": "nothing is escaped: a value never becomes syntax",
    "escape": "nothing is escaped: a value never becomes syntax",
}
_RANGE: Final = "call it, as in `range(3)`; a loop is written `{% for x in values.list %}`"
_TABLES: Final[dict[str, Mapping[str, Callable[..., Any]]]] = {"filter": filters.FILTERS, "test": trials.TESTS}
_INNER: Final = {"map": ("filter", 0), "select": ("test", 0), "reject": ("test", 0), "selectattr": ("test", 1), "rejectattr": ("test", 1)}
"""The filters that take the name of a filter or test, and which of their arguments it is."""


def parse(text: str) -> nodes.Template:
    """Parse a template and check every node against the allow-list; raise `Fault` with the line."""
    if len(text) > TEMPLATE_CHARACTERS:
        raise refused(f"the template has {len(text):,} characters; the bound is {TEMPLATE_CHARACTERS:,}", 0, fix="split the Mesh in two")
    forbidden = _FORBIDDEN.search(text)
    if forbidden:
        at = forbidden.start()
        line = Line.at(text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
        raise refused("a private-use character (U+E000 or U+E001) or half a surrogate pair", line, fix="remove it")
    try:
        tree = environment().parse(text)
    except TemplateSyntaxError as error:
        raise syntax.told(error, text) from error
    except Fault:
        raise
    except RecursionError as error:  # what is counted on the way is told with its line
        raise nested(0) from error
    except Exception as error:  # whatever the parser raises on hostile text is an answer about that text
        raise refused(f"the template does not parse: {type(error).__name__}", 0, fix="make its expressions simpler") from error
    _Check().visit(tree, 0)
    return tree


class _Check:
    """The allow-list, node by node; what is refused is told with what to write instead."""

    def visit(self, node: nodes.Node, depth: int) -> None:
        line = node.lineno or 0
        if depth > NESTING:
            raise nested(line)
        if not isinstance(node, _ALLOWED):
            what, instead = _INSTEAD.get(type(node), (f"`{type(node).__name__.lower()}`", "see the template language's reference"))
            raise refused(f"{what} is not part of the template language", line, fix=instead)
        rule = getattr(self, f"_{type(node).__name__.lower()}", None)
        if rule is not None:
            rule(node, line)
        for child in node.iter_child_nodes():
            if not (isinstance(node, nodes.Call) and child is node.node) and not self._is_loop(node, child):
                self.visit(child, depth + 1)

    @staticmethod
    def _is_loop(node: nodes.Node, child: nodes.Node) -> bool:
        return isinstance(node, nodes.Getattr) and isinstance(child, nodes.Name) and child.name == "loop"

    @staticmethod
    def _name(node: nodes.Name, line: int) -> None:
        if node.name.startswith("_") or node.name in ("loop", "range", "self", "super", "caller", "varargs", "kwargs"):
            fix = {"loop": "use loop.index, loop.first, loop.last or loop.length", "range": _RANGE}.get(node.name, "")
            raise refused(f"the name `{node.name}` cannot be used here", line, word=node.name, fix=fix)

    @staticmethod
    def _getattr(node: nodes.Getattr, line: int) -> None:
        if isinstance(node.node, nodes.Name) and node.node.name == "loop" and node.attr not in LOOP_FIELDS:
            raise refused(f"`loop.{node.attr}` is not part of the template language", line, word=node.attr, fix=suggestion("", LOOP_FIELDS))

    @staticmethod
    def _call(node: nodes.Call, line: int) -> None:
        if isinstance(node.node, nodes.Name) and node.node.name == "range" and not (node.kwargs or node.dyn_args or node.dyn_kwargs):
            return
        name = node.node.attr if isinstance(node.node, nodes.Getattr) else getattr(node.node, "name", "")
        instead = f"write `{_METHODS[name]}`" if name in _METHODS else "only `range(…)` can be called; use a filter"
        raise refused(f"a call{f' of `{name}`' if name else ''} is not part of the template language", line, word=name, fix=instead)

    @staticmethod
    def _filter(node: nodes.Filter, line: int) -> None:
        if node.node is None or node.dyn_args or node.dyn_kwargs:
            raise refused(f"`{node.name}` with unpacked arguments", line, word=node.name, fix="write the arguments out")
        _known("filter", node.name, line)
        _fits("filter", node.name, len(node.args), node.kwargs, line)
        kind, place = _INNER.get(node.name, ("", 0))
        if kind and len(node.args) > place and isinstance(inner := node.args[place], nodes.Const):
            _known(kind, inner.value, line)
            _fits(kind, inner.value, len(node.args) - place - 1, [], line)

    @staticmethod
    def _test(node: nodes.Test, line: int) -> None:
        if node.dyn_args or node.dyn_kwargs:
            raise refused(f"`is {node.name}` with unpacked arguments", line, word=node.name, fix="write the arguments out")
        _known("test", node.name, line)
        _fits("test", node.name, len(node.args), node.kwargs, line)

    @staticmethod
    def _const(node: nodes.Const, line: int) -> None:
        value = node.value
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            raise refused("a lone surrogate, which no UTF-8 can hold", line, fix="write the character itself")
        if (isinstance(value, float) and not math.isfinite(value)) or (isinstance(value, int) and value >= 2**64):
            raise refused("a number of more than 64 bits", line, fix="write it as text, in quotes")

    @staticmethod
    def _condexpr(node: nodes.CondExpr, line: int) -> None:
        if node.expr2 is None:
            raise refused("`… if …` without `else`", line, word="if", fix="say what it is otherwise: `… else ''`")

    @staticmethod
    def _getitem(node: nodes.Getitem, line: int) -> None:
        if isinstance(node.arg, nodes.Tuple):
            raise refused("several positions in one `[…]`", line, word="[", fix="write one after the other: `x[0][1]`")

    @staticmethod
    def _for(node: nodes.For, line: int) -> None:
        if node.recursive:
            raise refused("a recursive loop is not part of the template language", line, fix="write the levels out")

    @staticmethod
    def _if(node: nodes.If, line: int) -> None:
        if len(node.elif_) > NESTING:  # Python's compiler takes each for one level deeper
            raise refused(f"more than {NESTING} `elif` of one `if`", line, word="if", fix="look the value up in a mapping of `values`")

    @staticmethod
    def _assign(node: nodes.Assign, line: int) -> None:
        if isinstance(node.target, nodes.Tuple):
            raise refused("`set` of more than one name", line, fix="use one `set` for each name")


def _known(kind: str, name: Any, line: int) -> None:
    if name not in _TABLES[kind]:
        fix = _NOT_NEEDED.get(name) or suggestion(str(name), _TABLES[kind])
        raise refused(f"there is no {kind} `{name}`", line, word=str(name), fix=fix)


def _fits(kind: str, name: str, arguments: int, options: Iterable[nodes.Node], line: int) -> None:
    """Check the number and the names of the arguments of a filter or a test."""
    keys = [option.key for option in options if isinstance(option, nodes.Keyword)]
    if len(keys) > len(set(keys)):
        raise refused(f"the {kind} `{name}`: an argument is given twice", line, word=name, fix="remove one of them")
    signature = _signature(_TABLES[kind][name])
    try:
        signature.bind(None, None, *[None] * arguments, **dict.fromkeys(keys))
    except TypeError as error:
        raise refused(f"the {kind} `{name}` does not take these arguments", line, word=name, fix=_usage(kind, name, signature)) from error


def _usage(kind: str, name: str, signature: inspect.Signature) -> str:
    """Show how a filter or test is written: `write |replace(old, new, count=-1)`."""
    parts = [str(parameter.replace(annotation=inspect.Parameter.empty)) for parameter in list(signature.parameters.values())[2:]]
    brackets = f"({', '.join(parts)})" if parts else ""
    return f"write `{'|' if kind == 'filter' else 'is '}{name}{brackets}`"


@cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)
