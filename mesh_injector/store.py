"""The current snapshot: everything a review needs, immutable and replaced whole, with the last good parts kept.

Doors build a snapshot from documents by `load`; `serve` keeps the newest in a `Store` and reads it once for each review.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from mesh_injector.documents import Document, expand
from mesh_injector.engine.rules import Namespace
from mesh_injector.errors import ConfigError, InjectionError, Problem
from mesh_injector.formats import mesh
from mesh_injector.formats.mesh import Loaded, MeshRules
from mesh_injector.reasons import Reason

NAME_LABEL: Final = "kubernetes.io/metadata.name"
_NOTHING: Final[Mapping[str, Any]] = {}

Identity = tuple[str, str, str]
"""Kind, namespace and name of a document."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Rules and namespaces at one moment, the documents they were made of, and what is wrong with those."""

    rules: MeshRules
    loaded: Loaded
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    documents: tuple[Document, ...] = ()
    problems: tuple[Problem, ...] = ()
    kept: frozenset[Identity] = frozenset()
    """Those of the documents that are of an earlier state, because their file cannot be read now."""

    def namespace(self, name: str) -> Namespace:
        """Look a namespace up; one that no document describes has its name as its only label, as in every cluster."""
        return self.namespaces.get(name) or Namespace(name, {NAME_LABEL: name})


def load(
    documents: Iterable[Document],
    home: str = mesh.DEFAULT_HOME,
    last: Snapshot | None = None,
    unread: Mapping[str, InjectionError] = _NOTHING,
) -> Snapshot:
    """Make a snapshot of documents; what does not load leaves the last good part in force and is told in `problems`.

    `unread` are namespaces whose ConfigMaps cannot be read, and what that means for their meshes.
    """
    documents, unlisted = expanded(documents)
    loaded = mesh.load(documents, home, last.loaded if last else None, unread)
    namespaces = {document.name: namespace_of(document) for document in documents if document.kind == "Namespace"}
    rules = MeshRules(loaded.meshes, home, loaded.unusable, last.rules if last else None)
    return Snapshot(rules, loaded, namespaces, documents, (*unlisted, *loaded.problems))


def expanded(documents: Iterable[Document], told: Iterable[Problem] = ()) -> tuple[tuple[Document, ...], list[Problem]]:
    """Take the items out of Lists, as `kubectl get -o yaml` prints them; a List with an item that is no object is told after the others."""
    found: list[Document] = []
    problems = list(told)
    for document in documents:
        try:
            found += expand(document)
        except ConfigError as error:
            problems.append(error.problem)
    return tuple(found), problems


def of_broken(broken: Iterable[str], documents: Iterable[Document], last: Snapshot | None) -> tuple[Document, ...]:
    """Find what the last snapshot had of files that cannot be read now: half a file must not take its meshes away."""
    if last is None:
        return ()
    there, sources = {_identity(document) for document in documents}, tuple(broken)
    return tuple(document for document in last.documents if _is_from(document, sources) and _identity(document) not in there)


def _is_from(document: Document, sources: tuple[str, ...]) -> bool:
    """Whether a document is from one of some files, or from below one of some folders."""
    return any(document.origin.source == source or document.origin.source.startswith(f"{source}/") for source in sources)


def _identity(document: Document) -> Identity:
    return document.kind, document.namespace, document.name


def namespace_of(document: Document) -> Namespace:
    """The namespace that a document describes."""
    metadata = document.body.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    found = (metadata.get(name) for name in ("labels", "annotations"))
    labels, annotations = ({key: str(value) for key, value in texts.items()} if isinstance(texts, dict) else {} for texts in found)
    return Namespace(document.name, {**labels, NAME_LABEL: document.name}, annotations)


def modes(snapshot: Snapshot) -> dict[str, str]:
    """The mode of each loaded mesh by its name, `namespace/name`."""
    return {str(mesh): mesh.spec.mode for mesh in snapshot.loaded.meshes}


