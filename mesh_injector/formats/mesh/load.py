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
from mesh_injector.engine.selector import Selector
from mesh_injector.engine.template import PatchTemplate, Source
from mesh_injector.errors import InjectionError, Problem
from mesh_injector.formats.mesh import spec as mesh_spec
from mesh_injector.formats.mesh import variables
from mesh_injector.formats.mesh.mesh import Mesh
from mesh_injector.formats.mesh.spec import ConfigMapRef, InjectionSelector
from mesh_injector.reasons import Reason

TEMPLATE_LABEL: Final = "mesh-injector.io/template"
DEFAULT_HOME: Final = "mesh-system"

Name = tuple[str, str]
TemplateKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Compiled meshes in the order of their names, those that cannot be used and why, the templates, everything that is wrong, and
    which meshes are `stale`: their document has become wrong, so that the last good one serves on."""

    meshes: tuple[Mesh, ...] = ()
    unusable: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[TemplateKey, PatchTemplate] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    stale: frozenset[str] = frozenset()


def load(documents: Iterable[Document], home: str = DEFAULT_HOME, last: Loaded | None = None) -> Loaded:
    """Compile the Meshes and template ConfigMaps among documents; `last` is what serves until now."""
    return _Loading(documents, home, last or Loaded()).run()


class _Loading:
    """One load: problems are collected, the last good parts are taken over."""

    def __init__(self, documents: Iterable[Document], home: str, last: Loaded) -> None:
        self.home, self.last = home, last
        self.last_meshes = {(mesh.namespace, mesh.name): mesh for mesh in last.meshes}
        self.problems: list[Problem] = []
        self.unusable: dict[str, str] = {}
        self.stale: set[str] = set()
        self.templates: dict[TemplateKey, PatchTemplate] = {}
        documents = list(documents)
        self._tell_strangers(documents)
        self.mesh_documents = self._by_name(document for document in documents if is_mesh(document))
        self.config_maps = self._by_name(document for document in documents if document.kind == "ConfigMap")

    def _tell_strangers(self, documents: Iterable[Document]) -> None:
        """Tell of documents that were surely meant to be Meshes: our group with another kind or version."""
        wanted = f"{mesh_spec.GROUP}/{mesh_spec.VERSION}"
        for document in documents:
            if document.api_version.partition("/")[0] in (mesh_spec.GROUP, "mesh-injector") and not is_mesh(document):
                what = f"`{document.api_version}` `{document.kind}` is not a Mesh, and counts for nothing"
                self._tell(document, ("apiVersion",), reasons.FIELD_WRONG, what, f"write `apiVersion: {wanted}` and `kind: Mesh`")

    def run(self) -> Loaded:
        meshes = tuple(filter(None, (self._mesh(*each) for each in sorted(self.mesh_documents.items()))))
        return Loaded(meshes, self.unusable, self.templates, tuple(dict.fromkeys(self.problems)), frozenset(self.stale))

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
            path, code = ("spec", "injectionSelector"), reasons.CODES[Reason.SELECTOR_INVALID]
            if mesh.spec.enable_auto_inject or parts:
                self._tell(document, path, code, f"mesh {mesh}: {error}", "correct the selector")
            last = self.last_meshes.get((mesh.namespace, mesh.name))
            if mesh.spec.enable_auto_inject and last and not last.selector_fault:
                self.stale.add(str(last))
                return last
            return replace(mesh, selector_fault=f"{Reason.SELECTOR_INVALID}: {error}")
        return replace(mesh, pod_selector=pods, namespace_selector=namespaces)

    def _with_template(self, mesh: Mesh, document: Document) -> Mesh:
        """Find and compile the template. What is wrong is an error of every pod the mesh selects, and told now unless the mesh is off."""
        privileged = mesh.home and self._config_map_namespace(mesh) == self.home
        try:
            template = self._template(mesh)
            fault = variables.missing_region(mesh, template) or variables.missing_key(mesh, template)
        except InjectionError as error:
            template, fault = None, error
        if fault is not None and mesh.spec.enable_auto_inject:
            self._tell_fault(mesh, document, fault)
        return replace(mesh, template=template, fault=fault, privileged=privileged)

    def _config_map_namespace(self, mesh: Mesh) -> str:
        ref = mesh.spec.sidecar_patch_config_map
        return (ref.namespace if ref else None) or mesh.namespace

    def _template(self, mesh: Mesh) -> PatchTemplate:
        ref = mesh.spec.sidecar_patch_config_map
        if ref is None:
            fix = "name the ConfigMap in `spec.sidecarPatchConfigMap`, or set `enableAutoInject: false`"
            raise InjectionError(Reason.CONFIG_MAP_MISSING, "the mesh names no ConfigMap", where="spec.sidecarPatchConfigMap", fix=fix)
        namespace = self._config_map_namespace(mesh)
        if not mesh.home and namespace != mesh.namespace:
            what = f"a mesh outside {self.home} may only name a ConfigMap of its own namespace, not {namespace}/{ref.name}"
            fix = f"copy the ConfigMap to {mesh.namespace}, or move the Mesh to {self.home}"
            raise InjectionError(Reason.CONFIG_MAP_FORBIDDEN, what, where="spec.sidecarPatchConfigMap.namespace", fix=fix)
        document = self._config_map(namespace, ref)
        return self._compile((namespace, ref.name, _entry(document, ref)), document)

    def _config_map(self, namespace: str, ref: ConfigMapRef) -> Document:
        document = self.config_maps.get((namespace, ref.name))
        where, name = "spec.sidecarPatchConfigMap", f"{namespace}/{ref.name}"
        if document is None:
            fix = f'create it, labelled `{TEMPLATE_LABEL}: "true"`, or correct the name'
            raise InjectionError(Reason.CONFIG_MAP_MISSING, f"there is no ConfigMap {name}", where=where, fix=fix)
        if not is_template(document):
            fix = f'label it: `{TEMPLATE_LABEL}: "true"`'
            raise InjectionError(Reason.CONFIG_MAP_MISSING, f"the ConfigMap {name} does not carry our label", where=where, fix=fix)
        return document

    def _compile(self, key: TemplateKey, document: Document) -> PatchTemplate:
        """Compile a template once; an unchanged one keeps its compiled object, an invalid one leaves the last good one serving."""
        if key in self.templates:
            return self.templates[key]
        last = self.last.templates.get(key)
        source = source_of(key, document)
        if last is not None and last.source == source:
            self.templates[key] = last
            return last
        try:
            self.templates[key] = PatchTemplate(source)
        except InjectionError as error:
            if last is None:
                raise
            self.problems.append(replace(error.problem, what=f"{error.problem.what} (the last good template serves on)"))
            self.templates[key] = last
        return self.templates[key]

    def _tell_fault(self, mesh: Mesh, document: Document, fault: InjectionError) -> None:
        problem = fault.problem
        if problem.where.startswith("spec."):
            origin = document.locate(tuple(problem.where.split(".")))
            problem = replace(problem, where=f"{origin}, {problem.where}", excerpt=document.excerpt(origin))
        self.problems.append(replace(problem, what=f"mesh {mesh}: {problem.what}"))

    def _tell(self, document: Document, path: tuple[str, ...], code: str, what: str, fix: str) -> None:
        origin = document.locate(path)
        self.problems.append(Problem(code, what, str(origin), fix, document.excerpt(origin)))


def is_mesh(document: Document) -> bool:
    """Whether a document is a Mesh of ours: other products have Meshes of their own."""
    return document.kind == "Mesh" and document.api_version == f"{mesh_spec.GROUP}/{mesh_spec.VERSION}"


def is_template(document: Document) -> bool:
    """Whether a ConfigMap carries our label, without which no Mesh can name it."""
    labels = (document.body.get("metadata") or {}).get("labels")
    return isinstance(labels, dict) and labels.get(TEMPLATE_LABEL) == "true"


def source_of(key: TemplateKey, document: Document) -> Source:
    """Name the text of a ConfigMap's entry, and its place in the file."""
    namespace, name, entry = key
    return Source(document.body["data"][entry], f"ConfigMap {namespace}/{name}, key {entry}", document.block_line(("data", entry)))


