"""The whole story of one pod: decide, place, record, and say what happened. Both doors call `inject` and nothing else."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec

from mesh_injector.engine import placement, record, reinvocation
from mesh_injector.engine.footprint import Footprint
from mesh_injector.engine.outcome import Outcome, Verdict
from mesh_injector.engine.placed import Placement
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.record import Stripped
from mesh_injector.engine.rules import Check, Decision, Namespace, Operation, Rules, Severity
from mesh_injector.errors import InjectionError
from mesh_injector.reasons import Reason


@dataclass(frozen=True, slots=True)
class Story:
    """An outcome and what led there: the pod that was decided about, what the rules said of it, and every mesh that was considered."""

    outcome: Outcome
    base: Pod
    decision: Decision
    checks: tuple[Check, ...]


def inject(pod: Pod, namespace: Namespace, rules: Rules) -> Outcome:
    """Decide about a pod and work out its patch; pure, and the same on every replica."""
    if record.ANNOTATION in pod.annotations:
        return _judge(pod, _Answers(namespace, rules))[0]
    decision = rules.decide(pod, namespace)
    if not decision.overlays or decision.error is not None:
        return _left(decision)
    return _shared(pod, decision) or _settle(pod, *_place(pod, decision))


class _Answers:
    """What the rules say of each pod, and what placing that did: a record makes us ask again, and an answer may be a whole rendering."""

    def __init__(self, namespace: Namespace, rules: Rules) -> None:
        self._namespace, self._rules = namespace, rules
        self._decisions: dict[Pod, Decision] = {}
        self._placed: dict[Pod, tuple[Placement, Decision]] = {}

    def decide(self, pod: Pod) -> Decision:
        if pod not in self._decisions:
            self._decisions[pod] = self._rules.decide(pod, self._namespace)
        return self._decisions[pod]

    def place(self, pod: Pod) -> tuple[Placement, Decision]:
        if pod not in self._placed:
            self._placed[pod] = _place(pod, self.decide(pod))
        return self._placed[pod]


def _judge(pod: Pod, answers: _Answers) -> tuple[Outcome, Pod]:
    """Decide about a pod without what its record lists, or as it stands where a record without worth would let it pass.

    The pod's own opt-out wins over any record.
    """
    if record.ANNOTATION in pod.annotations and answers.decide(pod).reason is not Reason.OPTED_OUT_BY_POD:
        base, stripped = _strip(pod, answers)
        if stripped is not None:
            outcome = _decide(pod, base, stripped, answers)
            if not outcome.passes:
                return outcome, base
            plain = _decide(pod, pod, None, answers)
            return (outcome, base) if plain.passes else (plain, pod)
    return _decide(pod, pod, None, answers), pod


def _strip(pod: Pod, answers: _Answers) -> tuple[Pod, Stripped | None]:
    """Take out what a record lists. What it says was taken away is put back only if the rules would take all of it away again."""
    stripped = record.strip(pod)
    if stripped is None:
        return pod, None
    base = Pod.from_document(stripped.body)
    claimed = {taken.at for taken in stripped.record.taken}
    if claimed and not claimed <= {taken.at for taken in answers.place(base)[0].taken}:
        stripped = record.without(pod, stripped.record, put_back=False)
        base = Pod.from_document(stripped.body)
    return base, stripped


def _decide(pod: Pod, base: Pod, stripped: Stripped | None, answers: _Answers) -> Outcome:
    decision = answers.decide(base)
    again = (lambda operations: reinvocation.reconcile(pod, stripped, operations)) if stripped else None
    if not decision.overlays or decision.error is not None:
        return _left(decision)
    return _settle(base, *answers.place(base), again)


def _left(decision: Decision) -> Outcome:
    """The outcome where nothing is placed: an error, or a pod that is left alone."""
    if decision.error is not None:
        return _failed(decision, decision.error)
    if decision.mesh or decision.template or decision.warnings or decision.asked:
        return _skipped(decision, decision.reason, decision.warnings)
    return _passed(decision.reason)


@functools.cache
def _passed(reason: Reason) -> Outcome:
    """The outcome for a pod of which there is nothing to say but why it is left alone: the most common one."""
    return Outcome(Verdict.SKIPPED, reason)


class _Case(msgspec.Struct, frozen=True, cache_hash=True):
    """All that an outcome depends on beside the overlay, whose memory it is in."""

    mesh: str
    template: str
    severity: Severity
    warnings: tuple[str, ...]
    asked: str
    footprint: Footprint


def _shared(pod: Pod, decision: Decision) -> Outcome | None:
    """The outcome of all pods that are alike in what the decision's overlay comes upon; None where this pod has one of its own."""
    overlay = decision.overlays[0]
    footprint = overlay.footprints.of(pod) if len(decision.overlays) == 1 and decision.then is None else None
    if footprint is None:
        return None
    case = _Case(decision.mesh, decision.template, decision.severity, decision.warnings, decision.asked, footprint)
    found = overlay.outcomes.get(case)
    if found is None:
        alike = footprint.pod()
        found = _settle(alike, *_place(alike, decision))
        if found.error is None:  # an error names the line of this rendering
            overlay.outcomes.put(case, found, found.weight + footprint.weight)
    return found


