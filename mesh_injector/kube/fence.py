"""The API server as a leader sees it: every request first asks the leader's term whether it may, and takes no longer than that lasts."""

import asyncio
from typing import Final

from mesh_injector import reasons
from mesh_injector.errors import ClusterError, Problem
from mesh_injector.kube.client import APPLY, Cluster, Query
from mesh_injector.kube.leadership import Term
from mesh_injector.kube.resource import Object

MANAGER: Final = "mesh-injector"
"""Who owns the fields that we apply: https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers"""
SECONDS: Final = 5.0
"""How long one request may take. What fails is tried again."""


class Fenced:
    """A cluster, for one term. Each method raises Deposed where the term is over, and ClusterError."""

    def __init__(self, cluster: Cluster, term: Term) -> None:
        self.term = term
        self._cluster = cluster

    async def get(self, path: str) -> Object:
        """Read an object."""
        return await self.request("GET", path)

    async def apply(self, path: str, body: Object) -> Object:
        """Apply fields by server-side apply, over whoever else set them."""
        return await self.request("PATCH", path, body, {"fieldManager": MANAGER, "force": "true"}, APPLY)

    async def request(self, method: str, path: str, body: Object | None = None, query: Query | None = None, *how: str) -> Object:
        """Ask for anything else; `how` may name the content type."""
        seconds = self.term.seconds(SECONDS)
        try:
            async with asyncio.timeout(seconds):
                return await self._cluster.request(method, path, body, query, *how)
        except TimeoutError as error:
            what = f"it does not answer within {seconds:.1f} s"
            raise ClusterError(Problem(reasons.CLUSTER_UNREACHABLE, what, path, "it is tried again")) from error
