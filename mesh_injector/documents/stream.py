"""Text with any number of documents, YAML or JSON, to Documents; a document that cannot be read becomes a Problem and spoils no other.

Documents are separated as kubectl does it: by lines that begin with `---`, before any of them is read.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from mesh_injector import reasons
from mesh_injector.documents import goyaml
from mesh_injector.documents.document import Document
from mesh_injector.documents.mistakes import Misread
from mesh_injector.documents.origin import Origin, excerpt, moved
from mesh_injector.errors import Problem

_SEPARATOR: Final = re.compile(r"^---([^\n]*)(?:\n|\Z)", re.MULTILINE)
_BYTE_ORDER_MARK: Final = "\ufeff"
_LOOKS_LIKE_JSON: Final = re.compile(r"\s*\{\s*[\"}]")
_SPACE: Final = re.compile(r"\s*")
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a text holds: the documents in their order, and what is wrong with the rest."""

    documents: tuple[Document, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A part of a file and where it begins."""

    text: str
    start: Origin

    def problem(self, code: str, what: str, index: int, fix: str) -> Problem:
        place = moved(self.start, self.text, index)
        return Problem(code, what, str(place), fix, excerpt(self.start, self.text, place))


def parse(text: str, source: str) -> Parsed:
    """The documents of a text that is called `source` in messages. Nothing is raised: what is wrong is in `problems`.

    Empty documents and those of comments only vanish; a List is one document (see `expand`). Whatever is read is read as kubectl does
    (YAML 1.1 by Go's rules), but for equal keys in one mapping and text after `...`, which kubectl drops in silence: these are problems.
    """
    documents: list[Document] = []
    problems: list[Problem] = []
    for chunk in _split(_Chunk(text.removeprefix(_BYTE_ORDER_MARK), Origin(source, 1, 1))):
        for found in [chunk] if isinstance(chunk, Problem) else _read(chunk):
            if isinstance(found, Problem):
                problems.append(found)
            else:
                documents.append(found)
    return Parsed(tuple(documents), tuple(problems))


def _split(file: _Chunk) -> Iterator[_Chunk | Problem]:
    """The chunks between the separators, and a problem for a separator that carries more than a comment."""
    begin, line = 0, 1
    for separator in _SEPARATOR.finditer(file.text):
        yield _Chunk(file.text[begin : separator.start()].removeprefix(_BYTE_ORDER_MARK), Origin(file.start.source, line, 1))
        line += file.text.count("\n", begin, separator.start())
        if separator[1].strip() and not separator[1].lstrip().startswith("#"):
            what, fix = "text on the line that separates documents", "begin the document on the next line"
            above = _lines_above(file.text, separator.start())
            start = Origin(file.start.source, line - file.text.count("\n", above, separator.start()), 1)
            # A part of the file, since looking through the whole of it for each of many separators would take its length squared.
            yield _Chunk(file.text[above : separator.end()], start).problem(reasons.NOT_YAML, what, separator.start() + 3 - above, fix)
        line += file.text.count("\n", separator.start(), separator.end())
        begin = separator.end()
    yield _Chunk(file.text[begin:].removeprefix(_BYTE_ORDER_MARK), Origin(file.start.source, line, 1))


def _lines_above(text: str, index: int) -> int:
    """Where the lines begin that an excerpt shows above the one that begins at `index`."""
    for _ in range(2):
        index = text.rfind("\n", 0, max(index - 1, 0)) + 1
    return index


def _read(chunk: _Chunk) -> Iterator[Document | Problem]:
    """JSON values one after another as far as there are any, then YAML, of which JSON is almost a part."""
    at, place = 0, chunk.start
    while decoded := _decoded(chunk.text, begin := _after_space(chunk.text, at)):
        value, end = decoded
        place = moved(place, chunk.text[at:begin], begin - at)
        text = chunk.text[begin:end]
        yield from _manifest(_Chunk(text, place), goyaml.Reading(value))
        at, place = end, moved(place, text, len(text))
    yield from _yaml(_Chunk(chunk.text[at:], place))


def _yaml(chunk: _Chunk) -> Iterator[Document | Problem]:
    try:
        reading = goyaml.load(chunk.text)
    except Misread as error:
        mistake = _json_mistake(chunk.text) or error
        what = mistake.what
        if mistake.earlier is not None:
            first, second = (moved(chunk.start, chunk.text, index).line for index in (mistake.earlier, mistake.index))
            what += f", on line {first} and on line {second}"
        yield chunk.problem(reasons.NOT_YAML, what, mistake.index, mistake.fix)
    else:
        yield from _manifest(chunk, reading)


def _manifest(chunk: _Chunk, reading: goyaml.Reading) -> Iterator[Document | Problem]:
    """The object, or what it lacks to be one; nothing for an empty document."""
    body = reading.value
    if body is None:
        return
    if not isinstance(body, dict):
        what = f"{'a list' if isinstance(body, list) else 'a single value'} is no Kubernetes object"
        yield chunk.problem(reasons.NOT_A_MANIFEST, what, reading.index, "begin with `apiVersion:` and `kind:`")
    elif lacking := [key for key in ("apiVersion", "kind") if not (isinstance(body.get(key), str) and body[key])]:
        what = f"a Kubernetes object needs {' and '.join(f'`{key}`' for key in lacking)} as text"
        yield chunk.problem(reasons.NOT_A_MANIFEST, what, reading.index, "add it, for example `apiVersion: v1` and `kind: Pod`")
    else:
        yield Document(body, moved(chunk.start, chunk.text, reading.index), chunk.text)


def _decoded(text: str, begin: int) -> tuple[Any, int] | None:
    """The JSON object at `begin` and where it ends; None for what only YAML can read, or refuse in better words."""
    if not text.startswith("{", begin):
        return None
    try:
        value, end = _JSON.raw_decode(text, begin)
        if _SURROGATE.search(text, begin, end):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return None if _deep(value) else (value, end)


def _json_mistake(text: str) -> Misread | None:
    """What is wrong with a text that was meant to be JSON."""
    if not _LOOKS_LIKE_JSON.match(text):
        return None
    try:
        _JSON.raw_decode(text, _after_space(text, 0))
    except json.JSONDecodeError as error:
        what = f"this is not JSON: {error.msg[0].lower()}{error.msg[1:]}"
        return Misread(what, error.pos, "check the commas, quotes and brackets just before this place")
    except (ValueError, RecursionError):
        return None
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    if len(body) < len(pairs):
        raise ValueError("equal keys")
    return body


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number out of range")
    return number


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


_JSON: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_finite, parse_constant=_no_number)


def _deep(value: Any) -> bool:
    """Whether more lists and mappings stand inside each other than a document may have."""
    level = [value]
    for _ in range(goyaml.MAX_DEPTH):
        inner = (item for each in level for item in (each.values() if isinstance(each, dict) else each))
        level = [item for item in inner if isinstance(item, (dict, list))]
    return bool(level)


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at
