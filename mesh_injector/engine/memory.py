"""Bounded remembering: what a pure function returned is kept for as long as there is room, and nobody can see a difference but in time.

The key is the function's only argument, so a result cannot depend on something that the key forgot.
"""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from cachetools import LRUCache

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class Memory(Generic[Key, Result]):
    """A function that remembers, in at most `room` bytes by what `weigh` says of a key and its result; the longest unused goes first.

    What weighs more than `largest` is worked out each time: keys come from pods, whose labels arrive unvalidated and may be megabytes.
    """

    def __init__(
        self, function: Callable[[Key], Result], weigh: Callable[[Key, Result], int], *, room: int, largest: int = 16 * 1024
    ) -> None:
        self._function, self._weigh = function, weigh
        self._largest = min(largest, room)
        self._kept: LRUCache[Key, tuple[Result, int]] = LRUCache(room, getsizeof=lambda kept: kept[1])
        self.hits = self.misses = 0

    def __call__(self, key: Key) -> Result:
        """Return what the function says of a key; what it raises is passed on and not remembered."""
        kept = self._kept.get(key)  # and no exception: its text would hold the key, which is a pod's
        if kept is None:
            return self._learn(key)
        self.hits += 1
        return kept[0]

    def _learn(self, key: Key) -> Result:
        self.misses += 1
        result = self._function(key)
        weight = self._weigh(key, result)
        if weight <= self._largest:
            self._kept[key] = result, weight
        return result

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def weight(self) -> int:
        """The bytes that are taken, by what `weigh` says."""
        return int(self._kept.currsize)

    def results(self) -> list[Result]:
        """List what is remembered."""
        return [result for result, _ in self._kept.values()]

    def forget(self) -> None:
        """Forget everything."""
        self._kept.clear()
