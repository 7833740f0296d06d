"""How meshes decide about one pod: exclusions and opt-outs first, then matching, ranking and choice, then the template.

`checks` tells the same story for every mesh; it shares every function with `decide`, so the two cannot disagree.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Check, Decision, Namespace, Severity
from mesh_injector.errors import InjectionError
from mesh_injector.formats.mesh import near, rendering, variables
from mesh_injector.formats.mesh.load import DEFAULT_HOME
from mesh_injector.formats.mesh.mesh import Mesh
from mesh_injector.formats.mesh.rendering import Rendering
from mesh_injector.formats.mesh.selection import Selection
from mesh_injector.reasons import Reason

SYSTEM_NAMESPACES: Final = frozenset({"kube-system", "kube-public", "kube-node-lease"})
INJECT_LABEL: Final = "mesh-injector.io/inject"
MESH_LABEL: Final = "mesh-injector.io/mesh"
MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"
_NAMED: Final = 10
"""So many meshes an error names, of the others only how many there are: it is remembered, and it is what a refused user reads."""

_Choice = tuple[Mesh, Rendering | None] | Decision
"""The one mesh that injects a pod, with its rendering where its template works; or the decision that there is none."""


class MeshRules:
    """The rules of a set of meshes; immutable, and the same answer on every replica."""

    def __init__(
        self,
        meshes: Sequence[Mesh],
        home: str = DEFAULT_HOME,
        unusable: Mapping[str, str] = MappingProxyType({}),
        last: "MeshRules | None" = None,
    ) -> None:
        """A mesh that is the same in the `last` rules keeps what is remembered of it."""
        self.meshes = tuple(sorted(meshes, key=str))
        self.home = home
        self.unusable = unusable
        self._selection: Selection[_Choice] = Selection(self.meshes, self._choose, {MESH_LABEL}, _weight)
        self.renderings: Mapping[str, Rendering] = rendering.all_of(self.meshes, last.renderings if last else {})

    def decide(self, pod: Pod, namespace: Namespace) -> Decision:
        """Decide about one pod."""
        excluded = self._excluded(pod, namespace)
        decision = self._match(pod, namespace) if excluded is None else Decision(excluded)
        if INJECT_LABEL not in pod.labels and INJECT_LABEL not in namespace.labels:
            return decision
        asked, odd = _asked(pod), _odd_labels(pod, namespace)
        return replace(decision, asked=asked, warnings=(*odd, *decision.warnings))

    def _excluded(self, pod: Pod, namespace: Namespace) -> Reason | None:
        """Say whom no mesh ever injects, in the contract's order; an object without containers is for the API server to refuse."""
        if not pod.containers:
            return Reason.NOT_A_POD
        if namespace.name in SYSTEM_NAMESPACES or namespace.name == self.home:
            return Reason.NAMESPACE_EXCLUDED
        if MIRROR_ANNOTATION in pod.annotations:
            return Reason.MIRROR_POD
        if pod.host_network:
            return Reason.HOST_NETWORK
        if pod.labels.get(INJECT_LABEL) == "false":
            return Reason.OPTED_OUT_BY_POD
        return Reason.OPTED_OUT_BY_NAMESPACE if namespace.labels.get(INJECT_LABEL) == "disabled" else None

    def _match(self, pod: Pod, namespace: Namespace) -> Decision:
        choice = self._selection.choice(pod, namespace)
        if isinstance(choice, Decision):
            return choice
        mesh, found = choice
        decision = found.decide(pod, namespace) if found else rendering.decision(mesh, error=mesh.fault)
        unlisted = variables.unlisted(mesh, pod.annotations)
        return replace(decision, warnings=tuple(unlisted)) if unlisted else decision

    def _choose(self, matched: Sequence[Mesh], labels: Mapping[str, str]) -> _Choice:
        """Choose among the meshes that select a pod."""
        chosen = choose([mesh for mesh in matched if mesh.spec.enable_auto_inject], labels)
        if isinstance(chosen, Decision):
            return chosen
        if not chosen:
            return Decision(Reason.AUTO_INJECT_OFF if matched else Reason.NO_MESH_MATCHED)
        best = rank(chosen)
        return (best[0], self.renderings.get(str(best[0]))) if len(best) == 1 else _tie(best, chosen)

    def forget(self) -> None:
        """Forget what is remembered: every answer is worked out anew, and is the same."""
        self._selection.forget()
        for one in self.renderings.values():
            one.forget()

    def checks(self, pod: Pod, namespace: Namespace) -> tuple[Check, ...]:
        """Explain every mesh: the selector that failed, who outranks it, or by what it selects the pod."""
        excluded = self._excluded(pod, namespace)
        best = self.best(pod, namespace)
        found = [self._check(mesh, pod, namespace, best, excluded) for mesh in self.meshes]
        found += [Check(name, False, why) for name, why in self.unusable.items()]
        return tuple(sorted(found, key=lambda check: check.mesh))

    def best(self, pod: Pod, namespace: Namespace) -> list[Mesh]:
        """Find the meshes that come first of those that match a pod: several of them tie."""
        active = [mesh for mesh in self.meshes if mesh.spec.enable_auto_inject and not mesh.mismatch(pod, namespace)]
        chosen = choose(active, pod.labels)
        return [] if isinstance(chosen, Decision) or not chosen else rank(chosen)

    @staticmethod
    def _check(mesh: Mesh, pod: Pod, namespace: Namespace, best: Sequence[Mesh], excluded: Reason | None) -> Check:
        missed = mesh.mismatch(pod, namespace)
        why = missed + near.hint(mesh, pod, namespace) if missed else mesh.why_matched()
        if not missed:
            why += _fate(mesh, pod, best, excluded)
        return Check(str(mesh), not missed, why)


