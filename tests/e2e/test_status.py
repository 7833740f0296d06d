"""`status` on a real cluster with controllers: who is injected, outdated, missed and left out, workload by workload."""

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.test_cluster import invoke
from tests.cli.test_examples import examples
from tests.e2e import processes, writer
from tests.e2e.cluster import Cluster
from tests.e2e.conftest import Start

CRD = Path(__file__).parents[2] / "crds" / "mesh-injector.io_meshes.yaml"
OLD = "sha256:" + "0" * 64


def record(mesh: str, digest: str) -> dict[str, str]:
    return {"mesh-injector.io/status": json.dumps({"version": 1, "mesh": mesh, "template": digest, "added": ["containers[envoy]"]})}


def template(app: str, annotations: dict[str, str] | None = None, **labels: str) -> dict[str, Any]:
    """What a workload makes pods of, as they are when the webhook has been there: a record, or none."""
    metadata = {"labels": {"app": app, **labels}, "annotations": annotations or {}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "app", "image": "a"}]}}


def deployment(name: str, replicas: int, annotations: dict[str, str] | None = None, **labels: str) -> dict[str, Any]:
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template(name, annotations, **labels)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


@pytest.fixture(scope="module")
def cluster(start_cluster: Start) -> Iterator[Cluster]:
    with start_cluster() as made, made.controllers():
        made.kubectl("apply", "--server-side", "-f", str(CRD)).ok()
        made.kubectl("wait", "--for=condition=Established", "crd/meshes.mesh-injector.io", "--timeout=60s").ok()
        made.add_namespace("mesh-system")
        made.add_namespace("shop")
        made.add_namespace("elsewhere")
        selector = {"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}
        made.apply(writer.a_template(), deployment("missed", 2)).ok()
        processes.eventually(lambda: len(pods(made)) == 2, "the pods that are older than the mesh are there")
        latest = max(one["metadata"]["creationTimestamp"] for one in pods(made))
        processes.eventually(lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" > latest, "it is another second")
        mesh = writer.a_mesh("payments", injectionSelector={**selector, "namespaceSelector": {"matchLabels": NAMED}})
        made.apply(mesh, writer.a_mesh("off", enableAutoInject=False)).ok()
        digest = digest_of(made)
        job: dict[str, Any] = {"template": {**template("job", record("mesh-system/payments", OLD))}}
        job["template"]["spec"]["restartPolicy"] = "Never"
        made.apply(
            deployment("good", 3, record("mesh-system/payments", digest)),
            deployment("old", 2, record("mesh-system/payments", OLD)),
            deployment("gone", 1, record("mesh-system/gone", OLD)),
            deployment("off", 1, record("mesh-system/off", OLD)),
            deployment("out", 1, None, **{"mesh-injector.io/inject": "false"}),
            deployment("torn", 1, None, **{"mesh-injector.io/mesh": "unknown"}),
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job", "namespace": "shop"}, "spec": job},
            {
                "apiVersion": "v1",
                "kind": "Pod",
                **template("bare"),
                "metadata": {"name": "bare", "namespace": "shop", "labels": {"app": "bare"}},
            },
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "other", "namespace": "elsewhere"}, "spec": template("other")["spec"]},
        ).ok()
        processes.eventually(lambda: len(pods(made)) == 13, "every pod is there")
        yield made


NAMED = {"kubernetes.io/metadata.name": "shop"}


def pods(cluster: Cluster) -> list[dict[str, Any]]:
    return list(cluster.get("pods", "-n", "shop")["items"])


def digest_of(cluster: Cluster) -> str:
    (mesh,) = [one for one in writer.read(cluster).loaded.meshes if one.name == "payments"]
    return mesh.digest


def status(cluster: Cluster, *arguments: str, kubeconfig: Path | None = None) -> tuple[int, Any, str]:
    code, out, err = invoke(cluster.folder, ["status", *arguments, "-o", "json", "--kubeconfig", str(kubeconfig or cluster.kubeconfig)])
    return code, json.loads(out) if out else {}, err


