"""Which variables a template names, which keys of them it reads, and which of both it cannot do without.

A name is optional where it is only the subject of `is defined` or `default`, or stands in the branch that `is defined` guards.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, cast

from jinja2 import nodes

from mesh_injector.engine.template import guards
from mesh_injector.engine.template.source import Fault, refused
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
_OF_GO: Final[dict[str, str]] = {
    word: f"this is Jinja and not Go's templates: write `{{% {tag} %}}`"
    for word, tag in {"if": "if …", "else": "else", "with": "if …", "end": "endif"}.items()
}
"""The words that open and close blocks in Go's templates, which stand in `{{ }}` there and read as names here."""
KEYS: Final[dict[str, tuple[str, ...]]] = {
    "mesh": ("name", "namespace", "labels", "annotations", "region"),
    "namespace": ("name", "labels", "annotations"),
    "pod": ("apiVersion", "kind", "metadata", "spec", "status"),
}
"""The variables whose keys are known, whatever the mesh and the pod."""
CONDITIONAL: Final = frozenset({"region", "AwsRegion", "virtual_node_name", "VirtualNodeName", "container_ports", "app_ports", "AppPort"})
"""The variables that a mesh or a pod may lack."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """One reading of a key of a variable, as in `values.image`: where, and whether every rendering comes by (`always`)."""

    variable: str
    key: str
    line: int
    always: bool


@dataclass(slots=True)
class Names:
    """The variables that a template names, the part of them that it needs, and the keys of them that it reads and must find.

    `read` holds every key that is read, also the optional ones; `whole` the variables that are also used as a whole; `paths` how the
    keys of each line are written, for messages: `{(3, "image"): "values.image"}`, empty where two are written differently; `fallbacks`
    the variables in the argument of a `default`, which are needed wherever they stand (`variable` is what they stand in for).
    """

    named: set[str] = field(default_factory=set)
    needed: set[str] = field(default_factory=set)
    lookups: list[Lookup] = field(default_factory=list)
    read: set[tuple[str, str]] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)
    paths: dict[tuple[int, str], str] = field(default_factory=dict)
    fallbacks: list[Lookup] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where an expression stands: the names set so far, those known to be defined (also `values.x`), and whether it is always evaluated."""

    local: frozenset[str] = frozenset()
    guarded: frozenset[str] = frozenset()
    always: bool = True

    def branch(self, guards: frozenset[str] = frozenset()) -> "_Scope":
        """What may not be reached, and what is defined there."""
        return replace(self, guarded=self.guarded | guards, always=False)


def find(tree: nodes.Template) -> Names:
    """Find the variables of a template; raise `Fault` for a name that nothing defines, or that shadows a variable."""
    names = Names()
    _Walk(names).statements(tree.body, _Scope())
    return names


