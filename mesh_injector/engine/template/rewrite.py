"""The rewrite: what could make text or work becomes a call of `state.State`, and the rest is compiled by Jinja.

Outputs, `~`, literals, loops, slices, comparisons, filters and tests are rewritten; look-ups and arithmetic are the environment's.
"""

from collections.abc import Mapping
from typing import Any, Final

from jinja2 import Template, nodes
from jinja2.visitor import NodeTransformer

from mesh_injector.engine.template.environment import environment
from mesh_injector.engine.template.source import refused

FILENAME: Final = "<patch template>"


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
            return self._call("__mark__", [self.visit(child), nodes.Const(line), nodes.Const(getattr(line, "column", 0))], line)
        return self._call("__data__", [nodes.Const(child.data), nodes.Const(line)], line) if self.traced else child

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        return self._call("__text__", [nodes.List([self.visit(part) for part in node.nodes])], node.lineno)

    def visit_List(self, node: nodes.List) -> nodes.Node:
        built = nodes.List([self.visit(item) for item in node.items], lineno=node.lineno)
        return self._call("__build__", [built], node.lineno)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        return self._call("__build__", [nodes.List([self.visit(item) for item in node.items])], node.lineno)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        pairs = [nodes.Tuple([self.visit(pair.key), self.visit(pair.value)], "load") for pair in node.items]
        return self._call("__mapping__", [nodes.List(list(pairs))], node.lineno)

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        return self._call("__range__", [self.visit(argument) for argument in node.args], node.lineno)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        part = node.arg
        if not isinstance(part, nodes.Slice):
            return self.generic_visit(node)
        bounds: list[nodes.Expr] = [self.visit(bound) if bound else nodes.Const(None) for bound in (part.start, part.stop, part.step)]
        return self._call("__slice__", [self.visit(node.node), *bounds], node.lineno)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        operators = nodes.List([nodes.Const(operand.op) for operand in node.ops])
        sides = nodes.List([self.visit(side) for side in (node.expr, *(operand.expr for operand in node.ops))])
        return self._call("__compare__", [operators, sides], node.lineno)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        return self._named("__filter__", node)

    def visit_Test(self, node: nodes.Test) -> nodes.Node:
        return self._named("__test__", node)

    def _named(self, function: str, node: nodes.Filter | nodes.Test) -> nodes.Call:
        arguments = [self.visit(argument) for argument in (node.node, *node.args) if argument]
        call = self._call(function, [nodes.Const(node.name), *arguments], node.lineno)
        call.kwargs = [self.visit(option) for option in node.kwargs]
        return call

    def visit_For(self, node: nodes.For) -> nodes.Node:
        weight = sum(1 for child in (*node.body, *([node.test] if node.test else [])) for _ in child.find_all(nodes.Node)) + 1
        looped = self._call("__each__", [self.visit(node.iter), nodes.Const(weight)], node.lineno)
        test = self.visit(node.test) if node.test else None
        body, other = ([self.visit(child) for child in children] for children in (node.body, node.else_))
        return nodes.For(node.target, looped, body, other, test, False, lineno=node.lineno)


def compile_tree(tree: nodes.Template, *, traced: bool = False) -> Template:
    """Rewrite a checked tree, which is used up by that, and compile it; raise `Fault` when Jinja or Python cannot."""
    made = environment()
    rewritten = _Rewrite(traced).visit(tree)
    rewritten.set_environment(made)
    try:
        code = made.compile(rewritten, None, FILENAME)
        return Template.from_code(made, code, {})
    except Exception as error:  # Python's own bounds: nested blocks, indentation, recursion
        raise refused(f"the template does not compile: {error}", 0, fix="nest at most about fifteen blocks") from error


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
