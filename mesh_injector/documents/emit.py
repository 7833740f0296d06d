"""JSON-like values to YAML that kubectl (YAML 1.1 by Go's rules), YAML 1.1 and YAML 1.2 readers all read back to the same values.

The shape is kubectl's: block style, lists at the column of their key, `|` for text of several lines, no line folded, no anchors.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_SYNTAX: Final = re.compile(r"[ ?:,\[\]{}#&*!|>'\"%@`]|-(?: |$|--)|\.\.\.|.*(?:: | #|[: ]$)")
_OTHER_TYPE: Final = re.compile(
    r"""  | ~ | = | << | y | n | yes | no | on | off | true | false | null
    | [-+]? \. (inf | nan)
    | [-+]? 0 [xob] [-+]? [0-9a-f_]+
    | [-+]? (\. [0-9_]+ | [0-9] [0-9_]* (\. [0-9_]*)?) (e [-+]? [0-9_]+)?
    | [-+]? [0-9] [0-9_]* (: [0-5]? [0-9])+ (\. [0-9_]*)?
    | [0-9]{4} - [0-9]{1,2} - [0-9]{1,2} .*""",
    re.VERBOSE | re.IGNORECASE,
)
_LONGEST_KEY: Final = 1000
"""A longer key needs `? ` before it: YAML looks for the colon only so far."""


def dump(body: Mapping[str, Any] | Sequence[Any]) -> str:
    """The YAML text of a mapping or a list, ending in a line feed.

    Values are None, bool, int, finite float, text, and mappings (with text keys) and sequences of them. Raises TypeError for any
    other value and ValueError for a float that JSON does not have.
    """
    if not body:
        return f"{_inline(body)}\n"
    return "\n".join(_block(body, 0)) + "\n"


def _block(value: Mapping[str, Any] | Sequence[Any], indent: int) -> list[str]:
    lines: list[str] = []
    pad = " " * indent
    if isinstance(value, Mapping):
        for key, item in value.items():
            lines += _entry(pad, key, item)
        return lines
    for item in value:
        first, *rest = _block(item, indent + 2) if _is_block(item) else _scalar(item, pad)
        lines += [f"{pad}- {first[indent + 2 :] if _is_block(item) else first}", *rest]
    return lines


def _entry(pad: str, key: str, value: Any) -> list[str]:
    if not isinstance(key, str):
        raise TypeError(f"a key must be text, not {type(key).__name__}")
    name = _word(key)
    head = f"{pad}{name}:" if len(name) <= _LONGEST_KEY else f"{pad}? {name}\n{pad}:"
    if _is_block(value):
        return [head, *_block(value, len(pad) + (2 if isinstance(value, Mapping) else 0))]
    first, *rest = _scalar(value, pad)
    return [f"{head} {first}", *rest]


def _is_block(value: Any) -> bool:
    return isinstance(value, (Mapping, list, tuple)) and len(value) > 0


def _scalar(value: Any, pad: str) -> list[str]:
    """The lines of a value that is no block; those after the first carry their own indentation."""
    return _literal(value, pad + "  ") if isinstance(value, str) and "\n" in value and _readable(value) else [_inline(value)]


def _inline(value: Any) -> str:
    if isinstance(value, str):
        return _word(value)
    if isinstance(value, (bool, int)) or value is None:
        return json.dumps(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, (Mapping, list, tuple)):
        return "{}" if isinstance(value, Mapping) else "[]"
    raise TypeError(f"{type(value).__name__} cannot be written as YAML")


def _float(value: float) -> str:
    """With a point even before an exponent, without which YAML 1.1 takes the number for text."""
    if not math.isfinite(value):
        raise ValueError(f"JSON has no {value}")
    digits, exponent, power = repr(value).partition("e")
    return f"{digits if '.' in digits else digits + '.0'}{exponent}{power}"


def _word(text: str) -> str:
    """One line: plain where every reader takes it for text, in quotes otherwise."""
    if not text.isprintable():
        return _escaped(text)
    if _OTHER_TYPE.fullmatch(text):
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'" if _SYNTAX.match(text) else text


def _escaped(text: str) -> str:
    return "".join(char if char.isprintable() else _escape(char) for char in json.dumps(text, ensure_ascii=False))


def _escape(char: str) -> str:
    """A character that JSON leaves alone and YAML does not; half of a surrogate pair becomes U+FFFD, as in Go."""
    code = 0xFFFD if "\ud800" <= char <= "\udfff" else ord(char)
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"


def _readable(text: str) -> bool:
    """Whether a text of several lines can stand in a literal block as it is: printable but for tabs, and not of empty lines only."""
    return text.replace("\n", "").replace("\t", "").isprintable() and text.strip("\n") != ""


def _literal(text: str, pad: str) -> list[str]:
    """`|` with an indentation indicator if the text begins with space, and a chomping indicator unless it ends in one line feed."""
    body = text.removesuffix("\n")
    indicator = "2" if body.lstrip("\n").startswith((" ", "\t")) else ""
    chomping = "-" if body == text else "+" if body.endswith("\n") else ""
    return [f"|{indicator}{chomping}", *(pad + line if line else "" for line in body.split("\n"))]
