"""The language: Jinja's syntax cut down to an allow-list, and rewritten so that no value ever becomes text of the template.

`compile_template` parses, checks every node, rewrites outputs, `~`, loops, literals and filters to calls of `state.State`, and compiles.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from jinja2 import Template, TemplateSyntaxError, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from mesh_injector.engine.template import filters, trials
from mesh_injector.engine.template.bounds import TEMPLATE_CHARACTERS
from mesh_injector.engine.template.source import Fault
from mesh_injector.engine.template.state import CLOSE, OPEN
from mesh_injector.engine.template.values import Missing, describe, is_number, look_up, suggestion
from mesh_injector.reasons import Reason

FILENAME: Final = "<patch template>"
LOOP_FIELDS: Final = ("index", "first", "last", "length")
AST_DEPTH: Final = 100

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


def refused(what: str, line: int, *, token: str = "", fix: str = "") -> Fault:
    """Make the fault of a template that is not in the language."""
    return Fault(Reason.TEMPLATE_INVALID, what, line=line, token=token, fix=fix)


class Environment(ImmutableSandboxedEnvironment):
    """Jinja with data for objects: dot is a key, arithmetic is on numbers, and nothing can be called but what the rewrite put there."""

    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)
    intercepted_unops = frozenset(ImmutableSandboxedEnvironment.default_unop_table)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Read a key; of the loop, one of the four fields that the allow-list lets through."""
        return getattr(obj, attribute) if isinstance(obj, LoopContext) else look_up(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Read a key of a mapping or a position of a list."""
        return look_up(obj, argument)

    def call(self, _context: Any, function: Any, *arguments: Any, _loop_vars: Any = None, _block_vars: Any = None, **options: Any) -> Any:
        """Call a function of `State`: no other call is left in a rewritten template. Jinja adds its scopes, which we have no use for."""
        return function(*arguments, **options)

    def call_binop(self, _context: Any, operator: str, left: Any, right: Any) -> Any:
        """Calculate with two numbers, within 64 bits."""
        for side in (left, right):
            _number(side, operator)
        if operator == "**" and (abs(left) > 2**63 or abs(right) > 64):
            raise Fault(Reason.RENDER_LIMIT, "a power of more than 64 bits", fix="use smaller numbers")
        try:
            return _bounded(self.binop_table[operator](left, right))
        except (ZeroDivisionError, OverflowError) as error:
            raise Fault(Reason.TEMPLATE_INVALID, f"`{left} {operator} {right}`: {error}") from error

    def call_unop(self, _context: Any, operator: str, argument: Any) -> Any:
        """Negate a number."""
        _number(argument, operator)
        return self.unop_table[operator](argument)


def _number(value: Any, operator: str) -> None:
    if isinstance(value, Missing):
        str(value)  # raises
    if not is_number(value):
        fix = "join texts by `~`" if operator == "+" else "turn text into a number by `|int`"
        raise Fault(Reason.TEMPLATE_INVALID, f"`{operator}` works on numbers, not on {describe(value)}", token=operator, fix=fix)


def _bounded(result: Any) -> Any:
    if isinstance(result, complex) or (isinstance(result, int) and not -(2**63) <= result < 2**64):
        raise Fault(Reason.RENDER_LIMIT, "a number of more than 64 bits", fix="use smaller numbers")
    return result


@cache
def environment() -> Environment:
    """Make the one environment. `optimized=False`: constant folding would compute `'a' * 1500000000` while compiling."""
    made = Environment(
        undefined=Missing, optimized=False, autoescape=False, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    made.globals.clear()
    made.filters.clear()
    made.tests.clear()
    made.tests.update(trials.TESTS)
    return made


def parse(text: str) -> nodes.Template:
    """Parse a template and check every node against the allow-list; raise `Fault` with the line."""
    if len(text) > TEMPLATE_CHARACTERS:
        raise refused(f"the template has {len(text):,} characters; the bound is {TEMPLATE_CHARACTERS:,}", 0, fix="split the Mesh in two")
    for number, line in enumerate(text.split("\n"), 1):
        if OPEN in line or CLOSE in line:
            raise refused("a private-use character (U+E000 or U+E001)", number, fix="remove it: these mark where values stand")
    try:
        tree = environment().parse(text)
    except TemplateSyntaxError as error:
        raise refused(f"the template does not parse: {error.message or 'syntax error'}", error.lineno, fix=_syntax_fix(error)) from error
    except Exception as error:  # whatever the parser raises on hostile text is an answer about that text
        raise refused(f"the template does not parse: {type(error).__name__}", 0, fix="make its expressions simpler") from error
    _Check().visit(tree, 0)
    return tree


def _syntax_fix(error: TemplateSyntaxError) -> str:
    message = error.message or ""
    if "unknown tag" in message or "unknown block" in message:
        return "the tags are `if`, `elif`, `else`, `for`, `set` and their `end…`"
    if "Unexpected end of template" in message or "end of template" in message:
        return "close every `{% if %}` by `{% endif %}`, every `{% for %}` by `{% endfor %}`, every `{{` by `}}`"
    return "check the brackets and quotes of this line"


class _Check:
    """The allow-list, node by node; what is refused is told with what to write instead."""

    def visit(self, node: nodes.Node, depth: int) -> None:
        line = node.lineno or 0
        if depth > AST_DEPTH:
            raise refused(f"an expression or block nested deeper than {AST_DEPTH}", line, fix="use `set` to name parts of it")
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
            fix = {"loop": "use loop.index, loop.first, loop.last or loop.length", "range": "call it: `range(3)`"}.get(node.name, "")
            raise refused(f"the name `{node.name}` cannot be used here", line, token=node.name, fix=fix)

    @staticmethod
    def _getattr(node: nodes.Getattr, line: int) -> None:
        if isinstance(node.node, nodes.Name) and node.node.name == "loop" and node.attr not in LOOP_FIELDS:
            raise refused(
                f"`loop.{node.attr}` is not part of the template language", line, token=node.attr, fix=suggestion("", LOOP_FIELDS)
            )

    @staticmethod
    def _call(node: nodes.Call, line: int) -> None:
        if isinstance(node.node, nodes.Name) and node.node.name == "range" and not (node.kwargs or node.dyn_args or node.dyn_kwargs):
            return
        name = node.node.attr if isinstance(node.node, nodes.Getattr) else getattr(node.node, "name", "")
        instead = f"write `{_METHODS[name]}`" if name in _METHODS else "only `range(…)` can be called; use a filter"
        raise refused(f"a call{f' of `{name}`' if name else ''} is not part of the template language", line, token=name, fix=instead)

    @staticmethod
    def _filter(node: nodes.Filter, line: int) -> None:
        if node.node is None or node.dyn_args or node.dyn_kwargs:
            raise refused(f"`{node.name}` with unpacked arguments", line, token=node.name, fix="write the arguments out")
        if node.name not in filters.FILTERS:
            fix = _NOT_NEEDED.get(node.name) or suggestion(node.name, filters.FILTERS)
            raise refused(f"there is no filter `{node.name}`", line, token=node.name, fix=fix)
        wrong = filters.misuse(node.name, len(node.args), (option.key for option in node.kwargs))
        if wrong:
            raise refused(f"the filter `{node.name}`: {wrong}", line, token=node.name, fix="see the template language's reference")

    @staticmethod
    def _test(node: nodes.Test, line: int) -> None:
        if node.name not in trials.TESTS or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise refused(f"there is no test `is {node.name}`", line, token=node.name, fix=suggestion(node.name, trials.TESTS))

    @staticmethod
    def _for(node: nodes.For, line: int) -> None:
        if node.recursive:
            raise refused("a recursive loop is not part of the template language", line, fix="write the levels out")

    @staticmethod
    def _assign(node: nodes.Assign, line: int) -> None:
        if not isinstance(node.target, nodes.Name):
            raise refused("`set` of more than one name", line, fix="use one `set` for each name")


class _Rewrite(NodeTransformer):
    """Replace what could make text or work by calls of `State`; `traced` also records from which line each piece of text is."""

    def __init__(self, traced: bool) -> None:
        self.traced = traced

    def _call(self, function: str, arguments: list[nodes.Expr], line: int) -> nodes.Call:
        return nodes.Call(nodes.Name(function, "load", lineno=line), arguments, [], None, None, lineno=line)

    def visit_Output(self, node: nodes.Output) -> nodes.Node:
        return nodes.Output([self._output(child) for child in node.nodes], lineno=node.lineno)

    def _output(self, child: nodes.Expr) -> nodes.Expr:
        line = child.lineno or 0
        if not isinstance(child, nodes.TemplateData):
            return self._call("__mark__", [self.visit(child), nodes.Const(line)], line)
        return self._call("__data__", [nodes.Const(child.data), nodes.Const(line)], line) if self.traced else child

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        return self._call("__text__", [nodes.List([self.visit(part) for part in node.nodes])], node.lineno)

    def visit_List(self, node: nodes.List) -> nodes.Node:
        built = nodes.List([self.visit(item) for item in node.items], lineno=node.lineno)
        return self._call("__build__", [built], node.lineno)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        if node.ctx == "store":
            return node
        return self._call("__build__", [nodes.List([self.visit(item) for item in node.items])], node.lineno)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        pairs = [nodes.Tuple([self.visit(pair.key), self.visit(pair.value)], "load") for pair in node.items]
        return self._call("__mapping__", [nodes.List(list(pairs))], node.lineno)

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        return self._call("__range__", [self.visit(argument) for argument in node.args], node.lineno)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        arguments = [nodes.Const(node.name), self.visit(node.node), *(self.visit(argument) for argument in node.args)]
        call = self._call("__filter__", arguments, node.lineno)
        call.kwargs = [nodes.Keyword(option.key, self.visit(option.value), lineno=node.lineno) for option in node.kwargs]
        return call

    def visit_For(self, node: nodes.For) -> nodes.Node:
        weight = sum(1 for child in (*node.body, *([node.test] if node.test else [])) for _ in child.find_all(nodes.Node)) + 1
        looped = self._call("__each__", [self.visit(node.iter), nodes.Const(weight)], node.lineno)
        test = self.visit(node.test) if node.test else None
        body, other = ([self.visit(child) for child in children] for children in (node.body, node.else_))
        return nodes.For(node.target, looped, body, other, test, False, lineno=node.lineno)


def compile_template(text: str, *, traced: bool = False) -> Template:
    """Compile a template of the language; raise `Fault` when Jinja or Python cannot."""
    made = environment()
    tree = _Rewrite(traced).visit(parse(text))
    tree.set_environment(made)
    try:
        code = made.compile(tree, None, FILENAME)
        return Template.from_code(made, code, {})
    except TemplateSyntaxError as error:
        raise refused(f"the template does not compile: {error.message}", error.lineno) from error
    except Exception as error:  # Python's own bounds: nested blocks, indentation, recursion
        raise refused("the template's blocks are nested too deeply to compile", 0, fix="nest at most about fifteen blocks") from error


def line_of(template: Template, error: BaseException) -> int:
    """Find the template's line in which an exception was raised; 0 when it was not in the template."""
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == FILENAME:
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line


def run(template: Template, variables: Mapping[str, Any]) -> Any:
    """Start a compiled template: a generator of its pieces of text."""
    return template.root_render_func(template.new_context(dict(variables)))
