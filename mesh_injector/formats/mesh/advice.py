"""What to change so that a pod is injected: for each reason of leaving it alone the fix, and the labels or fields that it is about.

Errors carry their own fix; here it gets the change behind it, of which the command line makes a command.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mesh_injector.engine.pipeline import Story
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace
from mesh_injector.engine.selector import Requirement, Selector
from mesh_injector.formats.mesh import near, ruling, variables
from mesh_injector.formats.mesh.mesh import Mesh
from mesh_injector.formats.mesh.ruling import MeshRules
from mesh_injector.reasons import Reason

Labels = Mapping[str, str | None]
"""Labels to set; None takes one away."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A fix in words, and what changes by it: the pod's labels or annotations, those of its namespace, or a Mesh's spec."""

    fix: str = ""
    labels: Labels = field(default_factory=dict)
    annotations: Labels = field(default_factory=dict)
    namespace: Labels = field(default_factory=dict)
    mesh: Mesh | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)


def of(story: Story, namespace: Namespace, rules: MeshRules) -> Advice:
    """Advise about a pod that was not injected; without words where there is nothing to advise."""
    outcome = story.outcome
    mesh = next((mesh for mesh in rules.meshes if str(mesh) == outcome.mesh), None)
    advise = _ADVICE.get(outcome.reason)
    return advise(story, namespace, rules, mesh) if advise else Advice()


def _no_mesh(story: Story, namespace: Namespace, rules: MeshRules, _mesh: Mesh | None) -> Advice:
    """Advise what the nearest mesh wants: the one of which the fewest requirements fail."""
    candidates = [mesh for mesh in rules.meshes if mesh.spec.enable_auto_inject and not mesh.selector_fault and _reaches(mesh, namespace)]
    if not candidates:
        broken = _broken(namespace, rules)
        mend = f"correct {'mesh' if len(broken) == 1 else 'one of the meshes'} {', '.join(broken)}, or " if broken else ""
        return Advice(f"{mend}create a Mesh that selects it: no Mesh with `enableAutoInject: true` may select pods of this namespace")
    best = min(candidates, key=lambda mesh: _distance(mesh, story.base, namespace))
    missed = list(_missed(best, story.base, namespace))
    pod = {need.key: _wanted(need) for need, of_pod in missed if of_pod}
    around = {need.key: _wanted(need) for need, of_pod in missed if not of_pod}
    told = ([f"the pod {_told(pod)}"] if pod else []) + ([f"the namespace {namespace.name} {_told(around)}"] if around else [])
    fix = f"if mesh {best} should select it, give {' and '.join(told)}"
    if slip := near.slip(best, story.base, namespace):
        return Advice(f"{fix}, or write {slip}: one of the two has a slip")  # which, nobody knows: a command might copy it
    if any(key in story.base.labels for key in pod) or any(key in namespace.labels for key in around):
        return Advice(fix)  # a label that says something else says it for a reason, so there is no command to copy
    return Advice(fix, labels=pod, namespace=around)


def _distance(mesh: Mesh, pod: Pod, namespace: Namespace) -> tuple[int, bool, str]:
    """Say how far a mesh is from selecting a pod: the requirements that fail, and whether one of them nearly holds."""
    return len(list(_missed(mesh, pod, namespace))), not near.hint(mesh, pod, namespace), str(mesh)


def _reaches(mesh: Mesh, namespace: Namespace) -> bool:
    return mesh.home or mesh.namespace == namespace.name


def _broken(namespace: Namespace, rules: MeshRules) -> list[str]:
    """Name the meshes that could reach a pod of a namespace and are wrong themselves, which is more likely than that none is there."""
    wrong = [str(mesh) for mesh in rules.meshes if mesh.spec.enable_auto_inject and mesh.selector_fault and _reaches(mesh, namespace)]
    return sorted([*wrong, *(name for name in rules.unusable if name.partition("/")[0] in (rules.home, namespace.name))])


def _missed(mesh: Mesh, pod: Pod, namespace: Namespace) -> Iterator[tuple[Requirement, bool]]:
    """Iterate over every requirement that fails, and whether it is one of the pod."""
    selectors: tuple[tuple[Selector | None, Mapping[str, str], bool], ...]
    selectors = ((mesh.namespace_selector, namespace.labels, False), (mesh.pod_selector, pod.labels, True))
    for selector, labels, of_pod in selectors:
        for need in selector.requirements if selector else ():
            if not need.holds(labels):
                yield need, of_pod


