"""A user's day on what config/ installs: two replicas with the rights of their account, real kubectl, real workloads."""

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import installation, processes
from tests.e2e.cluster import Cluster
from tests.e2e.controlplane import build
from tests.e2e.stand import Stand

CONFIG = Path(__file__).parents[2] / "config"
MESH, CONFIG_MAP = yaml.safe_load_all((CONFIG / "samples" / "mesh-payments.yaml").read_text(encoding="utf-8"))
TEMPLATE = CONFIG_MAP["data"]["patch.yaml.j2"]
VERSIONS = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "Job": "batch/v1", "CronJob": "batch/v1"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with installation.start(tmp_path_factory.mktemp("day")) as made:
        made.cluster.add_namespace("shop", team="shop")
        made.cluster.add_namespace("tenant")
        yield made


@pytest.fixture
def cluster(installed: Stand) -> Iterator[Cluster]:
    """The cluster; after the test nothing went wrong in the replicas."""
    yield installed.cluster
    for name, replica in installed.replicas.items():
        said = replica.process.said()
        assert "Traceback" not in said, name
        assert "internal error" not in said, name


def with_template(text: str) -> dict[str, Any]:
    """The samples' ConfigMap with another template."""
    return {**CONFIG_MAP, "data": {"patch.yaml.j2": text}}


BROKEN = with_template(TEMPLATE.replace("values.image", "values.imago"))


def pod_template(app: str, node: str) -> dict[str, Any]:
    """What a workload makes pods of: one container with a port, labelled with a virtual node."""
    labels = {"app": app, "mesh-injector.io/virtual-node": node}
    return {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "app", "image": "shop/app:1", "ports": [{"containerPort": 80}]}]},
    }


