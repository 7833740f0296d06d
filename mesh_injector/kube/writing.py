"""What the leader does: it registers the meshes, then writes their statuses, and again whenever anything has changed.

Beside that it keeps the ValidatingWebhookConfiguration, on which nothing else depends.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NoReturn

import structlog

from mesh_injector.certs import bundle
from mesh_injector.errors import ClusterError
from mesh_injector.kube import rotating, validating
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.entries import Target
from mesh_injector.kube.events import Events
from mesh_injector.kube.fence import Fenced
from mesh_injector.kube.leadership import Term
from mesh_injector.kube.lists import Scope
from mesh_injector.kube.reflector import Reflector
from mesh_injector.kube.registration import CONFIGURATIONS, Registered, Registration
from mesh_injector.kube.status import Statuses
from mesh_injector.kube.tasks import Nudge, together, woken
from mesh_injector.store import Snapshot

_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds: how long an entry is in the API server before a Mesh is said to be registered, since an API server calls by a copy of
    its own, and how long it takes to the next change; how often all is compared anew; how long it waits at most after a failure; how
    long a new leader keeps the CAs that it finds in the entries."""

    settle: float = 1
    resync: float = 600
    backoff: float = 30
    inherit: float = 600


class Writing:
    """The leader's work. `snapshot` gives the newest one, or None until there is one, and `target` where API servers find us now, or
    None where no certificate serves yet."""

    def __init__(
        self,
        cluster: Cluster,
        names: tuple[str, str],
        snapshot: Callable[[], Snapshot | None],
        target: Callable[[], Target | None],
        pace: Pace = Pace(),
    ) -> None:
        """`names` are those of the configuration and of the home namespace."""
        self._cluster, self._names, self._snapshot, self._target, self._pace = cluster, names, snapshot, target, pace
        self._to_register, self._to_report, self._to_validate = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._registered = Registered()
        self._inherited: bytes | None = None
        self._heir_until = 0.0

    def nudge(self) -> None:
        """Say that the snapshot or the target has changed. Where this replica does not lead that has no effect."""
        self._to_register.set()
        self._to_validate.set()

    async def work(self, term: Term) -> None:
        """Work until cancelled, or until the term is over, which raises Deposed."""
        self._registered = Registered()
        reflected = Reflector(self._cluster, Scope(CONFIGURATIONS, name=self._names[0]), Nudge(self.nudge))
        validators = Reflector(self._cluster, Scope(validating.CONFIGURATIONS, name=self._names[0]), Nudge(self._to_validate.set))
        self._inherited, self._heir_until = None, time.monotonic() + self._pace.inherit
        outgrown = asyncio.get_running_loop().call_later(self._pace.inherit, self.nudge)
        try:
            await together(
                reflected.run(),
                self._register(Fenced(self._cluster, term), reflected),
                self._report(Fenced(self._cluster, term)),
                validators.run(),
                self._validate(Fenced(self._cluster, term), validators),
            )
        finally:
            outgrown.cancel()

    async def _register(self, fenced: Fenced, reflected: Reflector) -> NoReturn:
        registration = Registration(fenced, *self._names)
        failures = 0
        while True:
            self._to_register.clear()
            snapshot = self._snapshot()
            target = self._aim(reflected)
            if snapshot is None or target is None:
                await woken(self._to_register, self._pace.settle)
                continue
            found = reflected.objects.get(("", self._names[0]))
            outcome, written = await registration.reconcile(snapshot, target, found)
            if written is not None:
                reflected.offer(written)
            self._to_validate.set()
            await asyncio.sleep(self._pace.settle if written is not None or not self._registered.versions else 0)
            self._registered = outcome
            self._to_report.set()
            failures = failures + 1 if outcome.failed else 0
            await woken(self._to_register, self._delay(failures))

    async def _validate(self, fenced: Fenced, reflected: Reflector) -> NoReturn:
        failures = 0
        while True:
            self._to_validate.clear()
            target = self._target()
            if reflected.synced and target is not None and self._inherited is not None:
                target = self._heir(target)
                written, failed = await validating.reconcile(fenced, target, reflected.objects.get(("", self._names[0])))
                if written is not None:
                    reflected.offer(written)
                failures = failures + 1 if failed else 0
            await woken(self._to_validate, self._delay(failures))

    async def _report(self, fenced: Fenced) -> NoReturn:
        statuses = Statuses(fenced, Events(fenced))
        is_read, failures = False, 0
        while True:
            self._to_report.clear()
            snapshot = self._snapshot()
            try:
                if not is_read:
                    await statuses.read(self._cluster)
                    is_read = True
                is_done = snapshot is None or await statuses.report(snapshot, self._registered, self._to_report.is_set)
                failures = 0 if is_done else failures + 1
            except ClusterError as error:
                failures += 1
                _log.warning("statuses cannot be written", what=error.problem.what, where=error.problem.where)
            await woken(self._to_report, self._delay(failures))

    def _aim(self, reflected: Reflector) -> Target | None:
        """Where entries are to lead; None until that and what is there are known."""
        target = self._target()
        if target is None or not reflected.synced:
            return None
        if self._inherited is None:
            self._inherited = bundle.joined(*rotating.bundles(reflected.objects.values()))
        return self._heir(target)

    def _heir(self, target: Target) -> Target:
        """For some time a leader keeps the CAs that it found in the entries: a replica may serve by one of which it knows nothing."""
        if not target.ca or time.monotonic() >= self._heir_until or bundle.contains(target.ca, self._inherited or b""):
            return target
        return replace(target, ca=bundle.joined(target.ca, self._inherited or b""))

    def _delay(self, failures: int) -> float:
        """When to look without being told: after failures soon, and later each time, with full jitter."""
        if not failures:
            return self._pace.resync
        return random.uniform(0, min(self._pace.backoff, self._pace.settle * 2.0 ** min(failures, 16)))  # noqa: S311 - no secret
