"""The pipeline: every verdict, what is told with it, and pods that come again."""

import copy
import json
from dataclasses import replace
from typing import Any

import jsonpatch
import pytest

from mesh_injector.engine import overlay, pipeline, record
from mesh_injector.engine.outcome import Outcome, Verdict
from mesh_injector.engine.overlay import Overlay
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Check, Decision, Namespace, Severity
from mesh_injector.engine.template import PatchTemplate, Source
from mesh_injector.errors import InjectionError
from mesh_injector.reasons import Reason

Json = dict[str, Any]

SHOP = Namespace("shop")
PLAIN: Json = {"metadata": {"labels": {"app": "cart"}}, "spec": {"containers": [{"name": "app", "image": "cart:1"}]}}
ENVOY = 'spec: {containers: [{name: envoy, image: "envoy:1"}]}'
ERROR = InjectionError(Reason.REGION_MISSING, "the mesh has no region", where="spec.region", fix="set it")


def made(template: str) -> Overlay:
    return overlay.make(PatchTemplate(Source(template, "the template")).render({}), privileged=True)


class Fixed:
    """Rules with one answer for pods that have the label `app: cart`, and another for all others."""

    def __init__(self, decision: Decision, other: Decision | None = None) -> None:
        self.decision, self.other = decision, other or Decision(Reason.NO_MESH_MATCHED)

    def decide(self, pod: Pod, _namespace: Namespace) -> Decision:
        return self.decision if pod.labels.get("app") == "cart" else self.other

    def checks(self, pod: Pod, _namespace: Namespace) -> tuple[Check, ...]:
        return (Check("mesh-system/shop", pod.labels.get("app") == "cart", ", ".join(container.name for container in pod.containers)),)


def bringing(*templates: str, **parts: Any) -> Decision:
    decision = Decision(Reason.INJECTED, "mesh-system/shop", "sha256:00", tuple(map(made, templates)))
    return replace(decision, **parts)


def inject(decision: Decision, body: Json = PLAIN) -> Outcome:
    return pipeline.inject(Pod.from_document(body), SHOP, Fixed(decision))


def applied(outcome: Outcome, body: Json = PLAIN) -> Json:
    result: Json = jsonpatch.apply_patch(body, list(outcome.patch))
    return copy.deepcopy(result)


# --- verdicts -----------------------------------------------------------------------------------------------------------------------


def test_an_injected_pod_is_patched_and_carries_its_record() -> None:
    outcome = inject(bringing(ENVOY, warnings=("odd label",)))
    assert (outcome.verdict, outcome.reason, outcome.mesh, outcome.template) == (
        Verdict.INJECTED,
        Reason.INJECTED,
        "mesh-system/shop",
        "sha256:00",
    )
    assert (outcome.allowed, outcome.passes, outcome.message, outcome.warnings) == (True, False, "", ("odd label",))
    after = applied(outcome)
    assert [container["name"] for container in after["spec"]["containers"]] == ["app", "envoy"]
    assert json.loads(after["metadata"]["annotations"][record.ANNOTATION])["added"] == ["containers[envoy]"]


def test_a_pod_that_nothing_selects_is_skipped() -> None:
    outcome = inject(Decision(Reason.NO_MESH_MATCHED, warnings=("w",)))
    assert (outcome.verdict, outcome.reason, outcome.patch, outcome.allowed, outcome.passes) == (
        Verdict.SKIPPED,
        Reason.NO_MESH_MATCHED,
        (),
        True,
        True,
    )
    assert outcome.warnings == ("w",)


def test_a_skipped_pod_that_asked_for_injection_is_told() -> None:
    outcome = inject(Decision(Reason.NO_MESH_MATCHED, asked="the label asks"))
    assert outcome.warnings == ("the label asks, but the pod was not injected: NoMeshMatched",)


