"""The filters that make or read text; each takes the budget, the value (anything that has a text), and its arguments."""

import hashlib
import re
import shlex
from typing import Any, Final

from mesh_injector.engine.template.bounds import CALL, READ_CHARACTERS, Budget
from mesh_injector.engine.template.lists import attributes, items_of
from mesh_injector.engine.template.source import Fault
from mesh_injector.engine.template.values import as_text
from mesh_injector.reasons import Reason

REPLACED_CHARACTERS: Final = 4
"""So many characters that a regular expression may have to replace one by one count as one evaluation."""


def _made(budget: Budget, text: str) -> str:
    budget.produce(len(text))
    return text


def _read(budget: Budget, value: Any) -> str:
    text = as_text(value)
    budget.spend(len(text) // READ_CHARACTERS)
    return text


def lower(budget: Budget, value: Any) -> str:
    """Lower-case text."""
    return _made(budget, as_text(value).lower())


def upper(budget: Budget, value: Any) -> str:
    """Upper-case text."""
    return _made(budget, as_text(value).upper())


def trim(budget: Budget, value: Any, characters: Any = None) -> str:
    """Strip white space, or the given characters, from both ends."""
    text, stripped = as_text(value), None if characters is None else as_text(characters)
    budget.strip(text, stripped or "")
    return _made(budget, text.strip(stripped))


def replace(budget: Budget, value: Any, old: Any, new: Any, count: int = -1) -> str:
    """Replace a text by another, everywhere or the first `count` times."""
    text, old, new = as_text(value), as_text(old), as_text(new)
    budget.search(text, old)
    found = text.count(old) if count < 0 else min(count, text.count(old))
    budget.produce(len(text) + found * (len(new) - len(old)))
    return text.replace(old, new, count)


def split(budget: Budget, value: Any, separator: Any = None, maximum: int = -1) -> list[str]:
    """Split text at a separator, or at white space."""
    text, separator = as_text(value), None if separator is None else as_text(separator)
    budget.produce(len(text))
    budget.search(text, separator or "")
    budget.spend(text.count(separator) if separator else len(text) // 2)
    return text.split(separator, maximum)


def join(budget: Budget, value: Any, separator: Any = "", attribute: Any = None) -> str:
    """Join the texts of a list, or of one attribute of each item."""
    return budget.join(attributes(budget, items_of(budget, value), attribute), as_text(separator))


def csv(budget: Budget, value: Any) -> str:
    """Join the texts of a list by commas."""
    return join(budget, value, ",")


def string(budget: Budget, value: Any) -> str:
    """Turn a value into text: a number that must stay text, for example."""
    return _made(budget, as_text(value))


def startswith(budget: Budget, value: Any, prefix: Any) -> bool:
    """Whether a text begins with another."""
    return _read(budget, value).startswith(_read(budget, prefix))


def endswith(budget: Budget, value: Any, suffix: Any) -> bool:
    """Whether a text ends with another."""
    return _read(budget, value).endswith(_read(budget, suffix))


def sha256(budget: Budget, value: Any) -> str:
    """Hash a text: 64 hex digits of the SHA-256 of its UTF-8."""
    budget.spend(CALL)
    return hashlib.sha256(_made(budget, as_text(value)).encode("utf-8", "surrogatepass")).hexdigest()


def dns_label(budget: Budget, value: Any) -> str:
    """Make an RFC 1123 label of any text: lower case, `-` for what is not allowed, at most 63 characters (a hash keeps long ones apart)."""
    text = _made(budget, as_text(value))
    budget.spend(CALL + len(text) // REPLACED_CHARACTERS)
    label = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not label:
        what = f"{text[:40]!r} has no letter or digit to make a DNS label of"
        raise Fault(Reason.TEMPLATE_INVALID, what, fix="use `default('…', true)` first")
    return label if len(label) <= 63 else f"{label[:54].rstrip('-')}-{sha256(budget, text)[:8]}"


def shell(budget: Budget, value: Any) -> str:
    """Quote a text as one word of a POSIX shell."""
    return _made(budget, shlex.quote(as_text(value)))