def _weight(choice: _Choice) -> int:
    """The bytes that are remembered of a choice, roughly: a mesh is there anyway."""
    return len(str(choice.error)) + sum(map(len, choice.warnings)) if isinstance(choice, Decision) else 0


def _fate(mesh: Mesh, pod: Pod, best: Sequence[Mesh], excluded: Reason | None) -> str:
    """Say what became of a mesh that matched."""
    if excluded:
        return f"; not asked: {excluded}"
    if not mesh.spec.enable_auto_inject:
        return f"; {Reason.AUTO_INJECT_OFF}: enableAutoInject is not true"
    if mesh in best:
        return "" if len(best) == 1 else f"; {Reason.SEVERAL_MESHES_MATCHED}"
    return f"; {Reason.OUTRANKED} by {best[0]}, {_advantage(best[0], mesh, pod)}" if best else f"; {Reason.MESH_UNKNOWN}"


def _advantage(best: Mesh, mesh: Mesh, pod: Pod) -> str:
    """Say by what the best mesh comes before another."""
    if mesh.severity is Severity.AUDIT and best.severity is not Severity.AUDIT:
        return "since a mesh in mode Audit takes no pod away"
    label = pod.labels.get(MESH_LABEL, "")
    if label in best.choices and label not in mesh.choices:
        return f"which the pod's label {MESH_LABEL} chooses"
    return f"{_rank_of(best)} over {_rank_of(mesh)}"


def _rank_of(mesh: Mesh) -> str:
    written = mesh.spec.priority
    limited = "" if mesh.priority == written else f" (a tenant's {written} counts as 0)"
    return f"{'home' if mesh.home else 'tenant'} with priority {mesh.priority}{limited}"


def choose(active: Sequence[Mesh], labels: Mapping[str, str]) -> list[Mesh] | Decision:
    """Find the meshes to rank: those the pod chooses by label, Enforce before Audit; a decision when the label fits none."""
    enforce = [mesh for mesh in active if mesh.severity is not Severity.AUDIT]
    label = labels.get(MESH_LABEL)
    if label is None:
        return enforce or list(active)
    named = [mesh for mesh in active if label in mesh.choices]
    if not named:
        return _unknown(label, enforce or active) if active else Decision(Reason.NO_MESH_MATCHED, warnings=(_no_such(label),))
    named_enforce = [mesh for mesh in named if mesh.severity is not Severity.AUDIT]
    return named_enforce or enforce or named


def rank(meshes: Sequence[Mesh]) -> list[Mesh]:
    """Find the best of several meshes: the highest priority, then home before tenant; more than one is a tie."""
    best = max((mesh.priority, mesh.home) for mesh in meshes)
    return [mesh for mesh in meshes if (mesh.priority, mesh.home) == best]


def _severity(meshes: Sequence[Mesh]) -> Severity:
    """An error of several meshes is as mild as all of them are: one that refuses makes it refuse."""
    severities = {mesh.severity for mesh in meshes}
    return severities.pop() if len(severities) == 1 else Severity.REFUSE


def _tie(best: Sequence[Mesh], candidates: Sequence[Mesh]) -> Decision:
    names = _listed(" and ", map(str, best))
    fix = f"give one a higher `priority`, narrow a selector, or label the pod `{MESH_LABEL}: {best[0].name}`"
    error = InjectionError(Reason.SEVERAL_MESHES_MATCHED, f"meshes {names} match with equal rank", where="metadata.labels", fix=fix)
    return Decision(error.reason, error=error, severity=_severity(candidates))


def _listed(between: str, names: Iterable[str]) -> str:
    told = list(names)
    more = (f"{len(told) - _NAMED:,} more",) if len(told) > _NAMED else ()
    return between.join((*told[:_NAMED], *more))


def _no_such(label: str) -> str:
    return f"the label {MESH_LABEL}={label:.40} names no mesh that matches"


def _unknown(label: str, candidates: Sequence[Mesh]) -> Decision:
    names = _listed(", ", (f"`{mesh.choices[-1]}`" for mesh in candidates))
    what, fix = f"`{MESH_LABEL}: {label:.63}` names no mesh that matches this pod", f"use one of those that do: {names}"
    error = InjectionError(Reason.MESH_UNKNOWN, what, where=f"metadata.labels[{MESH_LABEL}]", fix=fix)
    return Decision(error.reason, error=error, severity=_severity(candidates))


def _asked(pod: Pod) -> str:
    return f'the label {INJECT_LABEL}: "true" asks for injection' if pod.labels.get(INJECT_LABEL) == "true" else ""


def _odd_labels(pod: Pod, namespace: Namespace) -> list[str]:
    """Warn of values of the two `inject` labels that have no effect."""
    warnings = []
    if pod.labels.get(INJECT_LABEL, "true") not in ("true", "false"):
        warnings.append(f'the pod\'s label {INJECT_LABEL}={pod.labels[INJECT_LABEL]:.20} has no effect; use "true" or "false"')
    if namespace.labels.get(INJECT_LABEL, "disabled") != "disabled":
        warnings.append(f'the namespace\'s label {INJECT_LABEL}={namespace.labels[INJECT_LABEL]:.20} has no effect; use "disabled"')
    return warnings
