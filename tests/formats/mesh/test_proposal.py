"""What a change of a Mesh or template ConfigMap breaks: the change itself, and nothing that was broken before."""

import copy
from typing import Any

import pytest

from mesh_injector.documents import Document, Origin
from mesh_injector.formats.mesh import proposal
from mesh_injector.formats.mesh.proposal import Advice, Proposal
from tests import corpora

GOOD = "containers: [{name: envoy, image: envoy:v1}]"
BROKEN = "containers: [{name: envoy, image: {{ values.imago }}}]"
NEEDS_REGION = "containers: [{name: envoy, image: envoy:v1, args: [{{ region }}]}]"
HOME = "mesh-system"


def mesh(name: str = "payments", namespace: str = HOME, config_map: str = "envoy", **spec: Any) -> Document:
    ref = {"name": config_map}
    body = {"enableAutoInject": True, "injectionSelector": {"podSelector": {}}, "sidecarPatchConfigMap": ref, **spec}
    return document("mesh-injector.io/v1alpha1", "Mesh", {"name": name, "namespace": namespace}, spec=body)


def config_map(template: str, namespace: str = HOME, **labels: str) -> Document:
    labels = labels or {"mesh-injector.io/template": "true"}
    return document("v1", "ConfigMap", {"name": "envoy", "namespace": namespace, "labels": labels}, data={"patch": template})


def document(version: str, kind: str, metadata: dict[str, Any], **members: Any) -> Document:
    body = {"apiVersion": version, "kind": kind, "metadata": metadata, **members}
    return Document(body, Origin(f"{kind} {metadata['namespace']}/{metadata['name']}"))


def with_metadata(changed: Document, **members: Any) -> Document:
    body = copy.deepcopy(changed.body)
    body["metadata"] |= members
    return Document(body, changed.origin)


def judged(*documents: Document, new: Document | None = None, old: Document | None = None) -> Advice:
    return proposal.judge(Proposal(old, new), documents, HOME)


def codes(advice: Advice) -> tuple[list[str], list[str]]:
    return [one.code for one in advice.errors], [one.code for one in advice.warnings]


def test_what_works_is_let_pass_without_a_word() -> None:
    assert judged(config_map(GOOD), new=mesh()) == Advice()
    assert judged(mesh(), new=config_map(GOOD)) == Advice()


def test_a_new_mesh_is_tried_with_its_config_map() -> None:
    assert codes(judged(config_map(NEEDS_REGION), new=mesh())) == (["MI202"], [])
    assert judged(config_map(NEEDS_REGION), new=mesh(region="eu-west-1")) == Advice()
    assert codes(judged(config_map(BROKEN), new=mesh()))[0] == ["MI302"]


def test_a_new_config_map_is_tried_with_every_mesh_that_names_it() -> None:
    both = (mesh("with", region="eu-west-1"), mesh("without"), mesh("other", config_map="other"))
    advice = judged(*both, new=config_map(NEEDS_REGION))
    assert [one.what for one in advice.errors] == ["mesh mesh-system/without: the template names the region and the mesh has none"]


def test_a_config_map_that_nobody_names_is_tried_alone() -> None:
    assert codes(judged(new=config_map("containers: [{name: envoy, imagee: a}]"))) == (["MI401"], [])
    assert judged(new=config_map(GOOD)) == Advice()


@pytest.mark.parametrize("first", ["mesh", "config_map"])
def test_the_order_of_creation_does_not_matter(first: str) -> None:
    pair = (mesh(), config_map(GOOD)) if first == "mesh" else (config_map(GOOD), mesh())
    assert judged(new=pair[0]).errors == ()
    assert judged(pair[0], new=pair[1]).errors == ()


def test_a_mesh_whose_config_map_is_not_there_yet_is_told_of_it() -> None:
    assert codes(judged(new=mesh())) == ([], ["MI205"])
    assert codes(judged(config_map(GOOD, other="label"), new=mesh())) == ([], ["MI205"])


@pytest.mark.parametrize("change", [{"finalizers": []}, {"labels": {"a": "b"}}, {"annotations": {"a": "b"}}, {"generation": 2}])
def test_a_change_that_leaves_the_spec_alone_is_never_held_up(change: dict[str, Any]) -> None:
    for broken in (mesh(unknown=1), config_map(BROKEN)):
        changed = with_metadata(broken, **{**broken.body["metadata"], **change, "labels": broken.body["metadata"].get("labels", {})})
        assert judged(mesh("user"), old=broken, new=changed) == Advice()


