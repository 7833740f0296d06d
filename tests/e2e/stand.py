"""Two replicas behind a Service, each on a host of its own: network namespaces inside `unshare`, which needs no root.

The API server finds the replicas by the Service's EndpointSlice (--enable-aggregator-routing), so a replica can be cut off, frozen, drained
and killed as in a real cluster. Load and faults stay inside.
"""

import contextlib
import itertools
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.e2e import cluster, processes, webhook
from tests.e2e.cluster import Cluster, Network

BRIDGE: Final = "10.1.0.1"
PORTS: Final = (8443, 8080)
HOSTS: Final = {"one": "10.1.0.11", "two": "10.1.0.12"}
"""The replicas and their addresses."""
SETUP: Final = """
mount -t tmpfs tmpfs /run
ip link set lo up
ip link add mesh0 type bridge
ip address add {bridge}/24 dev mesh0
ip link set mesh0 up
{hosts}
echo up
exec sleep infinity
"""
HOST: Final = """
ip netns add {name}
ip link add {name} type veth peer name eth0 netns {name}
ip link set {name} master mesh0 up
ip -n {name} address add {address}/24 dev eth0
ip -n {name} link set lo up
ip -n {name} link set eth0 up
"""


@dataclass
class Stand:
    """A cluster, its replicas by name, and those that the Service leads to."""

    cluster: Cluster
    enter: tuple[str, ...]
    source: Path | str
    flags: tuple[str, ...]
    running: contextlib.ExitStack
    replicas: dict[str, webhook.Replica] = field(default_factory=dict)
    ready: set[str] = field(default_factory=set)
    starts: Iterator[int] = field(default_factory=itertools.count)
    words: tuple[str, ...] = ()
    """What stands before the program of a replica that is added, such as `env` and variables."""

    def add(self, name: str) -> None:
        """Run a replica, and let the Service lead to it when it is ready."""
        network = Network(HOSTS[name], PORTS, (*self.enter, "ip", "netns", "exec", name, *self.words))
        folder, log = self.cluster.folder, f"{name}-{next(self.starts)}"
        self.replicas[name] = self.running.enter_context(webhook.serve(folder, network, self.source, log, folder / "tls", self.flags))
        self.enlist(name)

    def restart(self, name: str) -> int:
        """Put a new replica in the place of an old one as a Deployment does, and return the exit code of the old one.

        SIGTERM comes first; that the Service leads elsewhere is known a moment later.
        """
        old = self.replicas[name].process
        old.signal(signal.SIGTERM)
        self.drain(name)
        code = old.process.wait(30)
        self.add(name)
        return code

    def cut(self, name: str) -> None:
        """Pull a replica's cable: what is sent to it vanishes."""
        self._link(name, "down")

    def join(self, name: str) -> None:
        """Plug it in again."""
        self._link(name, "up")

    def drain(self, name: str) -> None:
        """Take a replica out of the Service, as a pod that is going away."""
        self.ready.discard(name)
        self._publish()

    def enlist(self, name: str) -> None:
        """Let the Service lead to a replica."""
        self.ready.add(name)
        self._publish()

    def _link(self, name: str, state: str) -> None:
        with processes.child((*self.enter, "ip", "link", "set", name, state), self.cluster.folder / "ip.log") as ip:
            assert ip.process.wait(10) == 0, ip.said()

    def _publish(self) -> None:
        """Write the Service's EndpointSlice, which in a real cluster follows the pods' readiness."""
        metadata = {"name": webhook.NAME, "namespace": webhook.HOME}
        port = {"name": "https", "port": PORTS[0], "protocol": "TCP"}
        self.cluster.apply(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {**metadata, "labels": {"kubernetes.io/service-name": webhook.NAME}},
                "addressType": "IPv4",
                "ports": [port],
                "endpoints": [{"addresses": [HOSTS[name]], "conditions": {"ready": True}} for name in sorted(self.ready)],
            },
        ).ok()

    def register(self, **fields: Any) -> None:
        """Register the Service as a webhook for pods."""
        client = {"service": {"name": webhook.NAME, "namespace": webhook.HOME, "path": "/mutate"}}
        ca = next(iter(self.replicas.values())).ca
        self.cluster.apply(webhook.registration("stand", client, ca, **fields)).ok()


@contextlib.contextmanager
def hosts(folder: Path) -> Iterator[tuple[str, ...]]:
    """Make the network namespaces while the block lasts, and give the words that bring a command there; they vanish with the last
    process in them."""
    made = "".join(HOST.format(name=name, address=address) for name, address in HOSTS.items())
    inside = ("unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-ec", SETUP.format(bridge=BRIDGE, hosts=made))
    folder.mkdir(parents=True, exist_ok=True)
    with processes.child(inside, folder / "namespaces.log") as holder:
        processes.eventually(lambda: holder.said().endswith("up\n"), "the network namespaces are made", while_lives=(holder,))
        namespaces = (f"--target={holder.process.pid}", "--user", "--net", "--mount")
        yield ("nsenter", *namespaces, "--preserve-credentials", f"--wd={Path.cwd()}", "--")


@contextlib.contextmanager
def start(folder: Path, source: Path) -> Iterator[Stand]:
    """Run a cluster and the replicas on a source while the block lasts."""
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context(hosts(folder))
        running = stack.enter_context(cluster.start(folder / "cluster", Network(BRIDGE, (2379, 6443), enter)))
        running.add_namespace(webhook.HOME)
        ports = [{"name": "https", "port": 443, "targetPort": PORTS[0]}]
        metadata = {"name": webhook.NAME, "namespace": webhook.HOME}
        running.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}}).ok()
        yield replicated(Stand(running, enter, source, (), stack))


def replicated(stand: Stand) -> Stand:
    """Run the replicas behind the Service, which is there already."""
    webhook.issue_certificate(stand.cluster.folder / "tls")
    for name in HOSTS:
        stand.add(name)
    return stand
