"""Attacks that once worked, each through the whole path of a command: they must not work again."""

import json
from typing import Any

import pytest

from mesh_injector import directory, documents, store
from mesh_injector.engine import address, pipeline, record
from mesh_injector.engine.outcome import Outcome, Verdict
from mesh_injector.engine.pod import Pod
from mesh_injector.reasons import Reason
from mesh_injector.store import Snapshot

Json = dict[str, Any]
CONFIG = """\
apiVersion: mesh-injector.io/v1alpha1
kind: Mesh
metadata: {name: web, namespace: NAMESPACE}
spec:
  enableAutoInject: true
  injectionSelector: {podSelector: {matchLabels: {app: web}}}
  sidecarPatchConfigMap: {name: proxy}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: proxy, namespace: NAMESPACE, labels: {mesh-injector.io/template: "true"}}
data:
  patch: |
    TEMPLATE
"""
PROXY = 'containers: [{name: proxy, image: "envoy:1"}]'


def snapshot(template: str = PROXY, namespace: str = "mesh-system") -> Snapshot:
    text = CONFIG.replace("NAMESPACE", namespace).replace("TEMPLATE", template)
    return store.load(documents.parse(text, "config.yaml").documents)


def pod(**spec: Any) -> Json:
    containers = [{"name": "web", "image": "nginx"}]
    return {"metadata": {"name": "web", "labels": {"app": "web"}, "annotations": {}}, "spec": {"containers": containers, **spec}}


def inject(body: Json, rules: Snapshot, namespace: str = "shop") -> Outcome:
    return pipeline.inject(Pod.from_document(body), rules.namespace(namespace), rules.rules)


def injected(body: Json, rules: Snapshot) -> Json:
    import jsonpatch

    result: Json = jsonpatch.apply_patch(body, json.loads(json.dumps(list(inject(body, rules).patch))))
    return result


def test_a_forged_record_costs_one_look_at_each_item(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    real = address.item_key

    def counted(item: Any, merge_keys: tuple[str, ...]) -> str:
        nonlocal looks
        looks += 1
        return real(item, merge_keys)

    body = pod(tolerations=[{"key": f"k{number}"} for number in range(300)])
    forged = record.Record(1, "", "", tuple(f"tolerations[#{number:012x}]" for number in range(300)))
    body["metadata"]["annotations"][record.ANNOTATION] = record.write(forged)
    monkeypatch.setattr(address, "item_key", counted)
    assert inject(body, snapshot()).verdict is Verdict.INJECTED
    assert looks < 10 * 300


def test_a_record_of_more_addresses_than_any_of_ours_is_none() -> None:
    forged = record.Record(1, "", "", tuple(f"labels[a{number}]" for number in range(record.ADDRESSES + 1)))
    assert record.read(record.write(forged)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"command": ["sleep", "inf"]},
        {"args": ["--off"]},
        {"image": "evil.io/a/b/envoy:1"},
        {"lifecycle": {"postStart": {"exec": {"command": ["kill", "1"]}}}},
    ],
)
def test_a_container_that_runs_something_else_is_ours_again(change: Json) -> None:
    body = injected(pod(), snapshot())
    body["spec"]["containers"][1] |= change
    outcome = inject(body, snapshot())
    assert outcome.reason is Reason.REINJECTED
    assert outcome.operations[0]["value"] == {"name": "proxy", "image": "envoy:1"}


@pytest.mark.parametrize("image", ["docker.io/envoy:1", "docker.io/library/envoy:1", "registry:5000/envoy:1", "envoy:1@sha256:" + "0" * 64])
def test_an_image_that_gained_a_registry_or_a_digest_is_still_ours(image: str) -> None:
    body = injected(pod(), snapshot())
    body["spec"]["containers"][1]["image"] = image
    assert inject(body, snapshot()).reason is Reason.ALREADY_INJECTED