def workload(kind: str) -> dict[str, Any]:
    """A workload of two pods, or of one that runs to its end; of a CronJob one every minute."""
    app = kind.lower()
    template = pod_template(app, f"{app}-vn")
    spec: dict[str, Any] = {"replicas": 2, "selector": {"matchLabels": {"app": app}}, "template": template}
    if kind in ("Job", "CronJob"):
        template["spec"]["restartPolicy"] = "Never"
        spec = {"template": template}
    if kind == "CronJob":
        spec = {"schedule": "* * * * *", "jobTemplate": {"spec": spec}}
    return {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": {"name": app, "namespace": "shop"}, "spec": spec}


def pods(cluster: Cluster, app: str) -> list[dict[str, Any]]:
    return list(cluster.get("pods", "-n", "shop", "-l", f"app={app}")["items"])


def a_pod(cluster: Cluster, name: str, namespace: str = "shop", **labels: str) -> dict[str, Any]:
    """Create a pod, and see what became of it."""
    made = pod_template(name, "cart-vn")
    made["metadata"] |= {"name": name, "namespace": namespace, "labels": {**made["metadata"]["labels"], **labels}}
    cluster.create({"apiVersion": "v1", "kind": "Pod", **made}).ok()
    return dict(cluster.get("pod", name, "-n", namespace))


def sidecar(pod: dict[str, Any], name: str = "envoy") -> dict[str, Any]:
    """The container that was injected, or nothing."""
    return next((one for one in pod["spec"]["containers"] if one["name"] == name), {})


def wait(cluster: Cluster, condition: str, mesh: str = "payments", namespace: str = "mesh-system") -> None:
    cluster.kubectl("wait", f"--for=condition={condition}", f"mi/{mesh}", "-n", namespace, "--timeout=30s").ok()


def status(cluster: Cluster, mesh: str = "payments", namespace: str = "mesh-system") -> dict[str, Any]:
    """The status of a Mesh, its conditions by their types."""
    found = cluster.get("mi", mesh, "-n", namespace)["status"]
    return {**found, "conditions": {one["type"]: one for one in found["conditions"]}}


def entries(cluster: Cluster) -> list[str]:
    return [one["name"] for one in cluster.get("mutatingwebhookconfiguration", "mesh-injector").get("webhooks") or ()]


def test_the_day_of_a_mesh(cluster: Cluster) -> None:
    digest = the_mesh_is_created(cluster)
    workloads_get_injected_pods(cluster)
    the_template_is_customised(cluster, digest)
    a_mistake_is_refused(cluster)
    a_mistake_that_nobody_refuses_leaves_the_last_good_one_serving(cluster)
    a_first_mistake_that_nobody_refuses_is_told(cluster)
    it_is_mended(cluster)
    the_cron_job_gets_injected_pods(cluster)
    the_mesh_is_deleted(cluster)


def the_mesh_is_created(cluster: Cluster) -> str:
    """The very next pod after Ready is injected."""
    cluster.apply(MESH, CONFIG_MAP).ok()
    wait(cluster, "Ready")
    first = a_pod(cluster, "first")
    assert sidecar(first)["image"] == MESH["spec"]["values"]["image"]
    assert {"name": "VIRTUAL_NODE", "value": "mesh/payments/virtualNode/cart-vn"} in sidecar(first)["env"]
    digest = status(cluster)["template"]["digest"]
    assert json.loads(first["metadata"]["annotations"]["mesh-injector.io/status"])["template"] == digest
    return str(digest)


def workloads_get_injected_pods(cluster: Cluster) -> None:
    """A StatefulSet makes its second pod when the first one runs, which it never does without nodes."""
    cluster.apply(*map(workload, VERSIONS)).ok()
    for app, count in {"deployment": 2, "statefulset": 1, "job": 1}.items():
        processes.eventually(lambda app=app, count=count: len(pods(cluster, app)) == count, f"pods of the {app}")  # type: ignore[misc]
        assert [sidecar(pod)["name"] for pod in pods(cluster, app)] == ["envoy"] * count


def the_template_is_customised(cluster: Cluster, digest: str) -> None:
    cluster.apply(with_template(TEMPLATE.replace('"--log-level"', '"--concurrency", "2", "--log-level"'))).ok()
    processes.eventually(lambda: status(cluster)["template"]["digest"] != digest, "the new text serves")
    assert sidecar(a_pod(cluster, "customised"))["args"][:2] == ["--concurrency", "2"]


def a_mistake_is_refused(cluster: Cluster) -> None:
    """In the words of the command line; what leaves the spec alone is not."""
    refused = cluster.apply(BROKEN)
    assert refused.code == 1
    assert 'admission webhook "templates.mesh-injector.io" denied the request: mesh-injector: [MI302]' in refused.stderr
    assert "did you mean `image`?" in refused.stderr
    assert cluster.kubectl("annotate", "configmap", CONFIG_MAP["metadata"]["name"], "-n", "mesh-system", "seen=yes").ok()


def a_mistake_that_nobody_refuses_leaves_the_last_good_one_serving(cluster: Cluster) -> None:
    cluster.kubectl("delete", "validatingwebhookconfiguration", "mesh-injector").ok()
    cluster.apply(BROKEN).ok()
    wait(cluster, "Ready=false")
    told = status(cluster)["conditions"]
    assert (told["TemplateValid"]["status"], told["TemplateValid"]["reason"]) == ("False", "UndefinedVariable")
    assert "imago" in told["TemplateValid"]["message"]
    assert "the last good one serves on" in told["Ready"]["message"]
    assert sidecar(a_pod(cluster, "last-good"))["args"][:2] == ["--concurrency", "2"]
    events = partial(cluster.kubectl, "events", "--for=mi/payments", "-n", "mesh-system", "--no-headers")
    processes.eventually(lambda: "UndefinedVariable" in events().ok(), "an event tells it")


def a_first_mistake_that_nobody_refuses_is_told(cluster: Cluster) -> None:
    """A Mesh whose values no pod can override and that was never good; it selects no pod of the day."""
    config_map = {**CONFIG_MAP, "metadata": {**CONFIG_MAP["metadata"], "name": "fast"}}
    spec = {
        **MESH["spec"],
        "sidecarPatchConfigMap": {"name": "fast"},
        "injectionSelector": {"podSelector": {"matchLabels": {"app": "fast"}}},
    }
    spec["values"] = {**spec["values"], "resources": {"requests": {"cpu": "fast"}}}
    mesh = {**MESH, "metadata": {**MESH["metadata"], "name": "fast"}, "spec": spec}
    cluster.apply(config_map, mesh).ok()
    wait(cluster, "TemplateValid=false", "fast")
    told = status(cluster, "fast")["conditions"]
    assert (told["Ready"]["status"], told["TemplateValid"]["reason"]) == ("False", "RenderedInvalidPod")
    assert "[MI401]" in told["TemplateValid"]["message"]
    events = partial(cluster.kubectl, "events", "--for=mi/fast", "-n", "mesh-system", "--no-headers")
    processes.eventually(lambda: "RenderedInvalidPod" in events().ok(), "an event tells it")
    cluster.kubectl("delete", "mi/fast", "configmap/fast", "-n", "mesh-system").ok()


def it_is_mended(cluster: Cluster) -> None:
    """A reader of the status sees the new text and nothing of the old fault."""
    cluster.apply(CONFIG_MAP).ok()
    wait(cluster, "Ready")
    assert {one["status"] for one in status(cluster)["conditions"].values()} == {"True"}
    assert sidecar(a_pod(cluster, "mended"))["args"][0] == "--log-level"
    installation.install(cluster)


def the_cron_job_gets_injected_pods(cluster: Cluster) -> None:
    made = processes.eventually(lambda: pods(cluster, "cronjob"), "the CronJob makes a pod", seconds=90)
    assert all(map(sidecar, made))


def the_mesh_is_deleted(cluster: Cluster) -> None:
    cluster.kubectl("delete", "mi", "payments", "-n", "mesh-system").ok()
    processes.eventually(lambda: entries(cluster) == ["asked.mesh-injector.io"], "its entry is gone")
    assert not sidecar(a_pod(cluster, "after"))


def test_a_tenant_is_told_what_to_grant_and_then_has_a_mesh_of_its_own(cluster: Cluster) -> None:
    binding, config_map, mesh = example("tenant")
    assert "Warning: [MI205]" in cluster.apply(config_map, mesh).stderr
    wait(cluster, "Ready=false", "logs", "tenant")
    told = status(cluster, "logs", "tenant")["conditions"]["ConfigMapFound"]
    assert told["reason"] == "ConfigMapForbidden"
    command = told["message"].partition("grant it: kubectl ")[2]
    cluster.kubectl(*command.split()).ok()
    wait(cluster, "Ready", "logs", "tenant")

    def collected() -> dict[str, Any]:
        """A replica that has not read the ConfigMap yet refuses: the leader's word is not the other's."""
        with contextlib.suppress(AssertionError):
            return a_pod(cluster, "collected", "tenant", logs="collected")
        return {}

    made = processes.eventually(collected, "both replicas have read the ConfigMap")
    assert sidecar(made, "log-shipper")["image"] == mesh["spec"]["values"]["image"]
    assert not sidecar(a_pod(cluster, "elsewhere", "shop", logs="collected"), "log-shipper")
    assert cluster.kubectl("get", "rolebinding", binding["metadata"]["name"], "-n", "tenant").code == 0


def test_the_first_mesh_of_a_namespace_is_tried_with_its_config_map(cluster: Cluster) -> None:
    cluster.add_namespace("first")
    binding, config_map, mesh = example("first")
    cluster.apply(binding, config_map).ok()
    processes.eventually(lambda: cluster.get("validatingwebhookconfiguration", "mesh-injector").get("webhooks"), "the leader has filled it")
    mesh["spec"]["values"] = {"imago": "a:1"}
    refused = processes.eventually(lambda: cluster.apply(mesh).stderr, "the API server asks")
    assert 'admission webhook "meshes.mesh-injector.io" denied the request: mesh-injector: [MI302]' in refused
    assert "did you mean `imago`?" in refused


def test_what_the_how_to_writes_goes_to_production(cluster: Cluster) -> None:
    files = how_to()
    mesh, template, web = (files[name] for name in ("mesh/mesh.yaml", "mesh/template.yaml", "web.yaml"))
    web["metadata"]["namespace"] = "stats"
    cluster.add_namespace("stats", team="numbers")
    cluster.apply({**mesh, "spec": {**mesh["spec"], "mode": "Audit"}}, template).ok()
    wait(cluster, "Ready", "statsd")
    assert entry_of(cluster, "statsd")["failurePolicy"] == "Ignore"
    cluster.apply(web).ok()
    [audited] = processes.eventually(lambda: pods_of_web(cluster), "a pod in Audit")
    assert "initContainers" not in audited["spec"]
    cluster.apply(mesh).ok()
    wait(cluster, "Ready", "statsd")
    cluster.kubectl("rollout", "restart", "deployment/web", "-n", "stats").ok()
    fresh = processes.eventually(lambda: [pod for pod in pods_of_web(cluster) if "initContainers" in pod["spec"]], "a pod of the restart")[
        0
    ]
    assert fresh["spec"]["initContainers"][0]["args"][-1] == "--log.level=warn"
    assert fresh["metadata"]["annotations"]["prometheus.io/port"] == "9102"
    assert [{env["name"]: env["value"] for env in one["env"]}["STATSD_TEAM"] for one in fresh["spec"]["containers"]] == ["numbers"] * 2


def how_to() -> dict[str, dict[str, Any]]:
    """The files of docs/howto/write-a-template.md as they are at its end."""
    page = (CONFIG.parent / "docs" / "howto" / "write-a-template.md").read_text(encoding="utf-8")
    return {name: yaml.safe_load(text) for name, text in re.findall(r"```yaml\n# (\S+)\n(.*?)```", page, re.DOTALL)}


def entry_of(cluster: Cluster, mesh: str) -> dict[str, Any]:
    found = cluster.get("mutatingwebhookconfiguration", "mesh-injector")["webhooks"]
    return next(entry for entry in found if entry["name"].startswith(f"{mesh}."))


def pods_of_web(cluster: Cluster) -> list[dict[str, Any]]:
    return list(cluster.get("pods", "-n", "stats", "-l", "app=web")["items"])


def example(namespace: str) -> list[dict[str, Any]]:
    """What config/tenant has in another namespace: RoleBinding, ConfigMap and Mesh."""
    command = (str(build.assets() / "kubectl"), "kustomize", str(CONFIG / "tenant"))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = list(yaml.safe_load_all(done.stdout))
    for one in found:
        one["metadata"]["namespace"] = namespace
    return found
