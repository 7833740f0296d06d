"""Kubernetes' own doings as data: how members merge, what counts as not set, what is equal."""

from decimal import Decimal
from typing import Any

import pytest

from mesh_injector.engine import defaults, schema
from mesh_injector.engine.defaults import Merge


def node(*path: str) -> schema.Node:
    found: schema.Node | None = schema.POD
    for step in path:
        assert found is not None
        found = found.item() if step == "[]" else found.field(step)
    assert found is not None
    return found


CONTAINER = node("spec", "containers", "[]")


@pytest.mark.parametrize(
    ("path", "merge"),
    [
        (("metadata", "labels"), Merge.FIELDS),
        (("metadata", "finalizers"), Merge.WHOLE),
        (("metadata", "ownerReferences"), Merge.KEYED),
        (("spec", "hostname"), Merge.UNIT),
        (("spec", "affinity"), Merge.FIELDS),
        (("spec", "dnsConfig", "searches"), Merge.UNIT),
        (("spec", "tolerations"), Merge.WHOLE),
        (("spec", "volumes"), Merge.KEYED),
        (("spec", "affinity", "podAffinity", "requiredDuringSchedulingIgnoredDuringExecution"), Merge.WHOLE),
        (("spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"), Merge.FIELDS),
        (("spec", "affinity", "nodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution"), Merge.WHOLE),
        (("spec", "containers", "[]", "command"), Merge.UNIT),
        (("spec", "containers", "[]", "envFrom"), Merge.WHOLE),
        (("spec", "containers", "[]", "resources", "limits"), Merge.FIELDS),
        (("spec", "containers", "[]", "livenessProbe"), Merge.UNIT),
        (("spec", "containers", "[]", "lifecycle"), Merge.FIELDS),
        (("spec", "containers", "[]", "lifecycle", "preStop"), Merge.UNIT),
    ],
)
def test_a_member_merges_as_its_kind_says(path: tuple[str, ...], merge: Merge) -> None:
    assert defaults.merge(path[-1], node(*path)) is merge


def test_what_kubernetes_does_not_know_is_one_value() -> None:
    assert defaults.merge("newer", None) is Merge.UNIT


@pytest.mark.parametrize("value", [None, "", [], {}])
def test_empty_things_count_as_not_set(value: Any) -> None:
    assert defaults.is_not_set("anything", value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("restartPolicy", "Always"),
        ("terminationGracePeriodSeconds", 30),
        ("dnsPolicy", "ClusterFirst"),
        ("serviceAccountName", "default"),
        ("schedulerName", "default-scheduler"),
        ("enableServiceLinks", True),
        ("priority", 0),
        ("preemptionPolicy", "PreemptLowerPriority"),
        ("hostNetwork", False),
        ("containers.terminationMessagePath", "/dev/termination-log"),
        ("initContainers.terminationMessagePolicy", "File"),
        ("containers.stdin", False),
    ],
)
def test_what_an_api_server_fills_in_counts_as_not_set(field: str, value: Any) -> None:
    assert defaults.is_not_set(field, value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("restartPolicy", "Never"),
        ("containers.restartPolicy", "Always"),
        ("terminationGracePeriodSeconds", 0),
        ("terminationGracePeriodSeconds", True),
        ("enableServiceLinks", 1),
        ("priority", False),
        ("hostNetwork", 0),
        ("containers.imagePullPolicy", "Always"),
        ("containers.imagePullPolicy", "IfNotPresent"),
        ("hostname", "default"),
        ("activeDeadlineSeconds", 0),
    ],
)
def test_anything_else_is_set_and_the_type_counts(field: str, value: Any) -> None:
    assert not defaults.is_not_set(field, value)


