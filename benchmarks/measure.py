"""Rounds: each subject in turn, again and again, so that a noisy machine is noisy for all of them; a figure is the median of the rounds.

What is compared is the processor time of the server for one review, because a client on the other core cannot slow that down.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks import material
from benchmarks.load import Client
from benchmarks.process import Subject

BODIES: Final[dict[str, Callable[[], list[bytes]]]] = {
    "10 KB": lambda: material.reviews(material.TEN_KB),
    "30 KB": lambda: material.reviews(material.THIRTY_KB),
    "not selected": lambda: material.reviews(material.TEN_KB, selected=False),
}


@dataclass(frozen=True, slots=True)
class Load:
    """A subject under some reviews: the pair that a figure is measured of. A slow one gets fewer reviews."""

    subject: str
    bodies: str = "10 KB"
    share: float = 1.0


@dataclass(slots=True)
class Samples:
    """What each round said: processor seconds for one review, reviews each second, and the 99th percentile of their latency in seconds."""

    cpu: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A median with the least and the greatest of the rounds."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Ratio":
        """Make it of the values of the rounds."""
        return cls(statistics.median(values), min(values), max(values))


class Rounds:
    """All loads, each subject in a process of its own that lives as long as the rounds do."""

    def __init__(self, loads: Sequence[Load], reviews: int, core: int | None) -> None:
        self.loads = tuple(dict.fromkeys(loads))
        self.samples = {load: Samples() for load in self.loads}
        self._reviews = reviews
        self._bodies = {name: make() for name, make in BODIES.items()}
        self._subjects = {name: Subject(name, core) for name in dict.fromkeys(load.subject for load in self.loads)}
        self._clients = {name: Client(subject.port) for name, subject in self._subjects.items()}

    async def warm(self) -> None:
        """Connect, and let every subject see every kind of review that it will be measured with."""
        for client in self._clients.values():
            await client.connect()
        for load in self.loads:
            await self._clients[load.subject].send(self._bodies[load.bodies], max(int(self._reviews * load.share / 5), 64))

    async def measure(self, load: Load) -> None:
        """Measure one load once: a part of a round."""
        number = max(int(self._reviews * load.share), 64)
        subject, samples = self._subjects[load.subject], self.samples[load]
        before = subject.usage()
        answers = await self._clients[load.subject].send(self._bodies[load.bodies], number)
        if answers.refused:
            raise RuntimeError(f"{load.subject}: {answers.refused} of {number} answers were not HTTP 200")
        samples.cpu.append((subject.usage().cpu - before.cpu) / number)
        samples.rate.append(number / answers.lasted)
        samples.p99.append(sorted(answers.seconds)[int(number * 0.99)])

    def ratio(self, load: Load, base: Load) -> Ratio:
        """How many times cheaper a load is than another, round by round."""
        return Ratio.of([theirs / ours for ours, theirs in zip(self.samples[load].cpu, self.samples[base].cpu, strict=True)])

    def latency(self, load: Load, base: Load) -> Ratio:
        """How many times longer the slowest hundredth of a load takes than that of another, round by round."""
        return Ratio.of([ours / theirs for ours, theirs in zip(self.samples[load].p99, self.samples[base].p99, strict=True)])

    def stop(self) -> None:
        """Close the connections and end the processes."""
        for client in self._clients.values():
            client.close()
        for subject in self._subjects.values():
            subject.stop()
