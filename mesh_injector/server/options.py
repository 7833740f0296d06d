"""What can be chosen about a server: where it listens, what it serves, and the bounds of a connection."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mesh_injector import reasons
from mesh_injector.certs.rotation import Terms
from mesh_injector.errors import ConfigError, Problem
from mesh_injector.formats import mesh
from mesh_injector.kube.credentials import Credentials
from mesh_injector.kube.entries import Target

CLUSTER: Final = "cluster"
"""The name of the source that is no file or folder; a file of that name is `./cluster`."""
_NAME: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SERVICE: Final = re.compile(rf"((?P<namespace>{_NAME})/)?(?P<name>{_NAME})(:(?P<port>[0-9]{{1,5}}))?\Z")
_URL: Final = re.compile(r"https://[^/?#@\s]+(/[^?#\s]*)?\Z")


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

    confirm_seconds: float = 1
    """How long a change that would be refused waits for news of the objects it works with, which may have been applied just before it."""

    certificate_seconds: float = 10
    """How often the TLS folder is read again."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the leader writes, and where API servers find the webhook: the Service `[NAMESPACE/]NAME[:PORT]`, or a URL if there is one."""

    configuration: str = "mesh-injector"
    lease: str = "mesh-injector"
    service: str = "mesh-injector"
    url: str = ""

    def target(self, home: str, ca: bytes) -> Target:
        """Where API servers find us. Raises ConfigError for a service or URL that none would take."""
        if self.url and not _URL.match(self.url):
            fix = "write https://HOST[:PORT][/PATH], as an API server asks for it"
            raise ConfigError(Problem(reasons.FIELD_WRONG, f"{self.url!r:.100} is no URL for a webhook", "--webhook-url", fix))
        found = _SERVICE.match(self.service)
        port = int(found["port"] or 443) if found else 0
        if not found or not 0 < port < 65536:
            fix = "write NAME, NAMESPACE/NAME or NAMESPACE/NAME:PORT"
            raise ConfigError(Problem(reasons.FIELD_WRONG, f"{self.service!r:.100} is no Service", "--service", fix))
        return Target(found["name"], found["namespace"] or home, port, self.url, ca)


@dataclass(frozen=True, slots=True)
class Options:
    """A server's settings. Port 0 picks a free one; without a TLS folder and a Secret of the home namespace the certificate is
    self-signed. Where the Secret is empty the leader fills and renews it by `terms`, whose hosts follow from the names.

    Sources are files, folders, and `cluster`, which `credentials` lead to.
    """

    sources: tuple[str, ...]
    home_namespace: str = mesh.DEFAULT_HOME
    host: str = "0.0.0.0"  # noqa: S104 - in a pod the API server and the kubelet come from outside
    port: int = 8443
    health_port: int = 8080
    tls_dir: Path | None = None
    secret: str = ""
    client_ca: Path | None = None
    is_traced: bool = False
    credentials: Credentials = field(default_factory=Credentials)
    names: Names = field(default_factory=Names)
    limits: Limits = field(default_factory=Limits)
    terms: Terms = field(default_factory=lambda: Terms(()))

    @property
    def reads_cluster(self) -> bool:
        """Whether a cluster is among the sources."""
        return CLUSTER in self.sources