def test_a_variable_that_another_one_of_the_same_name_hides_is_brought_back() -> None:
    rules = snapshot('containers: [{name: proxy, image: "envoy:1", env: [{name: A, value: a}]}]')
    body = injected(pod(), rules)
    body["spec"]["containers"][1]["env"].append({"name": "A", "value": "evil"})
    assert inject(body, rules).reason is Reason.REINJECTED


@pytest.mark.parametrize(
    "template",
    [
        "securityContext: {windowsOptions: {hostProcess: true}}",
        'containers: [{name: p, image: "e:1", securityContext: {windowsOptions: {hostProcess: true}}}]',
        "{metadata: {annotations: {container.apparmor.security.beta.kubernetes.io/web: unconfined}}, spec: {}}",
    ],
)
def test_a_tenant_gives_no_pod_more_rights(template: str) -> None:
    assert inject(pod(), snapshot(template, "shop")).reason is Reason.FIELD_NOT_ALLOWED


@pytest.mark.parametrize(
    ("resources", "what"),
    [
        ("limits: {cpu: abc}", "`abc` is no quantity"),
        ("limits: {memory: 128MB}", "`128MB` is no quantity"),
        ("requests: {cpu: 2}, limits: {cpu: 1500m}", "requests cpu 2 and is limited to 1500m"),
    ],
)
def test_resources_that_no_api_server_takes_are_refused_by_name(resources: str, what: str) -> None:
    outcome = inject(pod(), snapshot(f'containers: [{{name: p, image: "e:1", resources: {{{resources}}}}}]'))
    assert (outcome.verdict, outcome.reason) == (Verdict.REFUSED, Reason.RENDERED_INVALID_POD)
    assert what in outcome.message


def test_a_limit_below_the_pods_own_request_is_refused() -> None:
    body = pod()
    body["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
    assert (
        "requests cpu 1 and is limited to 100m"
        in inject(body, snapshot("containers: [{name: web, resources: {limits: {cpu: 100m}}}]")).message
    )


def test_a_message_carries_no_escape_to_a_terminal() -> None:
    body = pod()
    body["metadata"]["labels"]["mesh-injector.io/mesh"] = "x\n\x1b[31mevil"
    outcome = inject(body, snapshot())
    assert outcome.reason is Reason.MESH_UNKNOWN
    assert outcome.message.isprintable()


def test_the_items_of_a_list_are_a_source_like_any_other() -> None:
    text = CONFIG.replace("NAMESPACE", "mesh-system").replace("TEMPLATE", PROXY)
    items = [document.body for document in documents.parse(text, "x").documents]
    listed = documents.parse(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}), "list.json")
    assert inject(pod(), store.load(listed.documents)).verdict is Verdict.INJECTED


def test_a_file_that_is_being_written_does_not_take_its_mesh_away(tmp_path: Any) -> None:
    text = CONFIG.replace("NAMESPACE", "mesh-system").replace("TEMPLATE", PROXY)
    file, other = tmp_path / "mesh.yaml", tmp_path / "other.yaml"
    file.write_text(text, encoding="utf-8")
    other.write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n", encoding="utf-8")
    current = store.Store(store.load(directory.read([str(tmp_path)]).documents))
    file.write_text("", encoding="utf-8")
    reading = directory.read([str(tmp_path)])
    assert inject(pod(), current.replace(reading.documents, reading.broken)).verdict is Verdict.INJECTED
    file.unlink()
    reading = directory.read([str(tmp_path)])
    assert inject(pod(), current.replace(reading.documents, reading.broken)).reason is Reason.NO_MESH_MATCHED


def test_a_document_of_our_group_that_is_no_mesh_is_told() -> None:
    text = CONFIG.replace("v1alpha1", "v1").replace("NAMESPACE", "mesh-system").replace("TEMPLATE", PROXY)
    (problem,) = store.load(documents.parse(text, "config.yaml").documents).problems
    assert "`mesh-injector.io/v1` `Mesh` is not a Mesh" in problem.what
    assert "mesh-injector.io/v1alpha1" in problem.fix
