"""What Jinja's parser could not read, in our words: what it says, what we say instead, and the fix.

Go's templates are known by their looks, and a block that is never closed by where it begins."""

import re
from typing import Final

from jinja2 import TemplateSyntaxError

from mesh_injector.engine.template.source import Fault, Line, refused

_SYNTAX: Final = (
    (r"[Uu]nknown tag '(\w+)'(?!.*innermost)", r"there is no tag `\1`", "the tags are `if`, `elif`, `else`, `for`, `set` and their `end…`"),
    (r"[Uu]nknown tag '(\w+)'.*innermost.*'(\w+)'", r"`\1` does not fit inside `{% \2 %}`", r"close it first, by `{% end\2 %}`"),
    (r"end of template.*innermost.*'(\w+)'", r"`{% \1 %}` is never closed", r"add `{% end\1 %}`"),
    (r"end of template", "the template ends inside `{{` or `{%`", "close every `{{` by `}}`, and every `{%` by `%}`"),
    (
        r"unexpected '\.'",
        "a name cannot begin with a dot",
        "this is Jinja and not Go's templates: write `values.image`, and `{% for x in list %}`",
    ),
    (
        r"unexpected char '\$'",
        "`$` begins no name",
        "this is Jinja and not Go's templates: write `{% for x in values.list %}`, and `{% set x = … %}`",
    ),
    (r"got '='", "`=` is no comparison", "write `==`"),
    (r"end of statement block', got 'if'", "`else if` is no tag", "write `elif`"),
    (
        r"end of print statement', got '[A-Za-z_]\w*'",
        "something stands behind a finished expression",
        "the arguments of a filter stand in brackets: `|default('a')`; a tag is written `{% if … %}`",
    ),
    (r"Missing end of comment tag", "a comment is never closed", "close `{#` by `#}`"),
)
"""What Jinja's parser says, what we say, and the fix."""
_GO: Final = re.compile(r"\{\{[^{}]*\s\.[A-Z]\w*")
"""A function of Go's templates with its argument, as Helm's charts have it: to Jinja the dot belongs to the word before the space."""
_BLOCK: Final = re.compile(r"\{#.*?#\}|\{%[-+]?\s*(?P<tag>if|for|endif|endfor)\b", re.DOTALL)
"""A comment, or a tag that opens or closes a block."""


def told(error: TemplateSyntaxError, text: str) -> Fault:
    """Say in our words what Jinja's parser could not read; a block that is never closed is told where it begins."""
    message = (error.message or "syntax error").rstrip(".")
    if "end of print statement" in message and _GO.search(text.splitlines()[error.lineno - 1]):
        fix = "this is Jinja: write `{{ values.resources }}`; a value keeps its structure, so there is no `toYaml` and no `nindent`"
        return refused("this is an expression of Go's templates", error.lineno, fix=fix)
    for pattern, what, fix in _SYNTAX:
        if match := re.search(pattern, message):
            line = _opening(text) if "never closed" in what and match.groups() else 0
            return refused(match.expand(what), line or error.lineno, fix=match.expand(fix))
    return refused(f"the template does not parse: {message}", error.lineno, fix="check the brackets and quotes of this line")


def _opening(text: str) -> int:
    """Find where the innermost block begins that the end of a text leaves open; 0 where none is."""
    opened: list[int] = []
    for match in _BLOCK.finditer(text):
        if match["tag"] in ("if", "for"):
            opened.append(match.start())
        elif match["tag"] and opened:
            opened.pop()
    if not opened:
        return 0
    return Line.at(text.count("\n", 0, opened[-1]) + 1, opened[-1] - text.rfind("\n", 0, opened[-1]))
