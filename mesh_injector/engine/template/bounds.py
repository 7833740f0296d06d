"""Bounds by counts, never by time: every replica cuts the same template at the same place, and none can be kept busy.

A `Budget` is made for one rendering; whoever produces text, values or loop steps charges it first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mesh_injector.engine.template.source import Fault
from mesh_injector.engine.template.values import Missing, Structure, as_text
from mesh_injector.reasons import Reason

TEMPLATE_CHARACTERS: Final = 256 * 1024
TOKENS: Final = 2_000
"""Words and signs inside `{{ … }}` and `{% … %}`, and the texts between them: parsing and compiling cost up to 40 us for each.

The template of the samples has 50, the longest of the golden cases 116.
"""
BRACKETS: Final = 20
"""Brackets inside each other: Jinja's parser goes a dozen calls deeper for each, and Python allows a thousand."""
NESTING: Final = 50
"""Expressions and blocks of a template inside each other."""
OUTPUT_CHARACTERS: Final = 1024 * 1024
TEXT_CHARACTERS: Final = 256 * 1024
LOOP_STEPS: Final = 10_000
VALUES: Final = 10_000
DEPTH: Final = 64
NODES: Final = 12_000
"""Keys and values that the rendered text has."""
STRUCTURE: Final = 3
"""A list or mapping of the rendered text counts as so many of them: what comes after the template looks at each most."""
WORK: Final = 200_000
"""Expressions evaluated, of about 0.3 us: a loop charges its length times the size of its body, so that nested work is bounded before it
is done, and what costs more than an expression is charged as several."""
WALKED: Final = 3
"""Evaluations that looking at one value inside another one costs."""
JSON: Final = 2
"""Evaluations that writing one value as JSON costs."""
CALL: Final = 5
"""Evaluations that a filter of an expression costs before it works; one that is mapped over a list costs `ITEM` for each."""
ITEM: Final = 2
"""Evaluations that an item costs beside being read, when it is filtered, keyed, followed into or turned into text."""
PRODUCED_CHARACTERS: Final = 4 * 1024 * 1024
"""All text that filters, slices and `~` make on the way, even when it is thrown away."""
READ_CHARACTERS: Final = 1_000
"""So many characters that are compared count as one evaluation."""
SEARCHED_CHARACTERS: Final = 300
"""So many characters that are searched for one other count as one evaluation."""
SHORT_CHARACTERS: Final = 100
"""So long a text is at most that CPython searches for by its simple algorithm (stringlib/fastsearch.h)."""
WRITTEN_CHARACTERS: Final = 10
"""So many characters of output, which are read as YAML afterwards, count as one evaluation."""


@dataclass(slots=True)
class Budget:
    """What one rendering has used of its bounds."""

    steps: int = 0
    work: int = 0
    values: int = 0
    output: int = 0
    produced: int = 0

    @property
    def spent(self) -> int:
        """All that a rendering took, in evaluations: a measure of its time that is the same everywhere."""
        return self.work + self.output // WRITTEN_CHARACTERS

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

    def read(self, value: Any, depth: int = 0) -> None:
        """Charge reading a value with everything inside it, which is what comparing it may cost; undefined names are found here."""
        self.spend((WALKED if depth else 1) + (len(value) // READ_CHARACTERS if isinstance(value, str) else 0))
        if value is None or isinstance(value, str | int | float):
            return
        if depth > DEPTH:
            raise limit(f"a value nested deeper than {DEPTH}")
        if isinstance(value, Missing):
            str(value)  # raises: it knows its name and what it might have been
        for inside in _contents(value):
            self.read(inside, depth + 1)

    def search(self, text: str, part: str) -> None:
        """Charge looking for a text in another: Python's search takes linear time for long parts, and at worst the product for short."""
        self.spend(len(text) * min(len(part), SHORT_CHARACTERS) // SEARCHED_CHARACTERS)

    def strip(self, text: str, characters: str) -> None:
        """Charge looking for each character of a text among others."""
        self.spend(len(text) * len(characters) // SEARCHED_CHARACTERS)

    def join(self, parts: Iterable[Any], separator: str = "") -> str:
        """Join values as text, and stop before the text is too long to be made."""
        texts, characters = [], 0
        for part in parts:
            self.spend(2 * ITEM if isinstance(part, float) else ITEM)
            texts.append(as_text(part))
            characters += len(texts[-1]) + len(separator)
            if characters > TEXT_CHARACTERS + len(separator):
                raise limit(f"a text of more than {TEXT_CHARACTERS:,} characters")
        self.produce(max(characters - len(separator), 0))
        return separator.join(texts)

    def write(self, characters: int) -> None:
        """Charge what goes to the output."""
        self.output += characters
        if self.output > OUTPUT_CHARACTERS:
            raise limit(f"more than {OUTPUT_CHARACTERS:,} characters of output")

    def admit(self, value: Any) -> int:
        """Charge a value with everything inside it; return its characters. Undefined names inside it are found here."""
        return self._walk(value, 0)

    def measure(self, value: Any, each: int = WALKED) -> int:
        """Bound a value that is only on its way, as work for each value in it; return its characters. It counts as values when it is
        written."""
        passing = Budget()
        characters = passing.admit(value)
        self.spend(passing.values * each)
        return characters

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


def _contents(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return (part for pair in value.items() for part in pair)
    return (value.value,) if isinstance(value, Structure) else value if isinstance(value, list | tuple) else ()


def limit(what: str) -> Fault:
    """Make the fault of a bound that was passed."""
    return Fault(Reason.RENDER_LIMIT, f"the template makes {what}", fix="make the template or its values smaller")
