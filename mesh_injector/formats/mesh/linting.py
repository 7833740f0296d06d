"""Everything that can be said about Meshes and templates without a pod, each finding with its severity and its place in a file.

What `load` says is an error; then every template is judged branch by branch (`sketch`), rendered once for a pod that its Mesh selects,
and looked at for what works but was hardly meant (`hints`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from mesh_injector.documents import Document, Origin
from mesh_injector.engine.template import PatchTemplate, Place, Rendered, Source
from mesh_injector.engine.template.source import Fault
from mesh_injector.errors import InjectionError, Problem
from mesh_injector.formats.mesh import grants, hints, refs, sketch, tries, variables
from mesh_injector.formats.mesh.config_maps import TemplateKey, is_template, source_of
from mesh_injector.formats.mesh.load import DEFAULT_HOME, Loaded, load
from mesh_injector.formats.mesh.mesh import Mesh
from mesh_injector.formats.mesh.templates import NOTHING_UNREAD, Unread
from mesh_injector.reasons import CODES, NOT_YAML, TEMPLATE_UNUSED, UNREADABLE, VALUE_MISSING, Reason

_OF_THE_TEMPLATE = {CODES[reason] for reason in (Reason.TEMPLATE_INVALID, Reason.UNDEFINED_VARIABLE)}

_OF_THE_RENDERING = {CODES[reason] for reason in (Reason.RENDERED_INVALID_POD, Reason.FIELD_NOT_ALLOWED)}

_UNREAD = {NOT_YAML, UNREADABLE}
"""The codes of documents of which nothing is known."""


class Severity(StrEnum):
    """How bad a finding is: an error keeps a pod from being injected, a warning may, a note is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell, and where it is in a file (line 0: the whole file)."""

    severity: Severity
    problem: Problem
    place: Origin


@dataclass(slots=True)
class _Findings:
    """What was found so far, one thing at one place once."""

    sources: tuple[str, ...]
    entries: Mapping[str, Origin] = field(default_factory=dict)
    found: dict[tuple[str, str], Finding] = field(default_factory=dict)
    prefix: str = ""
    files: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        names = "|".join(sorted(map(re.escape, self.sources), key=len, reverse=True))
        self.files = re.compile(rf"({names}):(\d+):(\d+)")

    def tell(self, severity: Severity, problem: Problem) -> None:
        problem = replace(problem, what=f"{self.prefix}{problem.what}")
        place = self._place(problem.where)
        code = CODES[Reason.UNDEFINED_VARIABLE] if problem.code == VALUE_MISSING else problem.code
        here = str(place) if place.line else problem.where
        self.found.setdefault((code, here if here != place.source else f"{here}: {problem.what}"), Finding(severity, problem, place))

    def _place(self, where: str) -> Origin:
        """Read the place in a file out of a message; that of the ConfigMap's entry where a template stands in no block of a file."""
        match = self.files.search(where) if self.sources else None
        if match:
            return Origin(match[1], int(match[2]), int(match[3]))
        entry = next((place for name, place in self.entries.items() if where == name or where.startswith(f"{name}, ")), None)
        return entry or Origin(max((source for source in self.sources if where.startswith(source)), key=len, default=where))


def findings(
    documents: Iterable[Document], problems: Iterable[Problem] = (), home: str = DEFAULT_HOME, unread: Unread = NOTHING_UNREAD
) -> tuple[Finding, ...]:
    """Find everything that can be told of documents; `problems` are those of reading them, and `unread` the namespaces whose ConfigMaps
    cannot be read. Sorted by place."""
    documents = tuple(documents)
    loaded = load(documents, home, unread=unread)
    templates = _templates(documents)
    named = refs.named(documents)
    problems = tuple(problems)
    sources = {*(document.origin.source for document in documents), *(_file_of(problem) for problem in problems)}
    found = _Findings(
        tuple(filter(None, sources)), {source_of(key, one).name: one.locate(("data", key[2])) for key, one in templates.items()}
    )
    is_all_read = not any(problem.code in _UNREAD for problem in problems)
    for problem in (*problems, *loaded.problems):
        if is_all_read or not _is_absence(problem):
            found.tell(Severity.ERROR, problem)
    compiled: dict[TemplateKey, PatchTemplate | None] = {}
    for key, document in templates.items():
        found.prefix = "" if key[:2] in named else f"ConfigMap {key[0]}/{key[1]}, key {key[2]}: "
        compiled[key] = template = _compiled(key, document, loaded, found)
        users = [mesh for mesh in loaded.meshes if mesh.template is template]
        if template is not None:
            _judge(template, privileged=all(mesh.privileged for mesh in users) if users else key[0] == home, found=found)
    found.prefix = ""
    for mesh in loaded.meshes:
        _mesh(mesh, found)
    for hint in hints.of(documents, loaded, templates, filter(None, compiled.values())):
        if is_all_read or hint.code != TEMPLATE_UNUSED:
            found.tell(Severity.NOTE if hint.code in hints.NOTES else Severity.WARNING, hint)
    return tuple(sorted(found.found.values(), key=_order))


def warnings(documents: Iterable[Document], problems: Iterable[Problem]) -> tuple[Finding, ...]:
    """Make warnings of what was found of documents elsewhere, each at its place."""
    found = _Findings(tuple({document.origin.source for document in documents} - {""}))
    for problem in problems:
        found.tell(Severity.WARNING, problem)
    return tuple(found.found.values())


