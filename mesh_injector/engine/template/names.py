"""Which variables a template names, and which of them it cannot do without: what a template needs follows from this.

A name is optional where it is only the subject of `is defined` or `default`, or stands in the branch that `is defined` guards.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from jinja2 import nodes

from mesh_injector.engine.template.language import refused
from mesh_injector.engine.template.source import Fault
from mesh_injector.engine.template.values import suggestion
from mesh_injector.reasons import Reason

VARIABLES: Final[dict[str, str]] = {
    "mesh_name": "text: the name of the mesh",
    "virtual_node_name": "text: the value of the pod's label that `virtualNodeLabel` names",
    "region": "text: the mesh's region",
    "container_ports": "list of numbers: the ports of the pod's own containers, in order, without repeats",
    "app_ports": "text: the same, joined by commas",
    "container_names": "list of texts: the names of the pod's own containers, in order",
    "mesh": "mapping: name, namespace, labels, annotations, region",
    "pod": "mapping: the pod as it was sent",
    "namespace": "mapping: name, labels, annotations",
    "values": "mapping: the mesh's values, with the pod's overrides",
    "MeshName": "text: as `mesh_name`, for migrated templates",
    "VirtualNodeName": "text: as `virtual_node_name`, for migrated templates",
    "AwsRegion": "text: as `region`, for migrated templates",
    "AppPort": "text: as `app_ports`, for migrated templates",
}
"""Every variable of a template, with its shape."""


@dataclass(slots=True)
class Names:
    """The variables that a template names, and the part of them that it needs."""

    named: set[str] = field(default_factory=set)
    needed: set[str] = field(default_factory=set)


def find(tree: nodes.Template) -> Names:
    """Find the variables of a template; raise `Fault` for a name that nothing defines, or that shadows a variable."""
    names = Names()
    _Walk(names).statements(tree.body, frozenset(), frozenset())
    return names


class _Walk:
    """Walk the statements with the names that are set so far (`local`) and those known to be defined in this branch (`guarded`)."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def statements(self, body: Iterable[nodes.Node], local: frozenset[str], guarded: frozenset[str]) -> frozenset[str]:
        for node in body:
            local = self.statement(node, local, guarded)
        return local

    def statement(self, node: nodes.Node, local: frozenset[str], guarded: frozenset[str]) -> frozenset[str]:
        """Walk one statement and return the names that are set after it."""
        if isinstance(node, nodes.Assign):
            self.expression(node.node, local, guarded)
            return local | self._targets(node.target)
        if isinstance(node, nodes.If):
            return self._if(node, local, guarded)
        if isinstance(node, nodes.For):
            self.expression(node.iter, local, guarded)
            inner = local | self._targets(node.target)
            if node.test is not None:
                self.expression(node.test, inner - {"loop"}, guarded)
            self.statements(node.body, inner | {"loop"}, guarded)
            self.statements(node.else_, local, guarded)
            return local
        self.expression(node, local, guarded)
        return local

    def _if(self, node: nodes.If, local: frozenset[str], guarded: frozenset[str]) -> frozenset[str]:
        self.expression(node.test, local, guarded)
        after = self.statements(node.body, local, guarded | defined_by(node.test, True))
        rest = guarded | defined_by(node.test, False)
        for branch in node.elif_:
            after |= self.statement(branch, local, rest)
            rest |= defined_by(branch.test, False)
        return after | self.statements(node.else_, local, rest)

    def expression(self, node: nodes.Node, local: frozenset[str], guarded: frozenset[str]) -> None:
        """Walk an expression: every name it loads is named, and needed unless something makes it optional."""
        if isinstance(node, nodes.Name):
            self._load(node, local, guarded, optional=False)
            return
        if isinstance(node, nodes.CondExpr):
            self.expression(node.test, local, guarded)
            self.expression(node.expr1, local, guarded | defined_by(node.test, True))
            if node.expr2 is not None:
                self.expression(node.expr2, local, guarded | defined_by(node.test, False))
            return
        if isinstance(node, nodes.And | nodes.Or):
            self.expression(node.left, local, guarded)
            self.expression(node.right, local, guarded | defined_by(node.left, isinstance(node, nodes.And)))
            return
        subject = _optional_subject(node)
        for child in node.iter_child_nodes():
            if child is subject and isinstance(child, nodes.Name):
                self._load(child, local, guarded, optional=True)
            elif not (isinstance(node, nodes.Call) and child is node.node):
                self.expression(child, local, guarded)

    def _load(self, node: nodes.Name, local: frozenset[str], guarded: frozenset[str], *, optional: bool) -> None:
        if node.name in local:
            return
        if node.name not in VARIABLES:
            raise Fault(
                Reason.UNDEFINED_VARIABLE,
                f"`{node.name}` is not defined",
                line=node.lineno,
                word=node.name,
                fix=suggestion(node.name, [*VARIABLES, *local]),
            )
        self.names.named.add(node.name)
        if not optional and node.name not in guarded:
            self.names.needed.add(node.name)

    @staticmethod
    def _targets(target: nodes.Node) -> frozenset[str]:
        found = [target] if isinstance(target, nodes.Name) else list(target.find_all(nodes.Name))
        for name in found:
            if name.name in VARIABLES or name.name.startswith("_") or name.name in ("loop", "range"):
                raise refused(f"`{name.name}` cannot be set: it is given", name.lineno, word=name.name, fix="choose another name")
        return frozenset(name.name for name in found)


def _optional_subject(node: nodes.Node) -> nodes.Node | None:
    """Find the expression that a node only asks about: of `is defined`, `is undefined`, `default` and `get`."""
    asks = (isinstance(node, nodes.Test) and node.name in ("defined", "undefined")) or (
        isinstance(node, nodes.Filter) and node.name in ("default", "d", "get")
    )
    return node.node if asks and isinstance(node, nodes.Test | nodes.Filter) else None


def defined_by(test: nodes.Node, outcome: bool) -> frozenset[str]:
    """Find the variables that must be defined where a test had an outcome: `x is defined and …` true, `x is undefined or …` false."""
    if isinstance(test, nodes.Test) and isinstance(test.node, nodes.Name) and test.name == ("defined" if outcome else "undefined"):
        return frozenset({test.node.name})
    if isinstance(test, nodes.Not):
        return defined_by(test.node, not outcome)
    if isinstance(test, nodes.And if outcome else nodes.Or):
        return defined_by(test.left, outcome) | defined_by(test.right, outcome)
    return frozenset()
