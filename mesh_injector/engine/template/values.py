"""What a value is, how it becomes text, and how a template reads into data: dot means key, nothing is ever an attribute of Python.

No value is ever text of the template: an output leaves a marker in the text and puts its value on a list (see `state`).
"""

import difflib
import functools
import itertools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from jinja2 import StrictUndefined
from jinja2.utils import missing

from mesh_injector.engine.template.source import Fault
from mesh_injector.reasons import Reason

SHOWN: Final = 80
"""So many characters of a name are shown in a message."""
LIKENED: Final = 500
"""So many known names are likened to one that is not."""


@dataclass(frozen=True)
class Structure:
    """The opaque result of `tojson` and `toyaml`: structure where it stands alone, JSON where it stands inside text.

    It is not a `str`, so nothing raw exists that a template could glue to its own text.
    """

    value: Any

    @functools.cached_property
    def text(self) -> str:
        """The JSON that it is inside text, written once however often it is used."""
        return compact_json(self.value)


class Missing(StrictUndefined):
    """An undefined name: it may be asked for (`is defined`, `default`, a key of it), and any other use is an error that names it."""

    __slots__ = ()

    def __init__(self, hint: str | None = None, obj: Any = missing, name: str | None = None, _exc: Any = None) -> None:
        super().__init__(hint, obj, name, self._fault)  # type: ignore[arg-type] # jinja2 raises whatever this callable makes

    def _fault(self, _message: str | None = None) -> Fault:
        name, holder = str(self._undefined_name or ""), self._undefined_obj
        fix = suggestion(name, holder) if isinstance(holder, Mapping) else ""
        what = f"`{self._undefined_hint or name[:SHOWN]}` is not defined"
        return Fault(Reason.UNDEFINED_VARIABLE, what, word=name, fix=fix or "use `default` or `is defined` where it is optional")


def suggestion(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest known name, or list a few of them; only short names, since likening long ones takes seconds."""
    short = [key for key in itertools.islice(known, LIKENED) if len(key) <= SHOWN]
    close = nearest(name, short)
    if close:
        return f"did you mean `{close}`?"
    listed = ", ".join(f"`{key}`" for key in sorted(short, key=str.swapcase)[:12])  # names of the first generation come last
    return f"there are {listed}" if listed else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Find the known name that a short one was probably meant to be; empty where none is near."""
    close = difflib.get_close_matches(name, list(known), n=1) if len(name) <= SHOWN else []
    return close[0] if close else ""


def look_up(value: Any, key: Any) -> Any:
    """Read a key of a mapping or a position of a list; `Missing` when it is not there, never an attribute."""
    if isinstance(value, Missing):
        return value  # the first missing link is the one to name
    if isinstance(value, Mapping):
        if not isinstance(key, str):
            return Missing(hint=f"{_position(key)} of a mapping")
        return value[key] if key in value else Missing(obj=value, name=key)
    if isinstance(value, list | tuple | str) and isinstance(key, int) and not isinstance(key, bool):
        return value[key] if -len(value) <= key < len(value) else Missing(hint=f"position {key} of a list of {len(value)}")
    return Missing(hint=f"{_position(key)} of {describe(value)}", name=key if isinstance(key, str) else None)


def _position(key: Any) -> str:
    """Name a key that is not there, whatever it is."""
    return str(key)[:SHOWN] if isinstance(key, str | int) else describe(key)


def describe(value: Any) -> str:
    """Name the type of a value in the words of the template language."""
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list", tuple: "a list"}
    return names.get(type(value), "a mapping" if isinstance(value, Mapping) else "a structure")


def is_number(value: Any) -> bool:
    """Whether a value is a number; a boolean is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: Any, use: str, fix: str = "turn text into a number by `|int`") -> Any:
    """Return a number; anything else is a `Fault` that names its use, such as `+`."""
    if isinstance(value, Missing):
        str(value)  # raises
    if not is_number(value):
        raise Fault(Reason.TEMPLATE_INVALID, f"`{use}` works on numbers, not on {describe(value)}", word=use, fix=fix)
    return value


def as_text(value: Any) -> str:
    """Turn a value into the text it is inside other text.

    Text as it is, numbers in decimal, `true` and `false`, compact JSON for a `Structure`. Null and containers are a `Fault` that names
    the filters which say what is meant.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return decimal(value)
    if isinstance(value, Structure):
        return value.text
    if isinstance(value, Missing):
        return str(value)  # raises
    fix = "use `default('…')`" if value is None else "use `tojson`, `join` or `csv` to say how it becomes text"
    raise Fault(Reason.RENDERED_INVALID_POD, f"{describe(value)} stands inside text", fix=fix)


def decimal(number: float) -> str:
    """Write a finite number without an exponent; a whole one without a fraction, as JSON hands it back."""
    if not math.isfinite(number):
        raise Fault(Reason.RENDERED_INVALID_POD, "a number that is not finite has no text", fix="check the arithmetic")
    return format(Decimal(repr(number)).normalize(), "f")


def compact_json(value: Any) -> str:
    """Write JSON that is the same on every replica: compact, sorted keys, whole floats as integers."""
    return _COMPACT.encode(_plain(value))


_COMPACT: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if value.__class__ is str:  # most are
        return value
    if isinstance(value, Structure):
        return _plain(value.value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
