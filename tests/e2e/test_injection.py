"""The webhook behind a hand-written registration on a real API server: the samples' pods come out injected, refused or untouched."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import processes, webhook
from tests.e2e.cluster import Cluster

SAMPLES = Path(__file__).parents[2] / "config" / "samples"
WORKLOADS = list(yaml.safe_load_all((SAMPLES / "workloads.yaml").read_text(encoding="utf-8")))
ENTRY = "payments.mesh-system"
SELECTOR = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["shop", "legacy"]}]}


@pytest.fixture
def replica(
    with_controllers: Cluster, serve: Callable[[Path], AbstractContextManager[webhook.Replica]], registered: Callable[..., None]
) -> Iterator[webhook.Replica]:
    """The webhook on the samples, and their namespaces."""
    with_controllers.add_namespace("shop", team="shop")
    with_controllers.add_namespace("legacy", team="shop", **{"mesh-injector.io/inject": "disabled"})
    with serve(SAMPLES) as running:
        registered(ENTRY, running.url, running.ca, namespaceSelector=SELECTOR)
        processes.eventually(lambda: asked(with_controllers, running) == 1, "the registration is in force")
        yield running
        with_controllers.kubectl("delete", "all", "--all", "-n", "shop", "--grace-period=0", "--force").ok()


@pytest.fixture(params=["Deployment", "Job", "StatefulSet", "DaemonSet"])
def workload(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The samples' Deployment, and the same pods made by other controllers."""
    deployment: dict[str, Any] = json.loads(json.dumps(next(one for one in WORKLOADS if one["kind"] == "Deployment")))
    kind, spec = request.param, deployment["spec"]
    if kind == "Job":
        spec = {"template": spec["template"]}
        spec["template"]["spec"]["restartPolicy"] = "Never"
    if kind == "DaemonSet":
        spec = {"selector": spec["selector"], "template": spec["template"]}
    version = "batch/v1" if kind == "Job" else "apps/v1"
    return {**deployment, "apiVersion": version, "kind": kind, "metadata": {"name": kind.lower(), "namespace": "shop"}, "spec": spec}


def asked(cluster: Cluster, replica: webhook.Replica) -> int:
    """How often the webhook is asked about one pod, which is not to be."""
    before = replica.reviews()
    cluster.kubectl("run", "probe", "--image=a", "-n", "shop", "--dry-run=server").ok()
    return replica.reviews() - before


def pods_of(cluster: Cluster, name: str) -> list[dict[str, Any]]:
    found = cluster.get("pods", "-n", "shop")["items"]
    return [pod for pod in found if pod["metadata"]["name"].startswith(f"{name}-")]


def is_injected(pod: dict[str, Any]) -> bool:
    """Whether a pod has all that the samples' template brings."""
    names = [container["name"] for container in pod["spec"]["containers"]]
    record = json.loads(pod["metadata"]["annotations"].get("mesh-injector.io/status", "{}"))
    whole = record.get("mesh") == "mesh-system/payments" and any(volume["name"] == "envoy-tmp" for volume in pod["spec"]["volumes"])
    return whole and names == ["checkout", "envoy"] and pod["spec"]["initContainers"][0]["name"] == "proxy-init"


@pytest.mark.parametrize("workload", ["Deployment", "Job", "StatefulSet"], indirect=True)
def test_the_pods_of_a_workload_are_injected(with_controllers: Cluster, replica: webhook.Replica, workload: dict[str, Any]) -> None:
    with_controllers.apply(workload).ok()
    pods = processes.eventually(lambda: pods_of(with_controllers, workload["metadata"]["name"]), "its controller makes a pod")
    assert [pod["metadata"]["name"] for pod in pods if not is_injected(pod)] == []
    assert replica.reviews() >= len(pods)


def test_a_pod_that_cannot_be_injected_is_refused_and_the_user_reads_why(with_controllers: Cluster, replica: webhook.Replica) -> None:
    done = with_controllers.create(next(one for one in WORKLOADS if one["metadata"]["name"] == "no-port"))
    assert done.code == 1
    assert f'admission webhook "{ENTRY}.mesh-injector.io" denied the request: mesh-injector: [MI' in done.stderr
    assert "mesh mesh-system/payments: " in done.stderr
    assert "; fix: " in done.stderr


def test_a_pod_that_opted_out_is_created_as_it_is(with_controllers: Cluster, replica: webhook.Replica) -> None:
    pod = next(one for one in WORKLOADS if one["metadata"]["name"] == "opted-out")
    with_controllers.create(pod).ok()
    found = with_controllers.get("pod", "opted-out", "-n", "legacy")
    assert [container["name"] for container in found["spec"]["containers"]] == ["app"]
    with_controllers.kubectl("delete", "pod", "opted-out", "-n", "legacy", "--grace-period=0", "--force").ok()


def test_a_pod_that_asked_in_vain_is_warned_in_the_terminal(with_controllers: Cluster, replica: webhook.Replica) -> None:
    labels = {"mesh-injector.io/inject": "true"}
    metadata = {"name": "asked", "namespace": "shop", "labels": labels}
    done = with_controllers.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "a", "image": "a"}]}})
    assert "Warning: " in done.stderr
    assert "NoMeshMatched" in done.stderr


def test_a_pod_that_another_webhook_sends_round_again_is_injected_once(
    with_controllers: Cluster, replica: webhook.Replica, registered: Callable[..., None], workload: dict[str, Any]
) -> None:
    registered("zz-again", replica.url, replica.ca, namespaceSelector=SELECTOR)
    processes.eventually(lambda: asked(with_controllers, replica) == 2, "both registrations are in force")
    template = workload["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {**template["metadata"], "name": "twice", "namespace": "shop"}, "spec": template["spec"]}
    with_controllers.create(pod).ok()
    assert is_injected(with_controllers.get("pod", "twice", "-n", "shop"))


def test_while_the_webhook_is_gone_a_pod_is_refused_and_never_created_without_its_proxy(
    with_controllers: Cluster, replica: webhook.Replica, workload: dict[str, Any]
) -> None:
    replica.process.kill()
    template = workload["spec"]["template"]
    metadata = {**template["metadata"], "name": "orphan", "namespace": "shop"}
    done = with_controllers.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
    assert done.code == 1
    assert f'failed calling webhook "{ENTRY}.mesh-injector.io"' in done.stderr
    assert with_controllers.kubectl("get", "pod", "orphan", "-n", "shop").code == 1