class _Walk:
    """Walk the statements and expressions in the order in which they are evaluated."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def statements(self, body: Iterable[nodes.Node], scope: _Scope) -> frozenset[str]:
        """Walk statements and return the names that are set after them."""
        for node in body:
            scope = replace(scope, local=self.statement(node, scope))
        return scope.local

    def statement(self, node: nodes.Node, scope: _Scope) -> frozenset[str]:
        """Walk one statement and return the names that are set after it."""
        if isinstance(node, nodes.If):
            return self._if(node, scope)
        if isinstance(node, nodes.For):
            self._for(node, scope)
            return scope.local
        self.expression(node.node if isinstance(node, nodes.Assign) else node, scope)
        return scope.local | self._targets(node.target) if isinstance(node, nodes.Assign) else scope.local

    def _if(self, node: nodes.If, scope: _Scope) -> frozenset[str]:
        self.expression(node.test, scope)
        after = self.statements(node.body, scope.branch(guards.defined_by(node.test, True)))
        rest = scope.branch(guards.defined_by(node.test, False))
        for branch in node.elif_:
            after |= self.statement(branch, rest)
            rest = rest.branch(guards.defined_by(branch.test, False))
        return after | self.statements(node.else_, rest)

    def _for(self, node: nodes.For, scope: _Scope) -> None:
        self.expression(node.iter, scope)
        body = replace(scope.branch(), local=scope.local | self._targets(node.target))
        if node.test is not None:
            self.expression(node.test, replace(body, local=body.local - {"loop"}))
            body = body.branch(guards.defined_by(node.test, True))
        self.statements(node.body, replace(body, local=body.local | {"loop"}))
        self.statements(node.else_, scope.branch())

    def expression(self, node: nodes.Node, scope: _Scope) -> None:
        """Walk an expression: every name it loads is named, and needed unless something makes it optional."""
        if isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem):
            self._read(node, scope, optional=False)
        elif isinstance(node, nodes.CondExpr):
            self.expression(node.test, scope)
            self.expression(node.expr1, scope.branch(guards.defined_by(node.test, True)))
            otherwise = cast("nodes.Expr", node.expr2)  # the language has no `if` without its `else`
            self.expression(otherwise, scope.branch(guards.defined_by(node.test, False)))
        elif isinstance(node, nodes.And | nodes.Or):
            self.expression(node.left, scope)
            self.expression(node.right, scope.branch(guards.defined_by(node.left, isinstance(node, nodes.And))))
        else:
            subject = guards.subject(node)
            self._fallbacks(node, scope)
            for child in node.iter_child_nodes():
                if child is subject:
                    self._read(child, scope, optional=True)
                elif not (isinstance(node, nodes.Call) and child is node.node):
                    self.expression(child, scope)

    def _fallbacks(self, node: nodes.Node, scope: _Scope) -> None:
        if isinstance(node, nodes.Filter) and node.name in ("default", "d") and node.node is not None:
            names = [one for argument in node.args[:1] for one in (argument, *argument.find_all(nodes.Name)) if isinstance(one, nodes.Name)]
            told = {one.name: one for one in names if one.name in CONDITIONAL - scope.local - scope.guarded}
            self.names.fallbacks += [Lookup(guards.path_of(node.node), name, one.lineno or 0, scope.always) for name, one in told.items()]

    def _read(self, node: nodes.Node, scope: _Scope, *, optional: bool) -> None:
        """Walk a name, or a key of something, as in `values.a[b]`; of an optional one every link may be missing, but the variable."""
        if isinstance(node, nodes.Name):
            self._load(node, scope, optional=optional)
            self.names.whole |= {node.name} - scope.local
            return
        if not isinstance(node, nodes.Getattr | nodes.Getitem):
            self.expression(node, scope)
            return
        key, path = guards.key_of(node), guards.path_of(node)
        if isinstance(node, nodes.Getitem):
            self.expression(node.arg, scope)
        if key is not None:
            place = (int(node.lineno or 0), key)
            self.names.paths[place] = path if self.names.paths.get(place, path) == path else ""
        if key is None or not isinstance(node.node, nodes.Name):
            self._read(node.node, scope, optional=optional and not isinstance(node.node, nodes.Name))
        else:
            self._load(node.node, scope, optional=False)
            self._look_up(node, key, scope, optional=optional)

    def _look_up(self, node: nodes.Getattr | nodes.Getitem, key: str, scope: _Scope, *, optional: bool) -> None:
        variable, path = node.node.name, guards.path_of(node)  # type: ignore[attr-defined] # the caller has seen that it is a Name
        if variable in scope.local:
            return
        self.names.read.add((variable, key))
        if optional or path in scope.guarded:
            return
        if key not in KEYS.get(variable, (key,)):
            fix = suggestion(key, KEYS[variable])
            raise Fault(Reason.UNDEFINED_VARIABLE, f"`{path}` is not defined", line=node.lineno or 0, word=key, fix=fix)
        self.names.lookups.append(Lookup(variable, key, node.lineno or 0, scope.always))

    def _load(self, node: nodes.Name, scope: _Scope, *, optional: bool) -> None:
        if node.name in scope.local:
            return
        if node.name not in VARIABLES:
            fix = _OF_GO.get(node.name) or suggestion(node.name, [*VARIABLES, *scope.local])
            raise Fault(Reason.UNDEFINED_VARIABLE, f"`{node.name}` is not defined", line=node.lineno or 0, word=node.name, fix=fix)
        self.names.named.add(node.name)
        if not optional and node.name not in scope.guarded:
            self.names.needed.add(node.name)

    @staticmethod
    def _targets(target: nodes.Node) -> frozenset[str]:
        found = [target] if isinstance(target, nodes.Name) else list(target.find_all(nodes.Name))
        for name in found:
            if name.name in VARIABLES or name.name.startswith("_") or name.name in ("loop", "range"):
                raise refused(f"`{name.name}` cannot be set: it is given", name.lineno, word=name.name, fix="choose another name")
        return frozenset(name.name for name in found)
