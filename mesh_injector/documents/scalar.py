"""What a YAML scalar means to kubectl: YAML 1.1 by the rules of Go's yaml.v2, as sigs.k8s.io/yaml turns it into JSON.

The rules are those of yaml.v2's `resolve`; where Go's number syntax is surprising (`0400`, `0b-1`, `.5_0`), so is this module.
"""

import base64
import binascii
import math
import re
import struct
from typing import Final, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

STR: Final = "tag:yaml.org,2002:str"
_BINARY: Final = "tag:yaml.org,2002:binary"
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "tag:yaml.org,2002:bool": (bool,),
    "tag:yaml.org,2002:int": (int,),
    "tag:yaml.org,2002:float": (float, int),
    "tag:yaml.org,2002:null": (type(None),),
}


def _spellings(*words: str) -> list[str]:
    return [spelling for word in words for spelling in (word, word.title(), word.upper())]


_WORDS: Final[dict[str, Scalar]] = (
    dict.fromkeys(_spellings("y", "yes", "true", "on"), True)
    | dict.fromkeys(_spellings("n", "no", "false", "off"), False)
    | dict.fromkeys(["", "~", *_spellings("null")], None)
    | dict.fromkeys([".nan", ".NaN", ".NAN"], math.nan)
    | {sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")}
)
_INTEGER: Final = re.compile(r"([-+]?)(0[xX]|0[oO]|0[bB]|0(?=[0-9])|)([0-9a-fA-F]+)")
_BASES: Final = {"": 10, "0": 8, "0o": 8, "0x": 16, "0b": 2}
_SIGNED_BINARY: Final = re.compile(r"0b([-+])")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_POINT_FIRST: Final = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?")
_CLOCK: Final = r"[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?"
_DATE: Final = re.compile(rf"[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}([Tt]{_CLOCK}(Z|[-+][0-9]{{2}}:[0-9]{{2}})| {_CLOCK})?")
_NOT_UTF8: Final = re.compile("[\udc80-\udcff]")


def plain(text: str) -> Scalar:
    """The value of a scalar without quotes and without a tag; a float may be infinite or no number."""
    first = text[:1]
    if first in "yYnNtTfFoO~":
        return _WORDS.get(text, text)
    if first in "0123456789+-.":
        return _WORDS[text] if text in _WORDS else _number(text)
    return text


def tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar with a tag, whatever its style; a tag that is not of YAML itself leaves text.

    Raises ValueError when the text is not of the tag's type.
    """
    if tag == _BINARY:
        return _decoded(text)
    if tag == _TIMESTAMP and not _DATE.fullmatch(text):
        raise ValueError(f"{text!r} is no timestamp")
    return _typed(text, _TYPES[tag]) if tag in _TYPES else text


def key(value: Scalar) -> str:
    """The text of a mapping's key, since JSON has only text there; raises ValueError for null and for whole numbers above 2^63-1."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _short(value)
    if value is None or (isinstance(value, int) and value >= 1 << 63):
        raise ValueError(f"{'null' if value is None else value} cannot be a key")
    return str(value)


def _typed(text: str, types: tuple[type, ...]) -> Scalar:
    value = plain(text)
    if type(value) not in types or (float in types and isinstance(value, int) and value >= 1 << 63):
        raise ValueError(f"{text!r} is not of the type that its tag says")
    return value


def _number(text: str) -> Scalar:
    if text[0] == ".":
        return _float(text.replace("_", ""), text) if _POINT_FIRST.fullmatch(text) else text
    bare = text.replace("_", "")
    integer = _integer(_SIGNED_BINARY.sub(r"\g<1>0b", bare, count=1) if bare.startswith("0b") else bare)
    if integer is not None:
        return integer
    return _float(bare, text) if _FLOAT.fullmatch(bare) else text


def _integer(text: str) -> int | None:
    """A whole number that int64 holds, or uint64 if it has no sign: Go's `ParseInt(text, 0, 64)`, then `ParseUint`."""
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    sign, prefix, digits = match.groups()
    base = _BASES[prefix.lower()]
    if base == 10 and len(digits) > 20:
        return None
    try:
        number = int(sign + digits, base)
    except ValueError:
        return None
    return number if -(1 << 63) <= number < (1 << 63 if sign else 1 << 64) else None


def _float(digits: str, text: str) -> float | str:
    """The number, or the text itself where Go's ParseFloat finds it out of range."""
    number = float(digits)
    return text if math.isinf(number) else number


def _short(number: float) -> str:
    """The shortest text of a number of 32 bits, as Go's `FormatFloat(number, 'g', -1, 32)`: 1.10 is "1.1", 1e6 is "1e+06"."""
    single = struct.unpack("f", struct.pack("f", number))[0]
    if not math.isfinite(single):
        return ".nan" if math.isnan(single) else ".inf" if single > 0 else "-.inf"
    digits = next(count for count in range(9) if struct.pack("f", float(f"{single:.{count}e}")) == struct.pack("f", single))
    scientific = f"{single:.{digits}e}"
    exponent = int(scientific.partition("e")[2])
    return f"{float(scientific):.{max(digits - exponent, 0)}f}" if -4 <= exponent < 6 else scientific


def _decoded(text: str) -> str:
    """Text behind `!!binary`; each byte that is not UTF-8 becomes U+FFFD, as in Go's JSON."""
    try:
        octets = base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("the text behind !!binary is not base64") from error
    return _NOT_UTF8.sub("\ufffd", octets.decode("utf-8", "surrogateescape"))
