"""Two replicas of which one leads: frozen, cut off, killed and told to end, there is always one soon, and never a write by two."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import processes, stand, writer
from tests.e2e.processes import Child
from tests.e2e.stand import HOSTS, Stand
from tests.e2e.writer import CONFIGURATION, HOME

REPO = Path(__file__).parents[2]
LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "mesh-injector", "namespace": HOME}}
PORTS = (9443, 9080)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """The stand with what an installation brings, and a Mesh."""
    with stand.start(tmp_path_factory.mktemp("leaders"), REPO / "config" / "samples") as running:
        cluster = running.cluster
        cluster.kubectl("apply", "--server-side", "-f", str(REPO / "crds" / "mesh-injector.io_meshes.yaml")).ok()
        cluster.kubectl("wait", "--for=condition=Established", "crd/meshes.mesh-injector.io", "--timeout=60s").ok()
        cluster.apply(writer.SHIPPED, LEASE, writer.a_template(), writer.a_mesh("payments")).ok()
        yield running


@contextlib.contextmanager
def replica(made: Stand, name: str) -> Iterator[Child]:
    """Run a replica on the cluster, beside the one that the stand runs on files."""
    cluster = made.cluster
    command = (
        *(*made.enter, "ip", "netns", "exec", name, sys.executable, "-m", "mesh_injector", "serve", "--source=cluster"),
        *(f"--kubeconfig={cluster.kubeconfig}", f"--tls-dir={cluster.folder / 'tls'}", f"--host={HOSTS[name]}"),
        *(f"--port={PORTS[0]}", f"--health-port={PORTS[1]}", f"--service={HOME}/mesh-injector"),
    )
    number = next(made.starts)
    with processes.child(command, cluster.folder / f"leader-{name}-{number}.log") as process:
        try:
            yield process
        finally:
            process.kill()


def holder(made: Stand) -> str:
    lease = made.cluster.get("lease", "mesh-injector", "-n", HOME)
    return str(lease.get("spec", {}).get("holderIdentity", ""))


def writer_of(made: Stand) -> str:
    """Whose name stands in the configuration: the last one that wrote."""
    found = made.cluster.get("mutatingwebhookconfiguration", CONFIGURATION)
    return str(found["metadata"].get("annotations", {}).get("mesh-injector.io/leader", "")).partition("/")[0]


def leads(one: Child) -> bool:
    return one.said().count("] leading") > one.said().count("no longer leading")


@pytest.mark.parametrize("fault", ["frozen", "cut", "killed", "ended"])
def test_another_leads_when_the_leader_is(made: Stand, fault: str) -> None:
    cluster = made.cluster
    with replica(made, "one") as one, replica(made, "two") as two:
        replicas = {"one": one, "two": two}
        processes.eventually(lambda: any(map(leads, replicas.values())), "one leads", 90)
        first = next(name for name, each in replicas.items() if leads(each))
        old, new = (one, two) if first == "one" else (two, one)
        processes.eventually(lambda: writer_of(made) == holder(made), "it has written its name")
        before = holder(made)
        assert not leads(new)
        break_it(made, first, old, fault)
        processes.eventually(lambda: leads(new), "the other leads", 90)
        assert holder(made) != before
        if fault == "cut":
            assert "no longer leading" in old.said()  # before its lease ran out, so before the other began
            made.join(first)
        old.thaw()
        cluster.apply(writer.a_mesh(fault)).ok()
        cluster.kubectl("wait", "--for=condition=Ready", f"mi/{fault}", "-n", HOME, "--timeout=60s").ok()
        if fault in ("frozen", "cut"):
            processes.eventually(lambda: "no longer leading" in old.said(), "the old one has understood")
        assert writer_of(made) == holder(made) != before
        assert [each for each in (old, new) if "Traceback" in each.said()] == []


def break_it(made: Stand, name: str, one: Child, fault: str) -> None:
    if fault == "frozen":
        one.freeze()
    elif fault == "cut":
        made.cut(name)
    elif fault == "killed":
        one.kill()
    else:
        one.signal(signal.SIGTERM)
