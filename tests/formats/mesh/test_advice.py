"""What to change so that a pod is injected, what a template was given, and labels that are nearly right."""

from typing import Any

import pytest

from mesh_injector.engine import pipeline
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace
from mesh_injector.formats.mesh import advice, gifts, near
from mesh_injector.formats.mesh.advice import Advice
from mesh_injector.formats.mesh.ruling import MeshRules
from tests.formats.mesh.test_ruling import CHOOSE, INJECT, SHOP, a_mesh, pod, rules


def advise(given: MeshRules, to: Pod | None = None, namespace: Namespace = SHOP) -> Advice:
    return advice.of(pipeline.explain(to or pod(), namespace, given), namespace, given)


def wanting(**match: Any) -> str:
    return a_mesh(injectionSelector=match)


NODE = 'spec: {containers: [{name: envoy, image: "envoy:1", env: [{name: A, value: "{{ virtual_node_name }}"}]}]}'
REGION = NODE.replace("virtual_node_name", "region")
LEVEL = NODE.replace("virtual_node_name", "values.level")


def test_an_injected_pod_needs_no_advice() -> None:
    assert advise(rules(a_mesh())) == Advice()


def test_a_pod_without_a_mesh_that_may_select_it_needs_one() -> None:
    assert "create a Mesh" in advise(rules()).fix
    assert "create a Mesh" in advise(rules(a_mesh(namespace="elsewhere"))).fix


def test_where_the_only_meshes_are_wrong_themselves_they_are_named_first() -> None:
    broken = a_mesh(injectionSelector={"podSelector": {"matchlabels": {"app": "web"}}})
    assert advise(rules(broken)).fix.startswith("correct mesh mesh-system/payments, or create a Mesh")
    misspelt = a_mesh(injectionSelector={"podselector": {}})
    assert advise(rules(misspelt)).fix.startswith("correct mesh mesh-system/payments, or create a Mesh")
    for harmless in (
        a_mesh(namespace="elsewhere", injectionSelector={"podselector": {}}),
        a_mesh(enableAutoInject=False, injectionSelector={}),
    ):
        assert advise(rules(harmless)).fix.startswith("create a Mesh")


def test_a_missing_label_is_to_be_given() -> None:
    found = advise(rules(wanting(podSelector={"matchLabels": {"app": "web"}}, namespaceSelector={"matchLabels": {"env": "prod"}})))
    assert (found.labels, found.namespace) == ({"app": "web"}, {"env": "prod"})
    assert found.fix.endswith("give the pod the label `app: web` and the namespace shop the label `env: prod`")


@pytest.mark.parametrize(
    ("wanted", "labels", "fix"),
    [
        (
            {"app": "mesaging"},
            {"app": "messaging"},
            "give the pod the label `app: mesaging`, or write `app: messaging` in its `podSelector`",
        ),
        ({"ap": "web"}, {"app": "web"}, "give the pod the label `ap: web`, or write `app: web` in its `podSelector`"),
    ],
)
def test_where_a_label_almost_fits_the_mesh_may_be_the_one_that_is_wrong(wanted: dict[str, str], labels: dict[str, str], fix: str) -> None:
    found = advise(rules(wanting(podSelector={"matchLabels": wanted})), pod(labels))
    assert found == Advice(f"if mesh mesh-system/payments should select it, {fix}: one of the two has a slip")


def test_the_slip_may_be_in_the_selector_for_namespaces() -> None:
    given = rules(wanting(namespaceSelector={"matchLabels": {"env": "prodd"}}))
    found = advise(given, namespace=Namespace("shop", {"env": "prod"}))
    assert "or write `env: prod` in its `namespaceSelector`" in found.fix
    assert not found.namespace


def test_a_label_of_any_value_is_left_to_the_reader() -> None:
    assert advise(rules(wanting(podSelector={"matchExpressions": [{"key": "app", "operator": "Exists"}]}))).labels == {"app": "…"}


def test_a_label_that_is_in_the_way_is_named_and_nothing_is_done_about_it() -> None:
    found = advise(rules(wanting(podSelector={"matchExpressions": [{"key": "old", "operator": "DoesNotExist"}]})), pod({"old": "x"}))
    assert (found.fix, found.labels) == ("if mesh mesh-system/payments should select it, give the pod no label `old`", {})


def test_the_mesh_of_the_fewest_failing_requirements_is_the_nearest_then_one_that_is_nearly_right() -> None:
    far = wanting(podSelector={"matchLabels": {"a": "b", "c": "d"}}).replace("payments", "a-far")
    close = wanting(podSelector={"matchLabels": {"app": "web"}}).replace("payments", "closer")
    assert "mesh-system/closer" in advise(rules(far, close)).fix
    other = wanting(podSelector={"matchLabels": {"x": "y"}}).replace("payments", "a-other")
    assert "mesh-system/closer" in advise(rules(other, close), pod({"app": "wbe"})).fix


