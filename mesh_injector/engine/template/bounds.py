"""Bounds by counts, never by time: every replica cuts the same template at the same place, and none can be kept busy.

A `Budget` is made for one rendering; whoever produces text, values or loop steps charges it first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mesh_injector.engine.template.source import Fault
from mesh_injector.engine.template.values import Missing, Structure
from mesh_injector.reasons import Reason

TEMPLATE_CHARACTERS: Final = 256 * 1024
OUTPUT_CHARACTERS: Final = 1024 * 1024
TEXT_CHARACTERS: Final = 256 * 1024
LOOP_STEPS: Final = 10_000
VALUES: Final = 10_000
DEPTH: Final = 64
WORK: Final = 1_000_000
"""Expressions evaluated: a loop charges its length times the size of its body, so that nested work is bounded before it is done."""
PRODUCED_CHARACTERS: Final = 16 * 1024 * 1024
"""All text that filters and `~` make on the way, even when it is thrown away."""


@dataclass(slots=True)
class Budget:
    """What one rendering has used of its bounds."""

    steps: int = 0
    work: int = 0
    values: int = 0
    output: int = 0
    produced: int = 0

    def loop(self, steps: int, weight: int) -> None:
        """Charge a loop before it runs: its steps, and the expressions its body evaluates."""
        self.steps += steps
        if self.steps > LOOP_STEPS:
            raise limit(f"more than {LOOP_STEPS:,} loop steps")
        self.spend(steps * weight)

    def spend(self, work: int) -> None:
        """Charge expressions before they are evaluated."""
        self.work += work
        if self.work > WORK:
            raise limit(f"more than {WORK:,} evaluations")

    def produce(self, characters: int) -> None:
        """Charge text before it is made."""
        self.produced += characters
        if characters > TEXT_CHARACTERS:
            raise limit(f"a text of {characters:,} characters; the bound is {TEXT_CHARACTERS:,}")
        if self.produced > PRODUCED_CHARACTERS:
            raise limit(f"more than {PRODUCED_CHARACTERS:,} characters of intermediate text")

    def write(self, characters: int) -> None:
        """Charge what goes to the output."""
        self.output += characters
        if self.output > OUTPUT_CHARACTERS:
            raise limit(f"more than {OUTPUT_CHARACTERS:,} characters of output")

    def admit(self, value: Any) -> int:
        """Charge a value with everything inside it; return its characters. Undefined names inside it are found here."""
        return self._walk(value, 0)

    def _walk(self, value: Any, depth: int) -> int:
        self.values += 1
        if self.values > VALUES:
            raise limit(f"more than {VALUES:,} values")
        if depth > DEPTH:
            raise limit(f"a value nested deeper than {DEPTH}")
        if isinstance(value, str):
            if len(value) > TEXT_CHARACTERS:
                raise limit(f"a text of {len(value):,} characters; the bound is {TEXT_CHARACTERS:,}")
            return len(value)
        if isinstance(value, Missing):
            str(value)  # raises: it knows its name and what it might have been
        if isinstance(value, Structure):
            return self._walk(value.value, depth)
        if isinstance(value, Mapping):
            return sum(self._key(key) + self._walk(item, depth + 1) for key, item in value.items())
        if isinstance(value, list | tuple):
            return sum(self._walk(item, depth + 1) for item in value)
        return 8

    @staticmethod
    def _key(key: Any) -> int:
        if not isinstance(key, str):
            raise Fault(Reason.RENDERED_INVALID_POD, f"the mapping key {key!r} is not text", fix="use text keys")
        return len(key)


def limit(what: str) -> Fault:
    """Make the fault of a bound that was passed."""
    return Fault(Reason.RENDER_LIMIT, f"the template makes {what}", fix="make the template or its values smaller")
