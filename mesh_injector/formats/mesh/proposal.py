"""What a change of a Mesh or template ConfigMap would break: `lint` of the object and of those it works with, before and after.

Only what the change itself makes wrong speaks against it, so that what was broken before can be mended in steps, switched off, and deleted.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mesh_injector.documents import Document
from mesh_injector.engine.template import PatchTemplate
from mesh_injector.errors import Problem
from mesh_injector.formats.mesh import linting, refs, tries
from mesh_injector.formats.mesh.config_maps import TemplateKey, is_template
from mesh_injector.formats.mesh.linting import Finding, Severity
from mesh_injector.formats.mesh.load import Loaded, is_mesh, load
from mesh_injector.reasons import CERTAIN_TIE, CODES, TEMPLATE_UNUSED, Reason

TRIED: Final = 100
"""So many Meshes of a ConfigMap are tried."""
COST: Final = 128 * 1024
"""So much do the renderings cost together, by `tries.cost`, of Meshes that give the template different things to read: one takes up to
10 us, for it is rendered several times."""
_OF_ALL: Final = {TEMPLATE_UNUSED, CERTAIN_TIE}
"""What can be said of all documents only."""
_NOT_THERE: Final = CODES[Reason.CONFIG_MAP_MISSING]
_READ: Final = {"Mesh": ("spec",), "ConfigMap": ("data", "binaryData")}
"""The members that an object works by; who changes others, such as a finalizer or the status, is never held up."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change: the object as it was and as it is to be, None where there is none."""

    old: Document | None = None
    new: Document | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """What the change breaks, and what is worth knowing about it."""

    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def judge(change: Proposal, documents: Iterable[Document], home: str) -> Advice:
    """Say what a change breaks; `documents` are those in force. The order in which objects are created does not matter: a ConfigMap that
    is not there yet is a warning."""
    documents = tuple(documents)
    old, new = change.old, change.new
    if new is None or not _is_ours(new):
        return Advice(warnings=tuple(_left_without(old, documents)) if old and _is_ours(old) and not is_mesh(old) else ())
    if _is_leaving(new) or (old is not None and _written(old) == _written(new)):
        return Advice()
    documents, left_out = _tried(change, new, documents, home)
    known = {_same(finding) for finding in _before(change, documents, home)}
    found = _findings(new, documents, home)
    breaks = [each for each in found if each.severity is Severity.ERROR and each.problem.code != _NOT_THERE and _same(each) not in known]
    told = [each for each in found if each not in breaks and each.severity is not Severity.NOTE and each.problem.code not in _OF_ALL]
    return Advice(tuple(each.problem for each in breaks), (*(each.problem for each in told), *left_out))


def _tried(change: Proposal, new: Document, documents: tuple[Document, ...], home: str) -> tuple[tuple[Document, ...], tuple[Problem, ...]]:
    """Leave out what would take too long: of the Meshes of a ConfigMap all but the first by name, which is a warning."""
    meshes = [] if is_mesh(new) else sorted(_partners(new, documents), key=_name)
    most = _affordable(change, meshes[:TRIED], home) if len(meshes) > 1 else 1
    if len(meshes) <= most:
        return documents, ()
    what = f"it was tried with the first {most} of the {len(meshes):,} meshes that name it; see the status of the others"
    return tuple(meshes[:most]), (Problem(CODES[Reason.OVERLOADED], what, str(new.origin)),)


def _affordable(change: Proposal, meshes: Sequence[Document], home: str) -> int:
    """Count the meshes, at least one, that can be tried with a ConfigMap as it is to be and as it was."""
    cost = 0
    both = (_costs(config_map, meshes, home) for config_map in (change.old, change.new) if config_map)
    for number, costs in enumerate(zip(*both, strict=True), 1):
        cost += sum(costs)
        if cost > COST:
            return number
    return len(meshes)


def _costs(config_map: Document, meshes: Iterable[Document], home: str) -> Iterator[int]:
    """Measure mesh by mesh, since that is work too; those that give the template the same to read cost nothing but the first."""
    known: set[bytes] = set()
    templates: Mapping[TemplateKey, PatchTemplate] = {}
    for document in meshes:
        loaded = load((config_map, document), home, Loaded(templates=templates))
        templates = loaded.templates
        costs = {tries.key_of(mesh, mesh.template): tries.cost(mesh, mesh.template) for mesh in loaded.meshes if mesh.template}
        yield sum(cost for key, cost in costs.items() if key not in known)
        known |= costs.keys() - {b""}


def missing(change: Proposal, documents: Iterable[Document], home: str) -> list[tuple[str, str]]:
    """Name the ConfigMap that a Mesh works with and that is not among the documents: namespace and name, or nothing.

    A cluster's templates are watched where Meshes are, so that of the first Mesh in a namespace is not known yet.
    """
    new = change.new
    if new is None or not is_mesh(new) or not _is_on(new) or _partners(new, documents):
        return []
    return [name for name in refs.named((new,)) if new.namespace in (home, name[0])]


def _before(change: Proposal, documents: Iterable[Document], home: str) -> tuple[Finding, ...]:
    """What was wrong without the change. A new Mesh brings its ConfigMap's faults into force; a new ConfigMap those of no Mesh."""
    if change.old is not None:
        return _findings(change.old, documents, home)
    return linting.findings(_partners(change.new, documents), home=home) if change.new and not is_mesh(change.new) else ()


def _findings(document: Document, documents: Iterable[Document], home: str) -> tuple[Finding, ...]:
    return linting.findings((*_partners(document, documents), document), home=home)


def _partners(document: Document, documents: Iterable[Document]) -> list[Document]:
    """Find what a document works with: the ConfigMap of a Mesh, the Meshes of a ConfigMap. One that is off may be incomplete."""
    if is_mesh(document):
        named = refs.named((document,)) if _is_on(document) else {}
        return [each for each in documents if each.kind == "ConfigMap" and _name(each) in named]
    return [each for each in documents if is_mesh(each) and _is_on(each) and _name(document) in refs.named((each,))]


def _left_without(config_map: Document, documents: Iterable[Document]) -> Iterable[Problem]:
    """Warn of a ConfigMap that goes, or loses our label, while Meshes need it."""
    users = ["/".join(_name(each)) for each in _partners(config_map, documents)]
    if users:
        what = f"nothing can be injected any more by mesh{'es' if len(users) > 1 else ''} {', '.join(users)}"
        yield Problem(_NOT_THERE, what, str(config_map.origin), "name another ConfigMap in them, or switch them off")


def _is_ours(document: Document) -> bool:
    return is_mesh(document) or (document.kind == "ConfigMap" and is_template(document))


def _is_on(mesh: Document) -> bool:
    spec = mesh.body.get("spec")
    return isinstance(spec, dict) and spec.get("enableAutoInject") is True


def _is_leaving(document: Document) -> bool:
    """Whether an object waits for its finalizers only."""
    return bool((document.body.get("metadata") or {}).get("deletionTimestamp"))


def _name(document: Document) -> tuple[str, str]:
    return document.namespace or "default", document.name


def _written(document: Document) -> tuple[Any, ...]:
    """Everything that an object works by, as text: `1` is not `True`."""
    return (is_template(document), *(repr(document.body.get(member)) for member in _READ[document.kind]))


def _same(finding: Finding) -> tuple[str, str]:
    """What makes two findings one, wherever a line has moved to."""
    return finding.problem.code, finding.problem.what
