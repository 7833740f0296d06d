"""The webhook as an installation runs it: `mesh-injector serve` as a process of its own, and a registration written by hand.

`Recorder` stands before it in a cluster and keeps every AdmissionReview as it came over the wire.
"""

import base64
import contextlib
import http.server
import json
import ssl
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from mesh_injector import certs
from tests.e2e import processes
from tests.e2e.cluster import Cluster, Network

NAME: Final = "mesh-injector"
HOME: Final = "mesh-system"
SERVICE: Final = f"{NAME}.{HOME}.svc"


@dataclass(frozen=True)
class Replica:
    """A running webhook: its process, its address and port, and the CA in PEM that signed its certificate (empty: it is in a Secret)."""

    process: processes.Child
    address: str
    port: int
    ca: bytes

    @property
    def url(self) -> str:
        """Where it takes reviews."""
        return f"https://{self.address}:{self.port}/mutate"

    def reviews(self) -> int:
        """Count the reviews that it has answered."""
        return self.process.said().count(" outcome=")


def issue_certificate(folder: Path, *hosts: str) -> certs.Pair:
    """Write a certificate for the Service and these hosts into a folder as a Secret is mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    pair = certs.issue([SERVICE, *hosts], datetime.now(UTC))
    for name, content in {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": pair.ca}.items():
        (folder / name).write_bytes(content)
    return pair


@contextlib.contextmanager
def serve(
    folder: Path, network: Network, source: Path | str, name: str = NAME, tls: Path | None = None, flags: Sequence[str] = ()
) -> Iterator[Replica]:
    """Run `mesh-injector serve` on a source while the block lasts, on the network's two ports: reviews, and health.

    At the end it is killed, since after a SIGTERM it would go on accepting for some seconds.
    """
    tls = tls or folder / "tls"
    has_folder = not any(flag.startswith("--tls-secret=") for flag in flags)
    if has_folder and not tls.exists():
        issue_certificate(tls, network.address)
    command = (
        *(*network.enter, sys.executable, "-m", "mesh_injector", "serve", "-v", f"--source={source}"),
        *((f"--tls-dir={tls}",) if has_folder else ()),
        *(f"--host={network.address}", f"--port={network.ports[0]}", f"--health-port={network.ports[1]}"),
        *flags,
    )
    with processes.child(command, folder / f"{name}.log") as process:
        processes.eventually(lambda: "ready: " in process.said(), f"{name} is ready", while_lives=(process,))
        try:
            yield Replica(process, network.address, network.ports[0], (tls / "ca.crt").read_bytes() if has_folder else b"")
        finally:
            process.kill()


def registration(name: str, client: dict[str, Any], ca: bytes, **fields: Any) -> dict[str, Any]:
    """Write a MutatingWebhookConfiguration with one entry for the creation of pods, as the contract registers meshes."""
    entry = {
        "name": f"{name}.mesh-injector.io",
        "clientConfig": {**client, "caBundle": base64.b64encode(ca).decode()},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "Namespaced"}],
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "reinvocationPolicy": "IfNeeded",
        "timeoutSeconds": 5,
        **fields,
    }
    kind = "MutatingWebhookConfiguration"
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "webhooks": [entry]}


@contextlib.contextmanager
def registered(cluster: Cluster, name: str, replica: Replica, namespace: str) -> Iterator[None]:
    """Register a replica by URL for the pods of a namespace while the block lasts, which begins when the API server asks it."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    cluster.apply(registration(name, {"url": replica.url}, replica.ca, namespaceSelector=selector)).ok()
    before = replica.reviews()
    probe = ("run", "probe", "--image=a", "-n", namespace, "--dry-run=server")
    processes.eventually(lambda: cluster.kubectl(*probe).code == 0 and replica.reviews() > before, "the registration is in force")
    try:
        yield
    finally:
        cluster.kubectl("delete", "mutatingwebhookconfiguration", name).ok()


@dataclass
class Recorder:
    """Answers yes to every review and keeps it, byte for byte."""

    port: int
    ca: bytes
    bodies: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.port}/"

    def of(self, case: str, operation: str) -> list[bytes]:
        """Find the reviews of an operation on objects that carry the label `case`."""
        return [body for body in self.bodies if (case, operation) == _about(json.loads(body)["request"])]


def _about(request: dict[str, Any]) -> tuple[str, str]:
    labels = (request["object"] or request["oldObject"])["metadata"]["labels"]
    return labels["case"], request["operation"]


@contextlib.contextmanager
def record(folder: Path) -> Iterator[Recorder]:
    """Run a recorder on a free port of loopback while the block lasts."""
    pair = issue_certificate(folder, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        recorder = Recorder(server.server_port, pair.ca)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                recorder.bodies.append(body)
                response = {"uid": json.loads(body)["request"]["uid"], "allowed": True}
                answer = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server.RequestHandlerClass = Handler
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join()
