"""What is wrong in a text that is not YAML, in words that say how to put it right.

libyaml says what it expected next; here its message and the text around it become the mistake that was most likely made.
"""

import re
from typing import Final

import yaml

_INDENT: Final = "align this line with the lines it belongs to"
_QUOTE: Final = "put the value in quotes"
_BRACKET: Final = "close the bracket, or put a comma between the values"
_VALUE: Final = "write the value, in quotes if it begins with a sign, or close the bracket"
_HINTS: Final[tuple[tuple[str, str, str], ...]] = (
    ("quoted scalar found unexpected", "a quote is opened here and never closed", "close the quote"),
    ("found unexpected ':'", "a colon inside brackets that follows no key", _QUOTE),
    ("found unknown escape character", "an escape that YAML does not know", "double the backslash, or use single quotes"),
    ("found a tab character", "a tab where only spaces may indent", "indent with spaces"),
    ("could not find expected ':'", "a line without a colon", "write `key: value`, with a space after the colon"),
    ("did not find expected ',' or", "a bracket is opened here and not closed", _BRACKET),
    ("did not find expected node content", "a value is missing here, or a bracket before it is not closed", _VALUE),
    ("did not find expected '-'", "this line is neither an item of the list above nor at the depth of its key", _INDENT),
    (
        "block mapping did not find expected key",
        "this line does not fit the mapping it stands in",
        f"{_INDENT}, or {_QUOTE.replace('the', 'a')}",
    ),
    ("did not find expected alphabetic", "`*` and `&` begin an alias or an anchor, which needs a name", _QUOTE),
    ("block sequence entries are not", "a list cannot begin on the line of its key", "begin the list on the next line"),
    ("expected comment or line break", "text on the line of `|` or `>`", "begin the text on the next line"),
    ("expected <document start>", "text after the end of the document", "separate documents by a line `---`"),
    ("control characters", "a character that cannot be printed", "save the file as UTF-8 text and remove the character"),
)
_RENDER: Final = "render it first, as in `helm template CHART | mesh-injector … -f -`"
_TEMPLATE: Final = re.compile(r"\{\{|\{%")
"""What templates of Helm and Jinja write, and YAML takes for the beginning of two mappings; it stumbles over what comes next."""
_BLAMED_ON_THE_OPENING: Final = ("found unexpected", "could not find expected ':'", "did not find expected ',' or")
_KEY: Final = re.compile(r"\s*(- +)*[^\s#][^#]*?:(\s|$)")


class Misread(Exception):
    """A text that cannot be read: what is wrong, the index of the character where it is, how to fix it, and the index of an earlier
    place that has to do with it."""

    def __init__(self, what: str, index: int, fix: str = "", *, earlier: int | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.index = index
        self.fix = fix
        self.earlier = earlier


def explained(error: yaml.YAMLError, text: str) -> Misread:
    """The mistake behind an error of PyYAML's parser."""
    if isinstance(error, yaml.reader.ReaderError):
        return _hinted(str(error.reason), len(text.encode()[: error.position].decode(errors="ignore")))
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Misread(str(error), 0)
    index = _index(error.problem_mark)
    problem = error.problem or ""
    if (template := _TEMPLATE.search(text, max(index - 3, 0), index + 2)) is not None:
        return Misread("this is a template, which is no YAML until it is rendered", template.start(), _RENDER)
    if "mapping values are not allowed" in problem:
        return _second_colon(text, index)
    if "cannot start any token" in problem:
        return _bad_start(text, index)
    if error.context_mark is not None and problem.startswith(_BLAMED_ON_THE_OPENING):
        index = _index(error.context_mark)
    return _hinted(f"{error.context or ''} {problem}".strip(), index)


def _hinted(message: str, index: int) -> Misread:
    for marker, what, fix in _HINTS:
        if marker in message:
            return Misread(what, index, fix)
    return Misread(f"this is not YAML: {message}", index)


def _bad_start(text: str, index: int) -> Misread:
    if text[index] == "\t":
        return Misread("a tab where only spaces may indent", index, "indent with spaces")
    return Misread(f"a value cannot begin with `{text[index]}`", index, _QUOTE)


def _second_colon(text: str, index: int) -> Misread:
    """A colon where none may be: in a value, after a line that has none, or on a line that is too deep."""
    start = text.rfind("\n", 0, index) + 1
    if _KEY.match(text[start:index]):
        return Misread("a second colon in one line", index, f"{_QUOTE}, since it holds a colon and a space")
    above = text[:start].rstrip()
    line = above.rfind("\n") + 1
    if not _KEY.match(above[line:]):
        return _hinted("could not find expected ':'", line + len(above[line:]) - len(above[line:].lstrip()))
    first = start + len(text[start:index]) - len(text[start:index].lstrip())
    return Misread("this line is deeper than the key above it, which has a value already", first, _INDENT)


def _index(mark: object) -> int:
    return int(getattr(mark, "index", 0))
