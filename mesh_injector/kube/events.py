"""Events on a Mesh, or on the certificate's Secret: one where a condition changes, the same one again as a count, so many at most.

Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from cachetools import TTLCache

from mesh_injector.errors import ClusterError
from mesh_injector.kube import lease
from mesh_injector.kube.client import MERGE
from mesh_injector.kube.fence import Fenced
from mesh_injector.kube.resource import MESHES, Object, Resource
from mesh_injector.reasons import Reason

EVENTS: Final = Resource("apis/events.k8s.io/v1", "events", "Event")
CONTROLLER: Final = "mesh-injector.io/injector"
NOTE_CHARACTERS: Final = 1000
"""An event's note has at most 1 KiB: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/#Event"""
BURST: Final = 20
PERIOD_SECONDS: Final = 600
"""So many events of one Mesh in so many seconds are written; its conditions say what is the case whatever happens."""
KEPT_SECONDS: Final = 3000
"""An event is counted on while it is there: an API server keeps it for an hour."""
_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()


@dataclass(slots=True)
class _Written:
    path: str
    count: int = 1


class Events:
    """Writes the events of one leader's term. What goes wrong is logged, and is no reason to do anything else differently."""

    def __init__(self, cluster: Fenced, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._cluster, self._clock = cluster, clock
        self._written: TTLCache[tuple[str, ...], _Written] = TTLCache(4096, KEPT_SECONDS, self._seconds)
        self._counts: TTLCache[str, list[int]] = TTLCache(4096, PERIOD_SECONDS, self._seconds)

    async def tell(self, metadata: Object, condition: Mapping[str, Any], about: Resource = MESHES) -> None:
        """Tell of a condition that has changed on the object of some metadata. Raises Deposed."""
        uid = metadata["uid"]
        count = self._counts.setdefault(uid, [0])
        count[0] += 1
        if count[0] > BURST:
            return
        identity = (uid, condition["type"], condition["status"], condition["reason"], condition["message"])
        try:
            known = self._written.get(identity)
            if known is None or not await self._again(known):
                self._written[identity] = _Written(await self._create(metadata, condition, about))
        except ClusterError as error:
            _log.warning("an event cannot be written", about=metadata["name"], what=error.problem.what)

    async def _again(self, known: _Written) -> bool:
        """Count an event once more; False where it is gone. Raises ClusterError."""
        body = {"series": {"count": known.count + 1, "lastObservedTime": lease.stamp(self._clock())}}
        try:
            await self._cluster.request("PATCH", known.path, body, None, MERGE)
        except ClusterError as error:
            if error.status == 404:
                return False
            raise
        known.count += 1
        return True

    async def _create(self, metadata: Object, condition: Mapping[str, Any], about: Resource) -> str:
        """Write a new event, and return its path. Raises ClusterError."""
        namespace, name = metadata["namespace"], metadata["name"]
        body: Object = {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"namespace": namespace, "name": f"{name}.{secrets.token_hex(8)}"},
            "eventTime": lease.stamp(self._clock()),
            "reportingController": CONTROLLER,
            "reportingInstance": self._cluster.term.name[:128],
            "action": condition["type"],
            "reason": condition["reason"],
            "note": condition["message"][:NOTE_CHARACTERS],
            "type": "Normal" if condition["status"] == "True" or condition["reason"] == Reason.AUTO_INJECT_OFF else "Warning",
            "regarding": {
                "apiVersion": about.api_version,
                "kind": about.kind,
                **{key: metadata[key] for key in ("namespace", "name", "uid", "resourceVersion")},
            },
        }
        await self._cluster.request("POST", EVENTS.path(namespace), body)
        return EVENTS.path(namespace, body["metadata"]["name"])

    def _seconds(self) -> float:
        return self._clock().timestamp()
