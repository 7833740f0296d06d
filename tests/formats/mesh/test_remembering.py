"""What meshes select and what templates render to is remembered, and nobody can tell but by the time it takes."""

import copy
import json
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_injector import documents, store
from mesh_injector.engine import pipeline
from mesh_injector.engine.outcome import Verdict
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace
from mesh_injector.engine.site import Site
from mesh_injector.formats.mesh import rendering, selection
from mesh_injector.formats.mesh.rendering import Rendering
from mesh_injector.reasons import Reason
from mesh_injector.store import Snapshot

EVERYTHING = """\
metadata:
  annotations:
    all: >-
      {{ mesh_name }} {{ region|default('') }} {{ virtual_node_name }} {{ app_ports }} {{ container_ports|tojson }}
      {{ container_names|tojson }} {{ namespace|tojson }} {{ mesh|tojson }} {{ values|tojson }}
"""


def config(template: str = EVERYTHING, *selectors: dict[str, Any], **spec: Any) -> str:
    meshes = [
        {
            "apiVersion": "mesh-injector.io/v1alpha1",
            "kind": "Mesh",
            "metadata": {"name": f"mesh-{number}", "namespace": "mesh-system"},
            "spec": {
                "enableAutoInject": True,
                "region": "eu-west-1",
                "injectionSelector": found,
                "sidecarPatchConfigMap": {"name": "template"},
                "values": {"level": "info", "other": 1},
                "overrides": ["level"],
                "priority": number,
                **spec,
            },
        }
        for number, found in enumerate(selectors or ({"podSelector": {}},))
    ]
    labels = {"mesh-injector.io/template": "true"}
    map_ = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "template", "namespace": "mesh-system", "labels": labels}}
    return "\n---\n".join(json.dumps(body) for body in (*meshes, {**map_, "data": {"t": template}}))


def load(text: str, last: Snapshot | None = None) -> Snapshot:
    loaded = store.load(documents.parse(text, "config.yaml").documents, last=last)
    assert not loaded.problems
    return loaded


POD: dict[str, Any] = {
    "metadata": {"name": "a", "labels": {"mesh-injector.io/virtual-node": "cart", "app": "web"}, "annotations": {"x": "y"}},
    "spec": {"containers": [{"name": "app", "image": "i", "ports": [{"containerPort": 80}]}]},
}
SHOP = Namespace("shop", {"team": "a"}, {"note": "b"})


def changed(path: str, value: Any) -> dict[str, Any]:
    body = copy.deepcopy(POD)
    *holders, last = path.split("|")
    place: Any = body
    for step in holders:
        place = place[int(step) if isinstance(place, list) else step]
    place[int(last) if isinstance(place, list) else last] = value
    return body


