"""A pod that carries our record: what others may do to what we added, and what is brought back."""

import copy
import json
from typing import Any

import jsonpatch
import pytest

from mesh_injector.engine import address, overlay, placement, record, reinvocation
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Operation
from mesh_injector.engine.template import PatchTemplate, Source

Json = dict[str, Any]

PLAIN: Json = {
    "metadata": {"name": "cart"},
    "spec": {"containers": [{"name": "app", "image": "cart:1"}], "priority": 0, "dnsPolicy": "ClusterFirst", "schedulerName": ""},
}
TEMPLATE = """
metadata: {labels: {mesh: "on"}}
spec:
  priorityClassName: high
  dnsPolicy: Default
  securityContext: {fsGroup: 1}
  initContainers: [{name: one, image: "i"}, {name: two, image: "i"}]
  containers:
    - {name: envoy, image: "envoyproxy/envoy:1", args: [a], env: [{name: A, value: "1"}], resources: {limits: {cpu: "0.5"}}}
    - {name: app, env: [{name: PROXY, value: "on"}], command: [run]}
  volumes: [{name: certs, emptyDir: {}}]
  tolerations: [{key: mesh, operator: Exists}]
"""


def operations(body: Json, template: str, mesh: str = "mesh-system/shop") -> list[Operation]:
    compiled = PatchTemplate(Source(template, "the template"))
    pod = Pod.from_document(body)
    return record.seal(pod, placement.place(pod, overlay.make(compiled.render({}), privileged=True)), mesh, compiled.digest)


def injected(body: Json = PLAIN, template: str = TEMPLATE) -> Json:
    result: Json = jsonpatch.apply_patch(body, operations(body, template))
    return copy.deepcopy(result)


def again(body: Json, template: str = TEMPLATE, mesh: str = "mesh-system/shop") -> tuple[Json, list[Operation]]:
    """Reconcile a pod with what a template would bring now, and apply the operations."""
    stripped = record.strip(Pod.from_document(body))
    assert stripped is not None
    done = reinvocation.reconcile(Pod.from_document(body), stripped, operations(stripped.body, template, mesh))
    after: Json = jsonpatch.apply_patch(body, json.loads(json.dumps(done)))
    return after, done


def named(body: Json, kind: str, name: str) -> Json:
    found: Json = next(item for item in body["spec"][kind] if item["name"] == name)
    return found


def envoy(body: Json) -> Json:
    return named(body, "containers", "envoy")


def status(body: Json) -> Json:
    found: Json = json.loads(body["metadata"]["annotations"][record.ANNOTATION])
    return found


def test_a_pod_that_is_as_it_should_be_needs_nothing() -> None:
    assert again(injected())[1] == []


@pytest.mark.parametrize(
    "change",
    [
        {"resources": {"limits": {"cpu": "2"}}},
        {"resources": {}},
        {"imagePullPolicy": "Always"},
        {"image": "mirror.example:5000/envoyproxy/envoy:1"},
        {"image": "envoyproxy/envoy:1@sha256:00"},
        {"image": "mirror.example/envoyproxy/envoy:1@sha256:00"},
        {"env": [{"name": "OTHER"}, {"name": "A", "value": "1"}]},
        {"volumeMounts": [{"name": "vault", "mountPath": "/v"}]},
        {"terminationMessagePath": "/dev/termination-log"},
    ],
)
def test_others_may_work_on_our_container(change: Json) -> None:
    body = injected()
    envoy(body).update(change)
    assert again(body)[1] == []


@pytest.mark.parametrize(
    "change",
    [
        {"image": "other/envoy:1"},
        {"image": "envoyproxy/envoy:2"},
        {"image": "evilenvoyproxy/envoy:1"},
        {"image": "envoyproxy/envoy"},
        {"image": None},
        {"args": ["a", "b"]},
        {"env": [{"name": "A", "value": "2"}]},
        {"env": []},
        {"env": None},
    ],
)
def test_a_container_that_lacks_what_we_bring_is_replaced_in_its_place(change: Json) -> None:
    body = injected()
    ours = copy.deepcopy(envoy(body))
    body["spec"]["containers"].append({"name": "vault", "image": "v"})
    envoy(body).update(change)
    after, done = again(body)
    assert after["spec"]["containers"][1] == ours
    assert [operation["op"] for operation in done] == ["replace", "add"]
    assert again(after)[1] == []


def test_an_image_with_a_digest_of_ours_must_keep_it() -> None:
    template = 'spec: {containers: [{name: envoy, image: "envoy:1@sha256:00"}]}'
    body = injected(template=template)
    envoy(body)["image"] = "mirror.example/envoy:1@sha256:00"
    assert again(body, template)[1] == []
    envoy(body)["image"] = "envoy:1@sha256:11"
    assert envoy(again(body, template)[0])["image"] == "envoy:1@sha256:00"