def _wanted(need: Requirement) -> str | None:
    """Choose the value that meets a requirement; None for one that is met without the label."""
    if need.operator == "Exists":
        return "…"
    return need.values[0] if need.operator == "In" else None


def _told(labels: Labels) -> str:
    given = ", ".join(f"`{key}: {value}`" for key, value in labels.items() if value is not None)
    gone = ", ".join(f"`{key}`" for key, value in labels.items() if value is None)
    return " and ".join(filter(None, (f"the label {given}" if given else "", f"no label {gone}" if gone else "")))


def _off(story: Story, namespace: Namespace, rules: MeshRules, _mesh: Mesh | None) -> Advice:
    mesh = next(mesh for mesh in rules.meshes if not mesh.spec.enable_auto_inject and not mesh.mismatch(story.base, namespace))
    return Advice(f"set `enableAutoInject: true` in mesh {mesh}", mesh=mesh, spec={"enableAutoInject": True})


def _of_pod(fix: str, labels: Labels) -> Callable[..., Advice]:
    return lambda *_: Advice(fix, labels=labels)


def _in_namespace(_story: Story, namespace: Namespace, *_: Any) -> Advice:
    return Advice(f"remove the label `{ruling.INJECT_LABEL}` from namespace {namespace.name}", namespace={ruling.INJECT_LABEL: None})


def _audit(_story: Story, _namespace: Namespace, _rules: MeshRules, mesh: Mesh | None) -> Advice:
    return Advice("set `mode: Enforce` in the Mesh when you like what it would do", mesh=mesh, spec={"mode": "Enforce"})


def _node(_story: Story, _namespace: Namespace, _rules: MeshRules, mesh: Mesh | None) -> Advice:
    return Advice(labels={mesh.spec.virtual_node_label: "…"} if mesh else {})


def _region(_story: Story, _namespace: Namespace, _rules: MeshRules, mesh: Mesh | None) -> Advice:
    return Advice(mesh=mesh, spec={"region": "…"})


def _tie(story: Story, namespace: Namespace, rules: MeshRules, _mesh: Mesh | None) -> Advice:
    best = rules.best(story.base, namespace)
    return Advice(labels={ruling.MESH_LABEL: best[0].choices[-1]}) if best else Advice()


def _override(story: Story, _namespace: Namespace, _rules: MeshRules, mesh: Mesh | None) -> Advice:
    wrong = story.outcome.error.problem.where if story.outcome.error else ""
    names = mesh.spec.overrides if mesh else ()
    gone = {f"{variables.OVERRIDE}{name}": None for name in names if f"[{variables.OVERRIDE}{name}]" in wrong}
    return Advice(annotations=gone)


_ADVICE: Final[dict[Reason, Callable[..., Advice]]] = {
    Reason.NO_MESH_MATCHED: _no_mesh,
    Reason.AUTO_INJECT_OFF: _off,
    Reason.OPTED_OUT_BY_POD: _of_pod(f"remove the pod's label `{ruling.INJECT_LABEL}`", {ruling.INJECT_LABEL: None}),
    Reason.OPTED_OUT_BY_NAMESPACE: _in_namespace,
    Reason.NAMESPACE_EXCLUDED: _of_pod("move the pod to another namespace: nothing is ever injected into this one", {}),
    Reason.HOST_NETWORK: _of_pod("remove `hostNetwork: true`: a sidecar there would see the traffic of the whole node", {}),
    Reason.MIRROR_POD: _of_pod("run it as a DaemonSet: a static pod is made by its node, which asks no webhook", {}),
    Reason.NOTHING_TO_INJECT: _of_pod("look at the template with `mesh-injector render`: it brings this pod nothing that it lacks", {}),
    Reason.AUDIT_MODE: _audit,
    Reason.VIRTUAL_NODE_LABEL_MISSING: _node,
    Reason.REGION_MISSING: _region,
    Reason.SEVERAL_MESHES_MATCHED: _tie,
    Reason.OVERRIDE_INVALID: _override,
}
"""What to do about each reason; of errors only the change, since they say themselves what to do."""
