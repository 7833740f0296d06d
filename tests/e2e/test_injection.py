"""The webhook behind a hand-written registration on a real API server: the samples' pods come out injected, refused or untouched."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import processes, webhook
from tests.e2e.cluster import Cluster, Network

SAMPLES = Path(__file__).parents[2] / "config" / "samples"
DOCUMENTS = list(yaml.safe_load_all((SAMPLES / "workloads.yaml").read_text(encoding="utf-8")))
WORKLOADS = {one["metadata"]["name"]: one for one in DOCUMENTS if one["kind"] != "Service"}
ENTRY = "payments.mesh-system"


@contextlib.contextmanager
def installed(cluster: Cluster, folder: Path, name: str) -> Iterator[webhook.Replica]:
    """The webhook on the samples, asked about the pods of the samples' namespaces."""
    cluster.add_namespace("shop", team="shop")
    cluster.add_namespace("legacy", team="shop", **{"mesh-injector.io/inject": "disabled"})
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(webhook.serve(folder, Network.loopback(), SAMPLES))
        for namespace in ("shop", "legacy"):
            stack.enter_context(webhook.registered(cluster, f"{name}.{namespace}", running, namespace))
        yield running


@pytest.fixture(scope="module")
def replica(with_controllers: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webhook.Replica]:
    """One installation for the module."""
    with installed(with_controllers, tmp_path_factory.mktemp("webhook"), ENTRY) as running:
        yield running


@pytest.fixture
def cluster(with_controllers: Cluster) -> Iterator[Cluster]:
    """The cluster, and no workload in the samples' namespaces after the test."""
    yield with_controllers
    for namespace in ("shop", "legacy"):
        with_controllers.kubectl("delete", "deploy,sts,job,pod", "--all", "-n", namespace, "--grace-period=0", "--force").ok()


def workload(kind: str) -> dict[str, Any]:
    """The samples' Deployment as another kind, with the same pods."""
    spec = json.loads(json.dumps(WORKLOADS["checkout"]["spec"]))
    if kind == "Job":
        spec = {"template": spec["template"]}
        spec["template"]["spec"]["restartPolicy"] = "Never"
    version = "batch/v1" if kind == "Job" else "apps/v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": kind.lower(), "namespace": "shop"}, "spec": spec}


def pod(name: str) -> dict[str, Any]:
    """A pod of the samples' Deployment, without a Deployment."""
    template = WORKLOADS["checkout"]["spec"]["template"]
    metadata = {**template["metadata"], "name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def pods_of(cluster: Cluster, name: str) -> list[dict[str, Any]]:
    return [one for one in cluster.get("pods", "-n", "shop")["items"] if one["metadata"]["name"].startswith(f"{name}-")]


def is_injected(made: dict[str, Any]) -> bool:
    """Whether a pod has all that the samples' template brings."""
    spec = made["spec"]
    record = json.loads(made["metadata"]["annotations"].get("mesh-injector.io/status", "{}"))
    assert record.get("mesh") in (None, "mesh-system/payments")
    names = [container["name"] for kind in ("initContainers", "containers") for container in spec.get(kind, ())]
    return (
        bool(record) and names == ["proxy-init", "checkout", "envoy"] and any(volume["name"] == "envoy-tmp" for volume in spec["volumes"])
    )


@pytest.mark.parametrize("kind", ["Deployment", "Job", "StatefulSet"])
def test_the_pods_of_a_workload_are_injected(cluster: Cluster, replica: webhook.Replica, kind: str) -> None:
    cluster.apply(workload(kind)).ok()
    made = processes.eventually(lambda: pods_of(cluster, kind.lower()), "its controller makes a pod")
    assert [one["metadata"]["name"] for one in made if not is_injected(one)] == []


def test_an_override_by_annotation_reaches_the_container(cluster: Cluster, replica: webhook.Replica) -> None:
    cluster.create(pod("verbose")).ok()
    envoy = cluster.get("pod", "verbose", "-n", "shop")["spec"]["containers"][-1]
    assert envoy["args"] == ["--log-level", "debug"]


def test_a_pod_that_cannot_be_injected_is_refused_and_the_user_reads_why(cluster: Cluster, replica: webhook.Replica) -> None:
    done = cluster.create(WORKLOADS["no-port"])
    assert done.code == 1
    assert f'admission webhook "{ENTRY}.shop.mesh-injector.io" denied the request: mesh-injector: [MI' in done.stderr
    assert "mesh mesh-system/payments: " in done.stderr
    assert "; fix: " in done.stderr


def test_a_pod_that_opted_out_is_created_as_it_is(cluster: Cluster, replica: webhook.Replica) -> None:
    before = replica.reviews()
    cluster.create(WORKLOADS["opted-out"]).ok()
    found = cluster.get("pod", "opted-out", "-n", "legacy")
    assert [container["name"] for container in found["spec"]["containers"]] == ["app"]
    assert replica.reviews() > before


def test_a_pod_that_asked_in_vain_is_warned_in_the_terminal(cluster: Cluster, replica: webhook.Replica) -> None:
    metadata = {"name": "asked", "namespace": "shop", "labels": {"mesh-injector.io/inject": "true"}}
    done = cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "a", "image": "a"}]}})
    assert done.code == 0
    assert "Warning: " in done.stderr
    assert "NoMeshMatched" in done.stderr


def test_a_pod_that_comes_by_twice_is_injected_once(cluster: Cluster, replica: webhook.Replica) -> None:
    cluster.create(pod("once")).ok()
    with webhook.registered(cluster, "zz-again", replica, "shop"):
        before = replica.reviews()
        cluster.create(pod("twice")).ok()
        assert replica.reviews() >= before + 2
    once, twice = (cluster.get("pod", name, "-n", "shop") for name in ("once", "twice"))
    assert is_injected(twice)
    assert twice["metadata"]["annotations"] == once["metadata"]["annotations"]


def test_while_the_webhook_is_gone_a_pod_is_refused_and_never_created_without_its_proxy(cluster: Cluster, tmp_path: Path) -> None:
    with installed(cluster, tmp_path, "gone") as gone:
        gone.process.kill()
        done = cluster.create(pod("orphan"))
        assert done.code == 1
        assert 'failed calling webhook "gone.shop.mesh-injector.io"' in done.stderr
        assert cluster.kubectl("get", "pod", "orphan", "-n", "shop").code == 1
