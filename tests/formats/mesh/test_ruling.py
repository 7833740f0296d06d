"""How meshes decide about one pod: exclusions, opt-outs, ranking, choice by label, and the checks that explain it."""

import json
from typing import Any

import pytest

from mesh_injector import documents
from mesh_injector.engine import pipeline
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Decision, Namespace, Severity
from mesh_injector.formats import mesh
from mesh_injector.formats.mesh import MeshRules
from mesh_injector.reasons import Reason

SHOP = Namespace("shop", {"team": "a"})
INJECT = "mesh-injector.io/inject"
CHOOSE = "mesh-injector.io/mesh"
PATCH = 'spec: {containers: [{name: envoy, image: "envoy:1"}]}'


def a_mesh(name: str = "payments", namespace: str = "mesh-system", template: str = PATCH, **spec: Any) -> str:
    fields: dict[str, Any] = {"enableAutoInject": True, "injectionSelector": {"podSelector": {}}, **spec}
    lines = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in fields.items())
    return f"""---
apiVersion: mesh-injector.io/v1alpha1
kind: Mesh
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  sidecarPatchConfigMap: {{name: {name}}}
{lines}---
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}, namespace: {namespace}, labels: {{mesh-injector.io/template: "true"}}}}
data:
  patch: |-
    {template}
"""


def rules(*meshes: str) -> MeshRules:
    parsed = documents.parse("".join(meshes) or "{}", "all.yaml")
    loaded = mesh.load(parsed.documents)
    return MeshRules(loaded.meshes, unusable=loaded.unusable)


def pod(labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None, **spec: Any) -> Pod:
    containers = [{"name": "app", "image": "cart:1", "ports": [{"containerPort": 80}]}]
    return Pod.from_document({"metadata": {"labels": labels, "annotations": annotations}, "spec": {"containers": containers, **spec}})


def decide(given: MeshRules, to: Pod | None = None, namespace: Namespace = SHOP) -> Decision:
    return given.decide(to or pod(), namespace)


def whys(given: MeshRules, to: Pod | None = None, namespace: Namespace = SHOP) -> dict[str, str]:
    return {check.mesh: ("" if check.matched else "no: ") + check.why for check in given.checks(to or pod(), namespace)}


# --- exclusions and opt-outs --------------------------------------------------------------------------------------------------------

EXCLUSIONS: list[tuple[Reason, dict[str, Any], Namespace]] = [
    (Reason.NOT_A_POD, {"containers": None}, Namespace("shop")),
    (Reason.NAMESPACE_EXCLUDED, {}, Namespace("kube-system")),
    (Reason.MIRROR_POD, {"mirror": True}, Namespace("shop")),
    (Reason.HOST_NETWORK, {"hostNetwork": True}, Namespace("shop")),
    (Reason.OPTED_OUT_BY_POD, {"inject": "false"}, Namespace("shop")),
    (Reason.OPTED_OUT_BY_NAMESPACE, {}, Namespace("shop", {INJECT: "disabled"})),
]


def excluded(**parts: Any) -> Pod:
    labels = {INJECT: parts.pop("inject")} if "inject" in parts else {}
    annotations = {"kubernetes.io/config.mirror": ""} if parts.pop("mirror", False) else {}
    return pod(labels, annotations, **parts)


@pytest.mark.parametrize(("reason", "parts", "namespace"), EXCLUSIONS)
def test_whom_a_mesh_never_injects(reason: Reason, parts: dict[str, Any], namespace: Namespace) -> None:
    given, to = rules(a_mesh()), excluded(**parts)
    assert (decide(given, to, namespace).reason, decide(given, to, namespace).overlays) == (reason, ())
    assert whys(given, to, namespace)["mesh-system/payments"].endswith(f"; not asked: {reason}")


@pytest.mark.parametrize(("first", "second"), [(one, other) for one in range(6) for other in range(one + 1, 6)])
def test_of_two_exclusions_the_earlier_is_the_reason(first: int, second: int) -> None:
    (reason, parts, namespace), (_, more, other) = EXCLUSIONS[first], EXCLUSIONS[second]
    both = Namespace(namespace.name if namespace.name != "shop" else other.name, {**namespace.labels, **other.labels})
    assert decide(rules(a_mesh()), excluded(**parts, **more), both).reason is reason