def test_only_of_a_whole_container_others_may_set_resources() -> None:
    template = "spec: {containers: [{name: app, imagePullPolicy: Never}]}"
    body = injected(template=template)
    named(body, "containers", "app")["imagePullPolicy"] = "Always"
    assert named(again(body, template)[0], "containers", "app")["imagePullPolicy"] == "Never"


def test_reordered_lists_are_left_in_their_order() -> None:
    body = injected()
    for kind in ("containers", "initContainers"):
        body["spec"][kind].reverse()
    assert again(body)[1] == []


@pytest.mark.parametrize(
    ("kind", "name"), [("containers", "envoy"), ("initContainers", "one"), ("initContainers", "two"), ("volumes", "certs")]
)
def test_an_item_of_ours_that_is_gone_comes_back(kind: str, name: str) -> None:
    body, wanted = injected(), injected()
    body["spec"][kind].remove(named(body, kind, name))
    after, _ = again(body)
    assert after == wanted


def test_init_containers_that_are_gone_come_back_before_the_others() -> None:
    body = injected()
    body["spec"]["initContainers"] = [{"name": "vault", "image": "v"}]
    assert [item["name"] for item in again(body)[0]["spec"]["initContainers"]] == ["one", "two", "vault"]


@pytest.mark.parametrize(
    ("half", "member"),
    [
        ("spec", "volumes"),
        ("spec", "tolerations"),
        ("spec", "initContainers"),
        ("spec", "priorityClassName"),
        ("spec", "securityContext"),
        ("metadata", "labels"),
    ],
)
@pytest.mark.parametrize("gone", [True, False])
def test_a_member_that_is_gone_or_null_comes_back_whole(half: str, member: str, gone: bool) -> None:
    body, wanted = injected(), injected()
    if gone:
        del body[half][member]
    else:
        body[half][member] = None
    assert again(body)[0] == wanted


def test_a_list_inside_a_container_comes_back_with_only_what_we_bring() -> None:
    body = injected()
    del named(body, "containers", "app")["env"]
    assert named(again(body)[0], "containers", "app")["env"] == [{"name": "PROXY", "value": "on"}]


@pytest.mark.parametrize(("member", "value"), [("dnsPolicy", "None"), ("priorityClassName", "low")])
def test_a_scalar_of_ours_that_was_changed_is_ours_again(member: str, value: str) -> None:
    body, wanted = injected(), injected()
    body["spec"][member] = value
    assert again(body)[0] == wanted


def test_a_priority_that_kubernetes_computed_for_our_class_is_left() -> None:
    body = injected()
    body["spec"]["priority"] = 1000000
    assert again(body)[1] == []


# --- what was created stays marked --------------------------------------------------------------------------------------------------


def test_others_may_add_to_what_we_created_and_it_stays_marked() -> None:
    body = injected()
    body["spec"]["volumes"].append({"name": "vault"})
    body["spec"]["securityContext"]["runAsUser"] = 1
    body["metadata"]["labels"]["vault"] = "yes"
    body["metadata"]["annotations"]["vault"] = "yes"
    assert again(body)[1] == []
    body["spec"]["volumes"].pop()
    stripped = record.strip(Pod.from_document(body))
    assert stripped is not None
    assert "volumes" not in stripped[0]["spec"]


def test_the_mark_survives_a_change() -> None:
    body = injected()
    body["spec"]["volumes"].append({"name": "vault"})
    envoy(body)["image"] = "other"
    after, _ = again(body)
    assert set(status(after)["created"]) == set(status(body)["created"])


def test_metadata_that_was_created_stays_marked() -> None:
    body = injected({"spec": PLAIN["spec"]})
    assert status(body)["created"][0] == "metadata"
    body["metadata"]["labels"]["vault"] = "yes"
    assert again(body)[1] == []


# --- a changed template -------------------------------------------------------------------------------------------------------------


def test_what_is_no_longer_brought_is_removed_and_defaults_come_back() -> None:
    template = 'spec: {containers: [{name: envoy, image: "envoyproxy/envoy:1", args: [a]}]}'
    body = injected()
    after, _ = again(body, template)
    assert after["spec"] == {**PLAIN["spec"], "containers": [PLAIN["spec"]["containers"][0], envoy(body)]}
    assert "labels" not in after["metadata"]
    assert status(after)["added"] == ["containers[envoy]"]
    assert again(after, template)[1] == []


def test_things_that_go_from_nested_lists_at_once_go_from_the_deepest_up() -> None:
    body = injected()
    body["spec"]["containers"] = [{"name": "vault", "image": "v"}, *body["spec"]["containers"][::-1]]
    after, _ = again(body, "spec: {hostname: h}")
    assert after["spec"]["containers"] == [{"name": "vault", "image": "v"}, *PLAIN["spec"]["containers"]]


