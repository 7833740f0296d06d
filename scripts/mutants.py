"""Break the engine in one small way after the other, and see which of these mutants its tests overlook.

mutmut makes the mutants; they are run here, each in a fork of one pytest that has collected the tests and run none, and only by the tests
that call the function: a hundred times faster than a pytest for each, so that the whole engine is a matter of an hour or two.
"""

import argparse
import ast
import functools
import hashlib
import inspect
import json
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, Final

import libcst
import pytest
import yaml
from _pytest.runner import runtestprotocol
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import create_mutations

ROOT: Final = Path(__file__).resolve().parents[1]
ENGINE: Final = ROOT / "mesh_injector" / "engine"
KILLED: Final = ROOT / "mutants"
"""What was killed, a file for each module: a run goes on where the one before it ended."""
EQUIVALENT: Final = ROOT / "tests" / "mutants.yaml"
"""By module and function: the lines that a mutant may have, and why no test can tell it from the original."""
TESTS: Final = ("tests/engine", "tests/test_members.py")
MEMORY: Final = 3 * 1024**3
"""Bytes that a mutant may take."""
SECONDS: Final = 20
"""Of processor time that a mutant may take beside three times what its tests take without it: some loop for ever."""


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
        body = _functions(ast.parse(self.source))[self.function]
        return hashlib.sha256(f"{self.function}\n{ast.dump(body)}".encode()).hexdigest()[:16]

    def apply(self) -> None:
        """Put it into the live function, in place of the original's code and defaults."""
        module = sys.modules[self.module]
        live = _live(module, self.function)
        code = compile(self.source, str(module.__file__), "exec")
        for name in self.function.split("."):
            code = next(one for one in code.co_consts if isinstance(one, CodeType) and one.co_name == name)
        scope: dict[str, Any] = dict(vars(module))
        bare = _functions(ast.parse(self.source))[self.function]
        bare.decorator_list = []
        exec(compile(ast.Module([bare], []), "defaults", "exec"), scope)
        made = scope[bare.name]
        live.__code__, live.__defaults__, live.__kwdefaults__ = code, made.__defaults__, made.__kwdefaults__


def mutants(path: Path) -> Iterator[Mutant]:
    """Make the mutants of a module's functions; sentences are left alone, because the golden cases hold them, and what only mypy reads."""
    text = path.read_text()
    tree, found, _, _ = create_mutations(str(path), text)
    places = MetadataWrapper(tree, unsafe_skip_copy=True).resolve(PositionProvider)
    spans = {name: (node.lineno, node.end_lineno or 0) for name, node in _functions(ast.parse(text)).items()}
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


def _functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    bodies = [("", tree.body), *((f"{node.name}.", node.body) for node in tree.body if isinstance(node, ast.ClassDef))]
    return {f"{prefix}{node.name}": node for prefix, body in bodies for node in body if isinstance(node, ast.FunctionDef)}


def _live(module: Any, function: str) -> FunctionType:
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


