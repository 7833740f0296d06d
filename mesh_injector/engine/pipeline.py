"""The whole story of one pod: decide, place, record, and say what happened. Both doors call `inject` and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import jsonpatch

from mesh_injector.engine import placement, record, reinvocation
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.record import Record
from mesh_injector.engine.rules import Check, Decision, Namespace, Operation, Rules, Severity
from mesh_injector.errors import InjectionError, printable
from mesh_injector.reasons import Reason


class Verdict(StrEnum):
    """What the caller hears: the contract's outcomes."""

    INJECTED = "injected"
    SKIPPED = "skipped"
    AUDITED = "audited"
    REFUSED = "refused"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one pod. For an audited pod `operations` are what would have been done; only an injected one is patched."""

    verdict: Verdict
    reason: Reason
    mesh: str = ""
    template: str = ""
    operations: Sequence[Operation] = ()
    warnings: tuple[str, ...] = ()
    error: InjectionError | None = None

    @property
    def allowed(self) -> bool:
        """Whether the pod may be created."""
        return self.verdict is not Verdict.REFUSED

    @property
    def passes(self) -> bool:
        """Whether the pod may be created without what a mesh would bring."""
        return self.allowed and not self.patch and self.reason is not Reason.ALREADY_INJECTED

    @property
    def patch(self) -> Sequence[Operation]:
        """The operations that are really sent."""
        return self.operations if self.verdict is Verdict.INJECTED else ()

    @property
    def message(self) -> str:
        """The error's whole text, as a refused user reads it; empty when there is none."""
        if self.error is None:
            return ""
        mesh = f"mesh {self.mesh}: " if self.mesh else ""
        problem = self.error.problem
        parts = [problem.what, f"at {problem.where}" if problem.where else "", f"fix: {problem.fix}" if problem.fix else ""]
        return printable(f"mesh-injector: [{problem.code}] {mesh}{'; '.join(filter(None, parts))}")


def inject(pod: Pod, namespace: Namespace, rules: Rules) -> Outcome:
    """Decide about a pod and work out its patch; pure, and the same on every replica."""
    return _judge(pod, namespace, rules)[0]


def _judge(pod: Pod, namespace: Namespace, rules: Rules) -> tuple[Outcome, Pod]:
    """Decide about a pod without what its record lists, or as it stands where a record without worth would let it pass.

    The pod's own opt-out wins over any record.
    """
    stripped = record.strip(pod.whole()) if record.ANNOTATION in pod.annotations else None
    if stripped is not None and rules.decide(pod, namespace).reason is not Reason.OPTED_OUT_BY_POD:
        base = Pod.from_document(stripped[0])
        outcome = _decide(pod, base, stripped[1], namespace, rules)
        if not outcome.passes:
            return outcome, base
        plain = _decide(pod, pod, None, namespace, rules)
        return (outcome, base) if plain.passes else (plain, pod)
    return _decide(pod, pod, None, namespace, rules), pod


def _decide(pod: Pod, base: Pod, old: Record | None, namespace: Namespace, rules: Rules) -> Outcome:
    decision = rules.decide(base, namespace)
    if decision.error is not None:
        return _failed(decision, decision.error)
    if not decision.overlays:
        return _skipped(decision, decision.reason, decision.warnings)
    try:
        operations, warnings = _place(base, decision)
    except InjectionError as error:
        return _failed(decision, error)
    if old is None or not operations:
        return _done(decision, Reason.INJECTED, operations, warnings)
    return _again(decision, reinvocation.reconcile(pod.whole(), old, base.whole(), operations), warnings)


def _place(base: Pod, decision: Decision) -> tuple[list[Operation], tuple[str, ...]]:
    """Place the overlays, each on the pod as the earlier ones left it; a placement that changes nothing needs no record."""
    done = placement.place(base, decision.overlays[0])
    for overlay in decision.overlays[1:]:
        pod = Pod.from_document(jsonpatch.apply_patch(base.whole(), done.operations))
        done = done.then(placement.place(pod, overlay))
    if not done.operations:
        return [], (*decision.warnings, *done.warnings)
    return record.seal(base, done, decision.mesh, decision.template), (*decision.warnings, *done.warnings)


def _failed(decision: Decision, error: InjectionError) -> Outcome:
    verdicts = {Severity.REFUSE: Verdict.REFUSED, Severity.IGNORE: Verdict.IGNORED, Severity.AUDIT: Verdict.AUDITED}
    return Outcome(verdicts[decision.severity], error.reason, decision.mesh, decision.template, warnings=decision.warnings, error=error)


def _skipped(decision: Decision, reason: Reason, warnings: tuple[str, ...]) -> Outcome:
    """Leave the pod alone; one that asked to be injected is told."""
    asked = (f"{decision.asked}, but the pod was not injected: {reason}",) if decision.asked else ()
    return Outcome(Verdict.SKIPPED, reason, decision.mesh, decision.template, warnings=(*warnings, *asked))


def _again(decision: Decision, operations: list[Operation], warnings: tuple[str, ...]) -> Outcome:
    if decision.severity is Severity.AUDIT:
        return _done(decision, Reason.AUDIT_MODE, operations, warnings)
    if not operations:
        return Outcome(Verdict.SKIPPED, Reason.ALREADY_INJECTED, decision.mesh, decision.template, warnings=decision.warnings)
    changed = "what mesh-injector had added was not as it should be, and was brought up to date"
    return _done(decision, Reason.REINJECTED, operations, (*warnings, changed))


def _done(decision: Decision, reason: Reason, operations: list[Operation], warnings: tuple[str, ...]) -> Outcome:
    if decision.severity is Severity.AUDIT:  # nothing was kept or changed, so there is nothing to warn of
        return Outcome(Verdict.AUDITED, Reason.AUDIT_MODE, decision.mesh, decision.template, operations, decision.warnings)
    if not operations:
        return _skipped(decision, Reason.NOTHING_TO_INJECT, warnings)
    return Outcome(Verdict.INJECTED, reason, decision.mesh, decision.template, operations, warnings)


def checks(pod: Pod, namespace: Namespace, rules: Rules) -> tuple[Check, ...]:
    """Explain a pod: every mesh considered, on the pod as `inject` decides about it, without what our record lists."""
    return rules.checks(_judge(pod, namespace, rules)[1], namespace)
