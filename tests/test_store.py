"""The snapshot: made whole from documents, replaced whole, with the last good parts kept."""

import pytest

from mesh_injector import documents, store
from mesh_injector.documents import Document
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace
from mesh_injector.reasons import Reason
from mesh_injector.store import Store

MESH = """
apiVersion: mesh-injector.io/v1alpha1
kind: Mesh
metadata: {name: shop, namespace: mesh-system}
spec:
  enableAutoInject: true
  injectionSelector: {podSelector: {}}
  sidecarPatchConfigMap: {name: sidecar}
"""
CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: sidecar, namespace: mesh-system, labels: {mesh-injector.io/template: "true"}}
data: {patch: "spec: {hostname: x}"}
"""
NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a, kubernetes.io/metadata.name: forged}, annotations: {note: b}}
"""


def parse(**files: str) -> tuple[Document, ...]:
    return tuple(document for name, text in files.items() for document in documents.parse(text, name).documents)


GOOD = parse(mesh=MESH, config=CONFIG_MAP, namespace=NAMESPACE)


def test_a_snapshot_has_rules_namespaces_and_the_documents_it_was_made_of() -> None:
    snapshot = store.load(GOOD)
    assert (snapshot.problems, snapshot.documents, snapshot.rules.home) == ((), GOOD, "mesh-system")
    decision = snapshot.rules.decide(Pod.from_document({"spec": {"containers": [{"name": "a"}]}}), snapshot.namespace("shop"))
    assert (decision.reason, decision.mesh) == (Reason.INJECTED, "mesh-system/shop")


def test_a_snapshot_of_nothing_knows_no_mesh() -> None:
    snapshot = store.load(())
    assert (snapshot.rules.meshes, snapshot.problems, snapshot.namespaces) == ((), (), {})


def test_a_namespace_has_its_labels_and_its_true_name() -> None:
    labels = {"team": "a", "kubernetes.io/metadata.name": "shop"}
    assert store.load(GOOD).namespace("shop") == Namespace("shop", labels, {"note": "b"})


def test_a_namespace_that_nobody_describes_has_its_name_as_its_label() -> None:
    assert store.load(()).namespace("cart") == Namespace("cart", {"kubernetes.io/metadata.name": "cart"})


def test_a_namespace_with_labels_of_a_wrong_type_has_none() -> None:
    for metadata in ("{name: shop, labels: [a], annotations: text}", "{name: shop, labels: null}"):
        text = f"apiVersion: v1\nkind: Namespace\nmetadata: {metadata}\n"
        assert store.load(parse(one=text)).namespace("shop") == Namespace("shop", {"kubernetes.io/metadata.name": "shop"})
    assert store.load(parse(one="apiVersion: v1\nkind: Namespace\nmetadata: text\n")).namespaces.keys() == {""}


def test_the_home_namespace_is_kept_over_a_replacement() -> None:
    kept = Store(store.load((), "infra"))
    assert kept.replace(GOOD).rules.home == "infra"
    assert Store(home="infra").replace(GOOD).rules.home == "infra"


def test_a_replacement_is_whole_and_returned() -> None:
    kept = Store(store.load(()))
    before = kept.snapshot
    after = kept.replace(GOOD)
    assert before is not None
    assert (before.rules.meshes, len(after.rules.meshes)) == ((), 1)
    assert kept.replace(()).rules.meshes == ()


def test_what_becomes_wrong_leaves_the_last_good_part_in_force_and_is_told() -> None:
    kept = Store(store.load(GOOD))
    wrong = parse(
        mesh=MESH.replace("enableAutoInject: true", "enableAutoInject: maybe"), config=CONFIG_MAP.replace("spec: {", "{% nothing %")
    )
    snapshot = kept.replace(wrong)
    (mesh,) = snapshot.rules.meshes
    assert (mesh.spec.enable_auto_inject, mesh.fault) == (True, None)
    assert mesh.template is not None
    assert len(snapshot.problems) == 2
    assert len(kept.replace(wrong).problems) == 2
    assert kept.replace(GOOD).problems == ()


@pytest.mark.parametrize(
    ("good", "wrong"),
    [
        ("enableAutoInject: true", "enableAutoInject: maybe"),
        ("podSelector: {}", "podSelector: {matchExpressions: [{key: a, operator: Near}]}"),
    ],
)
def test_a_mesh_whose_document_has_become_wrong_is_not_ready_until_it_is_right_again(good: str, wrong: str) -> None:
    kept = Store(store.load(GOOD))
    assert store.population(kept.replace(GOOD)) == {("true", "true"): 1}
    for _ in range(2):
        snapshot = kept.replace(parse(mesh=MESH.replace(good, wrong), config=CONFIG_MAP))
        assert snapshot.loaded.stale == {"mesh-system/shop"}
        assert store.population(snapshot) == {("true", "false"): 1}
    assert store.population(kept.replace(GOOD)) == {("true", "true"): 1}


def test_documents_of_a_file_that_cannot_be_read_now_are_kept() -> None:
    kept = Store(store.load(GOOD))
    snapshot = kept.replace(parse(config=CONFIG_MAP), broken=("mesh",))
    assert [document.kind for document in snapshot.documents] == ["ConfigMap", "Mesh"]
    assert len(snapshot.rules.meshes) == 1
    assert len(kept.replace(parse(config=CONFIG_MAP), broken=("mesh",)).rules.meshes) == 1
    assert kept.replace(parse(config=CONFIG_MAP)).rules.meshes == ()


@pytest.mark.parametrize(("broken", "valid"), [("mesh", True), ("config", False)])
def test_a_mesh_that_serves_on_from_a_broken_file_is_not_ready(broken: str, valid: bool) -> None:
    kept = store.Store(store.load(GOOD))
    there = parse(config=CONFIG_MAP) if broken == "mesh" else parse(mesh=MESH)
    for _ in range(2):
        snapshot = kept.replace(there, broken=(broken,))
        assert store.population(snapshot) == {("true", "false"): 1}
        assert store.templates_valid(snapshot) == {"mesh-system/shop": valid}
    snapshot = kept.replace(GOOD)
    assert (store.population(snapshot), store.templates_valid(snapshot)) == ({("true", "true"): 1}, {"mesh-system/shop": True})


def test_what_a_broken_file_still_says_counts_before_what_it_said() -> None:
    snapshot = store.load(GOOD)
    (newer,) = parse(mesh=MESH.replace("enableAutoInject: true", "priority: 5"))
    assert store.of_broken(["mesh"], (newer,), snapshot) == ()


def test_without_a_last_snapshot_nothing_is_kept() -> None:
    assert store.of_broken(["mesh"], GOOD, None) == ()