def _settle(base: Pod, done: Placement, decision: Decision, again: "Callable[[list[Operation]], list[Operation]] | None" = None) -> Outcome:
    """Seal what was placed on a pod; `again` reconciles that with what its record lists."""
    if decision.error is not None:
        return _failed(decision, decision.error)
    warnings = (*decision.warnings, *done.warnings)
    if not done.operations:  # what changes nothing needs no record
        return _done(decision, Reason.INJECTED, (), warnings)
    try:
        operations = record.seal(base, done, decision.mesh, decision.template)
    except InjectionError as error:
        return _failed(decision, error.alone())
    return _again(decision, again(operations), warnings) if again else _done(decision, Reason.INJECTED, operations, warnings)


def _place(base: Pod, decision: Decision) -> tuple[Placement, Decision]:
    """Place the overlays of a decision and of those that follow it, each on the pod as the earlier ones left it.

    The decision that comes back speaks for all: the last one, or the one whose error ended it.
    """
    done = Placement()
    following: Decision | None = decision
    while following is not None and following.error is None:
        decision = following
        try:
            for overlay in decision.overlays:
                done = done.then(placement.place(placement.changed(base, done), overlay))
        except InjectionError as error:
            return done, replace(decision, error=error.alone())
        following = _following(decision, placement.changed(base, done)) if decision.then else None
    return done, following or decision


def _following(decision: Decision, pod: Pod) -> Decision | None:
    """Ask what follows a decision; it says the earlier warnings too."""
    later = decision.then(pod) if decision.then else None
    return replace(later, warnings=(*decision.warnings, *later.warnings)) if later else None


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


def _done(decision: Decision, reason: Reason, operations: Sequence[Operation], warnings: tuple[str, ...]) -> Outcome:
    if decision.severity is Severity.AUDIT:  # nothing was kept or changed, so there is nothing to warn of
        return Outcome(Verdict.AUDITED, Reason.AUDIT_MODE, decision.mesh, decision.template, operations, decision.warnings)
    if not operations:
        return _skipped(decision, Reason.NOTHING_TO_INJECT, warnings)
    return Outcome(Verdict.INJECTED, reason, decision.mesh, decision.template, operations, warnings)


def explain(pod: Pod, namespace: Namespace, rules: Rules) -> Story:
    """Decide about a pod as `inject` does, and tell what led there, on the pod without what our record lists."""
    answers = _Answers(namespace, rules)
    outcome, base = _judge(pod, answers)
    return Story(outcome, base, answers.decide(base), rules.checks(base, namespace))
