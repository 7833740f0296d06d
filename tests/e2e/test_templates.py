"""What templates/ brings is what a real API server takes, as pods of a Deployment, a Job and alone, under restricted Pod Security too."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from mesh_injector import directory, workloads
from tests.e2e import processes, webhook
from tests.e2e.cluster import Cluster, Network

FOLDER: Final = Path(__file__).parents[2] / "templates"
NAMES: Final = sorted(folder.name for folder in FOLDER.iterdir())
RESTRICTED: Final = "pod-security.kubernetes.io/enforce=restricted"
BRINGS: Final = {"app-mesh": ["proxyinit", "envoy"], "envoy": ["envoy"]}
"""The init containers of each template; those that are not named bring one of their own name."""


@pytest.fixture(scope="module")
def replica(with_controllers: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webhook.Replica]:
    """The webhook on all templates at once, asked about a namespace that restricts pods and one that does not."""
    for namespace in ("templates", "templates-open"):
        with_controllers.add_namespace(namespace)
    with webhook.serve(tmp_path_factory.mktemp("templates"), Network.loopback(), FOLDER) as running:
        restricted = webhook.registered(with_controllers, "templates", running, "templates")
        with webhook.registered(with_controllers, "templates-open", running, "templates-open"), restricted:
            with_controllers.kubectl("label", "namespace", "templates", RESTRICTED).ok()
            yield running


def pod(name: str, namespace: str) -> dict[str, Any]:
    """The pod of a template's example application, with a service account that is there."""
    (document,) = directory.read([str(FOLDER / name / "app.yaml")]).documents
    found = workloads.find(document.body)
    assert found is not None
    made = copy.deepcopy(found.pod)
    made["metadata"] |= {"name": name, "namespace": namespace}
    made["spec"] = {**made["spec"], "serviceAccountName": "default"}
    return {"apiVersion": "v1", "kind": "Pod", **made}


def as_workload(kind: str, name: str, namespace: str) -> dict[str, Any]:
    """The same pod of a controller."""
    template = pod(name, namespace)
    labels = template["metadata"]["labels"]
    spec: dict[str, Any] = {"template": {"metadata": template["metadata"], "spec": template["spec"]}}
    for field in ("name", "namespace"):
        del template["metadata"][field]
    if kind == "Deployment":
        spec["selector"] = {"matchLabels": labels}
        template["spec"].pop("restartPolicy", None)
    else:
        template["spec"]["restartPolicy"] = "Never"
    version = "batch/v1" if kind == "Job" else "apps/v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": f"{name}-{kind.lower()}", "namespace": namespace}, "spec": spec}


def brought(made: dict[str, Any]) -> list[str]:
    return [container["name"] for container in made["spec"].get("initContainers", ())]


def where(name: str) -> str:
    return "templates-open" if name == "app-mesh" else "templates"


@pytest.mark.parametrize("name", NAMES)
def test_the_api_server_takes_the_injected_pod(with_controllers: Cluster, replica: webhook.Replica, name: str) -> None:
    with_controllers.create(pod(name, where(name))).ok()
    made = with_controllers.get("pod", name, "-n", where(name))
    assert brought(made) == BRINGS.get(name, [name])
    with_controllers.kubectl("delete", "pod", name, "-n", where(name), "--grace-period=0", "--force").ok()


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
@pytest.mark.parametrize("name", NAMES)
def test_a_controller_makes_the_injected_pod(with_controllers: Cluster, replica: webhook.Replica, kind: str, name: str) -> None:
    namespace = where(name)
    with_controllers.apply(as_workload(kind, name, namespace)).ok()
    prefix = f"{name}-{kind.lower()}-"

    def pods() -> list[dict[str, Any]]:
        found = with_controllers.get("pods", "-n", namespace)["items"]
        return [one for one in found if one["metadata"]["name"].startswith(prefix)]

    made = processes.eventually(pods, "its controller makes a pod")
    assert {tuple(brought(one)) for one in made} == {tuple(BRINGS.get(name, [name]))}


def test_where_pods_are_restricted_app_mesh_is_what_they_forbid(with_controllers: Cluster, replica: webhook.Replica) -> None:
    done = with_controllers.create(pod("app-mesh", "templates"))
    assert done.code == 1
    assert 'violates PodSecurity "restricted' in done.stderr
    assert "NET_ADMIN" in done.stderr
