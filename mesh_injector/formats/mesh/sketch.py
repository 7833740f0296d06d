"""What is wrong with a template whatever the pod: each branch is filled with stand-ins that Kubernetes would accept, and judged.

What is judged of a stand-in counts for nothing; what is left is what the template's author wrote.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from mesh_injector.engine import checks, overlay, schema
from mesh_injector.engine.checks import Finding
from mesh_injector.engine.overlay import FromTemplate, Overlay
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace
from mesh_injector.engine.selector import Selector
from mesh_injector.engine.template import PatchTemplate, Place, Rendered, fill, skeleton
from mesh_injector.engine.template.branches import Branch
from mesh_injector.engine.template.skeleton import Literal, Mark, Mixed, Skeleton
from mesh_injector.engine.template.source import Fault
from mesh_injector.errors import InjectionError, Problem
from mesh_injector.formats.mesh import variables
from mesh_injector.formats.mesh.mesh import Mesh

Path = tuple[str | int, ...]

BRANCHES: Final = 100
"""So many branches, and so many characters of their texts, are looked at for what is wrong in all of them: a load waits for that."""
CHARACTERS: Final = 128 * 1024
OF_VALUES: Final = 8
"""By so much less is looked at for what is settled, since that is done for each mesh, and not once for a template."""

NOTHING_SETTLED: Final[Mapping[Place, Any]] = MappingProxyType({})

_INDEX: Final = re.compile(r"\[\d+\]")
_NAME_LABEL: Final = "kubernetes.io/metadata.name"
_SCALARS: Final[dict[str, Any]] = {"boolean": False, "map": {}, "list": [], "quantity": "1"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that is wrong; `certain` when it is wrong in every branch that shows its line."""

    problem: Problem
    line: int
    certain: bool


@dataclass(frozen=True, slots=True)
class Sketch:
    """One branch filled with stand-ins; `free` are the paths where they stand."""

    branch: Branch
    rendered: Rendered
    free: frozenset[Path]

    def is_free(self, path: Path) -> bool:
        """Whether a path leads to or into a stand-in."""
        return any(path[: len(free)] == free for free in self.free)


def judge(template: PatchTemplate, *, privileged: bool) -> list[Verdict]:
    """Judge every branch of a template; what is wrong is told once, in the order of its lines."""
    shown: list[frozenset[int]] = []
    found: dict[tuple[str, str, str], list[tuple[Problem, int]]] = {}
    for branch in template.branches():
        told = list(_judged(template, branch, NOTHING_SETTLED, privileged=privileged))
        shown.append(branch.lines)
        for error, line in told:
            found.setdefault(_same(error), []).append((error.problem, line))
    verdicts = [
        Verdict(problem, line, len(times) >= sum(line in lines for lines in shown))
        for times in found.values()
        for problem, line in times[:1]
    ]
    return sorted(verdicts, key=lambda verdict: verdict.line)


def wrong_where_shown(template: PatchTemplate, settled: Mapping[Place, Any], *, privileged: bool) -> frozenset[tuple[str, str, str]]:
    """Find what is wrong whatever the outputs are that are not settled, by `same`: each branch that shows its line is wrong, be it
    otherwise, since one fault may hide another."""
    told = [
        (branch.lines, {same(error.problem): line for error, line in _judged(template, branch, settled, privileged=privileged)})
        for branch in template.branches()
    ]
    return frozenset(one for _, found in told for one, line in found.items() if all(others for lines, others in told if line in lines))


def same(problem: Problem) -> tuple[str, str, str]:
    """Tell a problem from others, whatever stands before it in its list: a pod may change that."""
    return problem.code, problem.where, _INDEX.sub("[]", problem.what)


def sketches(template: PatchTemplate) -> Iterator[Sketch]:
    """Iterate over the branches of a template that are YAML and a partial pod."""
    for branch in template.branches():
        try:
            yield sketch(template, branch)
        except (Fault, InjectionError):
            continue


def sketch(template: PatchTemplate, branch: Branch, settled: Mapping[Place, Any] = NOTHING_SETTLED) -> Sketch:
    """Fill a branch with what is settled, and with stand-ins. Raises `InjectionError` or `Fault` when it is no YAML or no partial pod."""
    values = {index: settled[place] for index, place in enumerate(branch.outputs) if place in settled}
    free: set[Path] = set()
    top = template.skeleton(branch.text)
    bare = isinstance(top, skeleton.Mapping) and not {"metadata", "spec"} & {
        skeleton.key_text(key) for key, _ in top.pairs if isinstance(key, Literal)
    }
    if top is not None:
        _stand(top, schema.POD.field("spec") if bare else schema.POD, ("spec",) if bare else (), (values, free))
    given = [values.get(index) for index in range(len(branch.outputs))]
    return Sketch(branch, Rendered(template, branch.text, given, branch.line), frozenset(free))


def findings(rendered: Rendered, *, privileged: bool) -> list[Finding]:
    """Find what is wrong with a rendering, as `overlay.make` does, but all of it."""
    body = dict(rendered.body)
    if isinstance(body.get("metadata"), dict):
        body["metadata"] = {key: value for key, value in body["metadata"].items() if key not in overlay.IGNORED_METADATA}
    return checks.of_overlay(body, privileged=privileged)


def located(rendered: Rendered, finding: Finding) -> Problem:
    """Give a finding its place in the template."""
    return _error(rendered, finding).problem