@pytest.mark.parametrize("name", ["kube-system", "kube-public", "kube-node-lease", "mesh-system"])
def test_system_namespaces_and_home_are_excluded(name: str) -> None:
    assert decide(rules(a_mesh()), namespace=Namespace(name)).reason is Reason.NAMESPACE_EXCLUDED


def test_the_home_namespace_may_be_another() -> None:
    assert MeshRules((), "infra").decide(pod(), Namespace("infra")).reason is Reason.NAMESPACE_EXCLUDED
    assert MeshRules((), "infra").decide(pod(), Namespace("mesh-system")).reason is Reason.NO_MESH_MATCHED


@pytest.mark.parametrize("value", ["False", "no", "0", "", "disabled"])
def test_another_value_of_the_pods_label_has_no_effect_and_is_told(value: str) -> None:
    decision = decide(rules(a_mesh()), pod({INJECT: value}))
    assert decision.reason is Reason.INJECTED
    assert decision.warnings == (f'the pod\'s label {INJECT}={value} has no effect; use "true" or "false"',)


@pytest.mark.parametrize("value", ["true", "false", "enabled", "Disabled", ""])
def test_another_value_of_the_namespaces_label_has_no_effect_and_is_told(value: str) -> None:
    decision = decide(rules(a_mesh()), namespace=Namespace("shop", {INJECT: value}))
    assert decision.reason is Reason.INJECTED
    assert decision.warnings == (f'the namespace\'s label {INJECT}={value} has no effect; use "disabled"',)


@pytest.mark.parametrize("parts", [{}, {"inject": "true", "hostNetwork": True}])
def test_a_pod_that_asks_and_is_skipped_is_told_why(parts: dict[str, Any]) -> None:
    to = excluded(**({"inject": "true"} | parts))
    outcome = pipeline.inject(to, SHOP, rules())
    reason = "HostNetwork" if parts else "NoMeshMatched"
    assert outcome.warnings == (f'the label {INJECT}: "true" asks for injection, but the pod was not injected: {reason}',)
    assert pipeline.inject(excluded(inject="true"), SHOP, rules(a_mesh())).warnings == ()


# --- matching -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "matched", "why"),
    [
        ({"podSelector": {}}, True, "podSelector selects everything"),
        ({"namespaceSelector": {}}, True, "namespaceSelector selects everything"),
        ({"podSelector": {"matchLabels": {"app": "cart"}}}, True, "podSelector selects app=cart"),
        ({"podSelector": {"matchLabels": {"app": "web"}}}, False, "podSelector wants app=web, found 'cart'"),
        ({"namespaceSelector": {"matchLabels": {"team": "a"}}}, True, "namespaceSelector selects team=a"),
        ({"namespaceSelector": {"matchLabels": {"team": "b"}}}, False, "namespaceSelector wants team=b, found 'a' on namespace shop"),
        (
            {"podSelector": {"matchLabels": {"app": "cart"}}, "namespaceSelector": {"matchLabels": {"team": "a"}}},
            True,
            "podSelector selects app=cart and namespaceSelector selects team=a",
        ),
        ({"podSelector": {}, "namespaceSelector": {"matchLabels": {"team": "b"}}}, False, "namespaceSelector wants team=b"),
        ({"podSelector": {"matchLabels": {"app": "web"}}, "namespaceSelector": {}}, False, "podSelector wants app=web"),
        ({}, False, "SelectorInvalid: `injectionSelector` needs"),
    ],
)
def test_both_selectors_must_match_and_the_failing_one_is_named(selector: dict[str, Any], matched: bool, why: str) -> None:
    given, to = rules(a_mesh(injectionSelector=selector)), pod({"app": "cart"})
    decision = decide(given, to)
    assert decision.reason is (Reason.INJECTED if matched else Reason.NO_MESH_MATCHED)
    (check,) = given.checks(to, SHOP)
    assert (check.mesh, check.matched, check.why.startswith(why)) == ("mesh-system/payments", matched, True)


