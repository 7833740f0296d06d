"""The filters of the template language, each bounded before it works: Jinja's familiar ones by name, and ours.

Every filter takes the budget, the value, and its arguments; text filters take anything that has a text.
"""

import hashlib
import inspect
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from mesh_injector.engine.template import trials
from mesh_injector.engine.template.bounds import Budget
from mesh_injector.engine.template.source import Fault
from mesh_injector.engine.template.values import Missing, Structure, as_text, describe, is_number, look_up
from mesh_injector.reasons import Reason

TRUE: Final = frozenset({"true", "yes", "on", "1"})
FALSE: Final = frozenset({"false", "no", "off", "0", ""})


def _fault(what: str, fix: str = "") -> Fault:
    return Fault(Reason.TEMPLATE_INVALID, what, fix=fix)


def _text(budget: Budget, text: str) -> str:
    budget.produce(len(text))
    return text


def _items(value: Any) -> list[Any]:
    """Read a list, a mapping's keys or a text's characters; anything else is a fault."""
    if isinstance(value, Missing):
        as_text(value)
    if isinstance(value, str | list | tuple | Mapping):
        return list(value)
    raise _fault(f"{describe(value)} where a list is needed", "use `default([])` where it is optional")


def _attribute(value: Any, path: str | int) -> Any:
    """Follow a dotted path into data."""
    for part in str(path).split("."):
        value = look_up(value, int(part) if part.isdecimal() and not isinstance(value, Mapping) else part)
    return value


def default(_budget: Budget, value: Any, fallback: Any = "", boolean: bool = False) -> Any:
    """Return the fallback where the value is not defined; with `true` also where it is empty, null or false."""
    return fallback if isinstance(value, Missing) or (boolean and not value) else value


def lower(budget: Budget, value: Any) -> str:
    """Lower-case text."""
    return _text(budget, as_text(value).lower())


def upper(budget: Budget, value: Any) -> str:
    """Upper-case text."""
    return _text(budget, as_text(value).upper())


def trim(budget: Budget, value: Any, characters: str | None = None) -> str:
    """Strip white space, or the given characters, from both ends."""
    return _text(budget, as_text(value).strip(characters))


def replace(budget: Budget, value: Any, old: Any, new: Any, count: int = -1) -> str:
    """Replace a text by another, everywhere or the first `count` times."""
    text, old, new = as_text(value), as_text(old), as_text(new)
    found = text.count(old) if count < 0 else min(count, text.count(old))
    budget.produce(len(text) + found * (len(new) - len(old)))
    return text.replace(old, new, count)


def split(budget: Budget, value: Any, separator: str | None = None, maximum: int = -1) -> list[str]:
    """Split text at a separator, or at white space."""
    text = as_text(value)
    budget.produce(len(text))
    return text.split(separator, maximum)


def join(budget: Budget, value: Any, separator: Any = "", attribute: str | None = None) -> str:
    """Join the texts of a list, or of one attribute of each item."""
    texts = [as_text(item if attribute is None else _attribute(item, attribute)) for item in _items(value)]
    separator = as_text(separator)
    budget.produce(sum(map(len, texts)) + len(separator) * max(len(texts) - 1, 0))
    return separator.join(texts)


def csv(budget: Budget, value: Any) -> str:
    """Join the texts of a list by commas."""
    return join(budget, value, ",")


def first(_budget: Budget, value: Any) -> Any:
    """Return the first item."""
    items = _items(value)
    return items[0] if items else Missing(hint="the first item of an empty list")


def last(_budget: Budget, value: Any) -> Any:
    """Return the last item."""
    items = _items(value)
    return items[-1] if items else Missing(hint="the last item of an empty list")


def length(_budget: Budget, value: Any) -> int:
    """Count the items of a list or mapping, or the characters of a text."""
    return len(_items(value))


def _number(value: Any, fallback: Any, parse: Callable[[Any], Any], wanted: str) -> Any:
    try:
        return parse(value if is_number(value) or isinstance(value, bool) else as_text(value).strip())
    except (ValueError, OverflowError) as error:
        if fallback is not None:
            return fallback
        raise _fault(f"{value!r:.40} is no {wanted}", "give a default: `|int(0)`") from error


def to_int(_budget: Budget, value: Any, fallback: Any = None) -> Any:
    """Turn text or a number into a whole number; without a default, what is none is an error."""
    if isinstance(value, str) and len(value) > 40:
        value = "a text of more than 40 characters"
    return _number(value, fallback, int, "whole number")


