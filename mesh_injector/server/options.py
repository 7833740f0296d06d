"""What can be chosen about a server: where it listens, what it serves, and the bounds of a connection."""

from dataclasses import dataclass, field
from pathlib import Path

from mesh_injector.formats import mesh


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds in seconds and numbers; the defaults are those of a pod."""

    message_seconds: float = 10
    """How long a client may take for one request, headers and body. Shorter than `drain_seconds`, so that draining ends by itself."""

    keep_alive_seconds: int = 120
    """How long an idle connection stays. An API server keeps its own for 90 s; closed before that, the next review would fail."""

    drain_seconds: int = 15
    """How long open requests may take at the end. Shorter than the 30 s that Kubernetes gives a pod."""

    connections: int = 1024
    """Open connections on each port; above that new ones are closed."""

    certificate_seconds: float = 10
    """How often the TLS folder is read again."""


@dataclass(frozen=True, slots=True)
class Options:
    """A server's settings. Port 0 picks a free one; without a TLS folder the certificate is self-signed."""

    sources: tuple[str, ...]
    home_namespace: str = mesh.DEFAULT_HOME
    host: str = "0.0.0.0"  # noqa: S104 - in a pod the API server and the kubelet come from outside
    port: int = 8443
    health_port: int = 8080
    tls_dir: Path | None = None
    limits: Limits = field(default_factory=Limits)
