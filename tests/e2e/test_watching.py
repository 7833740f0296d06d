"""A replica that watches a real API server: killed, restarted, compacted, held back; and pods that come before the news of them."""

import asyncio
import contextlib
import json
import signal
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh_injector.errors import ClusterError
from mesh_injector.kube import client
from mesh_injector.kube.credentials import Credentials
from mesh_injector.kube.resource import MESHES, NAMESPACES, PODS, Resource
from tests.e2e import cluster as clusters
from tests.e2e import processes, webhook
from tests.e2e.cluster import Cluster, Network
from tests.e2e.conftest import Start
from tests.e2e.processes import eventually

CRDS = Path(__file__).parents[2] / "crds"
ACCOUNTS = Resource("api/v1", "serviceaccounts", "ServiceAccount")
TEMPLATE = "containers: [{name: envoy, image: 'envoy:v1'}]"
SELECTOR = {"matchLabels": {"team": "shop"}}
SPEC: dict[str, Any] = {
    "enableAutoInject": True,
    "injectionSelector": {"podSelector": {"matchLabels": {"app": "cart"}}, "namespaceSelector": SELECTOR},
    "sidecarPatchConfigMap": {"name": "envoy"},
}


def mesh(name: str = "payments", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": webhook.HOME}
    return {"apiVersion": MESHES.api_version, "kind": "Mesh", "metadata": metadata, "spec": {**SPEC, **spec}}


def template(text: str = TEMPLATE) -> dict[str, Any]:
    labels = {"mesh-injector.io/template": "true"}
    metadata = {"name": "envoy", "namespace": webhook.HOME, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"patch": text}}