@dataclass
class Trial:
    """The pytest plugin that tries mutants instead of running the tests once."""

    mutants: Sequence[Mutant]
    seconds: float

    def pytest_collection(self) -> None:
        """Let hypothesis stop at what it finds: a smaller example kills nobody deader."""
        import hypothesis  # not before pytest has seen its plugins

        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("mutants", deadline=None, derandomize=True, database=None, phases=phases)
        hypothesis.settings.load_profile("mutants")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try each mutant that was not killed before, and tell of those that live."""
        callers = _callers(session.items, {mutant.module for mutant in self.mutants})
        end, alive = time.monotonic() + self.seconds, 0
        for count, mutant in enumerate(self.mutants):
            if time.monotonic() > end:
                print(f"\n{len(self.mutants) - count} mutants are left for the next run")
                break
            called = callers.get(f"{mutant.module}:{mutant.function}", ())
            tests = [session.items[index] for index, _ in called]
            if tests and not _lives(mutant, tests, SECONDS + round(3 * sum(seconds for _, seconds in called))):
                _remember(mutant)
                continue
            alive += 1
            why = "" if tests else "  (no test calls it)"
            print(f"\n{mutant.module}:{mutant.line} {mutant.function}{why}\n  - {mutant.before}\n  + {mutant.after}", flush=True)
        print(f"\n{alive} of {len(self.mutants)} mutants live")
        return True


def _callers(items: Sequence[pytest.Item], modules: set[str]) -> dict[str, list[tuple[int, float]]]:
    """Find the tests that call each function, `module:Class.name`, by their places: the fastest first, and what each takes in seconds."""
    found = json.loads(_forked(functools.partial(_traced, items, modules)))
    return {function: sorted(tests, key=lambda test: test[1]) for function, tests in found.items()}


def _traced(items: Sequence[pytest.Item], modules: set[str]) -> str:
    names: dict[int, str] = {}
    for name in modules:
        module = sys.modules[name]
        for function in _functions(ast.parse(Path(str(module.__file__)).read_text())):
            names[id(_live(module, function).__code__)] = f"{name}:{function}"
    callers: dict[str, list[tuple[int, float]]] = {}
    called: set[str] = set()

    def trace(frame: FrameType, _event: str, _argument: Any) -> None:
        if name := names.get(id(frame.f_code)):
            called.add(name)

    for index, item in enumerate(items):
        called.clear()
        begin = time.process_time()
        sys.settrace(trace)
        passed = _passes(item, items[index + 1] if index + 1 < len(items) else None)
        sys.settrace(None)
        if not passed:
            raise RuntimeError(f"{item.nodeid} fails without a mutant")
        for name in called:
            callers.setdefault(name, []).append((index, time.process_time() - begin))
    return json.dumps(callers)


def _passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    return all(report.passed or report.skipped for report in runtestprotocol(item, log=False, nextitem=following))


def _forked(work: Callable[[], str]) -> str:
    """Do work in a fork and return what it says; nothing it changes is seen here. Ends pytest where the work raises."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "w") as out:
            try:
                out.write(work())
            except RuntimeError as error:
                out.write(str(error))
                out.flush()
                os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        said = told.read()
    if os.waitpid(child, 0)[1]:
        pytest.exit(said, returncode=1)
    return said


def _lives(mutant: Mutant, tests: Sequence[pytest.Item], seconds: int) -> bool:
    """Run tests on a mutant in a fork, until one fails; what takes so much more time or memory is ended, and so killed."""
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGXCPU, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            mutant.apply()
            for index, item in enumerate(tests):
                if not _passes(item, tests[index + 1] if index + 1 < len(tests) else None):
                    os._exit(1)
            os._exit(0)
        except BaseException as error:  # noqa: BLE001 # whatever a mutant does to pytest itself has been noticed
            os.write(2, f"{error!r}\n".encode())
            os._exit(2)
    return os.waitpid(child, 0)[1] == 0


def _remember(mutant: Mutant) -> None:
    KILLED.mkdir(exist_ok=True)
    with (KILLED / mutant.module).open("a") as file:
        file.write(f"{mutant.key}\n")


def _untried(paths: Sequence[Path]) -> list[Mutant]:
    """Make the mutants that were neither killed before nor are known as equivalent."""
    known = yaml.safe_load(EQUIVALENT.read_text()) or {}
    left = []
    for path in paths:
        made = list(mutants(path))
        name = made[0].module if made else ""
        file = KILLED / name
        killed = set(file.read_text().split()) if made and file.exists() else set()
        equal = {(function, one["line"]) for function, ones in known.get(name, {}).items() for one in ones}
        for function, line in sorted(equal - {(mutant.function, mutant.after) for mutant in made}):
            print(f"{EQUIVALENT.name}: no mutant of {name}:{function} has the line any more: {line}")
        left += [mutant for mutant in made if mutant.key not in killed and (mutant.function, mutant.after) not in equal]
    return left


def main() -> int:
    """Try the mutants of the modules that the command line names, `selector` or `template/names`; a folder stands for all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="+")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--tests", nargs="+", default=TESTS)
    options = parser.parse_args()
    paths = [path for name in options.modules for path in (sorted((ENGINE / name).rglob("*.py")) or [ENGINE / f"{name}.py"])]
    left = _untried(paths)
    return pytest.main(["-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", *options.tests], plugins=[Trial(left, options.seconds)])


if __name__ == "__main__":
    sys.exit(main())