def test_what_waits_for_its_finalizers_is_never_held_up() -> None:
    leaving = with_metadata(mesh(unknown=1), deletionTimestamp="2026-11-21T00:00:00Z")
    assert judged(old=mesh(), new=leaving) == Advice()


def test_what_was_broken_before_may_stay_so_and_is_told() -> None:
    advice = judged(config_map(BROKEN), old=mesh(), new=mesh(priority=1))
    assert codes(advice) == ([], ["MI302"])
    advice = judged(mesh(), old=config_map(BROKEN), new=config_map(f"# a comment moves the line\n{BROKEN}"))
    assert codes(advice) == ([], ["MI302"])


def test_what_was_broken_may_not_become_worse() -> None:
    worse = BROKEN.replace("envoy, ", "envoy, imagee: {{ mesh_nam }}, ")
    assert len(judged(mesh(), old=config_map(BROKEN), new=config_map(worse)).errors) == 1
    assert codes(judged(config_map(GOOD), old=mesh(unknown=1), new=mesh(unknown=1, another=1))) == (["MI103"], ["MI103"])


def test_what_was_broken_may_be_mended_in_steps_switched_off_and_deleted() -> None:
    assert judged(config_map(BROKEN), old=mesh(), new=mesh(values={"imago": "envoy:v1"})) == Advice()
    assert judged(config_map(BROKEN), old=mesh(), new=mesh(enableAutoInject=False)) == Advice()
    assert judged(config_map(BROKEN), old=mesh()) == Advice()


def test_a_mesh_that_is_off_may_be_incomplete_and_is_tried_when_it_is_switched_on() -> None:
    off = mesh(enableAutoInject=False)
    assert judged(config_map(NEEDS_REGION), new=off) == Advice()
    assert judged(off, new=config_map(NEEDS_REGION)) == Advice()
    assert codes(judged(config_map(NEEDS_REGION), old=off, new=mesh())) == (["MI202"], [])


