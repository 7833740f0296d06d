"""Bounded remembering: what was worked out is kept for as long as there is room, and nobody can see a difference but in time.

A `Shelf` keeps what it is given; a `Memory` is a function that remembers, so that its result cannot depend on what the key forgot.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class Shelf(Generic[Key, Result]):
    """Keeps results in at most `room` bytes by their weights; the longest unused goes first.

    What weighs more than `largest` is not kept: keys come from pods, whose labels arrive unvalidated and may be megabytes. Every review
    looks several times, and an ordered dictionary of the standard library takes a third of the time of the caches made for this.
    """

    def __init__(self, room: int, largest: int | None = None) -> None:
        self._room, self._largest = room, room if largest is None else min(largest, room)
        self._kept: OrderedDict[Key, tuple[Result, int]] = OrderedDict()
        self.weight = 0
        """The bytes that are taken."""

    def get(self, key: Key) -> Result | None:
        """Return what is kept for a key, and keep it longer; None where there is nothing."""
        kept = self._kept.get(key)  # and no exception: its text would hold the key, which is a pod's
        if kept is None:
            return None
        self._kept.move_to_end(key)
        return kept[0]

    def put(self, key: Key, result: Result, weight: int) -> None:
        """Keep a result if there is room for it, in place of the longest unused."""
        if weight > self._largest:
            return
        _, before = self._kept.pop(key, (None, 0))
        self._kept[key] = result, weight
        self.weight += weight - before
        while self.weight > self._room:
            _, (_, freed) = self._kept.popitem(last=False)
            self.weight -= freed

    def __len__(self) -> int:
        return len(self._kept)

    def results(self) -> list[Result]:
        """List what is kept."""
        return [result for result, _ in self._kept.values()]

    def forget(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self.weight = 0


class Memory(Shelf[Key, Result]):
    """A function of one argument that remembers, in at most `room` bytes by what `weigh` says of a key and its result."""

    def __init__(
        self, function: Callable[[Key], Result], weigh: Callable[[Key, Result], int], *, room: int, largest: int = 16 * 1024
    ) -> None:
        super().__init__(room, largest)
        self._function, self._weigh = function, weigh
        self.hits = self.misses = 0

    def __call__(self, key: Key) -> Result:
        """Return what the function says of a key; what it raises is passed on and not remembered."""
        kept = self._kept.get(key)
        if kept is None:
            return self._learn(key)
        self._kept.move_to_end(key)
        self.hits += 1
        return kept[0]

    def _learn(self, key: Key) -> Result:
        self.misses += 1
        result = self._function(key)
        self.put(key, result, self._weigh(key, result))
        return result
