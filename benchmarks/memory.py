"""What the server holds: idle, after many reviews, and when everything that it can remember is remembered."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import material
from benchmarks.load import Client
from benchmarks.process import Subject

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Held:
    """Resident memory in bytes."""

    idle: int
    early: int
    late: int
    full: int


async def held(early: int, late: int, core: int | None, progress: Callable[[int], None]) -> Held:
    """Measure a server over `late` reviews on the same connections, and another one whose memories are full."""
    subject = Subject("injected", core)
    try:
        idle = subject.usage().resident
        client = Client(subject.port)
        await client.connect()
        bodies = material.reviews(material.TEN_KB)
        await client.send(bodies, early)
        after = subject.usage().resident
        step = max((late - early) // 20, 1)
        for done in range(early, late, step):
            await client.send(bodies, min(step, late - done))
            progress(done)
        last = subject.usage().resident
        client.close()
    finally:
        subject.stop()
    return Held(idle, after, last, _full(core))


def _full(core: int | None) -> int:
    subject = Subject("full", core)
    try:
        return subject.usage().resident
    finally:
        subject.stop()
