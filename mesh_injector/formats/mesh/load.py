"""From documents to compiled meshes: everything that can be wrong with them is found here, so that deciding cannot fail on configuration.

A Mesh or template that does not load leaves the last good one in force; one that is gone is gone.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from mesh_injector import reasons
from mesh_injector.documents import Document
from mesh_injector.engine import selector
from mesh_injector.engine.selector import Selector, Unusable
from mesh_injector.engine.template import PatchTemplate
from mesh_injector.errors import InjectionError, Problem
from mesh_injector.formats.mesh import certainty, templates
from mesh_injector.formats.mesh import spec as mesh_spec
from mesh_injector.formats.mesh.config_maps import TemplateKey
from mesh_injector.formats.mesh.mesh import Mesh
from mesh_injector.formats.mesh.spec import InjectionSelector
from mesh_injector.formats.mesh.templates import NOTHING_UNREAD, Name, Templates, Unread
from mesh_injector.reasons import Reason

DEFAULT_HOME: Final = "mesh-system"
_OUR_FIELDS: Final = frozenset({"enableAutoInject", "injectionSelector", "sidecarPatchConfigMap"})
"""What a Mesh of no other product has."""

Wrong = tuple[Reason, Problem]
"""What is wrong with a Mesh, and the reason that stands for it; NotReady where the document itself does not fit."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Compiled meshes in the order of their names, those that cannot be used and why, the templates, everything that is wrong, and
    which meshes are `stale`: their document has become wrong, so that the last good one serves on. `wrong` says of each mesh what is
    wrong with what its author wrote last, also where that is off, or where something older serves on."""

    meshes: tuple[Mesh, ...] = ()
    unusable: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[TemplateKey, PatchTemplate] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    stale: frozenset[str] = frozenset()
    wrong: Mapping[str, tuple[Wrong, ...]] = field(default_factory=dict)


def load(documents: Iterable[Document], home: str = DEFAULT_HOME, last: Loaded | None = None, unread: Unread = NOTHING_UNREAD) -> Loaded:
    """Compile the Meshes and template ConfigMaps among documents; `last` is what serves until now."""
    return _Loading(documents, home, last or Loaded(), unread).run()


class _Loading:
    """One load: problems are collected, the last good parts are taken over."""

    def __init__(self, documents: Iterable[Document], home: str, last: Loaded, unread: Unread) -> None:
        self.home, self.last, self.unread = home, last, unread
        self.last_meshes = {(mesh.namespace, mesh.name): mesh for mesh in last.meshes}
        self.problems: list[Problem] = []
        self.unusable: dict[str, str] = {}
        self.stale: set[str] = set()
        self.wrong: dict[str, tuple[Wrong, ...]] = {}
        documents = list(documents)
        self._tell_strangers(documents)
        self.mesh_documents = self._by_name(document for document in documents if is_mesh(document))
        config_maps = self._by_name(document for document in documents if document.kind == "ConfigMap")
        self.templates = Templates(config_maps, home, unread, last.templates)
        self.templates.served(last.meshes)

    def _tell_strangers(self, documents: Iterable[Document]) -> None:
        """Tell of documents that were surely meant to be Meshes: our group with another kind or version, or our fields."""
        wanted = f"{mesh_spec.GROUP}/{mesh_spec.VERSION}"
        for document in documents:
            if not is_mesh(document) and _is_meant_as_mesh(document):
                what = f"`{document.api_version}` `{document.kind}` is not a Mesh, and counts for nothing"
                self._tell(document, ("apiVersion",), reasons.FIELD_WRONG, what, f"write `apiVersion: {wanted}` and `kind: Mesh`")

    def run(self) -> Loaded:
        meshes = tuple(filter(None, (self._mesh(*each) for each in sorted(self.mesh_documents.items()))))
        problems = tuple(dict.fromkeys(self.problems))
        return Loaded(meshes, self.unusable, self.templates.compiled, problems, frozenset(self.stale), self.wrong)

    def _by_name(self, documents: Iterable[Document]) -> dict[Name, Document]:
        found: dict[Name, Document] = {}
        for document in documents:
            name = (document.namespace or "default", document.name)
            if name in found:
                what = f"the {document.kind} {name[0]}/{name[1]} is described twice; this one counts, not {found[name].locate(())}"
                self._tell(document, (), reasons.DUPLICATE, what, "remove one of them")
            found[name] = document
        return found

    def _mesh(self, name: Name, document: Document) -> Mesh | None:
        parsed, problems = mesh_spec.parse(document)
        problems += self._names(document)
        self.problems += problems
        if parsed is None or problems:
            self._mark("/".join(name), Reason.NOT_READY, problems[0])
            last = self.last_meshes.get(name)
            if last is None:
                self.unusable["/".join(name)] = f"cannot be used: [{problems[0].code}] {problems[0].what}"
                return None
            self.stale.add(str(last))
            return self._with_template(last, document)
        mesh = self._select(Mesh(name[1], name[0], parsed, home=name[0] == self.home, **_metadata(document)), document)
        return self._with_template(mesh, document)

    def _names(self, document: Document) -> tuple[Problem, ...]:
        origin = document.locate(("metadata", "name"))
        if re.fullmatch(mesh_spec.DNS_LABEL, document.name):
            return ()
        what = f"`metadata.name` {document.name!r:.80} is no DNS label"
        return (Problem(reasons.FIELD_WRONG, what, str(origin), "use at most 63 of a-z, 0-9 and `-`", document.excerpt(origin)),)

    def _select(self, mesh: Mesh, document: Document) -> Mesh:
        """Parse the selectors. A missing or wrong one selects nothing; one that becomes wrong leaves the last good Mesh in force.

        A mesh that is off may be incomplete, and can always be switched off.
        """
        parts = mesh.spec.injection_selector
        try:
            pods, namespaces = _selectors(parts)
        except ValueError as error:
            place, fix = (error.path, error.fix) if isinstance(error, Unusable) else ((), "correct the selector")
            path, code = ("spec", "injectionSelector", *place), reasons.CODES[Reason.SELECTOR_INVALID]
            if mesh.spec.enable_auto_inject or parts:
                self._tell(document, path, code, f"mesh {mesh}: {error}", fix)
            problem = Problem(code, str(error), str(document.locate(path)), fix)
            self._mark(str(mesh), Reason.SELECTOR_INVALID, problem)
            last = self.last_meshes.get((mesh.namespace, mesh.name))
            if mesh.spec.enable_auto_inject and last and not last.selector_fault:
                self.stale.add(str(last))
                return last
            return replace(mesh, selector_fault=f"{Reason.SELECTOR_INVALID}: {error}")
        return replace(mesh, pod_selector=pods, namespace_selector=namespaces)

    def _with_template(self, mesh: Mesh, document: Document) -> Mesh:
        """Find and compile the template. What is wrong is an error of every pod the mesh selects, and told now unless the mesh is off.

        Where the newest text is wrong for every pod, the last one that was good for the mesh serves on.
        """
        mesh = replace(mesh, privileged=mesh.home and templates.namespace_of(mesh) == self.home)
        own = self.last_meshes.get((mesh.namespace, mesh.name))
        key = template = None
        try:
            key, source = self.templates.source(mesh)
            template = self.templates.compile(key, source)
            unchanged = own is not None and own == replace(mesh, template=template, fault=own.fault)
            fault = own.fault if own and unchanged else certainty.fault(mesh, template)
        except InjectionError as error:
            fault = error
        if fault is None:
            self._tell_withdrawn(mesh, document)
            return replace(mesh, template=template, fault=None)
        self._mark(str(mesh), fault.reason, fault.problem)
        is_told = mesh.spec.enable_auto_inject
        is_lost = key is not None and (is_told or key in self.templates.invalid)
        last = self.templates.last_good(mesh, own.template if own else None, source.name) if is_lost else None
        if last is not None:
            self._tell_fault(mesh, document, fault, " (the last good template serves on)")
        elif is_told:
            self._tell_fault(mesh, document, fault)
        return replace(mesh, template=last or template, fault=None if last else fault)

    def _tell_withdrawn(self, mesh: Mesh, document: Document) -> None:
        """Tell where a ConfigMap was read once and cannot be read any more: what it held serves on."""
        fault = self.unread.get(templates.namespace_of(mesh))
        if fault is not None and mesh.spec.enable_auto_inject:
            self._mark(str(mesh), fault.reason, fault.problem)
            self.stale.add(str(mesh))
            self._tell_fault(mesh, document, fault, " (what was read before serves on)")

    def _mark(self, mesh: str, reason: Reason, problem: Problem) -> None:
        self.wrong[mesh] = (*self.wrong.get(mesh, ()), (reason, problem))

    def _tell_fault(self, mesh: Mesh, document: Document, fault: InjectionError, serving: str = "") -> None:
        problem = replace(fault.problem, what=f"{fault.problem.what}{serving}")
        if problem.where.startswith("spec."):
            origin = document.locate(tuple(problem.where.split(".")))
            problem = replace(problem, where=f"{origin}, {problem.where}", excerpt=document.excerpt(origin))
        of_the_template = bool(serving) and problem.where.startswith("ConfigMap ")
        self.problems.append(problem if of_the_template else replace(problem, what=f"mesh {mesh}: {problem.what}"))

    def _tell(self, document: Document, path: tuple[str | int, ...], code: str, what: str, fix: str) -> None:
        origin = document.locate(path)
        self.problems.append(Problem(code, what, str(origin), fix, document.excerpt(origin)))


def is_mesh(document: Document) -> bool:
    """Whether a document is a Mesh of ours: other products have Meshes of their own."""
    return document.kind == "Mesh" and document.api_version == f"{mesh_spec.GROUP}/{mesh_spec.VERSION}"


def _is_meant_as_mesh(document: Document) -> bool:
    spec = document.body.get("spec")
    is_alike = document.kind == "Mesh" and isinstance(spec, dict) and not _OUR_FIELDS.isdisjoint(spec)
    return is_alike or document.api_version.partition("/")[0] in (mesh_spec.GROUP, "mesh-injector")


def _metadata(document: Document) -> dict[str, Any]:
    metadata = document.body.get("metadata") or {}
    found = {name: metadata.get(name) for name in ("labels", "annotations")}
    texts = {name: {key: str(value) for key, value in texts.items()} for name, texts in found.items() if isinstance(texts, dict)}
    generation, uid = metadata.get("generation"), metadata.get("uid")
    return {**texts, "generation": generation if isinstance(generation, int) else 0, "uid": uid if isinstance(uid, str) else ""}


def _selectors(parts: InjectionSelector | None) -> tuple[Selector | None, Selector | None]:
    """Parse both selectors; raise ValueError when one is wrong or both are missing."""
    pods = _selector(parts.pod_selector if parts else None, "podSelector")
    namespaces = _selector(parts.namespace_selector if parts else None, "namespaceSelector")
    if pods is None and namespaces is None:
        raise ValueError("`injectionSelector` needs a `podSelector` or a `namespaceSelector`; `{}` as one of them selects all")
    return pods, namespaces


def _selector(body: dict[str, Any] | None, name: str) -> Selector | None:
    try:
        return None if body is None else selector.parse(body)
    except Unusable as error:
        raise Unusable(f"`injectionSelector.{name}`: {error}", (name, *error.path), error.fix) from error