def to_float(_budget: Budget, value: Any, fallback: Any = None) -> Any:
    """Turn text or a whole number into a number; without a default, what is none is an error."""
    return _number(value, fallback, float, "number")


def to_bool(_budget: Budget, value: Any) -> bool:
    """Turn `true yes on 1` and `false no off 0` and empty text, in any case, into a boolean."""
    if isinstance(value, bool) or is_number(value) or value is None:
        return bool(value)
    text = as_text(value).strip().lower()
    if text not in TRUE | FALSE:
        raise _fault(f"{text!r:.40} is no boolean", "use one of true, false, yes, no, on, off, 1, 0")
    return text in TRUE


def string(budget: Budget, value: Any) -> str:
    """Turn a value into text: a number that must stay text, for example."""
    return _text(budget, as_text(value))


def to_list(budget: Budget, value: Any) -> list[Any]:
    """Make a list of a mapping's keys, a text's characters, or a list."""
    items = _items(value)
    budget.spend(len(items))
    return items


def to_map(
    budget: Budget, value: Any, name: str | None = None, *arguments: Any, attribute: str | None = None, default: Any = None
) -> list[Any]:
    """Apply a filter to every item, or take one attribute of each."""
    items = _items(value)
    budget.spend(len(items))
    if attribute is not None:
        found = [_attribute(item, attribute) for item in items]
        return [default if isinstance(item, Missing) and default is not None else item for item in found]
    if name not in FILTERS:
        raise _fault(f"`map` of an unknown filter `{name}`", "name a filter, or `attribute='…'`")
    return [FILTERS[name](budget, item, *arguments) for item in items]


def _chosen(budget: Budget, value: Any, test: tuple[Any, ...], attribute: str | None, wanted: bool) -> list[Any]:
    items = _items(value)
    budget.spend(len(items))
    name, *arguments = test or ("true",)
    if name not in trials.TESTS:
        raise _fault(f"an unknown test `{name}`", f"there are {', '.join(sorted(trials.TESTS))}")
    judge = trials.TESTS[name]
    return [item for item in items if bool(judge(item if attribute is None else _attribute(item, attribute), *arguments)) is wanted]


def select(budget: Budget, value: Any, *test: Any) -> list[Any]:
    """Keep the items that pass a test."""
    return _chosen(budget, value, test, None, True)


def reject(budget: Budget, value: Any, *test: Any) -> list[Any]:
    """Drop the items that pass a test."""
    return _chosen(budget, value, test, None, False)


def selectattr(budget: Budget, value: Any, attribute: str, *test: Any) -> list[Any]:
    """Keep the items whose attribute passes a test."""
    return _chosen(budget, value, test or ("defined",), attribute, True)


def rejectattr(budget: Budget, value: Any, attribute: str, *test: Any) -> list[Any]:
    """Drop the items whose attribute passes a test."""
    return _chosen(budget, value, test or ("defined",), attribute, False)


def _key(attribute: str | None, case_sensitive: bool) -> Callable[[Any], Any]:
    def key(item: Any) -> Any:
        found = item if attribute is None else _attribute(item, attribute)
        if isinstance(found, Missing):
            as_text(found)
        return found.lower() if isinstance(found, str) and not case_sensitive else found

    return key


def sort(budget: Budget, value: Any, reverse: bool = False, case_sensitive: bool = False, attribute: str | None = None) -> list[Any]:
    """Sort a list; text without regard to case unless told."""
    items = _items(value)
    budget.spend(len(items))
    return sorted(items, key=_key(attribute, case_sensitive), reverse=reverse)


def unique(budget: Budget, value: Any, case_sensitive: bool = False, attribute: str | None = None) -> list[Any]:
    """Drop repeats, keeping the first of each; text without regard to case unless told."""
    items, key = _items(value), _key(attribute, case_sensitive)
    budget.spend(len(items))
    seen: dict[Any, Any] = {}
    for item in items:
        found = key(item)
        seen.setdefault((type(found), found), item)
    return list(seen.values())


def items(budget: Budget, value: Any) -> list[tuple[str, Any]]:
    """List the pairs of a mapping in its order; nothing where it is undefined or null."""
    if value is None or isinstance(value, Missing):
        return []
    if not isinstance(value, Mapping):
        raise _fault(f"`items` of {describe(value)}", "it works on a mapping")
    budget.spend(len(value))
    return list(value.items())


