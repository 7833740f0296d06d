"""The templates of one load: the ConfigMap that a Mesh names, its text, and what that compiles to, once for all Meshes that name it.

The last good ones stay in reach, for Meshes whose newest text is wrong.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from mesh_injector.documents import Document
from mesh_injector.engine.template import PatchTemplate, Source
from mesh_injector.errors import InjectionError
from mesh_injector.formats.mesh import certainty, config_maps
from mesh_injector.formats.mesh.config_maps import TemplateKey
from mesh_injector.formats.mesh.mesh import Mesh
from mesh_injector.formats.mesh.spec import ConfigMapRef
from mesh_injector.reasons import Reason

Name = tuple[str, str]
Unread = Mapping[str, InjectionError]
"""Namespaces whose ConfigMaps cannot be read, and what is wrong with a Mesh that names one there."""
NOTHING_UNREAD: Final[Unread] = MappingProxyType({})


class Templates:
    """Finds and compiles: `compiled` are the texts that are in the language, `invalid` the others and why."""

    def __init__(self, documents: Mapping[Name, Document], home: str, unread: Unread, last: Mapping[TemplateKey, PatchTemplate]) -> None:
        self.compiled: dict[TemplateKey, PatchTemplate] = {}
        self.invalid: dict[TemplateKey, InjectionError] = {}
        self._documents, self._home, self._unread, self._last = documents, home, unread, last
        self._names = config_maps.Names(documents.values())
        self._good: dict[str, list[PatchTemplate]] = {}

    def served(self, meshes: Iterable[Mesh]) -> None:
        """Keep in reach what was good for meshes until now, by the name of the entry."""
        for template in {mesh.template for mesh in meshes if mesh.template is not None and mesh.fault is None}:
            self._good.setdefault(template.source.name, []).append(template)

    def source(self, mesh: Mesh) -> tuple[TemplateKey, Source]:
        """Find the text of a mesh's template. Raises `InjectionError` for a ConfigMap or entry that is not there or not allowed."""
        ref = mesh.spec.sidecar_patch_config_map
        if ref is None:
            fix = "name the ConfigMap in `spec.sidecarPatchConfigMap`, or set `enableAutoInject: false`"
            raise InjectionError(Reason.CONFIG_MAP_MISSING, "the mesh names no ConfigMap", where="spec.sidecarPatchConfigMap", fix=fix)
        namespace = namespace_of(mesh)
        if not mesh.home and namespace != mesh.namespace:
            what = f"a mesh outside {self._home} may only name a ConfigMap of its own namespace, not {namespace}/{ref.name}"
            fix = f"copy the ConfigMap to {mesh.namespace}, or move the Mesh to {self._home}"
            raise InjectionError(Reason.CONFIG_MAP_FORBIDDEN, what, where="spec.sidecarPatchConfigMap.namespace", fix=fix)
        document = self._config_map(mesh, namespace, ref)
        key = (namespace, ref.name, config_maps.entry(document, ref))
        return key, config_maps.source_of(key, document)

    def _config_map(self, mesh: Mesh, namespace: str, ref: ConfigMapRef) -> Document:
        document = self._documents.get((namespace, ref.name))
        where, name = "spec.sidecarPatchConfigMap", f"{namespace}/{ref.name}"
        if document is None and namespace in self._unread:
            raise self._unread[namespace]
        if document is None:
            meant = self._names.meant(namespace, ref.name)
            rule = "" if mesh.home else f" (a Mesh outside {self._home} takes its template from its own namespace)"
            fix = f'{meant}create it, labelled `{config_maps.TEMPLATE_LABEL}: "true"`, or correct the name{rule}'
            raise InjectionError(Reason.CONFIG_MAP_MISSING, f"there is no ConfigMap {name}", where=where, fix=fix)
        if not config_maps.is_template(document):
            raise config_maps.unlabelled(document, name)
        return document

    def compile(self, key: TemplateKey, source: Source) -> PatchTemplate:
        """Compile a template once; an unchanged one keeps its compiled object, and with it what is remembered of it."""
        if key in self.invalid:
            raise self.invalid[key]
        if key not in self.compiled:
            known = [self._last.get(key), *self._good.get(source.name, ())]
            same = next((template for template in known if template is not None and template.source == source), None)
            try:
                self.compiled[key] = same or PatchTemplate(source)
            except InjectionError as error:
                self.invalid[key] = error
                raise
        return self.compiled[key]

    def last_good(self, mesh: Mesh, own: PatchTemplate | None, name: str) -> PatchTemplate | None:
        """Find the template of an entry that served until now and is good for a mesh: its own before that of another mesh."""
        candidates = sorted(self._good.get(name, ()), key=lambda template: template is not own)
        return next((template for template in candidates if certainty.fault(mesh, template) is None), None)


def namespace_of(mesh: Mesh) -> str:
    """The namespace of the ConfigMap that a mesh names."""
    ref = mesh.spec.sidecar_patch_config_map
    return (ref.namespace if ref else None) or mesh.namespace