def templates_valid(snapshot: Snapshot) -> dict[str, bool]:
    """Whether the newest text of its template is in force, for each mesh: not where it has none, where it is wrong for every pod, or where
    the last good one serves on, also because its file cannot be read. A region that the mesh lacks is no fault of the template.

    A mesh that is off and has no template is left out, since it may be incomplete.
    """
    config_maps = {
        (document.namespace or "default", document.name): document
        for document in snapshot.documents
        if document.kind == "ConfigMap" and _identity(document) not in snapshot.kept
    }
    newest = {id(template) for key, template in snapshot.loaded.templates.items() if _entry(config_maps, key) == template.source.text}
    meshes = (mesh for mesh in snapshot.loaded.meshes if mesh.template or mesh.spec.enable_auto_inject)
    return {str(mesh): id(mesh.template) in newest and _is_usable(mesh.fault) for mesh in meshes}


def _is_usable(fault: InjectionError | None) -> bool:
    return fault is None or fault.reason is Reason.REGION_MISSING


def _entry(config_maps: Mapping[tuple[str, str], Document], key: tuple[str, str, str]) -> Any:
    document = config_maps.get(key[:2])
    data = document.body.get("data") if document else None
    return data.get(key[2]) if isinstance(data, dict) else None


def reloads(before: Snapshot | None, after: Snapshot) -> list[tuple[str, str]]:
    """What happened to templates between two snapshots: a mesh, and `success` or `failure`, for each one that has changed."""
    known, now = (_templates(snapshot) if snapshot else {} for snapshot in (before, after))
    return [(mesh, "success" if state[1] else "failure") for mesh, state in now.items() if known.get(mesh) != state]


def _templates(snapshot: Snapshot) -> dict[str, tuple[str, bool]]:
    valid = templates_valid(snapshot)
    return {str(mesh): (mesh.digest, valid[str(mesh)]) for mesh in snapshot.loaded.meshes if str(mesh) in valid}


def population(snapshot: Snapshot) -> Counter[tuple[str, str]]:
    """How many meshes there are by (auto_inject, ready), `true` or `false`; of one that was never good auto_inject is `unknown`.

    A mesh that is off is ready as it is, since it may be incomplete; none is whose document has become wrong.
    """
    valid = templates_valid(snapshot)
    stale = {*snapshot.loaded.stale, *(f"{namespace or 'default'}/{name}" for kind, namespace, name in snapshot.kept if kind == "Mesh")}
    counts: Counter[tuple[str, str]] = Counter({("unknown", "false"): len(snapshot.loaded.unusable)} if snapshot.loaded.unusable else {})
    for each in snapshot.loaded.meshes:
        is_on = each.spec.enable_auto_inject
        is_good = not is_on or (valid[str(each)] and each.fault is None and not each.selector_fault)
        is_ready = is_good and str(each) not in stale
        counts[str(is_on).lower(), str(is_ready).lower()] += 1
    return counts


class Store:
    """Holds the newest snapshot; a review reads it once, so it never sees half a change. Until the first there is None."""

    def __init__(self, snapshot: Snapshot | None = None, home: str = mesh.DEFAULT_HOME) -> None:
        self.snapshot = snapshot
        self._home = snapshot.rules.home if snapshot else home
        self._own: Mapping[str, Namespace] = snapshot.namespaces if snapshot else {}
        self._described: Mapping[str, Namespace] = {}
        self._swap = threading.Lock()

    def replace(
        self, documents: Iterable[Document], broken: Iterable[str] = (), unread: Mapping[str, InjectionError] = _NOTHING
    ) -> Snapshot:
        """Load a new snapshot over the last one, put it in force in one step, and return it. It takes a while, and may be done in another
        thread than that of the reviews."""
        documents = tuple(documents)
        kept = of_broken(broken, documents, self.snapshot)
        made = load((*documents, *kept), self._home, self.snapshot, unread)
        with self._swap:
            self._own = made.namespaces
            self.snapshot = made = self._complete(replace(made, kept=frozenset(map(_identity, kept))))
        return made

    def describe(self, namespaces: Mapping[str, Namespace]) -> None:
        """Put namespaces in force beside those of the documents. It is quick: no mesh is compiled anew for a label of a namespace."""
        with self._swap:
            self._described = namespaces
            if self.snapshot is not None:
                self.snapshot = self._complete(self.snapshot)

    def _complete(self, snapshot: Snapshot) -> Snapshot:
        return replace(snapshot, namespaces={**self._own, **self._described})