def test_what_a_newer_template_brings_is_added_and_companions_go() -> None:
    older = 'spec: {containers: [{name: envoy, image: "envoyproxy/envoy:1"}]}'
    after, _ = again(injected(template=older))
    assert after["spec"]["priorityClassName"] == "high"
    assert "priority" not in after["spec"]
    assert status(after)["replaced"] == {"priority": 0, "dnsPolicy": "ClusterFirst"}
    assert envoy(after)["args"] == ["a"]
    assert again(after)[1] == []


def test_a_list_that_others_use_is_not_removed_with_our_last_item() -> None:
    body = injected()
    body["spec"]["volumes"].append({"name": "vault"})
    after, _ = again(body, 'spec: {containers: [{name: envoy, image: "envoyproxy/envoy:1", args: [a]}]}')
    assert after["spec"]["volumes"] == [{"name": "vault"}]
    assert "volumes" in status(after)["created"]


def test_another_mesh_or_template_is_written_down_even_if_nothing_else_changes() -> None:
    body = injected()
    after, done = again(body, mesh="mesh-system/other")
    assert [operation["path"] for operation in done] == ["/metadata/annotations/mesh-injector.io~1status"]
    assert status(after)["mesh"] == "mesh-system/other"
    assert len(again(body, f"{TEMPLATE}# a remark\n")[1]) == 1


def test_the_order_in_a_record_means_nothing() -> None:
    body = injected()
    said = status(body)
    said["added"].reverse()
    said["created"].reverse()
    body["metadata"]["annotations"][record.ANNOTATION] = json.dumps(said)
    assert again(body)[1] == []


# --- claims that are not believed ---------------------------------------------------------------------------------------------------


def claiming(**parts: Any) -> Json:
    text = json.dumps({"version": 1, "mesh": "mesh-system/shop", "template": "x", **parts})
    body = copy.deepcopy(PLAIN)
    body["metadata"]["annotations"] = {record.ANNOTATION: text}
    return body


SIMPLE = 'spec: {containers: [{name: envoy, image: "envoy:1"}]}'


def test_a_forged_old_value_never_reaches_the_pod() -> None:
    body = claiming(replaced={"hostname": "evil", "dnsPolicy": "None", "nodeName": "evil"})
    after, _ = again(body, SIMPLE)
    assert after["spec"] == {**PLAIN["spec"], "containers": [*PLAIN["spec"]["containers"], {"name": "envoy", "image": "envoy:1"}]}


def test_a_forged_record_of_things_that_are_not_there_is_replaced_by_ours() -> None:
    after, _ = again(claiming(added=["containers[envoy]", "labels[mesh]", "hostname"], created=["labels", "annotations"]), SIMPLE)
    assert envoy(after) == {"name": "envoy", "image": "envoy:1"}
    assert status(after)["added"] == ["containers[envoy]"]
    assert again(after, SIMPLE)[1] == []


def test_a_default_that_is_gone_from_the_pod_comes_back_when_ours_goes() -> None:
    body = injected()
    del body["spec"]["dnsPolicy"]
    after, _ = again(body, SIMPLE)
    assert after["spec"]["dnsPolicy"] == "ClusterFirst"


def test_a_default_that_an_api_server_leaves_out_is_not_brought_back() -> None:
    template = 'spec: {hostNetwork: false, containers: [{name: envoy, image: "envoy:1"}]}'
    body = injected(template=template)
    del body["spec"]["hostNetwork"]
    assert again(body, template)[1] == []


def test_init_containers_that_are_gone_come_back_before_those_of_others_each_in_its_turn() -> None:
    template = "spec: {initContainers: [{name: one, image: i}, {name: two, image: i}, {name: three, image: i}]}"
    body = injected({**PLAIN, "spec": {**PLAIN["spec"], "initContainers": [{"name": "own", "image": "o"}]}}, template)
    del body["spec"]["initContainers"][0], body["spec"]["initContainers"][1]
    named(body, "initContainers", "two")["image"] = "evil"
    after, _ = again(body, template)
    names = [one["name"] for one in after["spec"]["initContainers"]]
    assert sorted(names) == ["one", "own", "three", "two"]
    assert named(after, "initContainers", "two")["image"] == "i"
    assert again(after, template)[1] == []


def test_many_variables_that_are_gone_come_back_for_one_look_at_each_of_the_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    real = address.item_keys

    def counted(items: Any, merge_keys: tuple[str, ...]) -> list[str]:
        nonlocal looks
        looks += len(items)
        return real(items, merge_keys)

    variables = [{"name": f"E{count}", "value": "x"} for count in range(300)]
    body = claiming()
    body["spec"]["containers"][0]["env"] = variables
    template = f"spec: {{containers: [{{name: app, env: [{', '.join(f'{{name: OURS{count}}}' for count in range(100))}]}}]}}"
    monkeypatch.setattr(address, "item_keys", counted)
    after, _ = again(body, template)
    assert len(named(after, "containers", "app")["env"]) == 400
    assert looks < 10 * 400
