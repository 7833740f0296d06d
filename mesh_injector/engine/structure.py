"""What is wrong with the structure of a partial pod: unknown and misplaced fields, wrong types, words that Kubernetes does not know.

jsonschema-rs says quickly that all is well; only what is not goes the slow way, which knows what may have been meant.
"""

import dataclasses
import functools
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from mesh_injector.engine import schema, spelling
from mesh_injector.engine.schema import POD, Kind, Node

if TYPE_CHECKING:
    import jsonschema_rs

Path: TypeAlias = tuple[str | int, ...]

_KNOWN: Final = f"Kubernetes {schema.KUBERNETES_VERSION.rpartition('.')[0]}"
MOST_VIOLATIONS: Final = 100
"""So many violations of one body are told, at most, so that the work on a body that is wrong everywhere is bounded."""

_WORDS: Final = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "text"), ((list, tuple), "list"), (Mapping, "map"))
_ACCEPTED: Final[dict[Kind, tuple[str, tuple[str, ...]]]] = {
    "object": ("a map", ("map",)),
    "map": ("a map", ("map",)),
    "list": ("a list", ("list",)),
    "text": ("text", ("text",)),
    "integer": ("an integer", ("integer",)),
    "number": ("a number", ("integer", "number")),
    "boolean": ("true or false", ("boolean",)),
    "int-or-text": ("an integer or text", ("integer", "text")),
    "quantity": ("a quantity", ("integer", "number", "text")),
    "any": ("anything", ("null", "boolean", "integer", "number", "text", "list", "map")),
}
_SUGGESTIONS: Final[dict[tuple[Kind, str], str]] = {
    ("text", "boolean"): "write it in quotes",
    ("text", "integer"): "write it in quotes",
    ("text", "number"): "write it in quotes",
    ("text", "list"): "`|tojson` makes text of it",
    ("text", "map"): "`|tojson` makes text of it",
    ("list", "text"): "write a list, also for one item: `[…]`",
    ("list", "map"): "write a list, with `- ` before each item",
    ("map", "list"): "write a map, without `- `",
    ("object", "list"): "write a map, without `- `",
}
_BOOLEANS: Final = {"true": "true", "yes": "true", "on": "true", "y": "true", "false": "false", "no": "false", "off": "false", "n": "false"}
_NUMERALS: Final = ((re.compile("0o?([0-7]{1,21})"), 8), (re.compile("0x([0-9a-fA-F]{1,16})"), 16))


@dataclasses.dataclass(frozen=True, slots=True)
class Violation:
    """One thing in a partial pod that Kubernetes would refuse or drop; the suggestion may be empty."""

    path: Path
    message: str
    suggestion: str = ""


def violations(body: Mapping[str, Any]) -> list[Violation]:
    """What is wrong in a partial pod `{metadata?, spec?}` of plain JSON values (integers of 64 bits), sorted by path, none twice."""
    if is_sound(body):
        return []
    return sorted(itertools.islice(_walk(POD, body, ()), MOST_VIOLATIONS), key=lambda violation: (violation.path, violation.message))


def is_sound(body: Mapping[str, Any]) -> bool:
    """Whether nothing is wrong in a partial pod, where nobody asks what."""
    return _judge().is_valid(body)


@functools.cache
def _judge() -> "jsonschema_rs.Draft4Validator":
    # Draft 4, because later drafts take 3.0 for an integer and Kubernetes does not.
    import jsonschema_rs

    return jsonschema_rs.Draft4Validator(schema.BUNDLED)


def _walk(node: Node, value: Any, path: Path) -> Iterator[Violation]:
    expected, accepted = _ACCEPTED[node.kind]
    word = next((word for kind, word in _WORDS if isinstance(value, kind)), "null")
    if word not in accepted:
        found = "null" if word == "null" else f"the {word} {_brief(value)}"
        yield Violation(path, f"expected {expected}, found {found}", _rewriting(node.kind, word, value) or f"write {expected}")
    elif word == "map" and node.kind != "any":
        yield from _members(node, value, path)
    elif word == "list" and node.inner:
        for index, item in enumerate(value):
            yield from _walk(node.inner, item, (*path, index))
    elif node.words and value not in node.words:
        yield Violation(path, f"{_brief(value)} is none of {_listed(node.words)}", _wording(node.words, value))
    elif word == "integer" and node.bounds and not node.bounds[0] <= value <= node.bounds[1]:
        yield Violation(path, f"{_brief(value)} is out of range", f"write an integer from {node.bounds[0]} to {node.bounds[1]}")


