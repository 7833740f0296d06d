"""A Kubernetes cluster without nodes: etcd and an API server in seconds, and controllers on request, which make pods that stay Pending.

Source of the flags: https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/
"""

import contextlib
import json
import secrets
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.e2e import processes
from tests.e2e.controlplane import build

SERVICES: Final = "10.0.0.0/24"
CONTROLLERS: Final = (
    "serviceaccount",
    "namespace",
    "garbagecollector",
    "deployment",
    "replicaset",
    "statefulset",
    "daemonset",
    "job",
    "cronjob",
    "clusterrole-aggregation",
)
"""What makes pods of workloads, gives a namespace its default account, fills the roles `admin` to `view`, and cleans up."""


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    stdout: str
    stderr: str

    def ok(self) -> str:
        """Its output, where it succeeded."""
        assert self.code == 0, self.stderr
        return self.stdout


@dataclass(frozen=True)
class Network:
    """Where a cluster lives: its address, its two ports (etcd, API server), and the words that bring a command there."""

    address: str
    ports: tuple[int, int]
    enter: tuple[str, ...] = ()

    @classmethod
    def loopback(cls) -> "Network":
        """This machine's loopback, with free ports."""
        etcd, api = processes.free_ports(2)
        return cls("127.0.0.1", (etcd, api))


@dataclass(frozen=True)
class Cluster:
    """A running cluster, seen by its administrator."""

    folder: Path
    network: Network
    token: str

    @property
    def url(self) -> str:
        """The API server."""
        return f"https://{self.network.address}:{self.network.ports[1]}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "kubeconfig"

    def tls(self) -> ssl.SSLContext:
        """What verifies the API server."""
        return ssl.create_default_context(cafile=str(self.folder / "pki" / "apiserver.crt"))

    def is_ready(self) -> bool:
        """Whether the API server answers."""
        return self.kubectl("get", "--raw=/readyz", "--request-timeout=2s").code == 0

    def kubectl(self, *arguments: str, stdin: str = "", token: str = "") -> Ran:
        """Run kubectl as a user does, with the administrator's rights or those of a token."""
        identity = (f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self.folder / 'cache'}", *((f"--token={token}",) if token else ()))
        command = (*self.network.enter, str(build.assets() / "kubectl"), *identity, *arguments)
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)
        return Ran(done.returncode, done.stdout, done.stderr)

    def get(self, *arguments: str) -> Any:
        """Read objects as JSON."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json").ok())

    def apply(self, *documents: Any) -> Ran:
        """Apply documents."""
        return self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))

    def create(self, *documents: Any) -> Ran:
        """Create objects; of several, those that are not refused."""
        return self.kubectl("create", "-f", "-", stdin=yaml.safe_dump_all(documents))

    def add_namespace(self, name: str, **labels: str) -> None:
        """Make a namespace and the account that its pods run under."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        self.apply(namespace).ok()
        account = self.kubectl("create", "serviceaccount", "default", "-n", name)
        assert account.code == 0 or "already exists" in account.stderr, account.stderr  # a controller may be quicker

    def token_of(self, namespace: str, account: str) -> str:
        """Get a token with a service account's own rights."""
        return self.kubectl("create", "token", account, "-n", namespace).ok().strip()

    @contextlib.contextmanager
    def controllers(self, names: Sequence[str] = CONTROLLERS) -> Iterator[processes.Child]:
        """Run some of the controllers while the block lasts."""
        command: tuple[str | Path, ...] = (
            *self.network.enter,
            build.assets() / "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={self.folder / 'accounts.key'}",
            f"--controllers={','.join(names)}",
            *("--leader-elect=false", "--secure-port=0", "--concurrent-deployment-syncs=1", "--kube-api-qps=500", "--kube-api-burst=1000"),
        )
        with processes.child(command, self.folder / "controllers.log") as manager:
            yield manager


@contextlib.contextmanager
def start(folder: Path, network: Network | None = None) -> Iterator[Cluster]:
    """Run etcd and an API server while the block lasts. The server goes first at the end: without etcd it would hang."""
    cluster = Cluster(folder, network or Network.loopback(), secrets.token_hex(16))
    folder.mkdir(parents=True, exist_ok=True)
    _write_identities(cluster)
    with (
        processes.child(_etcd(cluster), folder / "etcd.log") as etcd,
        processes.child(_api_server(cluster), folder / "kube-apiserver.log") as server,
    ):
        certificate = folder / "pki" / "apiserver.crt"
        processes.eventually(certificate.exists, "the API server makes its certificate", while_lives=(etcd, server))
        processes.eventually(cluster.is_ready, "the API server is ready", while_lives=(etcd, server))
        yield cluster


def _write_identities(cluster: Cluster) -> None:
    """Write the administrator's token and kubeconfig, and the key that signs the tokens of service accounts."""
    (cluster.folder / "tokens.csv").write_text(f"{cluster.token},admin,1,system:masters\n")
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    (cluster.folder / "accounts.key").write_bytes(key)
    server = {"server": cluster.url, "certificate-authority": str(cluster.folder / "pki" / "apiserver.crt")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tests",
        "clusters": [{"name": "tests", "cluster": server}],
        "users": [{"name": "admin", "user": {"token": cluster.token}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}],
    }
    cluster.kubeconfig.write_text(yaml.safe_dump(config))


def _etcd(cluster: Cluster) -> list[str | Path]:
    url = f"http://{cluster.network.address}:{cluster.network.ports[0]}"
    return [
        *cluster.network.enter,
        build.assets() / "etcd",
        f"--data-dir={cluster.folder / 'etcd'}",
        *(f"--listen-client-urls={url}", f"--advertise-client-urls={url}"),
        *("--listen-peer-urls=http://127.0.0.1:0", "--unsafe-no-fsync", "--log-level=warn"),
    ]


def _api_server(cluster: Cluster) -> list[str | Path]:
    address, (etcd, port), key = cluster.network.address, cluster.network.ports, cluster.folder / "accounts.key"
    return [
        *cluster.network.enter,
        build.assets() / "kube-apiserver",
        f"--etcd-servers=http://{address}:{etcd}",
        *(f"--bind-address={address}", f"--advertise-address={address}", f"--secure-port={port}"),
        *(f"--cert-dir={cluster.folder / 'pki'}", f"--token-auth-file={cluster.folder / 'tokens.csv'}"),
        *("--authorization-mode=RBAC", "--allow-privileged=true", f"--service-cluster-ip-range={SERVICES}"),
        *("--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={key}"),
        *(f"--service-account-signing-key-file={key}", "--endpoint-reconciler-type=none"),
        *("--enable-aggregator-routing=true", "--max-requests-inflight=800", "--max-mutating-requests-inflight=400"),
    ]