def dictsort(budget: Budget, value: Any, case_sensitive: bool = False, by: str = "key", reverse: bool = False) -> list[tuple[str, Any]]:
    """List the pairs of a mapping sorted by `key` or by `value`."""
    if by not in ("key", "value"):
        raise _fault(f"`dictsort` by {by!r}", "sort by 'key' or by 'value'")
    place, key = int(by == "value"), _key(None, case_sensitive)
    return sorted(items(budget, value), key=lambda pair: key(pair[place]), reverse=reverse)


def _extreme(pick: Callable[..., Any], name: str) -> Callable[..., Any]:
    def extreme(budget: Budget, value: Any, case_sensitive: bool = False, attribute: str | None = None) -> Any:
        found = _items(value)
        budget.spend(len(found))
        return pick(found, key=_key(attribute, case_sensitive)) if found else Missing(hint=f"the {name} of an empty list")

    return extreme


def to_sum(budget: Budget, value: Any, attribute: str | None = None, start: float = 0) -> Any:
    """Add up numbers, or one attribute of each item."""
    numbers = [item if attribute is None else _attribute(item, attribute) for item in _items(value)]
    budget.spend(len(numbers))
    if not all(is_number(number) for number in [*numbers, start]):
        raise _fault("`sum` of what are not all numbers", "use `|map('int')|sum` for texts")
    return sum(numbers, start)


def to_round(_budget: Budget, value: Any, precision: int = 0) -> Any:
    """Round a number; to a whole one unless a precision of 1 to 15 digits is given."""
    if not is_number(value) or not 0 <= precision <= 15:
        raise _fault(f"`round` of {describe(value)} to {precision} digits", "it works on numbers, to 0 to 15 digits")
    return round(value, precision) if precision else round(value)


def get(_budget: Budget, value: Any, key: Any, fallback: Any = None) -> Any:
    """Look a key up in a mapping that may lack it, or be undefined or null itself."""
    if value is None or isinstance(value, Missing):
        return fallback
    found = look_up(value, key)
    return fallback if isinstance(found, Missing) else found


def startswith(_budget: Budget, value: Any, prefix: str) -> bool:
    """Whether a text begins with another."""
    return as_text(value).startswith(as_text(prefix))


def endswith(_budget: Budget, value: Any, suffix: str) -> bool:
    """Whether a text ends with another."""
    return as_text(value).endswith(as_text(suffix))


def structure(budget: Budget, value: Any) -> Structure:
    """Make a value structure where it stands alone, and JSON inside text."""
    budget.produce(budget.admit(value))
    return value if isinstance(value, Structure) else Structure(value)


def sha256(_budget: Budget, value: Any) -> str:
    """Hash a text: 64 hex digits of the SHA-256 of its UTF-8."""
    return hashlib.sha256(as_text(value).encode("utf-8", "surrogatepass")).hexdigest()


def dns_label(_budget: Budget, value: Any) -> str:
    """Make an RFC 1123 label of any text: lower case, `-` for what is not allowed, at most 63 characters (a hash keeps long ones apart)."""
    text = as_text(value)
    label = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not label:
        raise _fault(f"{text!r:.40} has no letter or digit to make a DNS label of", "use `default('…', true)` first")
    return label if len(label) <= 63 else f"{label[:54].rstrip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def shell(budget: Budget, value: Any) -> str:
    """Quote a text as one word of a POSIX shell."""
    return _text(budget, shlex.quote(as_text(value)))


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "default": default,
    "d": default,
    "lower": lower,
    "upper": upper,
    "trim": trim,
    "replace": replace,
    "split": split,
    "join": join,
    "first": first,
    "last": last,
    "length": length,
    "int": to_int,
    "float": to_float,
    "bool": to_bool,
    "string": string,
    "list": to_list,
    "map": to_map,
    "select": select,
    "reject": reject,
    "selectattr": selectattr,
    "rejectattr": rejectattr,
    "sort": sort,
    "unique": unique,
    "items": items,
    "dictsort": dictsort,
    "min": _extreme(min, "smallest"),
    "max": _extreme(max, "largest"),
    "sum": to_sum,
    "round": to_round,
    "get": get,
    "startswith": startswith,
    "endswith": endswith,
    "tojson": structure,
    "toyaml": structure,
    "quote": string,
    "csv": csv,
    "sha256": sha256,
    "dns_label": dns_label,
    "shell": shell,
}


def misuse(name: str, arguments: int, options: Iterable[str]) -> str:
    """Say what is wrong with the number or the names of a filter's arguments; empty when nothing is."""
    try:
        inspect.signature(FILTERS[name]).bind(None, None, *[None] * arguments, **dict.fromkeys(options))
    except TypeError as error:
        return str(error)
    return ""
