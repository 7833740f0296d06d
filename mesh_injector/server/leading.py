"""The part of a server that writes: where it finds its Lease and its configuration, and how API servers find it.

Of all replicas one does it, and reviews are answered without it.
"""

import re
import secrets
import socket
from dataclasses import dataclass
from typing import Final, NoReturn

from mesh_injector import reasons
from mesh_injector.errors import ConfigError, Problem
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.entries import Target
from mesh_injector.kube.leadership import Leadership
from mesh_injector.kube.writing import Writing
from mesh_injector.metrics import Metrics
from mesh_injector.server.follower import Certificate, Follower
from mesh_injector.store import Store

_NAME: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SERVICE: Final = re.compile(rf"((?P<namespace>{_NAME})/)?(?P<name>{_NAME})(:(?P<port>[0-9]{{1,5}}))?\Z")
_URL: Final = re.compile(r"https://[^/?#@\s]+(/[^?#\s]*)?\Z")


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
class Leader:
    """What a server gives to its leading part, whose end nobody waits for."""

    cluster: Cluster
    names: Names
    home: str
    metrics: Metrics

    async def lead(self, store: Store, following: Follower, certificate: Certificate) -> NoReturn:
        """Lead whenever no other replica does, until cancelled; then give the lease back."""

        def target() -> Target:
            return self.names.target(self.home, certificate.pair.ca)

        writing = Writing(self.cluster, (self.names.configuration, self.home), lambda: store.snapshot, target)
        following.listeners.append(writing.nudge)
        certificate.listeners.append(writing.nudge)
        identity = f"{socket.gethostname()}_{secrets.token_hex(4)}"
        await Leadership(self.cluster, (self.home, self.names.lease), identity, self.metrics.leads).lead(writing.work)
