"""Which outputs of a template are the same for every pod, and which lines every pod gets, since nothing there reads what a pod can change.

A name that the template sets itself counts as open, whatever it was set to.
"""

import itertools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from jinja2 import nodes

from mesh_injector.engine.template.branches import Place, place_of
from mesh_injector.engine.template.guards import key_of


@dataclass(frozen=True, slots=True)
class Settled:
    """The variables that no pod changes, `partly` one of which pods can change the keys `open` alone, and `filled` lists that pods can
    change and that are never empty."""

    variables: frozenset[str]
    partly: str = ""
    open: Collection[str] = ()
    filled: frozenset[str] = frozenset()

    def outputs(self, tree: nodes.Template) -> Iterator[Place]:
        """Iterate over the places of the outputs that are the same for every pod."""
        for output in tree.find_all(nodes.Output):
            for child in output.nodes:
                place = place_of(child)
                if not isinstance(child, nodes.TemplateData) and place[1] and self._holds(child):
                    yield place

    def open_lines(self, tree: nodes.Template) -> frozenset[int]:
        """Find the lines of which a pod can change whether they are rendered, each from 1."""
        return frozenset(self._open_lines(tree.body, is_open=False))

    def open_outputs(self, tree: nodes.Template) -> frozenset[int]:
        """Find the lines on which something is read that a pod can change, each from 1."""
        return frozenset(line for node in tree.body for line in self._reading(node))

    def _reading(self, node: nodes.Node) -> Iterator[int]:
        """Iterate over the lines of the names below a node that a pod can change; of `values.image` that is one name."""
        if isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem) and self._holds(node):
            return
        if isinstance(node, nodes.Name) and node.ctx == "load":
            yield int(node.lineno or 0)
        for child in node.iter_child_nodes():
            yield from self._reading(child)

    def _open_lines(self, body: Iterable[nodes.Node], *, is_open: bool) -> Iterator[int]:
        for node in body:
            if isinstance(node, nodes.Output) and is_open:
                for child in node.nodes:
                    first = int(child.lineno or 0)
                    yield from range(first, first + 1 + (child.data.count("\n") if isinstance(child, nodes.TemplateData) else 0))
            elif isinstance(node, nodes.If):
                below = is_open or not all(self._holds(branch.test) for branch in (node, *node.elif_))
                parts = itertools.chain(node.body, *(branch.body for branch in node.elif_), node.else_)
                yield from self._open_lines(parts, is_open=below)
            elif isinstance(node, nodes.For):
                below = is_open or node.test is not None or not (self._holds(node.iter) or self._is_filled(node.iter))
                yield from self._open_lines((*node.body, *node.else_), is_open=below)

    def _is_filled(self, node: nodes.Node) -> bool:
        return isinstance(node, nodes.Name) and node.name in self.filled

    def _holds(self, node: nodes.Node) -> bool:
        if isinstance(node, nodes.Name) and node.ctx == "load":
            return node.name in self.variables
        if isinstance(node, nodes.Getattr | nodes.Getitem) and isinstance(node.node, nodes.Name) and node.node.name == self.partly:
            key = key_of(node)
            return key is not None and key not in self.open
        return all(map(self._holds, node.iter_child_nodes()))
