"""Whose review is decided next when there is more work than time: one at a time, the flow that has cost least first.

A flow is a namespace, as in the API server's own Priority and Fairness: what a tenant's templates cost delays that tenant's pods.
https://kubernetes.io/docs/concepts/cluster-administration/flow-control/
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

SLICE_SECONDS: Final = 0.02
"""So long the event loop may be busy with reviews before it looks for new ones; a single review is bounded by counts."""
_UNWATCHED_SECONDS: Final = SLICE_SECONDS / 2
"""Rounds are told apart only when reviews have taken so long, in however many: a callback for each round costs a tenth of a review."""


@dataclass(slots=True)
class _Ticket:
    due: float
    turn: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Turns:
    """The order of reviews in one event loop. As long as they are quick it costs next to nothing."""

    def __init__(self, waiting: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Let at most `waiting` reviews wait."""
        self._limit, self._clock = waiting, clock
        self._burst, self._cost, self._count = 0.0, 0.0, 0
        self._is_armed = False
        self._waiting: dict[str, deque[_Ticket]] = {}
        self._spent: dict[str, float] = {}

    @property
    def is_busy(self) -> bool:
        """Whether a review has to wait for its turn."""
        return self._count > 0 or self._burst > SLICE_SECONDS

    async def wait(self, flow: str, due: float) -> bool:
        """Wait for the turn; False where it does not come by `due` (of the clock), or too many wait already."""
        if self._count >= self._limit and not self._make_room(flow):
            return False
        self._arm()
        ticket = _Ticket(due)
        self._waiting.setdefault(flow, deque()).append(ticket)
        self._spent[flow] = max(self._spent.get(flow, 0.0), self._cost)  # who was away has not saved up
        self._count += 1
        return await ticket.turn

    def spend(self, flow: str, seconds: float) -> None:
        """Account for a review that was decided."""
        self._burst += seconds
        if self._count:
            self._spent[flow] = self._spent.get(flow, self._cost) + seconds
        if self._burst > _UNWATCHED_SECONDS:
            self._arm()

    def _arm(self) -> None:
        if not self._is_armed:
            self._is_armed = True
            asyncio.get_running_loop().call_soon(self._round)

    def _round(self) -> None:
        """Begin a round of the event loop."""
        self._burst, self._is_armed = 0.0, False
        try:
            self._let_go()
        except Exception as error:  # noqa: BLE001 - reviews that wait in vain would be taken for a yes when their time is over
            self._give_up(error)

    def _let_go(self) -> None:
        """Tell those whose time is over, and let one review go."""
        now = self._clock()
        for flow in list(self._waiting):
            queue = self._waiting[flow]
            while queue and queue[0].due <= now:
                self._pop(flow, queue.popleft(), turn=False)
        if self._waiting:
            flow = min(self._waiting, key=self._spent.__getitem__)
            self._cost = self._spent[flow]
            self._pop(flow, self._waiting[flow].popleft(), turn=True)
        if self._waiting:
            self._arm()
        else:
            self._spent.clear()
            self._cost = 0.0

    def _give_up(self, error: Exception) -> None:
        """Raise an error from all that wait."""
        tickets = [ticket for queue in self._waiting.values() for ticket in queue if not ticket.turn.done()]
        self._waiting.clear()
        self._spent.clear()
        self._cost, self._count = 0.0, 0
        for ticket in tickets:
            ticket.turn.set_exception(error)

    def _make_room(self, flow: str) -> bool:
        """Send away the last one of the flow that waits most; False where that is the flow which asks."""
        longest = max(self._waiting, key=lambda each: len(self._waiting[each]))
        if len(self._waiting[longest]) <= len(self._waiting.get(flow, ())) + 1:
            return False
        self._pop(longest, self._waiting[longest].pop(), turn=False)
        return True

    def _pop(self, flow: str, ticket: _Ticket, *, turn: bool) -> None:
        self._count -= 1
        if not self._waiting[flow]:
            del self._waiting[flow]
        if not ticket.turn.done():  # its task may have been cancelled
            ticket.turn.set_result(turn)