def test_each_workload_stands_as_its_pods_do(cluster: Cluster) -> None:
    code, found, err = status(cluster)
    told = {one["workload"]: (one["state"], len(one["pods"]), one["why"], one["move"]) for one in found["items"]}
    digest = digest_of(cluster).removeprefix("sha256:")[:12]

    def restart(name: str) -> str:
        return f"kubectl rollout restart deployment/{name} -n shop"

    newer = f"the mesh's template is {digest} now"
    torn = "now it would be refused: MeshUnknown: `mesh-injector.io/mesh: unknown` names no mesh that matches this pod"
    assert told == {
        "Deployment/good": ("injected", 3, None, None),
        "Deployment/old": ("outdated", 2, newer, restart("old")),
        "Deployment/gone": ("outdated", 1, "the mesh is gone", restart("gone")),
        "Deployment/off": ("outdated", 1, "the mesh is off", restart("off")),
        "Deployment/missed": ("missed", 2, "created before the mesh", restart("missed")),
        "Deployment/torn": ("missed", 1, torn, restart("torn")),
        "Deployment/out": ("left out", 1, "OptedOutByPod", None),
        "Job/job": ("outdated", 1, newer, "delete the pods of Job job -n shop, or let them end: the next ones are new"),
        "Pod/bare": ("missed", 1, told["Pod/bare"][2], "delete pod bare -n shop and create it from its manifest: nobody else does"),
    }
    assert str(told["Pod/bare"][2]).startswith("created ")
    assert (code, err.splitlines()[-1]) == (1, "14 pods: 3 injected, 5 outdated, 4 missed, 1 left out")


def test_what_is_asked_for_is_shown_and_nothing_else(cluster: Cluster) -> None:
    code, found, _ = status(cluster, "-n", "shop", "-l", "app=good")
    assert (code, [one["workload"] for one in found["items"]]) == (0, ["Deployment/good"])
    assert status(cluster, "-n", "elsewhere")[:2] == (0, {"items": [], "unseen": []})
    assert {one["workload"] for one in status(cluster, "--mesh", "gone")[1]["items"]} == {"Deployment/gone"}
    assert status(cluster, "-l", "=")[0] == 2


def test_people_get_a_table_and_the_commands(cluster: Cluster) -> None:
    code, out, _ = invoke(cluster.folder, ["status", "-n", "shop", "--kubeconfig", str(cluster.kubeconfig)])
    row = next(line.split() for line in out.splitlines() if "Deployment/old" in line)
    assert row[:6] == ["shop", "Deployment/old", "2", "outdated", "mesh-system/payments", "0" * 12]
    assert (code, "  kubectl rollout restart deployment/old -n shop" in out.splitlines()) == (1, True)
    _, wide, _ = invoke(cluster.folder, ["status", "-n", "shop", "-o", "wide", "--kubeconfig", str(cluster.kubeconfig)])
    assert "NAMES" in wide
    assert pods(cluster)[0]["metadata"]["name"] in wide


@pytest.mark.parametrize("example", examples("status"))
def test_the_examples_of_the_help_work(cluster: Cluster, example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESH_INJECTOR_KUBECONFIG", str(cluster.kubeconfig))
    assert invoke(cluster.folder, shlex.split(example)[1:])[0] in (0, 1)


def test_a_tenant_sees_his_own_namespace_and_is_told_what_he_cannot_see(cluster: Cluster) -> None:
    cluster.kubectl("create", "serviceaccount", "tenant", "-n", "shop").ok()
    cluster.kubectl("create", "rolebinding", "tenant", "-n", "shop", "--clusterrole=view", "--serviceaccount=shop:tenant").ok()
    rule = ("--verb=get,list", "--resource=meshes.mesh-injector.io")
    cluster.kubectl("create", "role", "meshes", "-n", "shop", *rule).ok()
    cluster.kubectl("create", "rolebinding", "meshes", "-n", "shop", "--role=meshes", "--serviceaccount=shop:tenant").ok()
    config: Any = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    config["users"][0]["user"] = {"token": cluster.token_of("shop", "tenant")}
    own = cluster.folder / "tenant.kubeconfig"
    own.write_text(yaml.safe_dump(config), encoding="utf-8")
    processes.eventually(lambda: status(cluster, "-n", "shop", kubeconfig=own)[0] == 0, "the authorizer has seen it")
    _, found, err = status(cluster, "-n", "shop", kubeconfig=own)
    why = {one["workload"]: (one["state"], one["why"]) for one in found["items"]}
    assert why["Deployment/old"] == ("injected", "the mesh cannot be seen")
    assert found["unseen"] == ["the Meshes of other namespaces, needs `list meshes.mesh-injector.io`"]
    assert "needs `list meshes.mesh-injector.io`" in err
    assert status(cluster, kubeconfig=own)[0] == 4
