"""A Lease as replicas read and write it to agree on one that writes: pure functions, which take the time.

Whether a lease ran out is judged by how long it has been seen unchanged, so that clocks of different machines do not matter.
Source: https://kubernetes.io/docs/concepts/architecture/leases/
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from mesh_injector.kube.resource import Object, Resource

LEASES: Final = Resource("apis/coordination.k8s.io/v1", "leases", "Lease")
SECONDS: Final = 15
"""How long a lease lasts that says nothing else."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One state of a lease, and since when it has been seen like that, in seconds of a clock that never goes back."""

    version: str
    holder: str
    seconds: int
    since: float


def observe(lease: Object, now: float, before: Seen | None) -> Seen:
    """Look at a lease; one that is unchanged keeps the time when it was first seen so."""
    version, spec = str(lease["metadata"]["resourceVersion"]), _spec(lease)
    if before is not None and before.version == version:
        return before
    seconds = spec.get("leaseDurationSeconds")
    return Seen(version, str(spec.get("holderIdentity") or ""), seconds if isinstance(seconds, int) else SECONDS, now)


def is_free(seen: Seen, identity: str, now: float) -> bool:
    """Whether a candidate may write its name: nobody else's is there, or it ran out."""
    return seen.holder in ("", identity) or now >= seen.since + seen.seconds


def claimed(lease: Object, identity: str, at: datetime) -> Object:
    """The lease, held by a candidate from now on, or still; with its resource version, so that of two candidates one succeeds."""
    spec, now = _spec(lease), stamp(at)
    if spec.get("holderIdentity") != identity:
        spec = spec | {"acquireTime": now, "leaseTransitions": int(spec.get("leaseTransitions") or 0) + 1}
    return lease | {"spec": spec | {"holderIdentity": identity, "leaseDurationSeconds": SECONDS, "renewTime": now}}


def released(lease: Object, at: datetime) -> Object:
    """The lease, held by nobody: the next candidate need not wait."""
    return lease | {"spec": _spec(lease) | {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": stamp(at)}}


def stamp(at: datetime) -> str:
    """A time as MicroTime: RFC 3339 in UTC with six digits of a second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _spec(lease: Object) -> dict[str, Any]:
    spec = lease.get("spec")
    return spec if isinstance(spec, dict) else {}
