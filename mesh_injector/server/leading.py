"""The part of a server that writes: where it finds its Lease and its configuration, and how API servers find it.

Of all replicas one does it, and reviews are answered without it.
"""

import secrets
import socket
from dataclasses import dataclass, replace
from typing import NoReturn
from urllib.parse import urlsplit

from mesh_injector.certs.rotation import Terms
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.entries import Target
from mesh_injector.kube.leadership import Leadership, Term
from mesh_injector.kube.rotating import Keeping
from mesh_injector.kube.tasks import together
from mesh_injector.kube.writing import Writing
from mesh_injector.metrics import Metrics
from mesh_injector.server.certificate import Certificate
from mesh_injector.server.follower import Follower
from mesh_injector.server.options import Options
from mesh_injector.store import Store


@dataclass(frozen=True, slots=True)
class Leader:
    """What a server gives to its leading part, whose end nobody waits for."""

    cluster: Cluster
    options: Options
    metrics: Metrics

    async def lead(self, store: Store, following: Follower, certificate: Certificate) -> NoReturn:
        """Lead whenever no other replica does, until cancelled; then give the lease back."""
        home, names = self.options.home_namespace, self.options.names

        def target() -> Target | None:
            return names.target(home, certificate.ca) if certificate.pair else None

        writing = Writing(self.cluster, (names.configuration, home), lambda: store.snapshot, target)
        following.loaded.append(writing.nudge)
        certificate.listeners.append(writing.nudge)
        works = [writing.work]
        if self.options.secret:
            secret = ((home, self.options.secret), names.configuration)
            works.append(Keeping(self.cluster, secret, self._terms(), lambda: certificate.pair).work)
        identity = f"{socket.gethostname()}_{secrets.token_hex(4)}"

        async def work(term: Term) -> None:
            await together(*(each(term) for each in works))

        await Leadership(self.cluster, (home, names.lease), identity, self.metrics.leads).lead(work)

    def _terms(self) -> Terms:
        """The terms of a certificate for the name by which API servers call us."""
        target = self.options.names.target(self.options.home_namespace, b"")
        return replace(self.options.terms, hosts=(urlsplit(target.url).hostname or target.host if target.url else target.host,))
