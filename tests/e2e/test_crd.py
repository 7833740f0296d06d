"""The CustomResourceDefinition on a real API server: its rules, defaults and columns, and the status that only the injector writes."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.cluster import Cluster

FILE = Path(__file__).parents[2] / "crds" / "mesh-injector.io_meshes.yaml"
CRD = yaml.safe_load(FILE.read_text(encoding="utf-8"))
GOOD: dict[str, Any] = {
    "apiVersion": "mesh-injector.io/v1alpha1",
    "kind": "Mesh",
    "metadata": {"name": "payments"},
    "spec": {
        "enableAutoInject": True,
        "region": "eu-west-1",
        "injectionSelector": {"podSelector": {"matchLabels": {"app": "cart"}}},
        "sidecarPatchConfigMap": {"name": "envoy"},
    },
}
SELECTORS = ("podSelector", "namespaceSelector")
REFUSED: dict[str, list[dict[str, Any]]] = {
    "metadata.name must be a DNS label": [{"metadata": {"name": "pay.ments"}}, {"metadata": {"name": "a" * 64}}],
    "enableAutoInject needs injectionSelector": [
        {"spec": {"injectionSelector": None}},
        {"spec": {"injectionSelector": {"podSelector": None}}},
    ],
    "enableAutoInject needs sidecarPatchConfigMap": [{"spec": {"sidecarPatchConfigMap": None}}],
    "every key must be a label key": [
        {"matchLabels": {"a b": "c"}},
        {"matchLabels": {"Example.com/a": "c"}},
        {"matchLabels": {"a" * 64: "c"}},
    ],
    "every label needs a value": [{"matchLabels": {"a": None}}],
    "the operators In and NotIn need at least one value": [
        {"matchExpressions": [{"key": "a", "operator": "In"}]},
        {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": []}]},
    ],
    "the operators Exists and DoesNotExist take no values": [{"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}],
}
"""For the beginning of every rule's message, what it refuses: changes of the good Mesh, or a selector of either kind."""


def rules(schema: dict[str, Any]) -> Iterator[str]:
    """The messages of all rules of a schema."""
    yield from (rule["message"] for rule in schema.get("x-kubernetes-validations", ()))
    for inner in (*schema.get("properties", {}).values(), *(schema[key] for key in ("items",) if key in schema)):
        yield from rules(inner)


def merged(one: Any, other: Any) -> Any:
    if not isinstance(one, dict) or not isinstance(other, dict):
        return other
    return {**one, **{key: merged(one.get(key), value) for key, value in other.items()}}


def refused() -> Iterator[Any]:
    for message, changes in REFUSED.items():
        for number, change in enumerate(changes):
            if change.keys() & {"metadata", "spec"}:
                yield pytest.param(message, merged(GOOD, change), id=f"{message}-{number}")
            else:
                for selector in SELECTORS:
                    mesh = copy.deepcopy(GOOD)
                    mesh["spec"]["injectionSelector"] = {selector: change}
                    yield pytest.param(message, mesh, id=f"{message}-{selector}-{number}")


@pytest.fixture(scope="module")
def meshes(shared: Cluster) -> Cluster:
    """The shared cluster, with the CRD."""
    shared.kubectl("apply", "--server-side", "-f", str(FILE)).ok()
    shared.kubectl("wait", "--for=condition=Established", "crd/meshes.mesh-injector.io", "--timeout=60s").ok()
    return shared


def test_the_api_server_accepts_every_part_of_it(meshes: Cluster) -> None:
    conditions = meshes.get("crd", "meshes.mesh-injector.io")["status"]["conditions"]
    states = {condition["type"]: condition["status"] for condition in conditions}
    assert states == {"NamesAccepted": "True", "Established": "True"}  # NonStructuralSchema would be one more


def test_every_rule_is_shown_to_refuse() -> None:
    messages = set(rules(CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]))
    assert {message for message in messages if not message.startswith(tuple(REFUSED))} == set()
    assert [start for start in REFUSED if not any(message.startswith(start) for message in messages)] == []


