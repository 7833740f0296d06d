"""Which outputs of a template are the same for every pod, since they read nothing that a pod can change.

A name that the template sets itself counts as open, whatever it was set to.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from jinja2 import nodes

from mesh_injector.engine.template.branches import Place, place_of
from mesh_injector.engine.template.guards import key_of


@dataclass(frozen=True, slots=True)
class Settled:
    """The variables that no pod changes, and `partly` one of which pods can change the keys `open` alone."""

    variables: frozenset[str]
    partly: str = ""
    open: Collection[str] = ()

    def outputs(self, tree: nodes.Template) -> Iterator[Place]:
        """Iterate over the places of the outputs that are the same for every pod."""
        for output in tree.find_all(nodes.Output):
            for child in output.nodes:
                place = place_of(child)
                if not isinstance(child, nodes.TemplateData) and place[1] and self._holds(child):
                    yield place

    def _holds(self, node: nodes.Node) -> bool:
        if isinstance(node, nodes.Name):
            return node.name in self.variables
        if isinstance(node, nodes.Getattr | nodes.Getitem) and isinstance(node.node, nodes.Name) and node.node.name == self.partly:
            key = key_of(node)
            return key is not None and key not in self.open
        return all(map(self._holds, node.iter_child_nodes()))
