"""Kubernetes' own doings as data: how members merge, what counts as not set, what is equal."""

import json
import runpy
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mesh_injector.engine import defaults, schema
from mesh_injector.engine.defaults import Merge

ROOT = Path(__file__).parents[2]
BUNDLED = ROOT / "mesh_injector" / "engine" / "pod_defaults.json"
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "generate_pod_defaults.py"))
RUN = runpy.run_path(str(ROOT / "scripts" / "go_pods" / "run.py"))


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
        ("0" * 70 + "1", "1"),
        ("1e0005", "100000"),
        ("1e27", 2**63 - 1),
        ("9E9999", 2**63 - 1),
        ("9Ei", 2**63 - 1),
        ("-1e30", 1 - 2**63),
        ("1e-9999", "1e-9"),
        ("1.00000000001", "1.000000001"),
    ],
)
def test_a_quantity_is_a_number_however_it_is_written_and_can_be_reckoned_with(text: Any, number: str | int) -> None:
    read = defaults.quantity(text)
    assert read == Decimal(number)
    assert read % 1 in (0, Decimal(number) % 1)


@pytest.mark.parametrize(
    "text", ["", "NaN", "sNaN", "Infinity", "1_000", "1KI", "1 ", "1\n", "m", "1e9999999", "1e99999", True, "٣", "1mi", None, [], {}]
)
def test_what_is_no_quantity_comes_back_as_it_is(text: Any) -> None:
    assert defaults.quantity(text) == text


def members(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every member of a spec by the names of the fields that lead to it, as the bundled defaults name it."""
    if isinstance(value, dict):
        for key, item in value.items():
            field = f"{name}.{key}".lstrip(".")
            yield field, item
            yield from members(item, field)
    elif isinstance(value, list):
        for item in value:
            yield from members(item, name)


SAMPLES = [
    json.loads(path.read_bytes())["request"]["object"]["spec"]
    for path in sorted((ROOT / "config" / "samples" / "reviews").glob("*.json"))
    if json.loads(path.read_bytes())["request"].get("object")
]
WRITTEN = {
    *("hostname", "subdomain", "automountServiceAccountToken"),
    *(f"containers.{name}" for name in ("name", "image", "args", "command", "env", "ports", "volumeMounts", "readinessProbe", "resources")),
    *("initContainers", *(f"initContainers.{name}" for name in ("name", "image", "command", "restartPolicy", "volumeMounts"))),
    *("containers", "volumes", "initContainers.resources"),
}
"""What people, StatefulSets and the ServiceAccount plugin wrote into the samples: nobody fills it in where it is not said."""
SET = {
    "restartPolicy": "Never is what the Job says, and no default",
    "tolerations": "items without a key: the plugin's two stay, and others are appended",
    "containers.imagePullPolicy": "depends on the tag, so that nobody can tell whether it was said",
    "initContainers.imagePullPolicy": "the same",
}
"""Why a value that an API server filled in counts as set all the same."""


@pytest.mark.parametrize("spec", SAMPLES)
def test_what_a_real_api_server_filled_in_counts_as_not_set_or_is_told_why_not(spec: dict[str, Any]) -> None:
    for name, value in members(spec):
        field = name.removeprefix("initContainers.").removeprefix("containers.")
        if "." not in field and name not in WRITTEN and not defaults.is_not_set(name, value):
            assert name in SET, (name, value)


def test_every_default_of_a_member_that_is_merged_by_itself_counts_as_not_set() -> None:
    direct = {name for name in defaults.FILLED if "." not in name.removeprefix("containers.")}
    assert direct - defaults.UNKNOWABLE <= set(defaults.NOT_SET)
    assert {name for name in direct if not defaults.is_not_set(name, defaults.FILLED[name])} == defaults.UNKNOWABLE


@pytest.mark.parametrize("name", sorted(name for name in defaults.FILLED if "." in name.removeprefix("containers.")))
def test_every_other_default_is_inside_a_unit_or_an_item_that_is_kept_or_added_whole(name: str) -> None:
    steps = name.split(".")
    places = [schema.definition("PodSpec")]
    kinds = []
    for step in steps[:-1]:
        place = places[-1].field(step)
        assert place is not None
        kinds.append((step, defaults.merge(step, place)))
        places.append(place.item() or place)
    assert any(kind is not Merge.FIELDS for step, kind in kinds if step != "containers")


def test_the_defaults_are_those_of_the_release_that_the_schema_is_from() -> None:
    bundled = json.loads(BUNDLED.read_bytes())
    assert bundled["x-kubernetes-version"] == schema.KUBERNETES_VERSION
    assert SCRIPT["as_text"](bundled) == BUNDLED.read_text("utf-8")


def test_the_script_tells_what_is_new_after_defaulting_and_what_is_dropped() -> None:
    answer = {
        "before": {"spec": {"volumes": [{"name": "", "secret": {}}], "containers": [{"tty": True}], "initContainers": [{"tty": True}]}},
        "after": {
            "spec": {
                "volumes": [{"name": "", "secret": {"defaultMode": 420}}],
                "containers": [{"tty": True, "stdin": False}],
                "initContainers": [{"tty": True, "stdin": False}],
                "ephemeralContainers": [{"tty": False}],
                "dnsPolicy": "ClusterFirst",
            }
        },
        "dropped": {"hostPID": False, "containers.tty": False, "initContainers.tty": False, "ephemeralContainers.tty": False},
    }
    assert SCRIPT["pod_defaults"](answer, "v1.2.3") == {
        "x-kubernetes-version": "v1.2.3",
        "filled": {"containers.stdin": False, "dnsPolicy": "ClusterFirst", "volumes.secret.defaultMode": 420},
        "dropped": {"containers.tty": False, "hostPID": False},
    }


def test_the_script_refuses_init_containers_that_are_filled_in_differently() -> None:
    answer = {"before": {"spec": {}}, "after": {"spec": {"initContainers": [{"stdin": True}]}}, "dropped": {}}
    with pytest.raises(ValueError, match="other defaults"):
        SCRIPT["pod_defaults"](answer, "v1.2.3")


def test_the_go_program_takes_kubernetes_own_modules_from_where_they_are_published() -> None:
    theirs = "module k8s.io/kubernetes\n\ngo 1.26.0\n\nreplace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n)\n"
    expected = "module go_pods\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes v1.37.0\n\nreplace k8s.io/api => k8s.io/api v0.37.0\n"
    assert RUN["go_mod"](theirs, "v1.37.0") == expected
