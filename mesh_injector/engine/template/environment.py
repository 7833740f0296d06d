"""Jinja's environment as the template language needs it: dot is a key, arithmetic is on numbers, and parsing is bounded by counts."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

from jinja2.lexer import Token, TokenStream, newline_re
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mesh_injector.engine.template.bounds import BRACKETS, NESTING, TOKENS
from mesh_injector.engine.template.source import Fault, Line
from mesh_injector.engine.template.values import Missing, look_up, number
from mesh_injector.reasons import Reason

_OPENING: Final = ("lparen", "lbracket", "lbrace")
_CLOSING: Final = ("rparen", "rbracket", "rbrace")
_ENDS: Final = ("variable_end", "block_end")
_BLOCKS: Final = ("if", "for", "macro", "call", "filter", "block", "with", "autoescape")
_SIGNS: Final = (("add", "+"), ("sub", "-"), ("name", "not"))
"""What may stand before an expression any number of times."""


class Environment(ImmutableSandboxedEnvironment):
    """Jinja with data for objects; nothing can be called but what the rewrite put there."""

    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)
    intercepted_unops = frozenset(ImmutableSandboxedEnvironment.default_unop_table)

    def _tokenize(self, source: str, name: str | None, filename: str | None = None, state: str | None = None) -> TokenStream:
        text = "\n".join(newline_re.split(source)[::2])  # as the lexer reads it
        pieces = _placed(text, self.lexer.tokeniter(source, name, filename, state))
        return TokenStream(_counted(self.lexer.wrap(pieces, name, filename)), name, filename)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Read a key; of the loop, one of the four fields that the allow-list lets through."""
        return getattr(obj, attribute) if isinstance(obj, LoopContext) else look_up(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Read a key of a mapping or a position of a list."""
        return look_up(obj, argument)

    def call(self, _context: Any, function: Any, *arguments: Any, _loop_vars: Any = None, _block_vars: Any = None, **options: Any) -> Any:
        """Call a function of `State`: no other call is left in a rewritten template. Jinja adds its scopes, which we have no use for."""
        return function(*arguments, **options)

    def call_binop(self, _context: Any, operator: str, left: Any, right: Any) -> Any:
        """Calculate with two numbers, within 64 bits."""
        fix = "join texts by `~`" if operator == "+" else "turn text into a number by `|int`"
        left, right = (number(side, operator, fix) for side in (left, right))
        if operator == "**" and (abs(left) > 2**63 or abs(right) > 64):
            raise Fault(Reason.RENDER_LIMIT, "a power of more than 64 bits", fix="use smaller numbers")
        try:
            return _bounded(self.binop_table[operator](left, right))
        except (ZeroDivisionError, OverflowError) as error:
            raise Fault(Reason.TEMPLATE_INVALID, f"`{left} {operator} {right}`: {error}") from error

    def call_unop(self, _context: Any, operator: str, argument: Any) -> Any:
        """Negate a number."""
        return self.unop_table[operator](number(argument, operator))


def _placed(text: str, pieces: Iterable[tuple[int, str, str]]) -> Iterator[tuple[int, str, str]]:
    """Give the line of each piece of the lexer its column: what lies between two pieces is white space that was stripped."""
    at = begin = 0
    for line, kind, piece in pieces:
        last, at = at, text.find(piece, at)
        begin = max(begin, text.rfind("\n", last, at) + 1)
        yield Line.at(line, at - begin + 1), kind, piece
        begin = max(begin, text.rfind("\n", at, at + len(piece)) + 1)
        at += len(piece)


def _counted(tokens: Iterable[Token]) -> Iterator[Token]:
    """Refuse what would take long to parse and compile, or would be refused or not by how deep the caller's stack is."""
    nesting = _Nesting()
    for count, token in enumerate(tokens):
        if count >= TOKENS:
            raise _too_much(f"more than {TOKENS:,} words and signs", token.lineno)
        nesting.see(token)
        if len(nesting.conditions) > BRACKETS + 1:
            raise _too_much(f"brackets nested deeper than {BRACKETS}", token.lineno)
        if max(nesting.blocks, nesting.signs, sum(nesting.conditions)) > NESTING:
            raise nested(token.lineno)
        yield token


class _Nesting:
    """What is open where a token stands: blocks, signs, and the conditions `x if y else z` of each bracket, the outermost first."""

    def __init__(self) -> None:
        self.blocks = self.signs = 0
        self.conditions = [0]
        self._last = self._tag = ""

    def see(self, token: Token) -> None:
        """Take the next token into account."""
        is_tag = self._last == "block_begin"
        if is_tag:
            self._tag = str(token.value)
            self.blocks += _opened(self._tag)
        elif token.type == "assign" and len(self.conditions) == 1:
            self._tag = ""  # a `set` with a value opens no block
        elif token.type == "block_end":
            self.blocks += self._tag == "set"
        self.signs = self.signs + 1 if (token.type, token.value) in _SIGNS else 0
        self._condition(token, is_tag=is_tag)
        self._last = token.type

    def _condition(self, token: Token, *, is_tag: bool) -> None:
        if token.type in _OPENING:
            self.conditions.append(0)
        elif token.type in _CLOSING:
            self.conditions.pop()
        elif token.type == "comma":
            self.conditions[-1] = 0
        elif token.type in _ENDS:
            self.conditions = [0]
        elif (token.type, token.value) == ("name", "if") and not is_tag:
            self.conditions[-1] += 1


def _opened(tag: str) -> int:
    """How many blocks a tag opens, or closes. Whether `set` opens one is known at its end."""
    return (tag in _BLOCKS) - (tag.startswith("end") and tag.removeprefix("end") in (*_BLOCKS, "set"))


def nested(line: int) -> Fault:
    """Make the fault of what is nested too deeply."""
    what = f"an expression or block nested deeper than {NESTING}"
    return Fault(Reason.TEMPLATE_INVALID, what, line=line, fix="use `set` to name parts of it")


def _too_much(what: str, line: int) -> Fault:
    return Fault(Reason.TEMPLATE_INVALID, f"the template has {what}", line=line, fix="make it simpler, or move data into `values`")


def _bounded(result: Any) -> Any:
    if isinstance(result, complex) or (isinstance(result, int) and not -(2**63) <= result < 2**64):
        raise Fault(Reason.RENDER_LIMIT, "a number of more than 64 bits", fix="use smaller numbers")
    return result


@cache
def environment() -> Environment:
    """Make the one environment. `optimized=False`: constant folding would compute `'a' * 1500000000` while compiling."""
    made = Environment(undefined=Missing, optimized=False, autoescape=False, keep_trailing_newline=True)
    made.globals.clear()
    made.filters.clear()
    made.tests.clear()
    return made
