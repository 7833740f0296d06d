"""The tests and comparisons of the template language, as in `x is defined` and `a < b`: a closed set of pure questions.

Each takes the budget, the value, and what it is compared with; what is read to answer is charged before it is read.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from mesh_injector.engine.template.bounds import Budget
from mesh_injector.engine.template.source import Fault
from mesh_injector.engine.template.values import Missing, describe, is_number, number
from mesh_injector.reasons import Reason

Trial: TypeAlias = Callable[..., bool]


def _kind(judge: Callable[[Any], bool]) -> Trial:
    return lambda _budget, value: judge(value)


def _compared(compare: Callable[[Any, Any], Any]) -> Trial:
    def trial(budget: Budget, value: Any, other: Any) -> bool:
        budget.read(value)
        budget.read(other)
        try:
            return bool(compare(value, other))
        except TypeError as error:
            what = f"{describe(value)} cannot be compared with {describe(other)}"
            raise Fault(Reason.TEMPLATE_INVALID, what, fix="turn both into numbers by `|int`, or into texts by `|string`") from error

    return trial


def _within(budget: Budget, value: Any, container: Any) -> bool:
    budget.read(value)
    if isinstance(value, str) and isinstance(container, str):
        budget.search(container, value)
    elif not isinstance(container, Mapping):  # a mapping finds its key without looking at the others
        budget.read(container)
    if not isinstance(container, str | list | tuple | Mapping) or (isinstance(container, str) and not isinstance(value, str)):
        what = f"{describe(value)} cannot be in {describe(container)}"
        raise Fault(Reason.TEMPLATE_INVALID, what, word="in", fix="look in a list, in a mapping's keys, or for a text in a text")
    return not isinstance(value, list | tuple | Mapping) and value in container if isinstance(container, Mapping) else value in container


def _without(budget: Budget, value: Any, container: Any) -> bool:
    return not _within(budget, value, container)


def _divisible(_budget: Budget, value: Any, divisor: Any) -> bool:
    if not number(divisor, "divisibleby"):
        raise Fault(Reason.TEMPLATE_INVALID, "`divisibleby` 0", word="divisibleby", fix="divide by a number that is not 0")
    return bool(number(value, "divisibleby") % divisor == 0)


TESTS: Final[dict[str, Trial]] = {
    "defined": _kind(lambda value: not isinstance(value, Missing)),
    "undefined": _kind(lambda value: isinstance(value, Missing)),
    "none": _kind(lambda value: value is None),
    "true": _kind(lambda value: value is True),
    "false": _kind(lambda value: value is False),
    "boolean": _kind(lambda value: isinstance(value, bool)),
    "number": _kind(is_number),
    "integer": _kind(lambda value: is_number(value) and isinstance(value, int)),
    "float": _kind(lambda value: isinstance(value, float)),
    "string": _kind(lambda value: isinstance(value, str)),
    "mapping": _kind(lambda value: isinstance(value, Mapping)),
    "sequence": _kind(lambda value: isinstance(value, list | tuple)),
    "odd": _kind(lambda value: bool(number(value, "odd") % 2 == 1)),
    "even": _kind(lambda value: bool(number(value, "even") % 2 == 0)),
    "divisibleby": _divisible,
    "in": _within,
    "eq": _compared(operator.eq),
    "equalto": _compared(operator.eq),
    "==": _compared(operator.eq),
    "ne": _compared(operator.ne),
    "!=": _compared(operator.ne),
    "lt": _compared(operator.lt),
    "<": _compared(operator.lt),
    "le": _compared(operator.le),
    "<=": _compared(operator.le),
    "gt": _compared(operator.gt),
    ">": _compared(operator.gt),
    "ge": _compared(operator.ge),
    ">=": _compared(operator.ge),
}

COMPARISONS: Final[dict[str, Trial]] = {
    "eq": TESTS["eq"],
    "ne": TESTS["ne"],
    "lt": TESTS["lt"],
    "lteq": TESTS["le"],
    "gt": TESTS["gt"],
    "gteq": TESTS["ge"],
    "in": _within,
    "notin": _without,
}
"""The comparisons by the names that Jinja's syntax tree gives to the operators."""
