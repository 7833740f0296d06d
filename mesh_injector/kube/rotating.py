"""The leader's part of certificates: one step after the other of a Secret that is ours, each only when the one before is in force.

How long something has been so is counted from when this leader saw it first: whoever leads next waits anew, and needs no note of times.
"""

import asyncio
import base64
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn

import structlog

from mesh_injector.certs import bundle, rotation
from mesh_injector.certs.pair import Pair
from mesh_injector.certs.rotation import Kept, Seen, Terms
from mesh_injector.errors import ClusterError
from mesh_injector.kube import entries, registration, secret, validating
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.events import Events
from mesh_injector.kube.fence import Fenced
from mesh_injector.kube.leadership import Term
from mesh_injector.kube.lists import Scope
from mesh_injector.kube.reflector import Reflector
from mesh_injector.kube.resource import Key, Object
from mesh_injector.kube.tasks import Nudge, together, woken

_AGAIN: Final = 1.0
"""Seconds until it is tried again, where an API server did not do what it was asked."""
_LONGEST: Final = 3600.0
INVALID: Final = "CertificateInvalid"
"""The reason of the event on the Secret."""
_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Since:
    """What was seen, and since when, in seconds of a clock that never goes back."""

    what: object
    seconds: float

    def still(self, what: object, now: float) -> "Since":
        """The same, if it is still so; else what is so from now on."""
        return self if self.what == what else Since(what, now)


class Rotation:
    """The rotation of one leader's term."""

    def __init__(
        self, cluster: Fenced, terms: Terms, last_good: Callable[[], Pair | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`last_good` is the pair that this replica serves with."""
        self._cluster, self._terms, self._last_good, self._clock = cluster, terms, last_good, clock
        self._trusted, self._unchanged = Since(None, clock()), Since(None, clock())

    async def reconcile(self, body: Object, configurations: Iterable[Object]) -> tuple[Object | None, float]:
        """Take the next step from the Secret as it was read, if one is due; what was written, and the seconds until another look.

        Raises Deposed. What goes wrong with the API server is logged, and tried again.
        """
        if not secret.is_ours(body):
            return None, _LONGEST
        kept = secret.kept(body)
        seen = self._seen(kept, configurations)
        step = rotation.following(kept, self._terms, seen)
        if step is None:
            left = rotation.wait(kept, self._terms, seen)
            return None, _LONGEST if left is None else min(left.total_seconds() + 0.01, _LONGEST)
        made, what = step
        try:
            path = secret.SECRETS.path(body["metadata"]["namespace"], body["metadata"]["name"])
            answer = await self._cluster.request("PUT", path, secret.written(body, made))
        except ClusterError as error:
            _log.warning("the certificate's Secret cannot be written", step=what, what=error.problem.what, where=error.problem.where)
            return None, _AGAIN
        _log.info("certificate step", step=what, secret=secret.origin(body))
        return answer, 0

    def _seen(self, kept: Kept, configurations: Iterable[Object]) -> Seen:
        signer, now = rotation.signing(kept), self._clock()
        is_trusted = signer is not None and all(bundle.contains(each, signer.certificate) for each in bundles(configurations))
        self._trusted = self._trusted.still(signer.certificate if signer and is_trusted else None, now)
        self._unchanged = self._unchanged.still(kept.pair, now)
        trusted = timedelta(seconds=now - self._trusted.seconds) if is_trusted else None
        return Seen(datetime.now(UTC), trusted, timedelta(seconds=now - self._unchanged.seconds), self._last_good())


def named_bundles(configurations: Iterable[Object]) -> dict[str, bytes]:
    """The CA bundle of each of our entries in some webhook configurations, mutating and validating, by the entry's name."""
    found = (entry for one in configurations for entry in one.get("webhooks") or () if entry["name"].endswith(f".{entries.DOMAIN}"))
    return {entry["name"]: base64.b64decode((entry.get("clientConfig") or {}).get("caBundle") or "") for entry in found}


def bundles(configurations: Iterable[Object]) -> list[bytes]:
    """The CA bundles without the names."""
    return list(named_bundles(configurations).values())


class Keeping:
    """Keeps a Secret while it leads, and tells of what is wrong with it by an event, whoever it belongs to."""

    def __init__(self, cluster: Cluster, names: tuple[Key, str], terms: Terms, last_good: Callable[[], Pair | None]) -> None:
        """`names` are those of the Secret and of the two webhook configurations."""
        self._cluster, self._names, self._terms, self._last_good = cluster, names, terms, last_good
        self._changed = asyncio.Event()
        self._told = ""

    async def work(self, term: Term) -> None:
        """Work until cancelled, or until the term is over, which raises Deposed."""
        (namespace, name), configuration = self._names
        listener, self._told = Nudge(self._changed.set), ""
        scopes = (
            Scope(secret.SECRETS, namespace, name=name),
            Scope(registration.CONFIGURATIONS, name=configuration),
            Scope(validating.CONFIGURATIONS, name=configuration),
        )
        reflectors = tuple(Reflector(self._cluster, scope, listener) for scope in scopes)
        await together(*(each.run() for each in reflectors), self._keep(Fenced(self._cluster, term), reflectors))

    async def _keep(self, cluster: Fenced, reflectors: tuple[Reflector, ...]) -> NoReturn:
        rotation_of_term, events = Rotation(cluster, self._terms, self._last_good), Events(cluster)
        kept, *configurations = reflectors
        while True:
            self._changed.clear()
            body, seconds = kept.objects.get(self._names[0]), _LONGEST
            if body is not None and all(each.synced for each in reflectors):
                await self._tell(events, body)
                found = [one for each in configurations for one in each.objects.values()]
                written, seconds = await rotation_of_term.reconcile(body, found)
                if written is not None:
                    kept.offer(written)
            await woken(self._changed, seconds)

    async def _tell(self, events: Events, body: Object) -> None:
        """Write an event where the Secret holds something that cannot serve, once for each such thing."""
        told = str(problem) if body.get("data") and (problem := secret.wrong(body, datetime.now(UTC))) else ""
        if told and told != self._told:
            _log.warning("the certificate's Secret holds nothing that can serve", what=told)
            await events.tell(body["metadata"], {"type": "Serve", "status": "False", "reason": INVALID, "message": told}, secret.SECRETS)
        self._told = told