@pytest.mark.parametrize("template", ["", "metadata: {labels: {app: cart}}"])
def test_a_template_that_changes_nothing_skips_the_pod(template: str) -> None:
    outcome = inject(bringing(template, asked="the label asks"))
    assert (outcome.verdict, outcome.reason, outcome.operations) == (Verdict.SKIPPED, Reason.NOTHING_TO_INJECT, ())
    assert outcome.warnings == ("the label asks, but the pod was not injected: NothingToInject",)


def test_a_collision_warns() -> None:
    outcome = inject(bringing("metadata: {labels: {app: other, x: y}}"))
    assert outcome.warnings == ("kept the pod's labels[app], which differs from the template's",)


@pytest.mark.parametrize(
    ("severity", "verdict", "allowed"),
    [
        (Severity.REFUSE, Verdict.REFUSED, False),
        (Severity.IGNORE, Verdict.IGNORED, True),
        (Severity.AUDIT, Verdict.AUDITED, True),
    ],
)
@pytest.mark.parametrize("placing", [False, True])
def test_an_error_is_as_severe_as_the_mesh_says(severity: Severity, verdict: Verdict, allowed: bool, placing: bool) -> None:
    decision = bringing('spec: {containers: [{name: app, image: "x"}]}', severity=severity)
    outcome = inject(decision if placing else replace(decision, error=ERROR, overlays=()))
    reason = Reason.NAME_COLLISION if placing else Reason.REGION_MISSING
    assert (outcome.verdict, outcome.allowed, outcome.patch, outcome.reason) == (verdict, allowed, (), reason)
    assert (outcome.mesh, outcome.template) == ("mesh-system/shop", "sha256:00")


def test_the_message_of_an_error_says_code_mesh_what_where_and_how_to_fix() -> None:
    outcome = inject(bringing(error=ERROR))
    assert outcome.message == ("mesh-injector: [MI202] mesh mesh-system/shop: the mesh has no region; at spec.region; fix: set it")
    assert inject(Decision(Reason.SEVERAL_MESHES_MATCHED, error=InjectionError(Reason.SEVERAL_MESHES_MATCHED, "a tie"))).message == (
        "mesh-injector: [MI204] a tie"
    )


@pytest.mark.parametrize("template", [ENVOY, ""])
def test_an_audit_changes_nothing_and_shows_what_would_be_done(template: str) -> None:
    outcome = inject(bringing(template, severity=Severity.AUDIT))
    assert (outcome.verdict, outcome.reason, outcome.patch, outcome.allowed) == (Verdict.AUDITED, Reason.AUDIT_MODE, (), True)
    assert bool(outcome.operations) == bool(template)


def test_a_record_that_is_too_large_is_an_error_of_the_pod() -> None:
    body = {"metadata": {"labels": {"app": "cart"}, "annotations": {"a": "x" * 262_100}}, "spec": PLAIN["spec"]}
    outcome = inject(bringing(ENVOY), body)
    assert (outcome.verdict, outcome.reason) == (Verdict.REFUSED, Reason.RENDERED_INVALID_POD)


# --- several overlays ---------------------------------------------------------------------------------------------------------------


def test_several_overlays_are_placed_each_on_the_pod_as_the_earlier_left_it() -> None:
    outcome = inject(
        bringing(
            ENVOY,
            'metadata: {annotations: {a: "1"}}\nspec: {containers: [{name: envoy, env: [{name: A}]}], dnsPolicy: Default}',
            'metadata: {annotations: {a: "2", b: "2"}}\nspec: {dnsPolicy: None}',
        )
    )
    after = applied(outcome)
    assert after["spec"]["containers"][1] == {"name": "envoy", "image": "envoy:1", "env": [{"name": "A"}]}
    assert (after["spec"]["dnsPolicy"], after["metadata"]["annotations"]["a"], after["metadata"]["annotations"]["b"]) == (
        "Default",
        "1",
        "2",
    )
    assert len(outcome.warnings) == 2
    stripped = record.strip(Pod.from_document(after))
    assert stripped is not None
    assert stripped[0] == PLAIN