CHANGES: dict[str, tuple[dict[str, Any], Namespace]] = {
    "the virtual node": (changed("metadata|labels|mesh-injector.io/virtual-node", "other"), SHOP),
    "a port": (changed("spec|containers|0|ports|0|containerPort", 81), SHOP),
    "one more port": (changed("spec|containers|0|ports", [{"containerPort": 80}, {"containerPort": 81}]), SHOP),
    "a container's name": (changed("spec|containers|0|name", "other"), SHOP),
    "an override": (changed("metadata|annotations", {"values.mesh-injector.io/level": "debug"}), SHOP),
    "the namespace's name": (POD, Namespace("cart", SHOP.labels, SHOP.annotations)),
    "a label of the namespace": (POD, Namespace("shop", {"team": "b"}, SHOP.annotations)),
    "an annotation of the namespace": (POD, Namespace("shop", SHOP.labels, {"note": "c"})),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_of_pod_and_namespace_a_template_names_changes_the_answer(change: str) -> None:
    rules = load(config()).rules
    before = pipeline.inject(Pod.from_document(POD), SHOP, rules)
    body, namespace = CHANGES[change]
    after = pipeline.inject(Pod.from_document(body), namespace, rules)
    fresh = pipeline.inject(Pod.from_document(body), namespace, load(config()).rules)
    assert before.operations[:1] != after.operations[:1]
    assert (after.operations, after.warnings) == (fresh.operations, fresh.warnings)


@pytest.mark.parametrize(
    "spec",
    [{"region": "eu-west-2"}, {"values": {"level": "warn"}}, {"overrides": []}, {"virtualNodeLabel": "app"}, {"initContainers": "Last"}],
    ids=str,
)
def test_a_mesh_that_changed_keeps_nothing_and_one_that_did_not_keeps_all(spec: dict[str, Any]) -> None:
    first = load(config())
    pipeline.inject(Pod.from_document(POD), SHOP, first.rules)
    same, other = load(config(), first), load(config(EVERYTHING, **spec), first)
    assert same.rules.renderings["mesh-system/mesh-0"] is first.rules.renderings["mesh-system/mesh-0"]
    assert other.rules.renderings["mesh-system/mesh-0"] is not first.rules.renderings["mesh-system/mesh-0"]
    expected = pipeline.inject(Pod.from_document(POD), SHOP, load(config(EVERYTHING, **spec)).rules)
    assert pipeline.inject(Pod.from_document(POD), SHOP, other.rules).operations == expected.operations


def test_a_template_that_changed_is_rendered_anew() -> None:
    first = load(config())
    pipeline.inject(Pod.from_document(POD), SHOP, first.rules)
    second = load(config("metadata: {labels: {new: {{ mesh_name }}}}\n"), first)
    operations = pipeline.inject(Pod.from_document(POD), SHOP, second.rules).operations
    assert operations[0] == {"op": "add", "path": "/metadata/labels/new", "value": "mesh-0"}


def test_what_the_template_does_not_name_is_no_part_of_what_is_remembered() -> None:
    rules = load(config("metadata: {labels: {m: {{ mesh_name }}}}\n")).rules
    for body, namespace in CHANGES.values():
        pipeline.inject(Pod.from_document(body), namespace, rules)
    assert len(only(rules.renderings).remembered) == 1


def test_a_template_that_names_the_pod_is_rendered_for_every_pod() -> None:
    rules = load(config("metadata: {labels: {m: {{ pod.metadata.name }}}}\n")).rules
    for name in ("one", "two"):
        operations = pipeline.inject(Pod.from_document(changed("metadata|name", name)), SHOP, rules).operations
        assert operations[0]["value"] == name
    assert len(only(rules.renderings).remembered) == 0


def test_an_error_is_remembered_like_an_overlay_and_says_the_same_again() -> None:
    rules = load(config("spec: {containers: [{name: {{ virtual_node_name }}, image: i}]}\n")).rules
    bad = changed("metadata|labels|mesh-injector.io/virtual-node", "Not_A_Label")
    first, second = (pipeline.inject(Pod.from_document(bad), SHOP, rules) for _ in range(2))
    assert "no DNS label" in first.message
    assert first.message == second.message
    assert only(rules.renderings).remembered.hits == 1


def test_what_is_remembered_is_not_changed_by_the_pod_it_was_placed_on() -> None:
    rules = load(config()).rules
    first = pipeline.inject(Pod.from_document(changed("metadata|annotations", None)), SHOP, rules)
    kept = json.dumps(first.operations)
    (made,) = only(rules.renderings).decide(Pod.from_document(POD), SHOP).overlays
    brought = json.dumps([dict(made.metadata), dict(made.spec)])
    again = pipeline.inject(Pod.from_document(changed("metadata|annotations", None)), SHOP, rules)
    assert json.dumps(again.operations) == kept
    assert json.dumps([dict(made.metadata), dict(made.spec)]) == brought


def test_what_is_remembered_is_not_changed_by_who_applies_the_patch() -> None:
    rules = load(config("metadata: {annotations: {a: b}}\nspec: {volumes: [{name: v, emptyDir: {}}]}\n")).rules
    body = changed("metadata|annotations", None)
    first = pipeline.inject(Pod.from_document(body), SHOP, rules)
    kept = json.dumps(first.operations)
    assert "mesh-injector.io/status" in jsonpatch.apply_patch(body, first.operations)["metadata"]["annotations"]
    assert json.dumps(pipeline.inject(Pod.from_document(body), SHOP, rules).operations) == kept


def only(renderings: Any) -> Rendering:
    (found,) = renderings.values()
    assert isinstance(found, Rendering)
    return found


SELECTORS = st.sampled_from(
    [
        {"podSelector": {}},
        {"podSelector": {"matchLabels": {"app": "web"}}},
        {"podSelector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]}},
        {"podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}},
        {"namespaceSelector": {"matchLabels": {"team": "a"}}},
        {
            "namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]},
            "podSelector": {"matchLabels": {"app": "db"}},
        },
    ]
)
LABELS = st.dictionaries(st.sampled_from(["app", "tier", "other"]), st.sampled_from(["web", "db", "", "x" * 20_000]))
TEAMS = st.dictionaries(st.just("team"), st.sampled_from(["a", "b"]))


@given(st.lists(SELECTORS, min_size=1, max_size=4), st.lists(st.tuples(LABELS, st.sampled_from(["shop", "cart"]), TEAMS), max_size=12))
def test_the_meshes_that_are_remembered_are_those_whose_selectors_match(
    selectors: list[dict[str, Any]], asked: list[tuple[dict[str, str], str, dict[str, str]]]
) -> None:
    rules = load(config("metadata: {labels: {a: b}}\n", *selectors)).rules
    remembering = selection.Selection(rules.meshes, lambda meshes, _: meshes)
    for labels, name, team in asked * 2:
        pod, namespace = Pod.from_document({"metadata": {"labels": labels}, "spec": {}}), Namespace(name, team)
        assert remembering.choice(pod, namespace) == tuple(mesh for mesh in rules.meshes if not mesh.mismatch(pod, namespace))


def test_pods_with_ever_new_labels_crowd_out_only_their_own_namespace() -> None:
    rules = load(
        config("metadata: {labels: {a: b}}\n", {"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}})
    ).rules
    remembering = selection.Selection(rules.meshes, lambda meshes, _: meshes)
    kept = Pod.from_document({"metadata": {"labels": {"app": "web"}}, "spec": {}})
    before = remembering.choice(kept, SHOP)
    for number in range(2_000):
        remembering.choice(Pod.from_document({"metadata": {"labels": {"app": f"{number:060}"}}, "spec": {}}), Namespace("hostile"))
    hits = remembering.hits
    assert remembering.choice(kept, SHOP) == before
    assert remembering.hits == hits + 1
    assert remembering.weight < 4 * selection.PODS_ROOM


def test_what_a_choice_says_counts_too() -> None:
    rules = load(config("metadata: {labels: {a: b}}\n", *[{"podSelector": {}}] * 20)).rules
    namespace = Namespace("shop")
    for number in range(200):
        pod = Pod.from_document({"metadata": {"labels": {"mesh-injector.io/mesh": f"x{number}"}}, "spec": {"containers": [{"name": "a"}]}})
        assert rules.decide(pod, namespace).reason is Reason.MESH_UNKNOWN
    within = next(iter(rules._selection._namespaces.results())).choices
    assert within.weight <= selection.PODS_ROOM
    assert len(within) * 500 < selection.PODS_ROOM


def test_namespaces_that_nobody_knows_take_no_more_than_the_room_for_all() -> None:
    rules = load(
        config("metadata: {labels: {a: b}}\n", {"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}})
    ).rules
    remembering = selection.Selection(rules.meshes, lambda meshes, _: meshes)
    for number in range(3_000):
        remembering.choice(Pod.from_document({"metadata": {"labels": {"app": "x"}}, "spec": {}}), Namespace(f"made-up-{number}"))
    assert remembering.weight <= selection.ROOM * 1.1


@pytest.mark.parametrize(
    ("before", "after"),
    [({"level": 1}, {"level": True}), ({"level": 1}, {"level": 1.0}), ({"a": 1, "level": 2}, {"level": 2, "a": 1})],
    ids=["a number that equals true", "a number that equals another", "another order"],
)
def test_values_that_only_python_takes_for_the_same_are_rendered_anew(before: dict[str, Any], after: dict[str, Any]) -> None:
    text = 'metadata: {annotations: {a: {{ values.level }}, b: "{% for k, v in values|items %}{{ k }}{% endfor %}"}}\n'
    first = load(config(text, values=before))
    pipeline.inject(Pod.from_document(POD), SHOP, first.rules)
    second, fresh = load(config(text, values=after), first), load(config(text, values=after))
    assert pipeline.inject(Pod.from_document(POD), SHOP, second.rules) == pipeline.inject(Pod.from_document(POD), SHOP, fresh.rules)


def test_where_containers_stand_does_not_make_an_overlay_grow() -> None:
    rules = load(config("spec: {containers: [{name: app, env: [{name: A, value: b}]}]}\n")).rules
    (made,) = only(rules.renderings).decide(Pod.from_document(POD), SHOP).overlays

    def sites(at: Site) -> int:
        return 1 + sum(map(sites, (*at._members.values(), *at._items.values())))

    counts = []
    for count in (1, 30, 60):
        for place in range(count):
            containers: list[dict[str, Any]] = [{"name": f"c{number}", "image": "i"} for number in range(count)]
            containers[place] = {"name": "app", "image": "i", "env": [{"name": f"E{number}", "value": "x"} for number in range(place)]}
            pipeline.inject(Pod.from_document(changed("spec|containers", containers)), SHOP, rules)
        counts.append(sum(map(sites, made.sites)))
    assert counts[1] == counts[2]


def test_pods_of_one_mesh_crowd_out_only_its_own_overlays() -> None:
    rules = load(
        config(EVERYTHING, {"podSelector": {"matchLabels": {"app": "web"}}}, {"podSelector": {"matchLabels": {"app": "db"}}})
    ).rules
    pipeline.inject(Pod.from_document(POD), SHOP, rules)
    for number in range(200):
        body = changed("metadata|labels", {"app": "db", "mesh-injector.io/virtual-node": f"n{number}".ljust(10_000, "x")})
        pipeline.inject(Pod.from_document(body), SHOP, rules)
    kept, filled = rules.renderings["mesh-system/mesh-0"].remembered, rules.renderings["mesh-system/mesh-1"].remembered
    assert len(kept) == 1
    assert filled.misses > len(filled)
    assert kept.weight + filled.weight <= rendering.ROOM


def test_a_value_that_is_too_large_is_rendered_and_not_remembered() -> None:
    rules = load(config("metadata: {annotations: {a: {{ values.level|length }}}}\n")).rules
    body = changed("metadata|annotations", {"values.mesh-injector.io/level": "x" * 20_000})
    for _ in range(2):
        assert pipeline.inject(Pod.from_document(body), SHOP, rules).verdict is Verdict.INJECTED
    assert len(only(rules.renderings).remembered) == 0


def test_what_is_forgotten_is_worked_out_anew_and_is_the_same() -> None:
    rules = load(config()).rules
    before = pipeline.inject(Pod.from_document(POD), SHOP, rules)
    rules.forget()
    assert len(only(rules.renderings).remembered) == 0
    assert pipeline.inject(Pod.from_document(POD), SHOP, rules).operations == before.operations


def test_renderings_for_two_pods_that_are_alike_are_checked_once() -> None:
    rules = load(config("metadata: {labels: {m: {{ pod.metadata.namespace|default('none') }}}}\n")).rules
    rendering = only(rules.renderings)
    (first,), (second,) = (rendering.decide(Pod.from_document(changed("metadata|name", name)), SHOP).overlays for name in ("one", "two"))
    assert first.metadata is second.metadata
