"""One expectation held against what came out: nothing where it holds, else what was expected and what was found."""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mesh_injector.cli import whence
from mesh_injector.cli.suites import paths
from mesh_injector.cli.suites.paths import Mistaken
from mesh_injector.cli.suites.spec import Expect
from mesh_injector.engine import address
from mesh_injector.engine.address import Item
from mesh_injector.engine.pipeline import Story

DECIDING: Final = ("outcome", "reason", "mesh", "message")
"""What is expected of the decision: where that is wrong, the rest is wrong for it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that does not hold: which, what was expected and found (YAML or words), the template's line, and a hint."""

    field: str
    expected: Any
    found: Any
    where: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came out of a case: the decision with what led there, the pod afterwards, and the addresses of what was added.

    Of an audited pod it is the pod as it would be.
    """

    story: Story
    after: Mapping[str, Any]
    added: tuple[str, ...] = ()


def failures(expect: Expect, tried: Tried) -> list[Failure]:
    """Find what does not hold; where the decision is another one, only that."""
    asked = [name for name in type(expect).model_fields if name in expect.model_fields_set and name in _CHECKS]
    found = {name: list(_CHECKS[name](getattr(expect, name), tried)) for name in asked}
    deciding = [failure for name in DECIDING for failure in found.get(name, ())]
    return deciding or [failure for name in asked for failure in found[name]]


def _outcome(expected: str | None, tried: Tried) -> Iterator[Failure]:
    outcome = tried.story.outcome
    if outcome.verdict != expected:
        yield Failure("outcome", expected, outcome.verdict.value, hint=outcome.message or outcome.reason.value)


def _reason(expected: str | None, tried: Tried) -> Iterator[Failure]:
    outcome = tried.story.outcome
    if outcome.reason != expected:
        yield Failure("reason", expected, outcome.reason.value, hint=outcome.message)


def _mesh(expected: str | None, tried: Tried) -> Iterator[Failure]:
    found = tried.story.outcome.mesh or None
    if expected not in (found, found and found.partition("/")[2]):
        losers = [f"{check.mesh}: {check.why}" for check in tried.story.checks if expected in (check.mesh, check.mesh.partition("/")[2])]
        yield Failure("mesh", expected, found, hint="; ".join(losers))


def _message(expected: Sequence[str] | None, tried: Tried) -> Iterator[Failure]:
    found = tried.story.outcome.message
    missing = [part for part in expected or () if part not in found]
    if missing or (expected is None and found):
        yield Failure("message", missing[0] if missing else None, found or None)


def _warnings(expected: Sequence[str] | None, tried: Tried) -> Iterator[Failure]:
    found = list(tried.story.outcome.warnings)
    left = list(found)
    for part in expected or ():
        told = next((warning for warning in left if part in warning), None)
        if told is None:
            yield Failure("warnings", part, found)
        else:
            left.remove(told)
    for warning in left:
        yield Failure("warnings", None, warning, hint="list a part of it under `warnings` if it is right")


def _adds(expected: Sequence[str] | None, tried: Tried) -> Iterator[Failure]:
    wanted = [address.write(paths.parse(name)) for name in expected or ()]
    for name in wanted:
        if name not in tried.added:
            yield Failure(f"adds {name}", "added", "the pod as it was" if _is_there(name, tried) else None)
    for name in tried.added:
        if name not in wanted:
            yield Failure(f"adds {name}", None, "added", _where(name, tried))


def _is_there(name: str, tried: Tried) -> bool:
    return paths.find(tried.after, paths.parse(name)) is not None


def _pod(expected: Mapping[str, Any] | None, tried: Tried) -> Iterator[Failure]:
    for name, wanted in (expected or {}).items():
        found = paths.find(tried.after, paths.parse(name))
        if not holds(wanted, found):
            yield Failure(f"pod {name}", wanted, found, _where(name, tried), _hint(wanted, found))


def _where(name: str, tried: Tried) -> str:
    """Name the line of the template that brings what a path names; of several items that of their list."""
    plain = tuple(
        itertools.takewhile(lambda step: not isinstance(step, Item) or not (step == paths.EVERY or step.key.isdecimal()), paths.parse(name))
    )
    found = whence.of(tried.story.decision.overlays, plain)
    return found.short if found else ""


def _hint(wanted: Any, found: Any) -> str:
    if isinstance(found, str) and not isinstance(wanted, str | dict | list | None) and found == _spelt(wanted):
        return f'the pod has the text "{found}"; write it in quotes'
    if found is not None and isinstance(wanted, str) and wanted == _spelt(found):
        return "the pod has no text there; write it without quotes"
    return ""


def _spelt(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


_CHECKS: Final[dict[str, Callable[[Any, Tried], Iterator[Failure]]]] = {
    "outcome": _outcome,
    "reason": _reason,
    "mesh": _mesh,
    "message": _message,
    "warnings": _warnings,
    "adds": _adds,
    "pod": _pod,
}
"""Every expectation but the snapshot, which needs a file."""


# --- values -------------------------------------------------------------------------------------------------------------------------


def holds(wanted: Any, found: Any) -> bool:
    """Whether a value is as expected: equal with its type, or as a matcher says; null means that there is none."""
    matcher = _matcher(wanted)
    return matcher[0](matcher[1], found) if matcher else same(wanted, found)


def same(wanted: Any, found: Any) -> bool:
    """Whether two JSON values are equal, `1` and `true` told apart."""
    return json.dumps(wanted, sort_keys=True) == json.dumps(found, sort_keys=True)


def _matcher(wanted: Any) -> tuple[Callable[[Any, Any], bool], Any] | None:
    """Read a matcher: a mapping of one key that names one."""
    if not isinstance(wanted, dict) or len(wanted) != 1:
        return None
    ((name, argument),) = wanted.items()
    return (MATCHERS[name], argument) if name in MATCHERS else None


def _contains(wanted: Any, found: Any) -> bool:
    if isinstance(found, str):
        return isinstance(wanted, str) and wanted in found
    if isinstance(found, list):
        return any(_has(item, wanted) for item in found)
    return isinstance(found, dict) and _has(found, wanted)


def _has(found: Any, wanted: Any) -> bool:
    """Whether a value is the wanted one; of a mapping it may hold more."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return all(key in found and _has(found[key], value) for key, value in wanted.items())
    return same(wanted, found)


def _matches(wanted: str, found: Any) -> bool:
    return found is not None and re.search(wanted, _spelt(found)) is not None


MATCHERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "equals": same,
    "contains": _contains,
    "matches": _matches,
    "exists": lambda wanted, found: wanted == (found is not None),
}
"""`contains`: a part of a text, an item of a list, or members of a mapping; `matches`: a regular expression found in a text."""


def check_value(wanted: Any) -> None:
    """Check what a matcher is given. Raises Mistaken."""
    matcher = _matcher(wanted)
    if matcher is None:
        return
    function, argument = matcher
    if function is MATCHERS["exists"] and not isinstance(argument, bool):
        raise Mistaken("`exists` is neither true nor false", "write `exists: true` or `exists: false`")
    if function is _matches:
        try:
            re.compile(argument)
        except (re.error, TypeError) as error:
            raise Mistaken(f"`matches` is no regular expression: {error}", "correct it, or use `contains`") from error