def test_an_injected_pod_names_mesh_and_template_and_carries_the_overlay() -> None:
    given = rules(a_mesh())
    decision = decide(given)
    assert (decision.mesh, decision.template, decision.severity) == ("mesh-system/payments", given.meshes[0].digest, Severity.REFUSE)
    assert [dict(one.spec) for one in decision.overlays] == [{"containers": [{"name": "envoy", "image": "envoy:1"}]}]


def test_a_mesh_that_is_off_is_the_reason_only_if_nothing_else_matches() -> None:
    off, other = a_mesh(enableAutoInject=False), a_mesh("other", injectionSelector={"podSelector": {"matchLabels": {"app": "web"}}})
    assert decide(rules(off, other)).reason is Reason.AUTO_INJECT_OFF
    assert decide(rules(off, other), pod({"app": "web"})).mesh == "mesh-system/other"
    assert decide(rules(other)).reason is Reason.NO_MESH_MATCHED
    assert whys(rules(off))["mesh-system/payments"].endswith("; AutoInjectOff: enableAutoInject is not true")


def test_a_tenant_selects_only_pods_of_its_own_namespace() -> None:
    given = rules(a_mesh(namespace="shop"), a_mesh(namespace="other"))
    assert decide(given).mesh == "shop/payments"
    assert decide(given, namespace=Namespace("third")).reason is Reason.NO_MESH_MATCHED
    assert whys(given)["other/payments"] == "no: lives in namespace other and selects only pods of it"


def test_init_containers_stand_where_the_mesh_says() -> None:
    assert decide(rules(a_mesh())).overlays[0].init_first
    assert not decide(rules(a_mesh(initContainers="Last"))).overlays[0].init_first


# --- rights -------------------------------------------------------------------------------------------------------------------------

HOST_PID = "spec: {hostPID: true}"


def test_a_template_at_home_may_give_rights_and_a_tenants_may_not() -> None:
    assert decide(rules(a_mesh(template=HOST_PID))).error is None
    decision = decide(rules(a_mesh(namespace="shop", template=HOST_PID)))
    assert decision.error is not None
    assert (decision.error.reason, decision.mesh, decision.overlays) == (Reason.FIELD_NOT_ALLOWED, "shop/payments", ())


# --- ranking ------------------------------------------------------------------------------------------------------------------------


def test_the_highest_priority_wins_and_the_losers_are_told() -> None:
    given = rules(a_mesh("a"), a_mesh("b", priority=5), a_mesh("c", priority=-1))
    assert decide(given).mesh == "mesh-system/b"
    assert "; Outranked by mesh-system/b" in whys(given)["mesh-system/a"]
    assert "Outranked" not in whys(given)["mesh-system/b"]


def test_home_comes_before_a_tenant_and_a_tenants_priority_counts_as_at_most_0() -> None:
    assert decide(rules(a_mesh("a"), a_mesh("b", "shop", priority=100))).mesh == "mesh-system/a"
    assert decide(rules(a_mesh("a", priority=-1), a_mesh("b", "shop", priority=100))).mesh == "shop/b"
    assert decide(rules(a_mesh("a"), a_mesh("b", "shop", priority=-5))).mesh == "mesh-system/a"


@pytest.mark.parametrize(
    ("loser", "told"),
    [
        (a_mesh("b", "shop", priority=100), "home with priority 0 over tenant with priority 0 (a tenant's 100 counts as 0)"),
        (a_mesh("b", "shop", priority=-5), "home with priority 0 over tenant with priority -5"),
        (a_mesh("b", priority=-1), "home with priority 0 over home with priority -1"),
    ],
)
def test_the_loser_is_told_by_what_it_was_outranked(loser: str, told: str) -> None:
    given = rules(a_mesh("a"), loser)
    (why,) = (text for name, text in whys(given).items() if name != "mesh-system/a")
    assert why == f"podSelector selects everything; Outranked by mesh-system/a, {told}"