def in_every_branch(template: PatchTemplate, settled: Mapping[Place, Any] = NOTHING_SETTLED, *, privileged: bool) -> InjectionError | None:
    """Find the first thing that is wrong in every branch, whether its loops run or not; None also where they are too many to look at.

    Of outputs that are `settled` the value counts, of others only what stands around them.
    """
    common: dict[tuple[str, str, str], InjectionError] | None = None
    characters, less = 0, OF_VALUES if settled else 1
    for number, branch in enumerate(itertools.chain(template.branches(), template.branches(loops=False))):
        characters += len(branch.text)
        if number >= BRANCHES // less or characters > CHARACTERS // less:
            return None
        told = {_same(error): error for error, _ in _judged(template, branch, settled, privileged=privileged)}
        common = told if common is None else {same: error for same, error in common.items() if same in told}
        if not common:
            return None
    return next(iter(common.values()), None) if common else None


def _same(error: InjectionError) -> tuple[str, str, str]:
    return error.problem.code, error.problem.where, error.problem.what


def _error(rendered: Rendered, finding: Finding) -> InjectionError:
    return Overlay({}, {}, FromTemplate(rendered)).error(finding)


def _judged(
    template: PatchTemplate, branch: Branch, settled: Mapping[Place, Any], *, privileged: bool
) -> Iterator[tuple[InjectionError, int]]:
    """Iterate over what is wrong in one branch, each with its line of the template (0: not known)."""
    try:
        made = sketch(template, branch, settled)
    except Fault as fault:
        fault.line = branch.line(fault.line) if fault.line else 0
        yield template.source.error(fault), fault.line
    except InjectionError as error:
        yield error, 0
    else:
        for finding in findings(made.rendered, privileged=privileged):
            if not made.is_free(finding.path):
                yield _error(made.rendered, finding), made.rendered.line(finding.path)


def _stand(place: Skeleton, node: schema.Node | None, path: Path, told: tuple[dict[int, Any], set[Path]]) -> None:
    """Give every mark below a place that has no value a stand-in, and note where they stand."""
    values, free = told
    if isinstance(place, skeleton.Mapping):
        for part, child in place.pairs:
            is_free = not isinstance(part, Literal) and _stands(part, values)
            key = fill.key(part, values)
            if is_free:
                free.add((*path, key))
            unknown = node is not None and node.kind == "object" and node.field(key) is None and isinstance(part, Literal)
            below: set[Path] = set()  # of a misspelt field the value is a stand-in, and the name is not
            _stand(child, node.field(key) if node else None, (*path, key), (values, below if unknown else free))
    elif isinstance(place, skeleton.Sequence):
        for index, child in enumerate(place.items):
            _stand(child, node.item() if node else None, (*path, index), told)
    elif isinstance(place, Mark) and place.index not in values:
        values[place.index] = stand_in(node, place.index)
        free.add(path)
    elif isinstance(place, Mixed) and _stands(place, values):
        free.add(path)


def _stands(part: Mark | Mixed, values: dict[int, Any]) -> bool:
    """Give what is not settled of a text a stand-in; whether there was any."""
    parts: Iterable[str | int] = (part.index,) if isinstance(part, Mark) else part.parts
    missing = {inner: f"x{inner}" for inner in parts if isinstance(inner, int) and inner not in values}
    values.update(missing)
    return bool(missing)


def stand_in(node: schema.Node | None, number: int) -> Any:
    """Make a value that Kubernetes would accept at a place of the pod; those of different numbers differ where names must."""
    kind = node.kind if node else "any"
    if kind in ("integer", "number", "int-or-text"):
        return 1 + number
    if node is not None and kind == "object":
        members: Mapping[str, Any] = {name: stand_in(node.field(name), number) for name in node.required}
        return members
    return _SCALARS.get(kind, f"x{number}")


def settled(mesh: Mesh, template: PatchTemplate) -> Mapping[Place, Any]:
    """Find the outputs of a mesh's template that are the same for every pod, as far as the stand-in pod's rendering comes by them.

    Raises `InjectionError` where the pod lacks what the template needs.
    """
    body, namespace = stand_in_pod(mesh)
    return template.settled(variables.of(mesh, template, Pod.from_document(body), namespace), variables.settled(mesh))


def render(mesh: Mesh, template: PatchTemplate) -> Rendered:
    """Render a mesh's template for a stand-in pod. Raises `InjectionError`."""
    body, namespace = stand_in_pod(mesh)
    return template.render(variables.of(mesh, template, Pod.from_document(body), namespace))


def stand_in_pod(mesh: Mesh) -> tuple[dict[str, Any], Namespace]:
    """Make a pod and a namespace that a mesh selects, with what templates ask for."""
    labels = {mesh.spec.virtual_node_label: "stand-in"} | _labels(mesh.pod_selector)
    annotations = {f"{variables.OVERRIDE}{name}": "stand-in" for name in mesh.spec.overrides if name not in mesh.spec.values}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "stand-in", "labels": labels} | ({"annotations": annotations} if annotations else {}),
        "spec": {"containers": [{"name": "app", "image": "app", "ports": [{"containerPort": 8080}]}]},
    }
    around = _labels(mesh.namespace_selector)
    return body, Namespace(around.get(_NAME_LABEL, "default") if mesh.home else mesh.namespace, around)


def _labels(selector: Selector | None) -> dict[str, str]:
    """Make the labels that a selector asks for."""
    asked = [need for need in (selector.requirements if selector else ()) if need.operator in ("In", "Exists")]
    return {need.key: need.values[0] if need.values else "stand-in" for need in asked}
