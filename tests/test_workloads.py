"""Every workload kind gives its pod away and takes another one back; nothing else in the document changes."""

import copy
from typing import Any

import jsonpatch
import pytest

from mesh_injector import reasons, workloads
from mesh_injector.errors import ConfigError

TEMPLATE: dict[str, Any] = {
    "metadata": {"creationTimestamp": None, "labels": {"app": "cart"}},
    "spec": {"containers": [{"name": "app", "image": "cart:1"}], "futureField": 1},
}
KINDS = [
    ("v1", "PodTemplate", ("template",)),
    ("v1", "ReplicationController", ("spec", "template")),
    ("apps/v1", "Deployment", ("spec", "template")),
    ("apps/v1", "StatefulSet", ("spec", "template")),
    ("apps/v1", "DaemonSet", ("spec", "template")),
    ("apps/v1", "ReplicaSet", ("spec", "template")),
    ("extensions/v1beta1", "Deployment", ("spec", "template")),
    ("batch/v1", "Job", ("spec", "template")),
    ("batch/v1", "CronJob", ("spec", "jobTemplate", "spec", "template")),
    ("argoproj.io/v1alpha1", "Rollout", ("spec", "template")),
    ("apps.kruise.io/v1alpha1", "CloneSet", ("spec", "template")),
]


def workload(api_version: str, kind: str, path: tuple[str, ...], template: Any = TEMPLATE) -> dict[str, Any]:
    """A document with `template` at `path`, and neighbours at each level that must survive."""
    body = template
    for key in reversed(path):
        body = {"before": None, key: body, "after": [1]}
    metadata = {"name": "cart", "namespace": "shop", "creationTimestamp": None}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "status": {}, **body}


def pod(**metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "app"}]}, "status": {}}


def found(body: dict[str, Any]) -> workloads.Workload:
    result = workloads.find(body)
    assert result is not None
    return result


@pytest.mark.parametrize(("api_version", "kind", "path"), KINDS)
def test_every_workload_kind_gives_its_template_as_a_pod(api_version: str, kind: str, path: tuple[str, ...]) -> None:
    result = found(workload(api_version, kind, path))
    assert result == workloads.Workload(f"{kind}/cart", {"apiVersion": "v1", "kind": "Pod", **TEMPLATE}, "shop", path, "")


@pytest.mark.parametrize(("api_version", "kind", "path"), KINDS)
def test_every_workload_kind_takes_an_injected_pod_and_keeps_the_rest(api_version: str, kind: str, path: tuple[str, ...]) -> None:
    body = workload(api_version, kind, path)
    before = copy.deepcopy(body)
    injected = {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "app"}, {"name": "envoy"}]}}
    assert workloads.replace(body, {"apiVersion": "v1", "kind": "Pod", **injected}) == workload(api_version, kind, path, injected)
    assert body == before


@pytest.mark.parametrize(("api_version", "kind", "path"), KINDS)
def test_putting_back_what_was_found_changes_nothing_not_even_the_order(api_version: str, kind: str, path: tuple[str, ...]) -> None:
    body = workload(api_version, kind, path)
    assert repr(workloads.replace(body, found(body).pod)) == repr(body)


def test_a_pod_is_itself() -> None:
    body = pod(name="cart", namespace="shop")
    assert found(body) == workloads.Workload("cart", body, "shop", (), "")
    assert repr(workloads.replace(body, found(body).pod)) == repr(body)


@pytest.mark.parametrize(
    ("metadata", "label"),
    [({"name": "cart", "generateName": "c-"}, "cart"), ({"generateName": "cart-"}, "cart-*"), ({}, "*"), ({"name": 5}, "*")],
)
def test_a_pod_is_called_by_its_name_or_by_what_the_server_will_make_of_it(metadata: dict[str, Any], label: str) -> None:
    assert found(pod(**metadata)).label == label


def test_a_job_with_a_generated_name_is_called_by_its_prefix() -> None:
    body = workload("batch/v1", "Job", ("spec", "template")) | {"metadata": {"generateName": "load-"}}
    assert found(body).label == "Job/load-*"