def test_a_tie_is_refused_and_names_both() -> None:
    given = rules(a_mesh("one"), a_mesh("two"), a_mesh("z", priority=-1))
    decision = decide(given)
    assert decision.error is not None
    assert (decision.reason, decision.mesh, decision.severity) == (Reason.SEVERAL_MESHES_MATCHED, "", Severity.REFUSE)
    assert "meshes mesh-system/one and mesh-system/two match with equal rank" in str(decision.error)
    assert whys(given)["mesh-system/one"].endswith("; SeveralMeshesMatched")
    assert "; Outranked by mesh-system/one" in whys(given)["mesh-system/z"]


def test_an_error_of_very_many_meshes_names_ten_of_them_and_counts_the_others() -> None:
    given = rules(*(a_mesh(f"m{number:03}") for number in range(100)))
    for decision in (decide(given), decide(given, pod({CHOOSE: "none"}))):
        assert "m009" in str(decision.error)
        assert "m010" not in str(decision.error)
        assert "90 more" in str(decision.error)


@pytest.mark.parametrize(
    ("one", "other", "severity"),
    [("Ignore", "Ignore", Severity.IGNORE), ("Ignore", "Fail", Severity.REFUSE), ("Fail", "Fail", Severity.REFUSE)],
)
def test_a_tie_or_an_unknown_choice_is_ignored_only_if_all_matching_meshes_say_so(one: str, other: str, severity: Severity) -> None:
    given = rules(a_mesh("one", onError=one), a_mesh("two", onError=other))
    assert decide(given).severity is severity
    assert decide(given, pod({CHOOSE: "none"})).severity is severity


# --- choice by label ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["b", "mesh-system.b"])
def test_the_pod_chooses_by_name_or_namespace_and_name(label: str) -> None:
    given = rules(a_mesh("a", priority=9), a_mesh("b"))
    assert decide(given, pod({CHOOSE: label})).mesh == "mesh-system/b"
    assert f"; Outranked by mesh-system/b, which the pod's label {CHOOSE} chooses" in whys(given, pod({CHOOSE: label}))["mesh-system/a"]


def test_a_bare_name_that_fits_several_is_ranked_among_those() -> None:
    given = rules(a_mesh("a"), a_mesh("a", "shop"), a_mesh("b", priority=9))
    assert decide(given, pod({CHOOSE: "a"})).mesh == "mesh-system/a"
    assert decide(given, pod({CHOOSE: "shop.a"})).mesh == "shop/a"


LONG = "a" * 60


def test_where_namespace_and_name_are_too_long_for_a_label_the_name_alone_must_do() -> None:
    given = rules(a_mesh(LONG), a_mesh("b"))
    assert decide(given, pod({CHOOSE: LONG})).mesh == f"mesh-system/{LONG}"
    assert decide(given, pod({CHOOSE: f"mesh-system.{LONG}"})).reason is Reason.MESH_UNKNOWN


@pytest.mark.parametrize("label", ["none", "other.a", "", "off", "web"])
def test_a_choice_that_does_not_match_is_refused_with_the_candidates(label: str) -> None:
    web = a_mesh("web", injectionSelector={"podSelector": {"matchLabels": {"app": "web"}}})
    given = rules(a_mesh("a"), a_mesh("off", enableAutoInject=False), web)
    decision = decide(given, pod({CHOOSE: label}))
    assert decision.error is not None
    assert (decision.reason, decision.mesh) == (Reason.MESH_UNKNOWN, "")
    assert decision.error.problem.fix == "use one of those that do: `mesh-system.a`"
    assert whys(given, pod({CHOOSE: label}))["mesh-system/a"].endswith("; MeshUnknown")


@pytest.mark.parametrize("meshes", [(), (a_mesh("off", enableAutoInject=False),)])
def test_a_choice_where_nothing_matches_is_only_told(meshes: tuple[str, ...]) -> None:
    decision = decide(rules(*meshes), pod({CHOOSE: "off"}))
    assert (decision.reason, decision.error) == (Reason.NO_MESH_MATCHED, None)
    assert decision.warnings == (f"the label {CHOOSE}=off names no mesh that matches",)


# --- Audit --------------------------------------------------------------------------------------------------------------------------

AUDIT = a_mesh("watch", mode="Audit", priority=9)


