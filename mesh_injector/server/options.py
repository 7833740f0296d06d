"""What can be chosen about a server: where it listens, what it serves, and the bounds of a connection."""

from dataclasses import dataclass, field
from pathlib import Path

from mesh_injector.formats import mesh
from mesh_injector.kube.credentials import Credentials


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds in seconds and numbers; the defaults are those of a pod."""

    message_seconds: float = 10
    """How long a client may take for one request, headers and body. Shorter than `drain_seconds`, so that draining ends by itself."""

    keep_alive_seconds: int = 120
    """How long an idle connection stays. An API server keeps its own for 90 s; closed before that, the next review would fail."""

    leave_seconds: float = 5
    """How long a server that was told to end goes on accepting, until whoever calls it has learned that it is unready."""

    drain_seconds: int = 15
    """How long open requests may take at the end. With `leave_seconds` shorter than the 30 s that Kubernetes gives a pod."""

    handshake_seconds: float = 5
    """How long a client may take to begin TLS, and to end it."""

    connections: int = 1024
    """Open connections on each port; above that the one that has been idle for longest is closed."""

    held_bytes: int = 64 * 1024 * 1024
    """Bodies in memory on each port, whole and in parts; above that the client that has been sending for longest is cut off."""

    waiting: int = 512
    """Reviews that wait for their turn; above that one of the namespace that has most of them is refused."""

    certificate_seconds: float = 10
    """How often the TLS folder is read again."""


@dataclass(frozen=True, slots=True)
class Options:
    """A server's settings. Port 0 picks a free one; without a TLS folder the certificate is self-signed.

    Sources are files, folders, and `cluster`, which `credentials` lead to.
    """

    sources: tuple[str, ...]
    home_namespace: str = mesh.DEFAULT_HOME
    host: str = "0.0.0.0"  # noqa: S104 - in a pod the API server and the kubelet come from outside
    port: int = 8443
    health_port: int = 8080
    tls_dir: Path | None = None
    client_ca: Path | None = None
    is_traced: bool = False
    credentials: Credentials = field(default_factory=Credentials)
    limits: Limits = field(default_factory=Limits)
