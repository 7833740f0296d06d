"""What Prometheus reads: plain numbers that the event loop counts, made into metric families when somebody asks.

Every label is bounded: a mesh is named only while it is loaded, and its series go with it.
"""

import bisect
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Metric, PlatformCollector, ProcessCollector, exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of `admission_duration_seconds` in seconds."""
_PREFIX: Final = "mesh_injector_"
_VALID: Final = (
    "1 where the newest text of a mesh's template is in force; 0 where there is none, it is wrong for every pod, "
    "or the last good one serves on."
)
_MESHES: Final = (
    "Meshes by what they are; one whose document has become wrong, so that the last good one serves on, is not ready; "
    "auto_inject is unknown of one that was never good."
)
_HEARD: Final = (
    "Of a cluster: when the API server was last heard of a kind, in Unix time; of several watches the one that was silent for longest."
)
_RESTARTS: Final = (
    "Of a cluster: watches that began anew, by what ended them: ended, expired, unreachable, forbidden, unreadable, refused or internal."
)
_BOUNDS: Final = (*map(str, BUCKETS), "+Inf")

Key = tuple[str, str, str, str]
Cache = tuple[str, bool, float, Mapping[str, int]]
"""A kind, whether all of it was listed, when the API server was last heard (Unix time, 0 for never), and restarts of watches by reason."""


@dataclass(slots=True)
class _Durations:
    """How long reviews of one outcome took: their number in each bucket, not counting those of smaller ones, and the sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * len(_BOUNDS))
    seconds: float = 0.0