@pytest.mark.parametrize(("message", "mesh"), list(refused()))
def test_a_rule_refuses_with_its_message(meshes: Cluster, namespace: str, message: str, mesh: dict[str, Any]) -> None:
    done = meshes.kubectl("create", "--validate=false", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(mesh))
    assert done.code == 1
    assert message in done.stderr


def test_defaults_are_filled_in(meshes: Cluster, namespace: str) -> None:
    minimal = {**GOOD, "metadata": {"name": "minimal"}, "spec": {}}
    meshes.kubectl("create", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(minimal)).ok()
    spec = meshes.get("mesh", "minimal", "-n", namespace)["spec"]
    assert spec == {
        "enableAutoInject": False,
        "virtualNodeLabel": "mesh-injector.io/virtual-node",
        "requireContainerPorts": True,
        "initContainers": "First",
        "mode": "Enforce",
        "onError": "Fail",
        "priority": 0,
    }


def test_a_misspelt_field_is_refused_by_kubectl(meshes: Cluster, namespace: str) -> None:
    misspelt = merged(GOOD, {"spec": {"enableAutoinject": True}})
    done = meshes.kubectl("create", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(misspelt))
    assert done.code == 1
    assert 'unknown field "spec.enableAutoinject"' in done.stderr


def test_columns_are_printed_under_the_short_name(meshes: Cluster, namespace: str) -> None:
    meshes.kubectl("create", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(GOOD)).ok()
    status = {
        "observedGeneration": 1,
        "template": {"digest": f"sha256:{'0' * 64}", "loadedAt": "2026-11-21T10:00:00Z"},
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "Injecting", "message": "", "lastTransitionTime": "2026-11-21T10:00:00Z"}
        ],
    }
    patch = yaml.safe_dump({"status": status})
    meshes.kubectl("patch", "mi", "payments", "-n", namespace, "--subresource=status", "--type=merge", "-p", patch).ok()
    narrow = meshes.kubectl("get", "mi", "-n", namespace).ok().splitlines()
    assert narrow[0].split() == ["NAME", "AUTO-INJECT", "MODE", "READY", "AGE"]
    assert narrow[1].split()[:4] == ["payments", "true", "Enforce", "True"]
    wide = meshes.kubectl("get", "mi", "-n", namespace, "-o", "wide").ok().splitlines()
    assert wide[0].split()[5:] == ["REGION", "NODE-LABEL", "CONFIGMAP", "TEMPLATE", "REASON"]
    label, digest = "mesh-injector.io/virtual-node", status["template"]["digest"]  # type: ignore[index]
    assert wide[1].split()[5:] == ["eu-west-1", label, "envoy", digest, "Injecting"]


def test_the_status_is_a_subresource(meshes: Cluster, namespace: str) -> None:
    mesh = {**GOOD, "status": {"observedGeneration": 7}}
    meshes.kubectl("create", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(mesh)).ok()
    assert "status" not in meshes.get("mesh", "payments", "-n", namespace)
    meshes.kubectl("patch", "mesh", "payments", "-n", namespace, "--type=merge", "-p", "spec: {priority: 5}").ok()
    assert meshes.get("mesh", "payments", "-n", namespace)["metadata"]["generation"] == 2
    patch = ("patch", "mesh", "payments", "-n", namespace, "--subresource=status", "--type=merge", "-p")
    meshes.kubectl(*patch, '{"spec": {"priority": 9}, "status": {"observedGeneration": 2}}').ok()
    found = meshes.get("mesh", "payments", "-n", namespace)
    assert (found["spec"]["priority"], found["status"]) == (5, {"observedGeneration": 2})


def test_kubectl_explain_describes_every_field(meshes: Cluster) -> None:
    explained = meshes.kubectl("explain", "mesh.spec", "--recursive=false").ok()
    assert "injectionSelector" in explained
    assert "<no description>" not in explained
