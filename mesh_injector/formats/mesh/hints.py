"""What works and was hardly meant: each hint is one small question to the meshes and templates, answered without a pod."""

import itertools
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from mesh_injector import reasons
from mesh_injector.documents import Document, Origin, Path
from mesh_injector.engine.checks import Finding
from mesh_injector.engine.template import PatchTemplate, Rendered
from mesh_injector.engine.template.source import Fault
from mesh_injector.engine.template.values import nearest, suggestion
from mesh_injector.errors import InjectionError, Problem
from mesh_injector.formats.mesh import grants, lacks, refs, sketch, slips, tries, variables
from mesh_injector.formats.mesh.config_maps import TemplateKey
from mesh_injector.formats.mesh.load import Loaded, is_mesh
from mesh_injector.formats.mesh.mesh import Mesh
from mesh_injector.reasons import Reason

NOTES: Final = frozenset({reasons.FALLBACK_NEEDED})
"""The hints that are worth knowing, and no warning."""


def of(
    documents: Sequence[Document], loaded: Loaded, entries: Mapping[TemplateKey, Document], templates: Iterable[PatchTemplate]
) -> Iterator[Problem]:
    """Iterate over the hints about all meshes, the ConfigMaps of `entries`, and compiled templates."""
    meshes = {(one.namespace or "default", one.name): one for one in documents if is_mesh(one)}
    for mesh in loaded.meshes:
        document = meshes[mesh.namespace, mesh.name]
        for ask in _OF_A_MESH:
            yield from ask(mesh, document)
    yield from _unused_templates(refs.named(documents), entries)
    yield from _ties(loaded.meshes, meshes)
    for template in templates:
        yield from of_template(template)


def of_template(template: PatchTemplate) -> Iterator[Problem]:
    """Iterate over the hints about one template, whatever mesh names it."""
    for made in sketch.sketches(template):
        yield from _images(made.rendered, made.is_free)
        if not sketch.findings(made.rendered, privileged=True):  # of `imagee:` it is the misspelt field that is told
            yield from lacks.of(made)
            yield from slips.of(made.rendered, made.is_free)
    for lookup in template.names.fallbacks:
        what = f"`{lookup.key}` is needed here even where `{lookup.variable}` is defined"
        fix = f"write `{lookup.variable} if {lookup.variable} is defined else {lookup.key}`"
        yield _in_template(template, reasons.FALLBACK_NEEDED, Fault(_ANY, what, line=lookup.line, word=lookup.key, fix=fix))


def _overrides(mesh: Mesh, document: Document) -> Iterator[Problem]:
    for index, name in enumerate(mesh.spec.overrides):
        if name not in mesh.spec.values:
            what = f"the override `{name}` names no value of the mesh, so pods may set any text"
            meant = nearest(name, (one for one in mesh.spec.values if one not in mesh.spec.overrides))
            yield _in_file(
                document,
                document.locate(("spec", "overrides", index)),
                reasons.OVERRIDE_WITHOUT_VALUE,
                what,
                f"did you mean `{meant}`? Else give it a value in `spec.values`" if meant else "give it a value in `spec.values`",
            )


def _unused_values(mesh: Mesh, document: Document) -> Iterator[Problem]:
    names = mesh.template.names if mesh.template else None
    missing = {lookup.key for lookup in names.lookups if lookup.variable == "values"} - mesh.spec.values.keys() if names else set()
    meant = {suggestion(key, mesh.spec.values) for key in missing}
    for name in mesh.spec.values:
        is_read = names is None or "values" in names.whole or ("values", name) in names.read
        if not is_read and f"did you mean `{name}`?" not in meant:
            what, fix = f"no template reads the value `{name}`", "remove it, or correct its name"
            yield _in_file(document, document.locate(("spec", "values", name), key=True), reasons.VALUE_UNUSED, what, fix)


def _alike(mesh: Mesh, document: Document) -> Iterator[Problem]:
    """Names of values and overrides that differ only in case, of which one is surely a slip."""
    places: dict[str, Path] = {name: ("spec", "values", name) for name in mesh.spec.values}
    places |= {name: ("spec", "overrides", index) for index, name in enumerate(mesh.spec.overrides) if name not in places}
    for first, second in itertools.combinations(places, 2):
        if first.lower() == second.lower():
            what = f"`{first}` and `{second}` differ only in case"
            origin = document.locate(places[second], key=second in mesh.spec.values)
            yield _in_file(document, origin, reasons.NAMES_ALIKE, what, "use one spelling")