def test_an_audit_mesh_never_takes_a_pod_away() -> None:
    given = rules(AUDIT, a_mesh("a"))
    assert (decide(given).mesh, decide(given).severity) == ("mesh-system/a", Severity.REFUSE)
    assert "; Outranked by mesh-system/a, since a mesh in mode Audit takes no pod away" in whys(given)["mesh-system/watch"]


@pytest.mark.parametrize("label", ["watch", "mesh-system.watch"])
def test_a_choice_of_an_audit_mesh_leaves_the_answer_of_the_others(label: str) -> None:
    assert decide(rules(AUDIT, a_mesh("a"), a_mesh("b", priority=1)), pod({CHOOSE: label})).mesh == "mesh-system/b"


def test_without_others_the_highest_audit_mesh_gives_the_answer() -> None:
    given = rules(AUDIT, a_mesh("low", mode="Audit"))
    assert (decide(given).mesh, decide(given).severity) == ("mesh-system/watch", Severity.AUDIT)
    assert decide(given, pod({CHOOSE: "low"})).mesh == "mesh-system/low"


def test_a_tie_of_audit_meshes_is_audited() -> None:
    decision = decide(rules(AUDIT, a_mesh("other", mode="Audit", priority=9)))
    assert (decision.reason, decision.severity) == (Reason.SEVERAL_MESHES_MATCHED, Severity.AUDIT)


def test_an_unknown_choice_beside_only_audit_meshes_is_audited() -> None:
    decision = decide(rules(AUDIT), pod({CHOOSE: "none"}))
    assert (decision.reason, decision.severity) == (Reason.MESH_UNKNOWN, Severity.AUDIT)


def test_an_unknown_choice_beside_a_working_mesh_is_refused_and_no_audit_mesh_is_offered() -> None:
    decision = decide(rules(AUDIT, a_mesh("a")), pod({CHOOSE: "none"}))
    assert decision.error is not None
    assert (decision.severity, decision.error.problem.fix) == (Severity.REFUSE, "use one of those that do: `mesh-system.a`")


# --- errors -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "severity"),
    [
        ({}, Severity.REFUSE),
        ({"onError": "Ignore"}, Severity.IGNORE),
        ({"mode": "Audit"}, Severity.AUDIT),
        ({"mode": "Audit", "onError": "Ignore"}, Severity.AUDIT),
    ],
)
def test_an_error_of_mesh_or_pod_is_as_severe_as_the_mesh_says(spec: dict[str, Any], severity: Severity) -> None:
    broken = rules(a_mesh(template="{{ nothing }}", **spec))
    missing = rules(a_mesh(template="metadata: {labels: {a: {{ virtual_node_name }}}}", **spec))
    wrong = rules(a_mesh(template="spec: {imagee: x}", **spec))
    for given, reason in (
        (broken, Reason.UNDEFINED_VARIABLE),
        (missing, Reason.VIRTUAL_NODE_LABEL_MISSING),
        (wrong, Reason.RENDERED_INVALID_POD),
    ):
        decision = decide(given)
        assert decision.error is not None
        assert (decision.error.reason, decision.severity, decision.mesh, decision.overlays) == (
            reason,
            severity,
            "mesh-system/payments",
            (),
        )


def test_an_error_names_its_template_where_there_is_one() -> None:
    assert decide(rules(a_mesh(template="spec: {imagee: x}"))).template.startswith("sha256:")
    assert decide(rules(a_mesh(template="{{ nothing }}"))).template == ""


def test_an_override_that_is_not_listed_is_told_whatever_comes_out() -> None:
    to = pod(annotations={"values.mesh-injector.io/x": "1"})
    told = ("mesh mesh-system/payments lists no override `x`: the annotation changes nothing",)
    for template in (PATCH, "spec: {imagee: x}", "{{ nothing }}"):
        assert decide(rules(a_mesh(template=template)), to).warnings == told


def test_meshes_are_explained_in_the_order_of_their_names_whatever_the_order_they_came_in() -> None:
    meshes = rules(a_mesh("b"), a_mesh("a")).meshes
    assert list(whys(MeshRules(tuple(reversed(meshes))))) == ["mesh-system/a", "mesh-system/b"]
