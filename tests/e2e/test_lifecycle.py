"""From installing to uninstalling, by kubectl and by Helm: two versions side by side, re-applied by GitOps, rolled back, nothing left."""

import contextlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import cluster, installation, processes, stand, webhook
from tests.e2e.cluster import Cluster, Network
from tests.e2e.controlplane import build
from tests.e2e.stand import Stand

ROOT = Path(__file__).parents[2]
MESH, CONFIG_MAP = yaml.safe_load_all((ROOT / "config" / "samples" / "mesh-payments.yaml").read_text(encoding="utf-8"))
OTHER = {
    "name": "a.other.example",
    "clientConfig": {"url": "https://127.0.0.1:1/"},
    "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
    "objectSelector": {"matchLabels": {"other": "asks"}},
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}
KEPT_BY_HELM = {
    ("CustomResourceDefinition", "<none>/meshes.mesh-injector.io"),
    ("APIService", "<none>/v1alpha1.mesh-injector.io"),  # an API server makes one for each version of a CRD
    ("Namespace", "<none>/mesh-system"),
    ("ServiceAccount", "mesh-system/default"),
}
COLUMNS = "-o=custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name"


def command(where: Cluster, *words: str, stdin: str = "") -> str:
    return where.kubectl(*words, stdin=stdin).ok()


def helm(where: Cluster, *words: str) -> str:
    """Run Helm as a user does, with the administrator's rights."""
    with processes.child(
        (*where.network.enter, build.assets() / "helm", f"--kubeconfig={where.kubeconfig}", "-n", webhook.HOME, *words),
        where.folder / f"helm-{words[0]}.log",
    ) as child:
        code = child.process.wait(120)
        assert code == 0, child.tail()
        return child.said()


def manifests(tag: str) -> str:
    """What `mesh-injector manifests` prints for an image."""
    from typer.testing import CliRunner

    from mesh_injector.cli import app

    return CliRunner().invoke(app.app, ["manifests", "--image", f"example.com/mesh-injector:{tag}"]).stdout


@dataclass(frozen=True)
class Way:
    """How people install: bring a version, go back to the first one, take everything away."""

    name: str
    bring: Callable[[Cluster, str], object]
    back: Callable[[Cluster], object]
    remove: Callable[[Cluster], object]


def deleted(where: Cluster) -> None:
    """The two commands of the page."""
    command(where, "delete", "mutatingwebhookconfiguration,validatingwebhookconfiguration", "mesh-injector")
    command(where, "delete", "-f", "-", "--ignore-not-found", stdin=manifests("1"))


RELEASE = ("mesh-injector", str(ROOT / "charts" / "mesh-injector"), "--create-namespace", "--install", "--set-string")
KUBECTL = Way(
    "kubectl",
    lambda where, tag: command(where, "apply", "-f", "-", stdin=manifests(tag)),
    lambda where: command(where, "apply", "-f", "-", stdin=manifests("1")),
    deleted,
)
HELM = Way(
    "helm",
    lambda where, tag: helm(where, "upgrade", *RELEASE, f"image.repository=example.com/mesh-injector,image.tag={tag}"),
    lambda where: helm(where, "rollback", "mesh-injector", "1"),
    lambda where: helm(where, "uninstall", "mesh-injector"),
)


@pytest.fixture(params=[KUBECTL, HELM], ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stand]:
    """A cluster with hosts for two replicas, in which others live already: a webhook, and pods of kube-system."""
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context(stand.hosts(tmp_path))
        running = stack.enter_context(cluster.start(tmp_path / "cluster", Network(stand.BRIDGE, (2379, 6443), enter)))
        stack.enter_context(running.controllers())
        running.add_namespace("shop", team="shop")
        kind = "MutatingWebhookConfiguration"
        running.apply(
            {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "other"}, "webhooks": [OTHER]}
        ).ok()
        running.kubectl("create", "deployment", "dns", "--image=dns:1", "-n", "kube-system").ok()
        processes.eventually(lambda: running.get("pods", "-n", "kube-system")["items"], "the pod of kube-system is there")
        yield Stand(running, enter, "cluster", (), stack)


def another_version(folder: Path) -> tuple[str, ...]:
    """Copy the program, as a release that calls itself 9.9.9, and give the words that make Python run it."""
    copy = folder / "newer"
    shutil.copytree(ROOT / "mesh_injector", copy / "mesh_injector", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "mesh_injector" / "__init__.py").write_text('"""The next release."""\n\n__version__ = "9.9.9"\n', encoding="utf-8")
    return ("env", f"PYTHONPATH={copy}", "PYTHONSAFEPATH=1")


