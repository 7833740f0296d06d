"""The tests of the template language, as in `x is defined`: a closed set of pure questions about one value."""

from collections.abc import Callable, Mapping
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

from mesh_injector.engine.template.values import Missing, is_number


def _within(value: Any, container: Any) -> bool:
    return value in container


TESTS: Final[dict[str, Callable[..., bool]]] = {
    "defined": lambda value: not isinstance(value, Missing),
    "undefined": lambda value: isinstance(value, Missing),
    "none": lambda value: value is None,
    "true": lambda value: value is True,
    "false": lambda value: value is False,
    "boolean": lambda value: isinstance(value, bool),
    "number": is_number,
    "integer": lambda value: is_number(value) and isinstance(value, int),
    "float": lambda value: isinstance(value, float),
    "string": lambda value: isinstance(value, str),
    "mapping": lambda value: isinstance(value, Mapping),
    "sequence": lambda value: isinstance(value, list | tuple),
    "odd": lambda value: value % 2 == 1,
    "even": lambda value: value % 2 == 0,
    "divisibleby": lambda value, number: value % number == 0,
    "in": _within,
    "eq": eq,
    "equalto": eq,
    "==": eq,
    "ne": ne,
    "!=": ne,
    "lt": lt,
    "<": lt,
    "le": le,
    "<=": le,
    "gt": gt,
    ">": gt,
    "ge": ge,
    ">=": ge,
}