def _misspelt(node: Node, value: Mapping[str, Any]) -> set[str]:
    """Name the fields that unknown ones were probably meant for: those are told, and not also that a field is missing."""
    unknown = (name for name in value if node.field(name) is None)
    return {spelling.alike(name, node.fields, node.required) for name in itertools.islice(unknown, MOST_VIOLATIONS)}


def _members(node: Node, value: Mapping[str, Any], path: Path) -> Iterator[Violation]:
    missing = [name for name in node.required if name not in value]
    for name in sorted(set(missing) - _misspelt(node, value)) if missing else ():
        yield Violation(path, f"`{name}` is required", "write it, or leave out what needs it")
    for name, member in value.items():
        child = node.field(name)
        if child:
            yield from _walk(child, member, (*path, name))
        elif name in node.left_out:
            yield Violation((*path, name), f"`{name}` cannot come from a template", _leaving(node))
        else:
            yield Violation((*path, name), f"unknown field `{_brief(name)[1:-1]}`", _naming(node, name, path))


def _brief(value: object) -> str:
    """A value as JSON, cut to 40 characters."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except ValueError:  # Python does not write integers of more than 4300 digits
        return "…"
    return text if len(text) <= 40 else f"{text[:38]}…{text[-1]}"


def _rewriting(kind: Kind, word: str, value: Any) -> str:
    """How to write a value that has the wrong type."""
    if kind == "integer" and word in ("text", "number"):
        return _as_integer(str(value))
    if kind == "boolean" and word == "text" and (truth := _BOOLEANS.get(value.lower())):
        return f"write {truth}, without quotes, or `{{{{ x|bool }}}}`"
    return _SUGGESTIONS.get((kind, word), "")


def _as_integer(text: str) -> str:
    for pattern, base in _NUMERALS:
        if numeral := pattern.fullmatch(text):
            return f"write {int(numeral[1], base)} (decimal)"
    if digits := re.fullmatch(r"([+-]?[0-9]{1,19})(?:\.0)?", text):
        return f"write `{int(digits[1])}` or `{{{{ x|int }}}}`"
    return ""


def _listed(words: tuple[str, ...]) -> str:
    told = [word for word in words if word]
    return ", ".join(told[:8]) + (f" and {len(told) - 8} others" if len(told) > 8 else "")


def _wording(words: tuple[str, ...], value: str) -> str:
    """Which of a field's words was meant, if it is one that we can know."""
    known = spelling.alike(value[:40], words, ())
    return f"did you mean `{known}`?" if known else f"{_KNOWN} knows no other; a newer word needs a newer mesh-injector"


def _leaving(node: Node) -> str:
    return f"only {', '.join(node.fields)} may stand here" if len(node.fields) < 5 else "Kubernetes refuses it when a pod is created"


def _naming(node: Node, name: str, path: Path) -> str:
    """What an unknown field may have meant: a field of this node that is written alike, or the same name where it is known."""
    here = tuple(step for step in path if isinstance(step, str))
    places = _places().get(name, [])
    alike = spelling.alike(name, node.fields, node.required)
    if places and not (alike and all(spelling.distance(here, place) > 1 for place in places)):
        belongs = f"`{name}` belongs in {spelling.home(here, places)}"
        return f"did you mean `{alike}`? {belongs}" if alike else belongs
    if alike:
        return f"did you mean `{alike}`?"
    if known := spelling.alike(name, _places(), ()):
        return f"did you mean `{known}`? It belongs in {spelling.home(here, _places()[known])}"
    return f"{_KNOWN} knows no such field; a newer field needs a newer mesh-injector"


@functools.cache
def _places() -> Mapping[str, list[spelling.Place]]:
    """Every field of the pod's objects, and the places where it may stand, from the top down: `("spec", "containers")`."""
    places: dict[str, list[spelling.Place]] = {}
    waiting: list[tuple[spelling.Place, Node]] = [((), POD)]
    for place, node in waiting:
        for name, child in node.children.items():
            places.setdefault(name, []).append(place)
            waiting.append(((*place, name), child.inner or child))
    return places