def versions(made: Stand) -> list[str]:
    """What each replica says that it is."""
    ask = "import urllib.request as u; print(u.urlopen('http://{}:8080/metrics').read().decode())"
    found = []
    for name in made.replicas:
        words = (*made.enter, "ip", "netns", "exec", name, sys.executable, "-c", ask.format(stand.HOSTS[name]))
        with processes.child(words, made.cluster.folder / f"metrics-{name}-{next(made.starts)}.log") as child:
            assert child.process.wait(30) == 0
            found += [line.split('"')[1] for line in child.said().splitlines() if line.startswith("mesh_injector_build_info")]
    return found


def everything(where: Cluster) -> set[tuple[str, str]]:
    """All objects of the cluster but events: resource or kind with its name, and namespace."""
    resources = [name for name in command(where, "api-resources", "--verbs=list", "-o", "name").split() if not name.startswith("events")]
    lines = command(where, "get", ",".join(resources), "-A", "--no-headers", "--ignore-not-found", COLUMNS).splitlines()
    return {(kind, f"{namespace}/{name}") for kind, namespace, name in map(str.split, lines)}


def others(where: Cluster) -> Any:
    """What is not ours, to the last change of it."""
    system = where.get("pods,deployments,replicasets,serviceaccounts,roles,rolebindings", "-n", "kube-system")["items"]
    webhook_of_others = where.get("mutatingwebhookconfiguration", "other")
    return [(one["kind"], one["metadata"]["name"], one["metadata"]["resourceVersion"]) for one in (*system, webhook_of_others)]


def entries(where: Cluster) -> Any:
    return where.get("mutatingwebhookconfiguration", "mesh-injector").get("webhooks")


def a_pod(where: Cluster, name: str) -> Any:
    labels = {"app": "cart", "mesh-injector.io/virtual-node": "cart-vn"}
    container = {"name": "app", "image": "shop/cart:1", "ports": [{"containerPort": 80}]}
    metadata = {"name": name, "namespace": "shop", "labels": labels}
    where.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}).ok()
    return where.get("pod", name, "-n", "shop")


def injected(pod: Any) -> tuple[Any, str]:
    """What was injected, without the token's mount, whose name is random, and the digest of the template in the record."""
    record = json.loads(pod["metadata"]["annotations"]["mesh-injector.io/status"])
    (sidecar,) = (one for one in pod["spec"]["containers"] if one["name"] == "envoy")
    mounts = [one for one in sidecar["volumeMounts"] if not one["name"].startswith("kube-api-access-")]
    return {**sidecar, "volumeMounts": mounts}, record["template"]


def test_a_life_from_installing_to_uninstalling(way: Way, stage: Stand, tmp_path: Path) -> None:
    before, untouched = everything(stage.cluster), others(stage.cluster)
    first = it_is_installed_and_injects(way, stage)
    applying_again_keeps_the_entries(way, stage.cluster)
    newer = another_version(tmp_path)
    two_versions_serve_side_by_side(way, stage, newer, first)
    it_goes_back(way, stage, first)
    assert others(stage.cluster) == untouched
    nothing_is_left_behind(way, stage, before)
    assert others(stage.cluster) == untouched


def it_is_installed_and_injects(way: Way, stage: Stand) -> Any:
    where = stage.cluster
    way.bring(where, "1")
    command(where, "wait", "--for=condition=Established", "crd/meshes.mesh-injector.io")
    stage.flags = (f"--kubeconfig={installation.kubeconfig(where)}", "--tls-secret=mesh-injector-tls")
    stand.replicated(stage)
    where.apply(MESH, CONFIG_MAP).ok()
    command(where, "wait", "--for=condition=Ready", "mi/payments", "-n", webhook.HOME, "--timeout=60s")
    return injected(a_pod(where, "first"))


def applying_again_keeps_the_entries(way: Way, where: Cluster) -> None:
    """By the same tool without a change, by kubectl, and by another manager's server-side apply that takes over what it names."""
    written, certificate = entries(where), where.get("secret", "mesh-injector-tls", "-n", webhook.HOME)["data"]
    holder = where.get("lease", "mesh-injector", "-n", webhook.HOME)["spec"]["holderIdentity"]
    way.bring(where, "1")
    command(where, "apply", "-f", "-", stdin=manifests("1"))
    command(where, "apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller", "-f", "-", stdin=manifests("1"))
    way.bring(where, "1")
    assert entries(where) == written
    assert where.get("secret", "mesh-injector-tls", "-n", webhook.HOME)["data"] == certificate
    assert {"tls.crt", "tls.key", "ca.crt"} <= certificate.keys()
    assert where.get("lease", "mesh-injector", "-n", webhook.HOME)["spec"]["holderIdentity"] == holder