def _missing_values(mesh: Mesh, _document: Document) -> Iterator[Problem]:
    known = {*mesh.spec.values, *mesh.spec.overrides}
    for lookup in mesh.template.names.lookups if mesh.template else ():
        if lookup.variable == "values" and not lookup.always and lookup.key not in known:
            fault = variables.undefined(lookup, known)
            fault.what = f"mesh {mesh}: {fault.what}, and some branches read it"
            yield _in_template(mesh.template, reasons.VALUE_MISSING, fault)  # type: ignore[arg-type] # the loop is empty without one


def _rendered(mesh: Mesh, _document: Document) -> Iterator[Problem]:
    if mesh.template is not None and mesh.fault is None:
        yield from _of_rendering(mesh, mesh.template)


@tries.once
def _of_rendering(mesh: Mesh, template: PatchTemplate) -> tuple[Problem, ...]:
    try:
        rendered = grants.trial(mesh, template).rendered
    except InjectionError:
        rendered = None
    if rendered is None:
        return ()  # told as an error
    found = tuple(_images(rendered, lambda _path: False))
    return found if sketch.findings(rendered, privileged=True) else (*found, *slips.of(rendered, lambda _path: False))


_OF_A_MESH: Final[tuple[Callable[[Mesh, Document], Iterator[Problem]], ...]] = (
    _overrides,
    _unused_values,
    _alike,
    _missing_values,
    _rendered,
)
_ANY: Final = Reason.TEMPLATE_INVALID
"""Only the code of a hint is told, not a reason: this one makes carets stand inside the tags."""


def _images(rendered: Rendered, is_free: Callable[[tuple[str | int, ...]], bool]) -> Iterator[Problem]:
    for path, container in lacks.containers(rendered.body.get("spec")):
        image = container.get("image")
        if isinstance(image, str) and not is_free((*path, "image")) and not _pinned(image) and slips.is_reference(image):
            finding = Finding(
                (*path, "image"), f"the image {image!r:.80} has no fixed version", "name a tag other than `latest`, or a digest"
            )
            yield replace(sketch.located(rendered, finding), code=reasons.IMAGE_NOT_PINNED)


def _pinned(image: str) -> bool:
    tag = image.rpartition("/")[2].partition(":")[2]
    return "@" in image or tag not in ("", "latest") or not image.strip()


def _unused_templates(used: Container[tuple[str, str]], templates: Mapping[TemplateKey, Document]) -> Iterator[Problem]:
    for (namespace, name), document in {key[:2]: document for key, document in templates.items()}.items():
        if (namespace, name) not in used:
            what = f"no Mesh names the template ConfigMap {namespace}/{name}"
            yield _in_file(
                document, document.locate(("metadata", "name")), reasons.TEMPLATE_UNUSED, what, "name it in a Mesh, or remove it"
            )


def _ties(meshes: Sequence[Mesh], documents: Mapping[tuple[str, str], Document]) -> Iterator[Problem]:
    """Find meshes that select the same pods by the same selectors, at the same rank."""
    for first, second in itertools.combinations(meshes, 2):
        if _rank(first) == _rank(second) and _works(first) and _works(second):
            what = f"meshes {first} and {second} tie for every pod they select"
            document = documents[second.namespace, second.name]
            fix = "give one of them another `priority`, or another selector"
            yield _in_file(document, document.locate(("spec", "injectionSelector"), key=True), reasons.CERTAIN_TIE, what, fix)


def _rank(mesh: Mesh) -> tuple[Any, ...]:
    where = "" if mesh.home else mesh.namespace
    return mesh.home, where, mesh.priority, mesh.spec.mode, mesh.pod_selector, mesh.namespace_selector


def _works(mesh: Mesh) -> bool:
    return mesh.spec.enable_auto_inject and not mesh.selector_fault


def _in_file(document: Document, origin: Origin, code: str, what: str, fix: str) -> Problem:
    return Problem(code, what, str(origin), fix, document.excerpt(origin))


def _in_template(template: PatchTemplate, code: str, fault: Fault) -> Problem:
    return replace(template.source.error(fault).problem, code=code)
