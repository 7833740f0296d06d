"""The filters of the template language by name: Jinja's familiar ones and ours, each bounded before it works.

Here are those for one value; `texts` and `lists` have the others.
"""

from collections.abc import Callable
from typing import Any, Final

from mesh_injector.engine.template import lists, texts
from mesh_injector.engine.template.bounds import ITEM, JSON, WALKED, Budget
from mesh_injector.engine.template.values import Missing, Structure, as_text, describe, is_number

TRUE: Final = frozenset({"true", "yes", "on", "1"})
FALSE: Final = frozenset({"false", "no", "off", "0", ""})
NUMERAL: Final = 40
"""A numeral has so many characters, at most."""


def default(_budget: Budget, value: Any, fallback: Any = "", boolean: bool = False) -> Any:
    """Return the fallback where the value is not defined; with `true` also where it is empty, null or false."""
    return fallback if isinstance(value, Missing) or (boolean and not value) else value


def _number(value: Any, fallback: Any, parse: Callable[[Any], Any], wanted: str) -> Any:
    numeral = value if is_number(value) or isinstance(value, bool) else as_text(value)
    try:
        return parse(_short(numeral))
    except (ValueError, OverflowError) as error:
        if fallback is not None:
            return fallback
        raise lists.fault(f"{str(numeral)[:NUMERAL]!r} is no {wanted}", "give a default, as in `|int(0)`") from error


def _short(numeral: Any) -> Any:
    if isinstance(numeral, str) and len(numeral) > NUMERAL:
        raise ValueError(f"more than {NUMERAL} characters")
    return numeral


def to_int(_budget: Budget, value: Any, fallback: Any = None) -> Any:
    """Turn text or a number into a whole number; without a default, what is none is an error."""
    return _number(value, fallback, int, "whole number")


def to_float(_budget: Budget, value: Any, fallback: Any = None) -> Any:
    """Turn text or a whole number into a number; without a default, what is none is an error."""
    return _number(value, fallback, float, "number")


def to_bool(_budget: Budget, value: Any) -> bool:
    """Turn `true yes on 1` and `false no off 0` and empty text, in any case, into a boolean."""
    if isinstance(value, bool) or is_number(value) or value is None:
        return bool(value)
    text = as_text(value)
    word = text.strip().lower() if len(text) <= NUMERAL else text
    if word not in TRUE | FALSE:
        raise lists.fault(f"{text[:NUMERAL]!r} is no boolean", "use one of true, false, yes, no, on, off, 1, 0")
    return word in TRUE


def to_map(budget: Budget, value: Any, name: str | None = None, *arguments: Any, attribute: Any = None, default: Any = None) -> list[Any]:
    """Apply a filter to every item, or take one attribute of each."""
    items = lists.items_of(budget, value)
    if attribute is not None:
        found = lists.attributes(budget, items, attribute)
        return [default if isinstance(item, Missing) and default is not None else item for item in found]
    if name not in FILTERS:
        raise lists.fault(f"`map` of an unknown filter `{name}`", "name a filter, or `attribute='…'`")
    budget.spend(len(items) * ITEM)
    return [FILTERS[name](budget, item, *arguments) for item in items]


def to_round(_budget: Budget, value: Any, precision: int = 0) -> Any:
    """Round a number; to a whole one unless a precision of 1 to 15 digits is given."""
    if not is_number(value) or not 0 <= precision <= 15:
        raise lists.fault(f"`round` of {describe(value)} to {precision} digits", "it works on numbers, to 0 to 15 digits")
    return round(value, precision) if precision else round(value)


def structure(budget: Budget, value: Any) -> Structure:
    """Make a value structure where it stands alone, and JSON inside text."""
    budget.produce(budget.measure(value, WALKED + JSON))
    return value if isinstance(value, Structure) else Structure(value)


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "default": default,
    "d": default,
    "lower": texts.lower,
    "upper": texts.upper,
    "trim": texts.trim,
    "replace": texts.replace,
    "split": texts.split,
    "join": texts.join,
    "first": lists.first,
    "last": lists.last,
    "length": lists.length,
    "int": to_int,
    "float": to_float,
    "bool": to_bool,
    "string": texts.string,
    "list": lists.to_list,
    "map": to_map,
    "select": lists.select,
    "reject": lists.reject,
    "selectattr": lists.selectattr,
    "rejectattr": lists.rejectattr,
    "sort": lists.sort,
    "unique": lists.unique,
    "items": lists.items,
    "dictsort": lists.dictsort,
    "min": lists.extreme(min, "smallest"),
    "max": lists.extreme(max, "largest"),
    "sum": lists.to_sum,
    "round": to_round,
    "get": lists.get,
    "startswith": texts.startswith,
    "endswith": texts.endswith,
    "tojson": structure,
    "toyaml": structure,
    "quote": texts.string,
    "csv": texts.csv,
    "sha256": texts.sha256,
    "dns_label": texts.dns_label,
    "shell": texts.shell,
}
