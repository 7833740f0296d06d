"""What the leader does: it registers the meshes, then writes their statuses, and again whenever anything has changed.

Beside that it keeps the ValidatingWebhookConfiguration, on which nothing else depends.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

import structlog

from mesh_injector.errors import ClusterError
from mesh_injector.kube import validating
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.entries import Target
from mesh_injector.kube.events import Events
from mesh_injector.kube.fence import Fenced
from mesh_injector.kube.leadership import Term
from mesh_injector.kube.reflector import Reflector, Scope
from mesh_injector.kube.registration import CONFIGURATIONS, Registered, Registration
from mesh_injector.kube.resource import Key, Object
from mesh_injector.kube.status import Statuses
from mesh_injector.store import Snapshot

_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds: how long an entry is in the API server before a Mesh is said to be registered, since an API server calls by a copy of
    its own, and how long it takes to the next change; how often all is compared anew; how long it waits at most after a failure."""

    settle: float = 1
    resync: float = 600
    backoff: float = 30


class Writing:
    """The leader's work. `snapshot` gives the newest one, or None until there is one, and `target` where API servers find us now."""

    def __init__(
        self,
        cluster: Cluster,
        names: tuple[str, str],
        snapshot: Callable[[], Snapshot | None],
        target: Callable[[], Target],
        pace: Pace = Pace(),
    ) -> None:
        """`names` are those of the configuration and of the home namespace."""
        self._cluster, self._names, self._snapshot, self._target, self._pace = cluster, names, snapshot, target, pace
        self._to_register, self._to_report, self._to_validate = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._registered = Registered()

    def nudge(self) -> None:
        """Say that the snapshot or the target has changed. Where this replica does not lead that has no effect."""
        self._to_register.set()
        self._to_validate.set()

    async def work(self, term: Term) -> None:
        """Work until cancelled, or until the term is over, which raises Deposed."""
        self._registered = Registered()
        reflected = Reflector(self._cluster, Scope(CONFIGURATIONS, name=self._names[0]), _Nudge(self.nudge))
        validators = Reflector(self._cluster, Scope(validating.CONFIGURATIONS, name=self._names[0]), _Nudge(self._to_validate.set))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(reflected.run())
                tasks.create_task(self._register(Fenced(self._cluster, term), reflected))
                tasks.create_task(self._report(Fenced(self._cluster, term)))
                tasks.create_task(validators.run())
                tasks.create_task(self._validate(Fenced(self._cluster, term), validators))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _register(self, fenced: Fenced, reflected: Reflector) -> NoReturn:
        registration = Registration(fenced, *self._names)
        failures = 0
        while True:
            self._to_register.clear()
            snapshot = self._snapshot()
            if snapshot is None or not reflected.synced:
                await _woken(self._to_register, self._pace.settle)
                continue
            found = reflected.objects.get(("", self._names[0]))
            outcome, written = await registration.reconcile(snapshot, self._target(), found)
            if written is not None:
                reflected.offer(written)
            await asyncio.sleep(self._pace.settle if written is not None or not self._registered.versions else 0)
            self._registered = outcome
            self._to_report.set()
            failures = failures + 1 if outcome.failed else 0
            await _woken(self._to_register, self._delay(failures))

    async def _validate(self, fenced: Fenced, reflected: Reflector) -> NoReturn:
        failures = 0
        while True:
            self._to_validate.clear()
            if reflected.synced:
                written, failed = await validating.reconcile(fenced, self._target(), reflected.objects.get(("", self._names[0])))
                if written is not None:
                    reflected.offer(written)
                failures = failures + 1 if failed else 0
            await _woken(self._to_validate, self._delay(failures))

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
            await _woken(self._to_report, self._delay(failures))

    def _delay(self, failures: int) -> float:
        """When to look without being told: after failures soon, and later each time, with full jitter."""
        if not failures:
            return self._pace.resync
        return random.uniform(0, min(self._pace.backoff, self._pace.settle * 2.0 ** min(failures, 16)))  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True)
class _Nudge:
    """Listens to a reflector, whatever it says."""

    state: Callable[[], None]

    def changed(self, _key: Key, _body: Object | None) -> None:
        """Take one object's change."""
        self.state()


async def _woken(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most for some seconds."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