def two_versions_serve_side_by_side(way: Way, stage: Stand, newer: tuple[str, ...], first: Any) -> None:
    """What they write is the same, and neither works on what the other one injected."""
    where, written = stage.cluster, entries(stage.cluster)
    way.bring(where, "2")
    assert image(where).endswith(":2")
    stage.words = newer
    assert stage.restart("one") == 0
    assert sorted(versions(stage)) == ["0.1.0", "9.9.9"]
    for name in ("one", "two"):
        stage.drain(name)
        assert injected(a_pod(where, f"by-the-other-than-{name}")) == first
        stage.enlist(name)
    again = where.get("pod", "by-the-other-than-one", "-n", "shop")
    again["metadata"] = {key: again["metadata"][key] for key in ("namespace", "labels", "annotations")} | {"name": "again"}
    where.create(again).ok()
    assert where.get("pod", "again", "-n", "shop")["metadata"]["annotations"] == again["metadata"]["annotations"]
    assert stage.restart("two") == 0
    assert versions(stage) == ["9.9.9", "9.9.9"]
    assert injected(a_pod(where, "by-the-newer")) == first
    assert entries(where) == written


def it_goes_back(way: Way, stage: Stand, first: Any) -> None:
    way.back(stage.cluster)
    assert image(stage.cluster).endswith(":1")
    stage.words = ()
    assert [stage.restart("one"), stage.restart("two")] == [0, 0]
    assert versions(stage) == ["0.1.0", "0.1.0"]
    assert injected(a_pod(stage.cluster, "by-the-older")) == first


def nothing_is_left_behind(way: Way, stage: Stand, before: set[tuple[str, str]]) -> None:
    """The registration goes before the replicas do, so that no pod is refused in between."""
    where, home = stage.cluster, ("-n", webhook.HOME)
    events = [
        stage.running.enter_context(watched(where, "mutatingwebhookconfiguration/mesh-injector")),
        stage.running.enter_context(watched(where, "deployment/mesh-injector", *home)),
    ]
    way.remove(where)
    registration, deployment = (processes.eventually(lambda log=log: gone(log), f"{log.name} is gone") for log in events)  # type: ignore[misc]
    assert registration < deployment
    for replica in stage.replicas.values():
        replica.process.kill()
    assert "mesh-injector.io/status" not in a_pod(where, "after")["metadata"].get("annotations", {})
    where.kubectl("delete", "endpointslice", "mesh-injector", *home, "--ignore-not-found").ok()
    where.kubectl("delete", "mi,configmap", "--all", *home, "--ignore-not-found")  # the user's own, where the CRD is kept
    where.kubectl("delete", "pods", "--all", "-n", "shop", "--force", "--grace-period=0").ok()
    kept = KEPT_BY_HELM if way is HELM else set()
    with contextlib.suppress(AssertionError):  # what is left is told below
        processes.eventually(lambda: everything(where) == before | kept, "nothing is left behind")
    assert everything(where) == before | kept


def image(where: Cluster) -> str:
    found: str = where.get("deployment", "mesh-injector", "-n", webhook.HOME)["spec"]["template"]["spec"]["containers"][0]["image"]
    return found


@contextlib.contextmanager
def watched(where: Cluster, name: str, *flags: str) -> Iterator[processes.Child]:
    """Write down what happens to an object while the block lasts, beginning when the watch has."""
    words: tuple[str | Path, ...] = (
        *where.network.enter,
        build.assets() / "kubectl",
        f"--kubeconfig={where.kubeconfig}",
        "get",
        name,
        *flags,
    )
    columns = "-o=jsonpath={.type} {.object.metadata.resourceVersion}{'\\n'}"
    with processes.child(
        (*words, "--watch", "--output-watch-events", columns), where.folder / f"watch-{name.replace('/', '-')}.log"
    ) as child:
        processes.eventually(child.said, f"{name} is watched", while_lives=(child,))
        yield child


def gone(log: processes.Child) -> int:
    """The revision at which an object was deleted for the last time; 0 where it was not."""
    return max((int(line.split()[1]) for line in log.said().splitlines() if line.startswith("DELETED")), default=0)
