"""One rendering: the functions that the rewritten template calls, the values it has marked, and its budget.

A marker is two private-use characters around an index into `State.values`; it is the only trace that a value leaves in the text.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mesh_injector.engine.template import filters, trials
from mesh_injector.engine.template.bounds import CALL, LOOP_STEPS, Budget, limit
from mesh_injector.engine.template.source import Fault, Line
from mesh_injector.engine.template.values import Missing, Structure, as_text, describe, is_number, number
from mesh_injector.reasons import Reason

OPEN, CLOSE = "\ue000", "\ue001"
MARKER: Final = re.compile(f"{OPEN}(\\d+){CLOSE}")


class State:
    """The marks and the budget of one rendering."""

    __slots__ = ("budget", "values")

    def __init__(self) -> None:
        self.budget = Budget()
        self.values: list[Any] = []

    def names(self) -> dict[str, Any]:
        """Name the functions as the rewritten template calls them: no template can say these names."""
        return {
            "__mark__": self.mark,
            "__text__": self.text,
            "__each__": self.each,
            "__build__": self.build,
            "__mapping__": self.mapping,
            "__range__": self.range,
            "__slice__": self.slice,
            "__compare__": self.compare,
            "__filter__": self.filter,
            "__test__": self.test,
        }

    def mark(self, value: Any, line: int, column: int) -> str:
        """Put a value aside and return its marker; what is no value is a fault with its line."""
        try:
            self.budget.write(self.budget.admit(value))
            _check(value)
        except Fault as fault:
            fault.line = fault.line or Line.at(line, column)
            raise
        self.values.append(value)
        return f"{OPEN}{len(self.values) - 1}{CLOSE}"

    def text(self, parts: Sequence[Any]) -> str:
        """Join values as text: what `a ~ b` means."""
        return self.budget.join(parts)

    def each(self, value: Any, weight: int) -> Any:
        """Charge a loop over a list, or over a mapping's keys, before it runs."""
        if isinstance(value, Missing):
            as_text(value)
        if not isinstance(value, Sequence | Mapping) or isinstance(value, str):
            raise Fault(Reason.TEMPLATE_INVALID, f"a `for` loop over {describe(value)}", fix="loop over a list, or over `mapping|items`")
        self.budget.loop(len(value), weight)
        return value

    def build(self, value: Any) -> Any:
        """Charge a list that the template itself builds: without it, 30 lines of `[x, x]` make a billion values."""
        self.budget.measure(value)
        return value

    def mapping(self, pairs: Sequence[tuple[Any, Any]]) -> dict[str, Any]:
        """Build and charge a mapping with text keys."""
        built = {as_text(key): value for key, value in pairs}
        self.budget.measure(built)
        return built

    def range(self, *bounds: Any) -> list[int]:
        """Make Python's `range`, as a list of bounded length."""
        if not bounds or len(bounds) > 3 or not all(isinstance(number(bound, "range"), int) for bound in bounds):
            raise Fault(Reason.TEMPLATE_INVALID, "`range` takes one to three whole numbers", word="range")
        if len(bounds) == 3 and bounds[2] == 0:
            raise Fault(Reason.TEMPLATE_INVALID, "`range` with a step of 0", word="range")
        numbers = range(*bounds)
        if numbers[LOOP_STEPS:]:  # len() would overflow
            raise limit(f"a range of more than {LOOP_STEPS:,} numbers")
        self.budget.spend(len(numbers))
        return list(numbers)

    def slice(self, value: Any, *bounds: Any) -> Any:
        """Cut a part out of a text or a list."""
        if isinstance(value, Missing):
            as_text(value)
        if not isinstance(value, str | list | tuple):
            raise Fault(Reason.TEMPLATE_INVALID, f"a slice of {describe(value)}", word="[", fix="slice a text or a list")
        if not all(bound is None or (is_number(bound) and isinstance(bound, int)) for bound in bounds) or bounds[2] == 0:
            fix = "write whole numbers, as in `x[1:3]`, and no step of 0"
            raise Fault(Reason.TEMPLATE_INVALID, "a slice that is not between whole numbers", word="[", fix=fix)
        part = slice(*bounds)
        length = len(range(*part.indices(len(value))))
        (self.budget.produce if isinstance(value, str) else self.budget.spend)(length)
        return value[part]

    def compare(self, operators: Sequence[str], sides: Sequence[Any]) -> bool:
        """Compare each side with the next: `a < b <= c`."""
        return all(trials.COMPARISONS[name](self.budget, sides[at], sides[at + 1]) for at, name in enumerate(operators))

    def test(self, name: str, value: Any, /, *arguments: Any, **options: Any) -> bool:
        """Ask a test of the language."""
        return trials.TESTS[name](self.budget, value, *arguments, **options)

    def filter(self, name: str, value: Any, /, *arguments: Any, **options: Any) -> Any:
        """Apply a filter of the language."""
        self.budget.spend(CALL)
        try:
            return filters.FILTERS[name](self.budget, value, *arguments, **options)
        except Fault as fault:
            fault.word = fault.word or name
            raise
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            what = f"the filter `{name}` cannot work on {describe(value)}: {error}"
            raise Fault(Reason.TEMPLATE_INVALID, what, word=name, fix="check its arguments") from error


def _check(value: Any) -> None:
    """Refuse what is no value: only JSON's types and a `Structure` are."""
    if isinstance(value, float) and not math.isfinite(value):
        raise Fault(Reason.RENDERED_INVALID_POD, "the output is a number that is not finite", fix="check the arithmetic")
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise Fault(Reason.RENDERED_INVALID_POD, "the output is a number of more than 64 bits", fix="check the arithmetic")
    if isinstance(value, Mapping):
        for item in value.values():
            _check(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item)
    elif isinstance(value, Structure):
        _check(value.value)
    elif not (value is None or isinstance(value, str | bool | int | float)):
        raise Fault(Reason.TEMPLATE_INVALID, f"the output is {describe(value)}, which is no value", fix="write out a field of it")