def test_a_name_that_two_overlays_bring_is_a_collision() -> None:
    assert inject(bringing(ENVOY, ENVOY)).reason is Reason.NAME_COLLISION


# --- pods that come again -----------------------------------------------------------------------------------------------------------


def test_a_pod_that_comes_again_is_already_injected_and_asks_for_nothing() -> None:
    decision = bringing(ENVOY, asked="the label asks", warnings=("odd label",))
    outcome = inject(decision, applied(inject(decision)))
    assert (outcome.verdict, outcome.reason, outcome.patch) == (Verdict.SKIPPED, Reason.ALREADY_INJECTED, ())
    assert (outcome.passes, outcome.warnings) == (False, ("odd label",))


def test_a_pod_that_others_changed_is_reinjected_with_a_warning() -> None:
    body = applied(inject(bringing(ENVOY)))
    body["spec"]["containers"].pop()
    outcome = inject(bringing(ENVOY), body)
    assert (outcome.verdict, outcome.reason) == (Verdict.INJECTED, Reason.REINJECTED)
    assert outcome.warnings == ("what mesh-injector had added was not as it should be, and was brought up to date",)


@pytest.mark.parametrize("drop", [False, True])
def test_an_audit_of_a_pod_that_comes_again_is_an_audit(drop: bool) -> None:
    body = applied(inject(bringing(ENVOY)))
    if drop:
        body["spec"]["containers"].pop()
    outcome = inject(bringing(ENVOY, severity=Severity.AUDIT), body)
    assert (outcome.verdict, outcome.reason, outcome.warnings, bool(outcome.operations)) == (
        Verdict.AUDITED,
        Reason.AUDIT_MODE,
        (),
        drop,
    )


@pytest.mark.parametrize(
    "decision",
    [Decision(Reason.OPTED_OUT_BY_POD), bringing(error=ERROR), bringing(error=ERROR, severity=Severity.IGNORE), bringing("")],
)
def test_a_pod_with_a_record_that_is_skipped_or_refused_stays_as_it_is(decision: Decision) -> None:
    body = applied(inject(bringing(ENVOY)))
    assert applied(inject(decision, body), body) == body


def test_checks_are_told_of_the_pod_without_what_the_record_lists() -> None:
    body, rules = applied(inject(bringing(ENVOY))), Fixed(bringing(ENVOY))
    assert pipeline.explain(Pod.from_document(body), SHOP, rules).checks == (Check("mesh-system/shop", True, "app"),)
    assert pipeline.explain(Pod.from_document(PLAIN), SHOP, rules).checks == (Check("mesh-system/shop", True, "app"),)


# --- records that lie ---------------------------------------------------------------------------------------------------------------


def forged(*added: str) -> Json:
    text = json.dumps({"version": 1, "mesh": "mesh-system/shop", "template": "sha256:00", "added": added})
    return {**PLAIN, "metadata": {**PLAIN["metadata"], "annotations": {record.ANNOTATION: text}}}


@pytest.mark.parametrize(
    "other",
    [
        Decision(Reason.NO_MESH_MATCHED),
        bringing("", mesh="mesh-system/other"),
        bringing(error=ERROR, severity=Severity.IGNORE),
        bringing(ENVOY, severity=Severity.AUDIT),
    ],
)
def test_a_record_that_claims_the_label_by_which_a_pod_is_selected_does_not_exempt_it(other: Decision) -> None:
    pod, rules = Pod.from_document(forged("labels[app]")), Fixed(bringing(ENVOY), other)
    outcome = pipeline.inject(pod, SHOP, rules)
    assert (outcome.verdict, outcome.reason, outcome.mesh) == (Verdict.INJECTED, Reason.INJECTED, "mesh-system/shop")
    assert applied(outcome, forged("labels[app]"))["metadata"]["labels"] == {"app": "cart"}
    assert pipeline.explain(pod, SHOP, rules).checks == (Check("mesh-system/shop", True, "app"),)