def _metadata(document: Document) -> dict[str, Any]:
    found = {name: (document.body.get("metadata") or {}).get(name) for name in ("labels", "annotations")}
    return {name: {key: str(value) for key, value in texts.items()} for name, texts in found.items() if isinstance(texts, dict)}


def _selectors(parts: InjectionSelector | None) -> tuple[Selector | None, Selector | None]:
    """Parse both selectors; raise ValueError when one is wrong or both are missing."""
    pods = _selector(parts.pod_selector if parts else None, "podSelector")
    namespaces = _selector(parts.namespace_selector if parts else None, "namespaceSelector")
    if pods is None and namespaces is None:
        raise ValueError("`injectionSelector` needs a `podSelector` or a `namespaceSelector`; `{}` as one of them selects all")
    return pods, namespaces


def _selector(body: dict[str, Any] | None, name: str) -> Selector | None:
    if body is None:
        return None
    try:
        return selector.parse(body)
    except ValueError as error:
        raise ValueError(f"`injectionSelector.{name}`: {error}") from error


def _entry(document: Document, ref: ConfigMapRef) -> str:
    """Find the entry that holds the template: the named one, or the only one."""
    data = document.body.get("data") or {}
    name = f"ConfigMap {document.namespace or 'default'}/{document.name}"
    where = "spec.sidecarPatchConfigMap.key"
    keys = sorted(data) if isinstance(data, dict) else []
    if ref.key is None and len(keys) != 1:
        what = f"{name} has {len(keys)} entries and the mesh names none of them"
        fix = f"name one as `key`: {', '.join(keys)}" if keys else "put the template under `data`"
        raise InjectionError(Reason.CONFIG_MAP_KEY_MISSING, what, where=where, fix=fix)
    key = ref.key or keys[0]
    if key not in keys or not isinstance(data[key], str):
        fix = f"its entries are {', '.join(keys)}" if keys else "put the template under `data`"
        raise InjectionError(Reason.CONFIG_MAP_KEY_MISSING, f"{name} has no text entry `{key}`", where=where, fix=fix)
    return key