@pytest.mark.parametrize(
    ("found", "brought"),
    [
        ({"name": "a", "more": 1}, {"name": "a"}),
        ({"name": "a"}, {"name": "a", "stdin": False, "workingDir": "", "args": [], "x": 0}),
        ({"env": [{"name": "B"}, {"name": "A", "value": "1"}]}, {"env": [{"name": "A", "value": "1"}]}),
        ({"ports": [{"containerPort": 80, "protocol": "TCP"}]}, {"ports": [{"containerPort": 80}]}),
        ({"command": ["a", "b"]}, {"command": ["a", "b"]}),
        ({"resources": {"limits": {"cpu": "500m"}}}, {"resources": {"limits": {"cpu": "0.5"}}}),
        ({"resources": {}}, {"resources": {"limits": {}}}),
        ({"envFrom": [{"configMapRef": {"name": "x"}, "prefix": ""}]}, {"envFrom": [{"configMapRef": {"name": "x"}}]}),
        (
            {"livenessProbe": {"httpGet": {"port": 1, "scheme": "HTTP"}, "periodSeconds": 10}},
            {"livenessProbe": {"httpGet": {"port": 1}}},
        ),
    ],
)
def test_equal_means_that_all_that_is_brought_is_there(found: dict[str, Any], brought: dict[str, Any]) -> None:
    assert defaults.contains(found, brought, CONTAINER)


@pytest.mark.parametrize(
    ("found", "brought"),
    [
        ("text", {"name": "a"}),
        ({"name": "a"}, {"name": "b"}),
        ({"name": None}, {"name": "b"}),
        ({"stdin": False}, {"stdin": True}),
        ({"x": 1}, {"x": True}),
        ({"env": {}}, {"env": [{"name": "A"}]}),
        ({"env": [{"name": "A", "value": "2"}]}, {"env": [{"name": "A", "value": "1"}]}),
        ({"env": [{"name": "A", "value": "2"}, {"name": "A", "value": "1"}]}, {"env": [{"name": "A", "value": "1"}]}),
        ({"env": []}, {"env": [{"name": "A"}]}),
        ({"ports": [{"containerPort": 80, "protocol": "UDP"}]}, {"ports": [{"containerPort": 80}]}),
        ({"command": ["a", "b"]}, {"command": ["a"]}),
        ({"command": ["b", "a"]}, {"command": ["a", "b"]}),
        ({"resources": {"limits": {"cpu": "1"}}}, {"resources": {"limits": {"cpu": "1m"}}}),
        ({"envFrom": [{"configMapRef": {"name": "x", "optional": True}}]}, {"envFrom": [{"configMapRef": {"name": "x"}}]}),
        ({}, {"securityContext": {}}),
    ],
)
def test_what_lacks_a_part_is_not_equal(found: Any, brought: dict[str, Any]) -> None:
    assert not defaults.contains(found, brought, CONTAINER)


def test_an_empty_volume_source_is_not_the_absence_of_one() -> None:
    volume = node("spec", "volumes", "[]")
    assert not defaults.contains({"name": "x", "hostPath": {"path": "/"}}, {"name": "x", "emptyDir": {}}, volume)
    assert defaults.contains({"name": "x", "emptyDir": {"medium": ""}}, {"name": "x", "emptyDir": {}}, volume)
    assert not defaults.contains({}, {"newer": {}}, None)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", "1"),
        (1, "1"),
        (0.5, "0.5"),
        ("+5.", "5"),
        (".5", "0.5"),
        ("500m", "0.5"),
        ("1k", "1000"),
        ("1E", "1e18"),
        ("1e3", "1000"),
        ("1E-2", "0.01"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("100n", "1e-7"),
    ],
)
def test_a_quantity_is_a_number_however_it_is_written(text: Any, number: str) -> None:
    assert defaults.quantity(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "NaN", "sNaN", "Infinity", "1_000", "1KI", "1 ", "1\n", "m", "1e9999999", "٣", "1mi", None, [], {}])
def test_what_is_no_quantity_comes_back_as_it_is(text: Any) -> None:
    assert defaults.quantity(text) == text
