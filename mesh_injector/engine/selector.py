"""Label selectors with Kubernetes' exact meaning, and why one does not match.

`mismatch` answers with the first requirement that fails, and a match is the absence of a mismatch, so *explain* cannot disagree with
the decision. Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist")

_NAME: Final = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)\Z")
_PREFIX: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*\Z")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label: `values` is empty for `Exists` and `DoesNotExist`."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet the condition; like Kubernetes, `NotIn` holds where the label is absent."""
        found = labels.get(self.key)
        if self.operator == "In":
            return found in self.values
        if self.operator == "NotIn":
            return found not in self.values
        return (found is not None) == (self.operator == "Exists")

    def __str__(self) -> str:
        if self.operator in ("In", "NotIn"):
            if self.operator == "In" and len(self.values) == 1:
                return f"{self.key}={self.values[0]}"
            return f"{self.key} {'in' if self.operator == 'In' else 'not in'} ({', '.join(self.values)})"
        return f"{self.key} {'exists' if self.operator == 'Exists' else 'does not exist'}"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first requirement that fails, and the value that was found (None: no such label)."""

    requirement: Requirement
    found: str | None

    def __str__(self) -> str:
        return f"wants {self.requirement}, found {'no such label' if self.found is None else repr(self.found)}"


@dataclass(frozen=True, slots=True)
class Selector:
    """A parsed LabelSelector: all requirements must hold, none at all selects everything."""

    requirements: tuple[Requirement, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """The labels the selector reads: nothing else can change its answer."""
        return frozenset(requirement.key for requirement in self.requirements)

    def mismatch(self, labels: Mapping[str, str]) -> Mismatch | None:
        """Find the first requirement that fails; None when the labels are selected."""
        for requirement in self.requirements:
            if not requirement.holds(labels):
                return Mismatch(requirement, labels.get(requirement.key))
        return None

    def __str__(self) -> str:
        return ", ".join(map(str, self.requirements)) or "everything"


class Unusable(ValueError):
    """A selector that cannot be used: a sentence, the place in it, and how to fix it."""

    def __init__(self, what: str, path: tuple[str | int, ...] = (), fix: str = "correct the selector") -> None:
        super().__init__(what)
        self.path, self.fix = path, fix


def parse(body: Mapping[str, Any]) -> Selector:
    """Parse a LabelSelector of `matchLabels` and `matchExpressions`.

    Raises Unusable with a sentence that names the wrong place; the caller knows the object and adds it.
    """
    unknown = set(body) - {"matchLabels", "matchExpressions"}
    if unknown:
        wrong = min(map(str, unknown))
        what = f"`{wrong:.80}` is no part of a selector; it has `matchLabels` and `matchExpressions`"
        raise Unusable(what, (wrong,), _meant(wrong, ("matchLabels", "matchExpressions")) or f"write `matchLabels: {{{wrong:.63}: …}}`")
    labels = _member(body, "matchLabels", dict)
    expressions = _member(body, "matchExpressions", list)
    requirements = [_of_label(key, labels[key]) for key in sorted(labels, key=str)]
    requirements += [_placed(item, ("matchExpressions", index)) for index, item in enumerate(expressions)]
    return Selector(tuple(requirements))


def _of_label(key: Any, value: Any) -> Requirement:
    return _placed({"key": key, "operator": "In", "values": [value]}, ("matchLabels", key), "matchLabels")


def _placed(item: Any, path: tuple[str | int, ...], name: str = "") -> Requirement:
    """Parse one requirement; what is wrong with it is told with its place."""
    try:
        return _requirement(item, name or f"{path[0]}[{path[1]}]")
    except Unusable as error:
        raise Unusable(str(error), (*path, *error.path), error.fix) from error


def _meant(name: str, known: Sequence[str]) -> str | None:
    close = difflib.get_close_matches(name[:80].lower(), [one.lower() for one in known])
    return next((f"did you mean `{one}`?" for one in known if close and one.lower() == close[0]), None)


_TERM: Final = re.compile(
    r"\s*(?:(?P<absent>!)\s*)?(?P<key>[^\s!=,()]+)"
    r"(?:\s*(?P<equals>!=|==?)\s*(?P<value>[^\s,()=!]*)|\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?\s*(?:,|\Z)"
)


def parse_text(text: str) -> Selector:
    """Parse a selector as kubectl's `-l` takes it: `app=web,tier!=db,env in (a,b),!old`; empty text selects everything.

    Raises ValueError with a sentence. Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api
    """
    requirements, position = [], 0
    while position < len(text.rstrip()):
        match = _TERM.match(text, position)
        if match is None or (match["absent"] and (match["equals"] or match["set"])):
            raise ValueError(f"{text[position:].strip()!r} is no requirement; write `app=web`, `app!=web`, `app in (a,b)`, `app` or `!app`")
        requirements.append(_requirement(_term(match), "-l"))
        position = match.end()
    return Selector(tuple(requirements))


def _term(match: re.Match[str]) -> dict[str, Any]:
    if match["set"]:
        values = [value.strip() for value in match["values"].split(",")]
        return {"key": match["key"], "operator": "In" if match["set"] == "in" else "NotIn", "values": values}
    if match["equals"]:
        return {"key": match["key"], "operator": "NotIn" if match["equals"] == "!=" else "In", "values": [match["value"]]}
    return {"key": match["key"], "operator": "DoesNotExist" if match["absent"] else "Exists"}


def _member(body: Mapping[str, Any], name: str, wanted: type[Any]) -> Any:
    value = body.get(name)
    if value is not None and not isinstance(value, wanted):
        form = "mapping, `{key: value}`" if wanted is dict else "list, with `- ` before each item"
        raise Unusable(f"`{name}` must be a {'mapping' if wanted is dict else 'list'}", (name,), f"write a {form}")
    return value if value is not None else wanted()


def _requirement(item: Any, where: str) -> Requirement:
    if not isinstance(item, dict) or set(item) - {"key", "operator", "values"}:
        raise Unusable(f"`{where}` must have `key`, `operator` and `values`, and nothing else")
    key, operator, values = item.get("key"), item.get("operator"), item.get("values")
    values = [] if values is None else values
    if not isinstance(key, str) or not is_label_key(key):
        raise Unusable(f"{key!r:.80} in `{where}` is no label key", fix="write `name` or `prefix/name`")
    if operator not in OPERATORS:
        what = f"operator {operator!r:.80} in `{where}` is none of {', '.join(OPERATORS)}"
        raise Unusable(what, ("operator",), _meant(str(operator), OPERATORS) or "write one of them")
    if not isinstance(values, list) or not all(isinstance(value, str) and is_label_value(value) for value in values):
        raise Unusable(f"`{where}` holds a value of `{key}` that is no label value: a text of at most 63 letters, digits, `-`, `_`, `.`")
    if (operator in ("In", "NotIn")) != bool(values):
        told, fix = ("takes no values", "leave out `values`") if values else ("needs at least one value", "write `values: [a]`")
        raise Unusable(f"operator {operator} in `{where}` {told}", fix=fix)
    return Requirement(key, operator, tuple(values))


def is_label_key(text: str) -> bool:
    """Whether a text is a qualified name, `[prefix/]name`, as label keys must be."""
    prefix, slash, name = text.rpartition("/")
    return bool(_NAME.match(name)) and (not slash or (len(prefix) <= 253 and bool(_PREFIX.match(prefix))))


def is_label_value(text: str) -> bool:
    """Whether a text may be a label's value: empty, or at most 63 characters that begin and end with a letter or digit."""
    return text == "" or bool(_NAME.match(text))