def of_template(text: str, file: str) -> tuple[Finding, ...]:
    """Find everything that can be told of a template that stands alone in a file."""
    found = _Findings((file,))
    try:
        template = PatchTemplate(Source(text, file, Origin(file, 1, 1)))
    except InjectionError as error:
        found.tell(Severity.ERROR, error.problem)
    else:
        _judge(template, privileged=True, found=found)
        for hint in hints.of_template(template):
            found.tell(Severity.NOTE if hint.code in hints.NOTES else Severity.WARNING, hint)
    return tuple(sorted(found.found.values(), key=_order))


def _order(finding: Finding) -> tuple[str, int, int, str]:
    return finding.place.source, finding.place.line, finding.place.column, finding.problem.code


def _file_of(problem: Problem) -> str:
    """Name the file of a problem of reading: `where` is `file`, `file:line` or `file:line:column`."""
    return re.sub(r"(:\d+){1,2}\Z", "", problem.where)


def _templates(documents: Iterable[Document]) -> dict[TemplateKey, Document]:
    """Find the entries that Meshes name in the ConfigMaps that carry our label, and all entries of those that no Mesh names."""
    documents = tuple(documents)
    named = refs.named(documents)
    found: dict[TemplateKey, Document] = {}
    for document in documents:
        if document.kind == "ConfigMap" and is_template(document):
            name = (document.namespace or "default", document.name)
            data = document.body.get("data")
            texts = {key for key, text in data.items() if isinstance(text, str)} if isinstance(data, dict) else set()
            only = texts if len(texts) == 1 else set()
            wanted = {one for key in named[name] for one in (only if key is None else {key})} if name in named else texts
            found |= {(*name, key): document for key in sorted(texts & wanted)}
    return found


def _is_absence(problem: Problem) -> bool:
    """Whether a problem is that a ConfigMap is not there: it may stand in what could not be read."""
    return problem.code == CODES[Reason.CONFIG_MAP_MISSING] and "there is no ConfigMap" in problem.what


def _compiled(key: TemplateKey, document: Document, loaded: Loaded, found: _Findings) -> PatchTemplate | None:
    """Compile a template that no mesh has made `load` compile."""
    try:
        return loaded.templates.get(key) or PatchTemplate(source_of(key, document))
    except InjectionError as error:
        found.tell(Severity.ERROR, error.problem)
        return None


def _judge(template: PatchTemplate, *, privileged: bool, found: _Findings) -> None:
    for verdict in sketch.judge(template, privileged=privileged):
        where = "" if verdict.certain else " (on some of its branches)"
        problem = replace(verdict.problem, what=f"{verdict.problem.what}{where}")
        found.tell(Severity.ERROR if verdict.certain else Severity.WARNING, problem)


def _mesh(mesh: Mesh, found: _Findings) -> None:
    """Render for a stand-in pod that the mesh selects: its values are known, only the pod is not."""
    if mesh.fault is not None and mesh.fault.problem.code in _OF_THE_TEMPLATE:
        found.tell(Severity.ERROR, mesh.fault.problem)
    if mesh.template is None or (mesh.fault is not None and mesh.fault.problem.code not in _OF_THE_RENDERING):
        return
    for severity, problem in _rendering(mesh, mesh.template):
        what = f"mesh {mesh}: {problem.what}" + ("" if severity is Severity.ERROR else " (for a stand-in pod)")
        found.tell(severity, replace(problem, what=what))


@tries.once
def _rendering(mesh: Mesh, template: PatchTemplate) -> tuple[tuple[Severity, Problem], ...]:
    """Find what is wrong with the rendering for a pod that the mesh selects and that has what templates ask for; an error is what no pod
    can change, as far as that can be told."""
    try:
        trial = grants.trial(mesh, template)
    except InjectionError as error:
        return ((_severity(mesh, template), error.problem),)
    lacked = [(Severity.NOTE, error.problem) for error in trial.lacked]
    if trial.rendered is None:
        return (*lacked, *(_stopped(mesh, template, trial.stop) if trial.stop else ()))
    return (*lacked, *_wrong(mesh, template, trial.rendered, trial.settled))


def _severity(mesh: Mesh, template: PatchTemplate) -> Severity:
    return Severity.NOTE if template.named - variables.settled(mesh).variables else Severity.ERROR


def _stopped(mesh: Mesh, template: PatchTemplate, stop: Fault) -> Iterator[tuple[Severity, Problem]]:
    """Tell where a rendering stopped: an error where no pod can change that, else a warning, since nobody looked at the rest."""
    problem = template.source.error(stop).problem
    is_open = not stop.line or int(stop.line) in template.open_lines(variables.settled(mesh), outputs=True)
    if is_open and template.named - variables.settled(mesh).variables:
        yield Severity.WARNING, replace(problem, what=f"{problem.what}; what else is wrong was not looked for")
    else:
        yield Severity.ERROR, problem


def _wrong(mesh: Mesh, template: PatchTemplate, rendered: Rendered, settled: Mapping[Place, Any]) -> Iterator[tuple[Severity, Problem]]:
    findings = sketch.findings(rendered, privileged=mesh.privileged)
    if not findings:
        return
    by_default, open_lines = _severity(mesh, template), template.open_lines(variables.settled(mesh))
    certain = sketch.wrong_where_shown(template, settled, privileged=mesh.privileged)
    for finding in findings:
        problem = sketch.located(rendered, finding)
        is_certain = sketch.same(problem) in certain and rendered.line(finding.path) not in open_lines
        yield Severity.ERROR if is_certain else by_default, problem