@pytest.mark.parametrize(
    ("template", "spec", "expected"),
    [
        (NODE, {}, {"labels": {"mesh-injector.io/virtual-node": "…"}}),
        (REGION, {}, {"spec": {"region": "…"}}),
        (LEVEL, {"values": {"level": 1}, "overrides": ["level"]}, {"annotations": {"values.mesh-injector.io/level": None}}),
        (NODE, {"enableAutoInject": False}, {"spec": {"enableAutoInject": True}}),
        (LEVEL, {"values": {"level": 1}, "mode": "Audit"}, {"spec": {"mode": "Enforce"}}),
    ],
)
def test_the_change_behind_a_fix_is_known(template: str, spec: dict[str, Any], expected: dict[str, Any]) -> None:
    annotated = pod(annotations={"values.mesh-injector.io/level": "x"}) if "overrides" in spec else pod()
    found = advise(rules(a_mesh(template=template, **spec)), annotated)
    assert {name: getattr(found, name) for name in ("labels", "annotations", "spec") if getattr(found, name)} == expected


def test_a_tie_is_resolved_by_choosing() -> None:
    assert advise(rules(a_mesh(), a_mesh("second"))).labels == {CHOOSE: "mesh-system.payments"}


def test_opt_outs_are_taken_back_where_they_stand() -> None:
    assert advise(rules(a_mesh()), pod({INJECT: "false"})).labels == {INJECT: None}
    assert advise(rules(a_mesh()), namespace=Namespace("shop", {INJECT: "disabled"})).namespace == {INJECT: None}


def test_what_a_template_was_given_is_listed_with_where_it_came_from() -> None:
    text = NODE.replace("{{ virtual_node_name }}", "{{ values.level }}{{ values.gone|default('') }}{{ MeshName }}{{ pod.metadata.name }}")
    given = rules(a_mesh(template=text, values={"level": 1, "unread": 2}, overrides=["level"]))
    (mesh,) = given.meshes
    assert mesh.template is not None
    wrong = pod(annotations={"values.mesh-injector.io/level": "x"})
    found = {gift.name: (gift.value, gift.given, gift.needed) for gift in gifts.of(mesh, mesh.template, wrong, SHOP)}
    assert found == {"pod": ("(no name yet)", True, True), "values.gone": (None, False, False), "values.level": ("x", True, True),
                     "MeshName": ("payments", True, True)}  # fmt: skip


def test_all_values_are_listed_where_a_template_takes_them_whole() -> None:
    given = rules(a_mesh(template=NODE.replace("{{ virtual_node_name }}", "{{ values|tojson }}"), values={"a": 1, "b": 2}))
    (mesh,) = given.meshes
    assert mesh.template is not None
    assert [gift.name for gift in gifts.of(mesh, mesh.template, pod(), SHOP)] == ["values.a", "values.b"]


@pytest.mark.parametrize(
    ("labels", "expressions", "hint"),
    [
        ({"app": "web"}, {"key": "app", "operator": "In", "values": ["web"]}, ""),
        ({"app": "wbe"}, {"key": "app", "operator": "In", "values": ["db", "web"]}, "; did you mean `web`?"),
        ({"app": "x" * 9999}, {"key": "app", "operator": "In", "values": ["web"]}, ""),
        ({"app": "old"}, {"key": "app", "operator": "NotIn", "values": ["old"]}, ""),
        ({"app.io/team": "a"}, {"key": "team", "operator": "In", "values": ["a"]}, "; it has `app.io/team: a`: did you mean `team`?"),
        ({"x": "a"}, {"key": "team", "operator": "In", "values": ["a"]}, ""),
        ({"Team": "z"}, {"key": "team", "operator": "Exists"}, "; it has `Team: z`: did you mean `team`?"),
    ],
)
def test_a_label_that_is_nearly_right_is_noticed(labels: dict[str, str], expressions: dict[str, Any], hint: str) -> None:
    (mesh,) = rules(wanting(podSelector={"matchExpressions": [expressions]})).meshes
    assert near.hint(mesh, pod(labels), SHOP) == hint


def test_a_hostile_pod_of_many_long_labels_is_likened_in_no_time() -> None:
    labels = {f"{'k' * 60}{number}": "v" * 5000 for number in range(5000)}
    (mesh,) = rules(wanting(podSelector={"matchLabels": {"k" * 63: "v"}})).meshes
    assert near.hint(mesh, pod(labels), SHOP).startswith("; it has `kkk")


def test_of_several_wishes_only_those_that_fail_are_told() -> None:
    found = advise(rules(wanting(podSelector={"matchLabels": {"app": "web", "tier": "front"}})), pod({"tier": "front"}))
    assert found.labels == {"app": "web"}
