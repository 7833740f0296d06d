"""Work of a leader that goes on side by side: what ends one part ends all, and is raised as it is."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from mesh_injector.kube.resource import Key, Object


@dataclass(frozen=True, slots=True)
class Nudge:
    """Listens to a reflector, whatever it says."""

    state: Callable[[], None]

    def changed(self, _key: Key, _body: Object | None) -> None:
        """Take one object's change."""
        self.state()


async def together(*works: Coroutine[Any, Any, None]) -> None:
    """Do all of it, until one part raises."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for work in works:
                tasks.create_task(work)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


async def woken(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most for some seconds. `asyncio.wait_for` of Python 3.11 may swallow a cancellation that comes with it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
