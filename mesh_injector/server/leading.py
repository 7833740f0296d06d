"""The part of a server that writes: where it finds its Lease and its configuration, and how API servers find it.

Of all replicas one does it, and reviews are answered without it.
"""

import secrets
import socket
from dataclasses import dataclass
from typing import NoReturn

from mesh_injector.kube.client import Cluster
from mesh_injector.kube.entries import Target
from mesh_injector.kube.leadership import Leadership
from mesh_injector.kube.writing import Writing
from mesh_injector.metrics import Metrics
from mesh_injector.server.follower import Certificate, Follower
from mesh_injector.server.options import Names
from mesh_injector.store import Store


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
        following.loaded.append(writing.nudge)
        certificate.listeners.append(writing.nudge)
        identity = f"{socket.gethostname()}_{secrets.token_hex(4)}"
        await Leadership(self.cluster, (self.home, self.names.lease), identity, self.metrics.leads).lead(writing.work)