def pod(name: str = "cart") -> dict[str, Any]:
    spec = {"containers": [{"name": "app", "image": "a:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "cart"}}, "spec": spec}


@contextlib.contextmanager
def watching(cluster: Cluster, folder: Path, kubeconfig: Path | None = None) -> Iterator[webhook.Replica]:
    """A replica on the cluster, registered for the pods of team shop by the path of its mesh."""
    cluster.kubectl("apply", "--server-side", "-f", str(CRDS)).ok()
    cluster.add_namespace(webhook.HOME)
    cluster.add_namespace("shop", team="shop")
    eventually(lambda: cluster.apply(mesh(), template()).code == 0, "the CRD is served")
    flags = (f"--kubeconfig={kubeconfig or cluster.kubeconfig}",)
    with webhook.serve(folder, Network.loopback(), "cluster", flags=flags) as replica:
        register(cluster, replica)
        yield replica


def register(cluster: Cluster, replica: webhook.Replica, *names: str) -> None:
    """Register meshes as the leader does, and wait until a pod gets there."""
    entries = []
    for name in names or ("payments",):
        generation = cluster.get("mesh", name, "-n", webhook.HOME)["metadata"]["generation"]
        url = f"{replica.url}/{webhook.HOME}/{name}/{generation}"
        written = webhook.registration(f"{name}.{webhook.HOME}", {"url": url}, replica.ca, namespaceSelector=SELECTOR)
        entries += written["webhooks"]
    cluster.apply({**written, "metadata": {"name": "mesh-injector"}, "webhooks": entries}).ok()
    before = replica.reviews()
    probe = ("create", "--dry-run=server", "-n", "shop", "-f", "-")
    eventually(
        lambda: cluster.kubectl(*probe, stdin=json.dumps(pod("probe"))).code == 0 and replica.reviews() > before, "the entry is in force"
    )


def image(cluster: Cluster) -> str:
    """What would be injected now; empty where nothing would."""
    ran = cluster.kubectl("create", "--dry-run=server", "-o", "json", "-n", "shop", "-f", "-", stdin=json.dumps(pod("probe")))
    found = (
        [one["image"] for one in json.loads(ran.ok())["spec"]["containers"] if one["name"] == "envoy"] if ran.code == 0 else [ran.stderr]
    )
    return "".join(found)


@contextlib.contextmanager
def away(cluster: Cluster, server: processes.Child) -> Iterator[None]:
    """Kill the API server, and run another one at the end of the block."""
    server.kill()
    yield
    RESTARTED.enter_context(processes.child(clusters._api_server(cluster), cluster.folder / "kube-apiserver.log"))
    eventually(cluster.is_ready, "the API server is ready again")


RESTARTED = contextlib.ExitStack()


@pytest.fixture
def cluster(start_cluster: Start) -> Iterator[Cluster]:
    """A cluster whose API server may be killed."""
    with start_cluster() as running, RESTARTED:
        yield running


def api_server_of(cluster: Cluster) -> processes.Child:
    return next(child for child in processes.running if child.log == cluster.folder / "kube-apiserver.log" and child.lives())


def restarts(replica: webhook.Replica, kind: str, reason: str) -> float:
    """How often watches of a kind began anew for a reason."""
    port = int(replica.process.said().rpartition("(health on ")[2].partition(")")[0])
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
        text = response.read().decode()
    name = f'mesh_injector_watch_restarts_total{{kind="{kind}",reason="{reason}"}} '
    return sum(float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name))


def test_changes_are_live_soon_also_after_the_api_server_was_killed_and_what_was_known_serves_meanwhile(
    cluster: Cluster, tmp_path: Path
) -> None:
    with watching(cluster, tmp_path) as replica:
        assert image(cluster) == "envoy:v1"
        cluster.apply(template(TEMPLATE.replace("v1", "v2"))).ok()
        eventually(lambda: image(cluster) == "envoy:v2", "the change is live", seconds=5)
        with away(cluster, api_server_of(cluster)):
            eventually(lambda: restarts(replica, "Mesh", "unreachable") > 1, "the replica has noticed", while_lives=(replica.process,))
        eventually(lambda: image(cluster) == "envoy:v2", "the replica is asked again")
        cluster.apply(template(TEMPLATE.replace("v1", "v3"))).ok()
        eventually(lambda: image(cluster) == "envoy:v3", "the change is live after the restart")
        cluster.kubectl("delete", "mesh", "payments", "-n", webhook.HOME).ok()
        eventually(lambda: image(cluster) == "", "the deletion is in force, and pods are let through")
        assert "Traceback" not in replica.process.said()


def test_after_a_compaction_the_replica_lists_again_and_finds_what_was_deleted(cluster: Cluster, tmp_path: Path) -> None:
    with watching(cluster, tmp_path) as replica:
        cluster.apply(mesh("other", priority=5), template()).ok()
        register(cluster, replica, "payments", "other")
        replica.process.freeze()
        cluster.kubectl("delete", "mesh", "other", "-n", webhook.HOME).ok()
        cluster.apply(template(TEMPLATE.replace("v1", "v2")), mesh(region="eu-west-1")).ok()
        with away(cluster, api_server_of(cluster)):
            compact(cluster)
        replica.process.thaw()
        register(cluster, replica)
        eventually(lambda: restarts(replica, "Mesh", "expired") >= 1, "the API server has forgotten the history")
        eventually(lambda: image(cluster) == "envoy:v2", "the change is in force")
        said = replica.process.said()
        assert said.rpartition("loaded ")[2].split()[0] == "meshes=1"
        assert "Traceback" not in said


def compact(cluster: Cluster) -> None:
    """Make etcd forget all history, by its gRPC gateway."""
    url = f"http://{cluster.network.address}:{cluster.network.ports[0]}/v3/kv"

    def ask(path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(f"{url}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read())

    revision = ask("range", {"key": "AA==", "limit": 1})["header"]["revision"]
    ask("compaction", {"revision": revision, "physical": True})


def test_of_pods_created_right_after_their_namespace_none_is_let_through(cluster: Cluster, tmp_path: Path) -> None:
    with watching(cluster, tmp_path) as replica:
        outcomes = asyncio.run(back_to_back(cluster, 200))
        assert set(outcomes) <= {"injected", "refused"}
        assert outcomes.count("injected") == 200, (outcomes.count("refused"), replica.process.tail())


def test_a_replica_whose_watch_is_held_back_injects_or_refuses(cluster: Cluster, tmp_path: Path) -> None:
    with holding(cluster.network.ports[1]) as proxy:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(cluster.kubeconfig.read_text().replace(str(cluster.network.ports[1]), str(proxy.port)))
        with watching(cluster, tmp_path, kubeconfig) as replica:
            proxy.hold()
            outcomes = asyncio.run(back_to_back(cluster, 30))
            assert set(outcomes) <= {"injected", "refused"}
            assert "injected" in outcomes
            cluster.apply(mesh(injectionSelector={"podSelector": {}, "namespaceSelector": SELECTOR})).ok()
            register(cluster, replica)
            other = {**pod("other"), "metadata": {"name": "other", "labels": {"app": "other"}}}
            made = cluster.kubectl("create", "--dry-run=server", "-o", "json", "-n", "shop", "-f", "-", stdin=json.dumps(other))
            assert "envoy:v1" in made.stdout if made.code == 0 else "MI504" in made.stderr
            assert "Traceback" not in replica.process.said()


async def back_to_back(cluster: Cluster, count: int) -> list[str]:
    """Create a namespace, its account and a pod in it, one right after the other."""
    outcomes = []
    async with client.connect(Credentials(str(cluster.kubeconfig))) as api:
        for number in range(count):
            name = f"hurry-{number}"
            labels = {"labels": {"team": "shop"}}
            await api.request("POST", NAMESPACES.path(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **labels}})
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
            await api.request("POST", ACCOUNTS.path(name), account)
            try:
                made = await api.request("POST", PODS.path(name), pod())
            except ClusterError as error:
                outcomes.append("refused" if "mesh-injector: [MI" in error.problem.what else str(error))
            else:
                outcomes.append("injected" if len(made["spec"]["containers"]) == 2 else "let through")
    return outcomes


class Holding:
    """A proxy that can stop passing on what comes over the connections there are."""

    def __init__(self, to: int) -> None:
        self.port, self._to = 0, to
        self._held = threading.Event()
        self._open: list[asyncio.Event] = []
        self._loop = asyncio.new_event_loop()

    def hold(self) -> None:
        """Pass on nothing more over the connections that are open now; new ones work."""
        for passing in tuple(self._open):
            self._loop.call_soon_threadsafe(passing.clear)

    async def serve(self, stop: asyncio.Event, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing = asyncio.Event()
        passing.set()
        self._open.append(passing)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            there = await asyncio.open_connection("127.0.0.1", self._to)
            ways = (_pass_on(reader, there[1], passing), _pass_on(there[0], writer, passing))
            try:
                await asyncio.gather(*ways)
            finally:
                for one in (there[1], writer):
                    one.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passing: asyncio.Event) -> None:
    try:
        while data := await reader.read(65536):
            await passing.wait()
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@contextlib.contextmanager
def holding(to: int) -> Iterator[Holding]:
    """Such a proxy to a port of this machine while the block lasts."""
    proxy, stop, ready = Holding(to), asyncio.Event(), threading.Event()

    def work() -> None:
        with asyncio.Runner(loop_factory=lambda: proxy._loop) as runner:
            runner.run(proxy.serve(stop, ready))

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(10)
    try:
        yield proxy
    finally:
        proxy._loop.call_soon_threadsafe(stop.set)
        thread.join()


def test_the_replica_ends_in_order_while_it_watches(cluster: Cluster, tmp_path: Path) -> None:
    with watching(cluster, tmp_path) as replica:
        replica.process.signal(signal.SIGTERM)
        assert replica.process.process.wait(30) == 0
        assert "Traceback" not in replica.process.said()
