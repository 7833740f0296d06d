"""Mutants of a module: what mutmut makes of its functions, without those that say nothing, and how one gets into the live function.

Only the code and the defaults of a function are replaced, so that whoever has imported it calls the mutant.
"""

import ast
import functools
import hashlib
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Final

import libcst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import create_mutations

ROOT: Final = Path(__file__).resolve().parents[2]
ENGINE: Final = ROOT / "mesh_injector" / "engine"
_STRICT: Final = re.compile(r",\s*(strict=\w+)?\s*\)")
"""The end of a `zip` of lists that are equally long: `strict` says so to the reader."""


@dataclass(frozen=True)
class Mutant:
    """A function of a module (`Class.name`), the number of the line that is changed, the line before and after, and the whole module."""

    module: str
    function: str
    line: int
    before: str
    after: str
    source: str

    @property
    def key(self) -> str:
        """What tells it apart from all others, as long as its function is the same."""
        body = functions(ast.parse(self.source))[self.function]
        return hashlib.sha256(f"{self.function}\n{ast.dump(body)}".encode()).hexdigest()[:16]

    def apply(self) -> None:
        """Put it into the live function, in place of the original's code and defaults."""
        module = sys.modules[self.module]
        found = live(module, self.function)
        code = compile(self.source, str(module.__file__), "exec")
        for name in self.function.split("."):
            code = next(one for one in code.co_consts if isinstance(one, CodeType) and one.co_name == name)
        scope: dict[str, Any] = dict(vars(module))
        bare = functions(ast.parse(self.source))[self.function]
        bare.decorator_list = []
        exec(compile(ast.Module([bare], []), "defaults", "exec"), scope)
        made = scope[bare.name]
        found.__code__, found.__defaults__, found.__kwdefaults__ = code, made.__defaults__, made.__kwdefaults__


def mutants(path: Path) -> Iterator[Mutant]:
    """Make the mutants of a module's functions; sentences are left alone, because the golden cases hold them, and what only mypy reads."""
    text = path.read_text()
    tree, found, _, _ = create_mutations(str(path), text)
    places = MetadataWrapper(tree, unsafe_skip_copy=True).resolve(PositionProvider)
    spans = {name: (node.lineno, node.end_lineno or 0) for name, node in functions(ast.parse(text)).items()}
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    seen = set()
    for one in found:
        place = places[one.original_node]
        function = next((name for name, (first, last) in spans.items() if first <= place.start.line <= last), None)
        if function is None or _is_wording(one.original_node, one.mutated_node):
            continue
        begin, end = _index(text, place.start), _index(text, place.end)
        source = text[:begin] + tree.code_for_node(one.mutated_node).strip() + text[end:]
        line = place.start.line
        before, after = (lines.splitlines()[line - 1].strip() for lines in (text, source))
        if source not in seen and _STRICT.sub(")", before) != _STRICT.sub(")", after) and "cast(" not in before:
            yield Mutant(module, function, line, before, after, source)
        seen.add(source)


def _is_wording(before: libcst.CSTNode, after: libcst.CSTNode) -> bool:
    if not isinstance(before, libcst.SimpleString) or not isinstance(after, libcst.SimpleString):
        return False
    return " " in before.value or "XX" not in after.value  # and one way to change a word is enough


def _index(text: str, place: Any) -> int:
    return sum(len(line) for line in text.splitlines(keepends=True)[: place.line - 1]) + int(place.column)


def functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """Find the functions of a module and the methods of its classes, `Class.name`."""
    bodies = [("", tree.body), *((f"{node.name}.", node.body) for node in tree.body if isinstance(node, ast.ClassDef))]
    return {f"{prefix}{node.name}": node for prefix, body in bodies for node in body if isinstance(node, ast.FunctionDef)}


def live(module: Any, function: str) -> FunctionType:
    """Find the function behind what a decorator made of it."""
    *owner, name = function.split(".")
    found: Any = vars(getattr(module, owner[0]) if owner else module)[name]
    if hasattr(found, "cache_clear"):
        found.cache_clear()
    if isinstance(found, property):
        found = found.fget
    elif isinstance(found, functools.cached_property):
        found = found.func
    elif isinstance(found, staticmethod | classmethod):
        found = found.__func__
    unwrapped: FunctionType = inspect.unwrap(found)
    return unwrapped