def test_an_object_without_a_namespace_has_the_empty_one() -> None:
    assert found(pod(name="cart")).namespace == ""
    assert found({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": []}}).namespace == ""


@pytest.mark.parametrize(
    ("owners", "controller"),
    [
        ([{"kind": "Node", "name": "n1"}, {"kind": "ReplicaSet", "name": "cart-7d", "controller": True}], "ReplicaSet/cart-7d"),
        ([{"kind": "ReplicaSet", "name": "cart-7d", "controller": False}], ""),
        (["nonsense"], ""),
        ("nonsense", ""),
        (None, ""),
    ],
)
def test_only_an_owner_that_controls_the_object_is_its_controller(owners: Any, controller: str) -> None:
    assert found(pod(name="cart-7d-x", ownerReferences=owners)).controlled_by == controller


@pytest.mark.parametrize("metadata", [{}, {"metadata": None}])
def test_a_patch_for_the_pod_applies_to_the_document_below_the_path(metadata: dict[str, Any]) -> None:
    body = workload("apps/v1", "Deployment", ("spec", "template"), metadata | {"spec": {"containers": []}})
    result = found(body)
    values: dict[str, Any] = {"/metadata": {"labels": {"a": "b"}}, "/spec/dnsPolicy": "None"}
    above = "/" + "/".join(result.path)
    for_pod = [{"op": "add", "path": path, "value": value} for path, value in values.items()]
    for_document = [{"op": "add", "path": above + path, "value": value} for path, value in values.items()]
    assert workloads.replace(body, jsonpatch.apply_patch(result.pod, for_pod)) == jsonpatch.apply_patch(body, for_document)


def test_metadata_that_the_pod_has_lost_leaves_the_template() -> None:
    body = workload("apps/v1", "Deployment", ("spec", "template"))
    assert workloads.replace(body, {"spec": TEMPLATE["spec"]})["spec"]["template"] == {"spec": TEMPLATE["spec"]}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"apiVersion": "v1", "kind": "Service", "spec": {"template": TEMPLATE}},
        {"apiVersion": "v1", "kind": "ConfigMap", "data": {}},
        {"apiVersion": "v1", "kind": "List", "items": [pod(name="cart")]},
        pod(name="cart") | {"apiVersion": "v2"},
        pod(name="cart") | {"apiVersion": "metrics.k8s.io/v1"},
        pod(name="cart") | {"apiVersion": None},
        workload("serving.knative.dev/v1", "Service", ("spec", "template")),
        workload("serving/v1", "Runner", ("spec", "template")),
        workload("argoproj.io/v1alpha1", "Rollout", ("spec", "workloadRef")),
        workload("example.com/v1", "Runner", ("spec", "template"), {"spec": {"containers": {}}}),
        workload("example.com/v1", "Runner", ("spec", "template"), "text"),
    ],
)
def test_what_holds_no_pod_is_no_workload(body: dict[str, Any]) -> None:
    assert workloads.find(body) is None


def test_a_pod_cannot_be_put_into_what_holds_none() -> None:
    with pytest.raises(ConfigError, match="Service/web"):
        workloads.replace({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}, pod(name="cart"))


@pytest.mark.parametrize(
    ("template", "field", "found_as"),
    [
        (None, "spec.template", "missing"),
        ("text", "spec.template", "text"),
        ({"metadata": [], "spec": {"containers": []}}, "spec.template.metadata", "a list"),
        ({}, "spec.template.spec", "missing"),
        ({"spec": True}, "spec.template.spec", "a boolean"),
        ({"spec": {}}, "spec.template.spec.containers", "missing"),
        ({"spec": {"containers": {"app": {}}}}, "spec.template.spec.containers", "a mapping"),
        ({"spec": {"containers": 1.5}}, "spec.template.spec.containers", "a number"),
    ],
)
def test_a_malformed_template_is_told_with_its_field(template: Any, field: str, found_as: str) -> None:
    with pytest.raises(ConfigError) as error:
        workloads.find(workload("apps/v1", "Deployment", ("spec", "template"), template))
    assert error.value.problem.code == reasons.FIELD_WRONG
    assert error.value.problem.where == f"Deployment/cart, field {field}"
    assert error.value.problem.what.startswith(f"{field} is {found_as}, and must be a ")


@pytest.mark.parametrize(("member", "field"), [({"spec": None}, "spec"), ({"metadata": "x"}, "metadata"), ({"spec": []}, "spec")])
def test_a_malformed_pod_is_told_with_its_field(member: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError, match=f"field {field};"):
        workloads.find(pod(name="cart") | member)


@pytest.mark.parametrize(
    ("api_version", "kind", "meant"),
    [
        ("v1", "Deployment", ("apps/v1", "Deployment")),
        ("apps/v1", "deployment", ("apps/v1", "Deployment")),
        ("v1", "pod", ("v1", "Pod")),
        ("batch/v1", "Pod", ("v1", "Pod")),
        ("apps/v1", "Deployment", None),
        ("example.com/v1", "Deployment", None),
        ("v1", "ConfigMap", None),
    ],
)
def test_a_workload_of_a_wrong_group_or_spelling_is_recognized_and_a_foreign_kind_is_left_alone(
    api_version: str, kind: str, meant: tuple[str, str] | None
) -> None:
    assert workloads.meant({"apiVersion": api_version, "kind": kind}) == meant
