"""The pod: what is decoded, what counts as absent, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from mesh_injector.engine.pod import Pod
from mesh_injector.errors import ReviewError

REVIEWS = Path(__file__).parents[2] / "config" / "samples" / "reviews"


def pod(**body: Any) -> Pod:
    return Pod.from_document(body)


@pytest.mark.parametrize("name", ["bare-pod", "deployment", "dry-run", "job", "native-sidecar", "statefulset"])
def test_a_pod_of_a_real_api_server_is_decoded_and_kept_whole(name: str) -> None:
    body = json.loads((REVIEWS / f"{name}.json").read_bytes())["request"]["object"]
    decoded = Pod(json.dumps(body).encode())
    assert [container.name for container in decoded.containers] == [container["name"] for container in body["spec"]["containers"]]
    assert decoded.labels == body["metadata"]["labels"]
    assert decoded.whole() == body


def test_both_doors_make_the_same_pod() -> None:
    body = {"metadata": {"name": "a", "labels": {"x": "y"}}, "spec": {"containers": [{"name": "app"}]}}
    one, other = Pod(json.dumps(body).encode()), Pod.from_document(body)
    assert (one.metadata, one.containers, one.whole()) == (other.metadata, other.containers, other.whole())


@pytest.mark.parametrize("metadata", [{}, {"labels": None, "annotations": None}, {"labels": {}, "annotations": {}}])
def test_absent_null_and_empty_labels_and_annotations_are_the_same(metadata: dict[str, Any]) -> None:
    decoded = pod(metadata=metadata, spec={})
    assert (dict(decoded.labels), dict(decoded.annotations)) == ({}, {})


@pytest.mark.parametrize("body", [{}, {"metadata": None, "spec": None}, {"spec": {"containers": None, "initContainers": None}}])
def test_absent_and_null_parts_are_empty(body: dict[str, Any]) -> None:
    decoded = Pod.from_document(body)
    assert (decoded.has_metadata, decoded.containers, decoded.init_containers, decoded.name) == (False, (), (), "")


def test_a_pod_with_metadata_says_so_even_if_it_is_empty() -> None:
    assert pod(metadata={}).has_metadata


@pytest.mark.parametrize(
    ("metadata", "name"),
    [({"name": "cart"}, "cart"), ({"generateName": "cart-"}, "cart-*"), ({"name": "cart-x", "generateName": "cart-"}, "cart-x"), ({}, "")],
)
def test_a_generated_name_is_told_with_a_star(metadata: dict[str, Any], name: str) -> None:
    assert pod(metadata=metadata).name == name


@pytest.mark.parametrize(("value", "answer"), [(True, True), (False, False), (None, False), ("true", False)])
def test_only_true_is_the_network_of_the_node(value: Any, answer: bool) -> None:
    assert pod(spec={"hostNetwork": value}).host_network is answer
    assert not pod(spec={}).host_network


def test_a_member_of_the_spec_is_decoded_once_and_absent_is_none() -> None:
    decoded = pod(spec={"volumes": [{"name": "a"}], "nodeSelector": None})
    assert decoded.spec_member("volumes") == [{"name": "a"}]
    assert decoded.spec_member("volumes") is decoded.spec_member("volumes")
    assert decoded.spec_member("nodeSelector") is None
    assert decoded.spec_member("nothing") is None


@pytest.mark.parametrize("name", ["labels", "annotations", "finalizers", "ownerReferences"])
def test_the_metadata_that_a_template_may_bring_is_decoded(name: str) -> None:
    value: Any = {"a": "b"} if name in ("labels", "annotations") else ["x"]
    assert pod(metadata={name: value}).metadata_member(name) == value
    assert pod(metadata={}).metadata_member(name) is None


def test_fields_newer_than_this_program_are_kept() -> None:
    body = {"metadata": {"new": [{}]}, "spec": {"containers": [{"name": "a", "new": {"x": None}}], "new": 1.5}, "newest": []}
    assert Pod.from_document(body).whole() == body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"nothing",
        b'{"metadata":[]}',
        b'{"metadata":{"labels":{"a":1}}}',
        b'{"spec":[]}',
        b'{"spec":{"containers":{}}}',
        b'{"spec":{"containers":[{}]}}',
        b'{"spec":{"containers":[null]}}',
        b'{"spec":{"initContainers":[{"name":1}]}}',
        b'{"spec":{"containers":[{"name":"a","ports":[{}]}]}}',
        b'{"spec":' + b"[" * 100_000,
    ],
)
def test_what_is_no_pod_is_told_and_never_a_traceback(body: bytes) -> None:
    with pytest.raises(ReviewError, match=r"\[MI501\] the object is not a pod: .*; send a v1 Pod"):
        Pod(body)


def test_the_items_of_a_list_are_told_apart_by_their_keys() -> None:
    app = {"name": "app", "env": [{"name": "A"}, {}], "volumeMounts": [{"mountPath": "/a", "name": "x"}, {}]}
    decoded = pod(spec={"containers": [app], "volumes": [{"name": "a"}]})
    assert (decoded.containers[0].keys("env"), decoded.containers[0].keys("volumeMounts")) == ({"A", ""}, {"/a", ""})
    assert decoded.volume_names() == {"a"}


@pytest.mark.parametrize("items", [{}, "a", [1], [None], [{"name": 1, "mountPath": 1}]])
def test_what_is_no_list_of_items_with_keys_has_none(items: Any) -> None:
    decoded = pod(spec={"containers": [{"name": "app", "env": items, "volumeMounts": items}], "volumes": items})
    assert (decoded.containers[0].keys("env"), decoded.containers[0].keys("volumeMounts"), decoded.volume_names()) == (None, None, None)
