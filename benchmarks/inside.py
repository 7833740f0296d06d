"""What is measured without a server, in this process: many meshes against one, and a container with 2,000 variables."""

import time
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Final

from benchmarks import material, subjects
from benchmarks.measure import Ratio
from mesh_injector.server.endpoint import ReviewEndpoint

ENV: Final = 2000


def many_meshes(rounds: int, calls: int) -> Ratio:
    """Compare a review among 100 meshes, of which one selects it, with one among one mesh: how many times as fast."""
    one, hundred = subjects.endpoint(material.SIDECAR), subjects.endpoint(material.SIDECAR, 100)
    bodies = material.reviews(material.TEN_KB)
    return Ratio.of([_cost(one, bodies, calls) / _cost(hundred, bodies, calls) for _ in range(rounds)])


def many_variables(rounds: int, calls: int) -> Ratio:
    """Measure what each of 2,000 variables of a container that the template touches costs, in seconds."""
    touching = subjects.endpoint(material.TOUCHING)
    few, many = material.reviews(0, count=8), material.reviews(0, env=ENV, count=8)
    return Ratio.of([(_cost(touching, many, calls // 10) - _cost(touching, few, calls)) / ENV for _ in range(rounds)])


def _cost(endpoint: ReviewEndpoint, bodies: Sequence[bytes], calls: int) -> float:
    """Processor seconds of one review."""
    turns = cycle(bodies)
    answer: Callable[[bytes], bytes] = endpoint.review
    for _ in range(max(calls // 10, 10)):
        answer(next(turns))
    began = time.process_time()
    for _ in range(calls):
        answer(next(turns))
    return (time.process_time() - began) / calls