class Metrics(Collector):
    """All numbers of one server. Whoever counts is the event loop; `text` is called there too, so nothing is locked."""

    def __init__(self, version: str) -> None:
        self.in_flight = 0
        """Reviews that were begun and not answered."""
        self.caches: Callable[[], Iterable[Cache]] = tuple
        """Asked for how each kind of objects of a cluster is known, whenever somebody reads the numbers."""
        self._version = version
        self._requests: Counter[Key] = Counter()
        self._durations: defaultdict[str, _Durations] = defaultdict(_Durations)
        self._modes: Mapping[str, str] = {}
        self._valid: Mapping[str, bool] = {}
        self._meshes: Mapping[tuple[str, str], int] = {}
        self._reloads: Counter[tuple[str, str]] = Counter()
        self._certificates: Counter[str] = Counter()
        self._expires: datetime | None = None
        self._authority_expires: datetime | None = None
        self._is_leader: bool | None = None
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def reviewed(self, outcome: str, reason: str, mesh: str, seconds: float) -> None:
        """Count one answered review."""
        mode = self._modes.get(mesh)
        self._requests[outcome, reason, mesh if mode else "", mode or ""] += 1
        durations = self._durations[outcome]
        durations.seconds += seconds
        durations.counts[bisect.bisect_left(BUCKETS, seconds)] += 1

    def loaded(self, modes: Mapping[str, str], valid: Mapping[str, bool], meshes: Mapping[tuple[str, str], int]) -> None:
        """Take over what a snapshot holds: the mode of each mesh, whether its template is valid, and the number of meshes by
        (auto_inject, ready). Series of meshes that are gone are removed."""
        self._modes, self._valid, self._meshes = modes, valid, meshes
        self._requests = Counter({key: count for key, count in self._requests.items() if not key[2] or key[2] in modes})
        self._reloads = Counter({key: count for key, count in self._reloads.items() if key[0] in modes})

    def reloaded(self, results: Iterable[tuple[str, str]]) -> None:
        """Count templates that were read anew: mesh, and `success` or `failure`."""
        self._reloads.update(results)

    def certificate(self, expires: datetime | None, authority: datetime | None = None) -> None:
        """Count a new serving certificate and take over its end of life, and that of the last of its CAs, if one is known; None where
        a new one could not be used."""
        self._certificates["failure" if expires is None else "success"] += 1
        if expires is not None:
            self._expires, self._authority_expires = expires, authority

    def leads(self, is_leader: bool) -> None:
        """Take over whether this replica is the one that writes."""
        self._is_leader = is_leader

    def text(self, accept: str) -> tuple[bytes, str]:
        """Everything in the format that a scraper accepts, and the format's content type; plain text where that cannot be understood."""
        try:
            encode, content_type = exposition.choose_encoder(accept)
            return encode(self._registry), content_type
        except (TypeError, ValueError):  # a version that is no number
            return exposition.generate_latest(self._registry), exposition.CONTENT_TYPE_LATEST

    def collect(self) -> Iterator[Metric]:
        """Make the families, which is what the registry asks for."""
        yield from self._of_reviews()
        yield from self._of_meshes()
        yield from self._of_caches()
        yield _time("certificate_expiry", "When the serving certificate ends, in Unix time.", self._expires)
        yield _time("certificate_authority_expiry", "When the last CA of the bundle ends, in Unix time.", self._authority_expires)
        if self._is_leader is not None:
            yield GaugeMetricFamily(f"{_PREFIX}leader", "Of a cluster: 1 where this replica is the one that writes.", self._is_leader)
        rows = (((result,), count) for result, count in self._certificates.items())
        yield _counter(
            "certificate_reloads",
            "Serving certificates that were read, the first one too, by result: success or failure.",
            ("result",),
            rows,
        )
        yield InfoMetricFamily(f"{_PREFIX}build", "The program that runs.", {"version": self._version})

    def _of_reviews(self) -> Iterator[Metric]:
        labels = ("outcome", "reason", "mesh", "mode")
        yield _counter(
            "admission_requests", "Reviews that were answered; what was no review is not counted.", labels, self._requests.items()
        )
        durations = HistogramMetricFamily(
            f"{_PREFIX}admission_duration_seconds", "From the first byte of a review to its answer.", labels=("outcome",)
        )
        for outcome, found in self._durations.items():
            buckets = [(bound, float(count)) for bound, count in zip(_BOUNDS, itertools.accumulate(found.counts), strict=True)]
            durations.add_metric((outcome,), buckets, found.seconds)
        yield durations
        yield GaugeMetricFamily(f"{_PREFIX}admission_requests_in_flight", "Reviews begun and not answered.", self.in_flight)

    def _of_meshes(self) -> Iterator[Metric]:
        valid = GaugeMetricFamily(f"{_PREFIX}template_valid", _VALID, labels=("mesh",))
        for mesh, is_valid in self._valid.items():
            valid.add_metric((mesh,), is_valid)
        yield valid
        yield _counter(
            "template_reloads", "Templates that were read anew, by result: success or failure.", ("mesh", "result"), self._reloads.items()
        )
        meshes = GaugeMetricFamily(f"{_PREFIX}meshes", _MESHES, labels=("auto_inject", "ready"))
        for key, count in self._meshes.items():
            meshes.add_metric(key, count)
        yield meshes

    def _of_caches(self) -> Iterator[Metric]:
        caches = tuple(self.caches())
        synced = GaugeMetricFamily(
            f"{_PREFIX}cache_synced", "Of a cluster: 1 where all objects of a kind have been listed.", labels=("kind",)
        )
        heard = GaugeMetricFamily(f"{_PREFIX}cache_last_event_timestamp_seconds", _HEARD, labels=("kind",))
        for kind, is_synced, last_event, _ in caches:
            synced.add_metric((kind,), is_synced)
            if last_event:
                heard.add_metric((kind,), last_event)
        yield synced
        yield heard
        rows = (((kind, reason), count) for kind, _, _, restarts in caches for reason, count in restarts.items())
        yield _counter("watch_restarts", _RESTARTS, ("kind", "reason"), rows)


def _time(name: str, what: str, at: datetime | None) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{_PREFIX}{name}_timestamp_seconds", what)
    if at is not None:
        family.add_metric((), at.timestamp())
    return family


def _counter(name: str, what: str, labels: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], int]]) -> CounterMetricFamily:
    family = CounterMetricFamily(_PREFIX + name, what, labels=labels)
    for key, count in rows:
        family.add_metric(key, count)
    return family