def test_faults_of_a_mesh_alone_do_not_hold_up_its_config_map() -> None:
    wrong = mesh(injectionSelector={"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}})
    assert judged(wrong, new=config_map(GOOD)).errors == ()
    assert codes(judged(config_map(GOOD), new=wrong)) == (["MI208"], [])


def test_taking_a_config_map_away_from_meshes_that_use_it_warns() -> None:
    users = (mesh("a"), mesh("b"), mesh("off", enableAutoInject=False))
    for gone in (judged(*users, old=config_map(GOOD)), judged(*users, old=config_map(GOOD), new=config_map(GOOD, other="label"))):
        assert codes(gone) == ([], ["MI205"])
        assert gone.warnings[0].what == "nothing can be injected any more by meshes mesh-system/a, mesh-system/b"
    assert judged(old=config_map(GOOD)) == Advice()


def test_a_config_map_that_gets_our_label_is_tried() -> None:
    assert judged(mesh(), old=config_map(GOOD, other="x"), new=config_map(GOOD)) == Advice()
    assert codes(judged(mesh(), old=config_map(BROKEN, other="x"), new=config_map(BROKEN)))[0] == ["MI302"]


def test_a_config_map_that_never_had_our_label_is_not_ours() -> None:
    assert judged(mesh(), old=config_map(BROKEN, other="x"), new=config_map(BROKEN, other="y")) == Advice()


def test_a_tenant_gets_no_more_rights_by_naming_a_config_map_at_home() -> None:
    assert codes(judged(config_map(GOOD), new=mesh(namespace="shop", sidecarPatchConfigMap={"name": "envoy", "namespace": HOME}))) == (
        ["MI206"],
        [],
    )
    privileged = "containers: [{name: envoy, image: envoy:v1, securityContext: {privileged: true}}]"
    assert codes(judged(config_map(privileged, "shop"), new=mesh(namespace="shop"))) == (["MI402"], [])
    assert judged(config_map(privileged), new=mesh()) == Advice()


def test_a_value_of_another_type_is_a_change() -> None:
    template = "containers: [{name: envoy, image: envoy:v1, tty: {{ values.tty }}}]"
    assert codes(judged(config_map(template), old=mesh(values={"tty": True}), new=mesh(values={"tty": 1}))) == (["MI401"], [])


def test_what_lint_warns_of_is_a_warning() -> None:
    assert codes(judged(mesh(), new=config_map("containers: [{name: envoy, image: envoy}]"))) == ([], ["MI705"])


def test_objects_of_other_products_are_let_pass() -> None:
    assert judged(new=document("other.example/v1", "Mesh", {"name": "a", "namespace": "b"}, spec={"enableAutoInject": 1})) == Advice()


def test_of_the_meshes_of_a_config_map_so_many_are_tried_and_the_others_are_told_of() -> None:
    meshes = [mesh(f"m{number:03}", region="eu-west-1") for number in range(proposal.TRIED)]
    assert judged(*meshes, new=config_map(NEEDS_REGION)) == Advice()
    assert codes(judged(*meshes, mesh("m999"), new=config_map(NEEDS_REGION))) == ([], ["MI503"])
    assert codes(judged(mesh("a"), *meshes, new=config_map(NEEDS_REGION))) == (["MI202"], ["MI503"])


def test_meshes_that_give_a_large_template_different_things_to_read_are_tried_as_far_as_it_can_be_afforded() -> None:
    large = "metadata: {annotations: {a: {{ mesh_name }}, b: " + "x" * (proposal.COST // 8) + "}}"
    meshes = [mesh(f"m{number:03}") for number in range(20)]
    told = judged(*meshes, new=config_map(large)).warnings
    assert [problem.what for problem in told] == [
        "it was tried with the first 8 of the 20 meshes that name it; see the status of the others"
    ]
    assert judged(*meshes, new=config_map(large.replace("mesh_name", "region|d('x')"))) == Advice()


LOOP = "{% for i in range(6000) %}{% if values.num == 5000 and 1 == 1 and 2 == 2 and 3 == 3 and 4 == 4 %}# x{% endif %}{% endfor %}"
LOOPS_AND_WRITES_NOTHING = f"{GOOD}\n{LOOP}"
LOOPED_BEFORE = LOOPS_AND_WRITES_NOTHING.replace("# x", "# y")
COMMENTS = "{% for i in range(1000) %}# " + "x" * 1000 + "\n{% endfor %}"
WRITES_COMMENTS = GOOD + " # {{ values.num }}\n" + COMMENTS


@pytest.mark.parametrize("old", [None, GOOD, LOOPED_BEFORE])
@pytest.mark.parametrize(("template", "most"), [(LOOPS_AND_WRITES_NOTHING, 3), (WRITES_COMMENTS, 6)])
def test_meshes_are_tried_as_far_as_the_work_of_their_renderings_can_be_afforded(template: str, most: int, old: str | None) -> None:
    meshes = [mesh(f"m{number:03}", values={"num": number}) for number in range(10)]
    told = judged(*meshes, new=config_map(template), old=config_map(old) if old else None).warnings
    most = 2 if old == LOOPED_BEFORE else most
    assert f"it was tried with the first {most} of the 10 meshes that name it; see the status of the others" in {each.what for each in told}


def test_a_mesh_that_changes_to_another_config_map_takes_the_faults_of_that_one() -> None:
    other = Document({**config_map(BROKEN).body, "metadata": {**config_map(BROKEN).body["metadata"], "name": "other"}}, Origin("ConfigMap"))
    assert codes(judged(config_map(GOOD), other, old=mesh(), new=mesh(config_map="other")))[0] == ["MI302"]
    assert judged(config_map(GOOD), other, old=mesh(config_map="other"), new=mesh()) == Advice()


def test_a_config_map_that_is_not_known_is_named_where_the_mesh_may_name_it() -> None:
    def missing(new: Document, *documents: Document) -> list[tuple[str, str]]:
        return proposal.missing(Proposal(new=new), documents, HOME)

    elsewhere = {"name": "envoy", "namespace": "other"}
    assert missing(mesh(namespace="shop")) == [("shop", "envoy")]
    assert missing(mesh(sidecarPatchConfigMap=elsewhere)) == [("other", "envoy")]
    assert missing(mesh(namespace="shop", sidecarPatchConfigMap=elsewhere)) == []
    assert missing(mesh(), config_map(GOOD)) == []
    assert missing(mesh(enableAutoInject=False)) == []
    assert missing(config_map(GOOD)) == []


@pytest.mark.parametrize("attack", corpora.templates(), ids=lambda attack: attack.id)
def test_a_hostile_template_is_refused(attack: corpora.Attack) -> None:
    assert judged(mesh(values=corpora.data()), new=config_map(attack.template)).errors
