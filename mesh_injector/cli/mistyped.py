"""A pod whose value has the wrong type: the decoder's words, turned into the place in the document and what to write there."""

import re
from collections.abc import Sequence
from typing import Any, Final

from mesh_injector import reasons, workloads
from mesh_injector.documents import Document
from mesh_injector.engine import checks
from mesh_injector.errors import Problem

_SAID: Final = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<found>[^`]+)` - at `\$(?P<path>[^`]*)`")
_STEP: Final = re.compile(r"\.(\w+)|\[(\d+|\.\.\.)\]")
_WORDS: Final = {
    "str": "text",
    "int": "a whole number",
    "bool": "true or false",
    "array": "a list",
    "object": "a map",
    "float": "a number",
    "null": "null",
}
_FIXES: Final = {
    "str": "put it in quotes",
    "int": "write it as a number, without quotes",
    "array": "write a list, with `- ` before each item",
}


def problem(said: Problem, document: Document) -> Problem:
    """Make the problem of a document whose pod the decoder could not take, from what it said."""
    match = _SAID.search(said.what)
    workload = workloads.find(document.body) if match else None
    if match is None or workload is None:
        origin = document.locate(())
        return Problem(reasons.FIELD_WRONG, said.what, str(origin), "correct its type", document.excerpt(origin))
    wanted = match["wanted"].split(" | ")[0]
    path = (*workload.path, *_steps(match["path"], workload.pod, wanted))
    origin = document.locate(path)
    what = f"`{checks.field_name(path)}` is {_word(match['found'])}, and must be {_word(wanted)}"
    return Problem(reasons.FIELD_WRONG, what, str(origin), _FIXES.get(wanted, f"write {_word(wanted)}"), document.excerpt(origin))


def _word(kind: str) -> str:
    return _WORDS.get(kind, kind)


def _steps(path: str, body: Any, wanted: str) -> Sequence[str | int]:
    """Read the decoder's path; it says `[...]` for a key of a map, which is the first one whose value is not what is wanted."""
    steps: list[str | int] = []
    for name, index in _STEP.findall(path):
        step: str | int = name or (_wrong_key(body, wanted) if index == "..." else int(index))
        steps.append(step)
        body = body[step]
    return steps


def _wrong_key(body: Any, wanted: str) -> str:
    kinds: dict[str, type[Any]] = {"str": str, "int": int}
    return next((str(key) for key, value in body.items() if not isinstance(value, kinds.get(wanted, object))), "")