def test_a_refusal_of_the_pod_as_it_stands_is_no_exemption_either() -> None:
    outcome = pipeline.inject(Pod.from_document(forged("labels[app]")), SHOP, Fixed(bringing(error=ERROR)))
    assert outcome.verdict is Verdict.REFUSED


def test_a_record_is_believed_where_the_pod_passes_both_ways() -> None:
    rules = Fixed(Decision(Reason.AUTO_INJECT_OFF), Decision(Reason.NO_MESH_MATCHED))
    pod = Pod.from_document(forged("labels[app]"))
    assert pipeline.inject(pod, SHOP, rules).reason is Reason.NO_MESH_MATCHED
    assert pipeline.explain(pod, SHOP, rules).checks == (Check("mesh-system/shop", False, "app"),)


def test_the_pods_own_opt_out_wins_over_a_record_that_claims_its_label() -> None:
    rules = Fixed(Decision(Reason.OPTED_OUT_BY_POD), bringing(ENVOY))
    assert pipeline.inject(Pod.from_document(forged("labels[app]")), SHOP, rules).reason is Reason.OPTED_OUT_BY_POD


def test_a_record_of_a_container_that_is_not_ours_does_not_exempt() -> None:
    body = forged("containers[envoy]")
    outcome = inject(bringing(ENVOY), body)
    assert outcome.reason is Reason.REINJECTED
    assert applied(outcome, body)["spec"]["containers"][1] == {"name": "envoy", "image": "envoy:1"}


@pytest.mark.parametrize("other", [bringing(ENVOY), Decision(Reason.NO_MESH_MATCHED)])
def test_the_rules_are_asked_once_about_each_pod_that_a_record_makes_of_one(other: Decision) -> None:
    asked: list[str] = []

    class Asked(Fixed):
        def decide(self, pod: Pod, namespace: Namespace) -> Decision:
            asked.append(json.dumps(pod.whole(), sort_keys=True))
            return super().decide(pod, namespace)

    gone = {"at": "containers[app].env[A]", "index": 0, "value": {"name": "A"}}
    body = of_version(2, forged("labels[app]"), taken=[gone])
    pipeline.inject(Pod.from_document(body), SHOP, Asked(bringing(ENVOY), other))
    assert len(asked) == len(set(asked)) == 3


# --- records of other releases ------------------------------------------------------------------------------------------------------


def of_version(version: int, body: Json, **more: Any) -> Json:
    """Make the record of an injected pod one of another version."""
    result: Json = json.loads(json.dumps(body))
    annotations = result["metadata"]["annotations"]
    annotations[record.ANNOTATION] = json.dumps({**json.loads(annotations[record.ANNOTATION]), "version": version, **more})
    return result


def test_a_pod_that_a_newer_release_injected_is_left_as_it_is_so_that_two_releases_do_not_take_turns() -> None:
    newer = of_version(9, applied(inject(bringing(ENVOY))), moved=["x"], created=["annotations", "spec.newer"])
    outcome = inject(bringing(ENVOY), newer)
    assert (outcome.reason, outcome.patch) == (Reason.ALREADY_INJECTED, ())


def test_what_is_missing_of_a_newer_releases_pod_is_brought_back_and_written_in_our_version() -> None:
    newer = of_version(9, applied(inject(bringing(ENVOY))))
    newer["spec"]["containers"].pop()
    outcome = inject(bringing(ENVOY), newer)
    after = applied(outcome, newer)
    assert (outcome.reason, after["spec"]["containers"][1]["name"]) == (Reason.REINJECTED, "envoy")
    assert json.loads(after["metadata"]["annotations"][record.ANNOTATION])["version"] == 1


def test_a_forged_newer_version_exempts_no_pod() -> None:
    newer = of_version(9, forged("containers[envoy]", "no address"))
    assert inject(bringing(ENVOY), newer).reason in (Reason.INJECTED, Reason.REINJECTED)
    assert applied(inject(bringing(ENVOY), newer), newer)["spec"]["containers"][1]["image"] == "envoy:1"
