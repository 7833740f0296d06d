"""The filters that read lists and mappings; each takes the budget, the value, and its arguments, and charges every item it looks at."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mesh_injector.engine.template import trials
from mesh_injector.engine.template.bounds import DEPTH, ITEM, Budget
from mesh_injector.engine.template.source import Fault
from mesh_injector.engine.template.values import Missing, as_text, describe, is_number, look_up
from mesh_injector.reasons import Reason


def fault(what: str, fix: str = "") -> Fault:
    """Make the fault of a filter that cannot work on what it got."""
    return Fault(Reason.TEMPLATE_INVALID, what, fix=fix)


def _sized(value: Any) -> Any:
    if isinstance(value, Missing):
        as_text(value)
    if isinstance(value, str | list | tuple | Mapping):
        return value
    raise fault(f"{describe(value)} where a list is needed", "use `default([], true)` where it is optional")


def items_of(budget: Budget, value: Any) -> list[Any]:
    """Read a list, a mapping's keys or a text's characters; anything else is a fault."""
    budget.spend(len(_sized(value)))
    return list(value)


def attributes(budget: Budget, items: list[Any], path: Any) -> Iterable[Any]:
    """Follow a dotted path into every item; the items themselves where there is no path."""
    if path is None:
        return items
    parts = str(path).split(".", DEPTH) if isinstance(path, str | int) else []
    if not 0 < len(parts) <= DEPTH:
        raise fault("an attribute that is no name", "write a key, or keys joined by dots")
    budget.spend(len(items) * len(parts) * 2 * ITEM)
    return [_follow(item, parts) for item in items]


def _follow(value: Any, parts: Iterable[str]) -> Any:
    for part in parts:
        value = look_up(value, int(part) if part.isdecimal() and not isinstance(value, Mapping) else part)
    return value


def first(budget: Budget, value: Any) -> Any:
    """Return the first item."""
    items = items_of(budget, value)
    return items[0] if items else Missing(hint="the first item of an empty list")


def last(budget: Budget, value: Any) -> Any:
    """Return the last item."""
    items = items_of(budget, value)
    return items[-1] if items else Missing(hint="the last item of an empty list")


def length(_budget: Budget, value: Any) -> int:
    """Count the items of a list or mapping, or the characters of a text."""
    return len(_sized(value))


def to_list(budget: Budget, value: Any) -> list[Any]:
    """Make a list of a mapping's keys, a text's characters, or a list."""
    return items_of(budget, value)


def _chosen(budget: Budget, value: Any, attribute: Any, test: tuple[Any, ...], wanted: bool) -> list[Any]:
    """Choose by a test, or by the truth of each value where none is named; an attribute that is not there is not true."""
    items = items_of(budget, value)
    judged = zip(items, attributes(budget, items, attribute), strict=True)
    if not test:
        return [item for item, found in judged if (not isinstance(found, Missing) and bool(found)) is wanted]
    name, *arguments = test
    if name not in trials.TESTS:
        raise fault(f"an unknown test `{name}`", f"there are {', '.join(sorted(trials.TESTS))}")
    return [item for item, found in judged if bool(trials.TESTS[name](budget, found, *arguments)) is wanted]


def select(budget: Budget, value: Any, *test: Any) -> list[Any]:
    """Keep the items that pass a test."""
    return _chosen(budget, value, None, test, True)


def reject(budget: Budget, value: Any, *test: Any) -> list[Any]:
    """Drop the items that pass a test."""
    return _chosen(budget, value, None, test, False)


def selectattr(budget: Budget, value: Any, attribute: Any, *test: Any) -> list[Any]:
    """Keep the items whose attribute passes a test."""
    return _chosen(budget, value, attribute, test, True)


def rejectattr(budget: Budget, value: Any, attribute: Any, *test: Any) -> list[Any]:
    """Drop the items whose attribute passes a test."""
    return _chosen(budget, value, attribute, test, False)


def _key(budget: Budget, value: Any, case_sensitive: bool) -> Any:
    """Return what an item is sorted and told apart by: a text, a number, a boolean or null."""
    if isinstance(value, Missing):
        as_text(value)
    if isinstance(value, str):
        budget.produce(len(value))
        return value if case_sensitive else value.lower()
    if value is not None and not isinstance(value, bool | int | float):
        raise fault(f"{describe(value)} cannot be compared", "name what to compare: `attribute='…'`")
    return value


def _keyed(budget: Budget, value: Any, attribute: Any, case_sensitive: bool) -> list[tuple[Any, Any]]:
    items = items_of(budget, value)
    budget.spend(len(items) * ITEM)
    return [(_key(budget, found, case_sensitive), item) for found, item in zip(attributes(budget, items, attribute), items, strict=True)]


def sort(budget: Budget, value: Any, reverse: bool = False, case_sensitive: bool = False, attribute: Any = None) -> list[Any]:
    """Sort a list; text without regard to case unless told."""
    keyed = _keyed(budget, value, attribute, case_sensitive)
    return [item for _, item in _ordered(sorted, keyed, reverse=reverse)]


def _ordered(order: Callable[..., Any], keyed: list[tuple[Any, Any]], **options: Any) -> Any:
    """Order by the keys; a fault where they are of types that have no order among themselves."""
    try:
        return order(keyed, key=_by_key, **options)
    except TypeError as error:
        kinds = sorted({describe(key) for key, _ in keyed})
        raise fault(f"{' and '.join(kinds)} cannot be sorted together", "make them alike: `|map('string')`") from error


def _by_key(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def unique(budget: Budget, value: Any, case_sensitive: bool = False, attribute: Any = None) -> list[Any]:
    """Drop repeats, keeping the first of each; text without regard to case unless told."""
    seen: dict[Any, Any] = {}
    for key, item in _keyed(budget, value, attribute, case_sensitive):
        seen.setdefault((type(key), key), item)
    return list(seen.values())


def items(budget: Budget, value: Any) -> list[tuple[str, Any]]:
    """List the pairs of a mapping in its order; nothing where it is undefined or null."""
    if value is None or isinstance(value, Missing):
        return []
    if not isinstance(value, Mapping):
        raise fault(f"`items` of {describe(value)}", "it works on a mapping")
    budget.spend(len(value))
    return list(value.items())


def dictsort(budget: Budget, value: Any, case_sensitive: bool = False, by: str = "key", reverse: bool = False) -> list[tuple[str, Any]]:
    """List the pairs of a mapping sorted by `key` or by `value`."""
    if by not in ("key", "value"):
        raise fault(f"`dictsort` by {by!r:.40}", "sort by 'key' or by 'value'")
    return sort(budget, items(budget, value), reverse, case_sensitive, int(by == "value"))


def extreme(pick: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Make the filter `min` or `max`."""

    def found(budget: Budget, value: Any, case_sensitive: bool = False, attribute: Any = None) -> Any:
        keyed = _keyed(budget, value, attribute, case_sensitive)
        return _ordered(pick, keyed)[1] if keyed else Missing(hint=f"the {name} of an empty list")

    return found


def to_sum(budget: Budget, value: Any, attribute: Any = None, start: float = 0) -> Any:
    """Add up numbers, or one attribute of each item."""
    numbers = [*attributes(budget, items_of(budget, value), attribute), start]
    if not all(is_number(number) for number in numbers):
        raise fault("`sum` of what are not all numbers", "use `|map('int')|sum` for texts")
    return sum(numbers)


def get(_budget: Budget, value: Any, key: Any, fallback: Any = None) -> Any:
    """Look a key up in a mapping that may lack it, or be undefined or null itself."""
    if value is None or isinstance(value, Missing):
        return fallback
    if isinstance(value, Mapping) and isinstance(key, str):
        return value.get(key, fallback)  # what `look_up` would say, without an undefined name for each that lacks the key
    found = look_up(value, key)
    return fallback if isinstance(found, Missing) else found
