"""Mutants of the engine: they are what they say, and get into the live function."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from scripts.mutants import making
from scripts.mutants.making import ENGINE, Mutant

SOURCE = """
import functools
import contextlib

def plain(a, b=1, *, c=2):
    return a + b + c

@functools.cache
def kept(a):
    return a + 1

@contextlib.contextmanager
def around():
    yield 1 + 1

class Thing:
    def method(self, a=1):
        return [a + one for one in (1, 2)]

    @property
    def size(self):
        return 1 + 1

    @functools.cached_property
    def once(self):
        return 1 + 1

    @classmethod
    def made(cls):
        return 1 + 1

    @staticmethod
    def alone():
        return 1 + 1
"""


@pytest.fixture
def module(tmp_path: Path) -> ModuleType:
    made = ModuleType("mutated")
    made.__file__ = str(tmp_path / "mutated.py")
    exec(compile(SOURCE, made.__file__, "exec"), vars(made))
    sys.modules["mutated"] = made
    return made


@pytest.mark.parametrize(
    ("function", "call", "before", "after"),
    [
        ("plain", lambda module: module.plain(1), 4, 2),
        ("kept", lambda module: module.kept(1), 2, 0),
        ("around", lambda module: module.around().__enter__(), 2, 0),
        ("Thing.method", lambda module: module.Thing().method(), [2, 3], [0, -1]),
        ("Thing.size", lambda module: module.Thing().size, 2, 0),
        ("Thing.once", lambda module: module.Thing().once, 2, 0),
        ("Thing.made", lambda module: module.Thing.made(), 2, 0),
        ("Thing.alone", lambda module: module.Thing.alone(), 2, 0),
    ],
)
def test_a_mutant_gets_into_whatever_a_decorator_made_of_its_function(
    module: ModuleType, function: str, call: Callable[[Any], Any], before: Any, after: Any
) -> None:
    assert call(module) == before
    source = SOURCE.replace("a + b + c", "a + b").replace("c=2", "c=0") if function == "plain" else SOURCE.replace(" + ", " - ")
    Mutant("mutated", function, 1, "", "", source).apply()
    assert call(module) == after


def test_a_default_that_is_mutated_counts(module: ModuleType) -> None:
    Mutant("mutated", "plain", 1, "", "", SOURCE.replace("b=1, *, c=2", "b=5, *, c=7")).apply()
    assert module.plain(0) == 12


def test_the_mutants_of_a_module_differ_from_it_each_in_one_place_of_a_function() -> None:
    text = (ENGINE / "policy.py").read_text()
    made = list(making.mutants(ENGINE / "policy.py"))
    assert {mutant.function for mutant in made} == {"Policies.__post_init__", "Policies.of"}
    assert len({mutant.key for mutant in made}) == len({mutant.source for mutant in made}) == len(made) > 10
    for mutant in made:
        assert (mutant.module, text.splitlines()[mutant.line - 1].strip()) == ("mesh_injector.engine.policy", mutant.before)
        assert mutant.source.splitlines()[mutant.line - 1].strip() == mutant.after != mutant.before
        compile(mutant.source, "mutant", "exec")
