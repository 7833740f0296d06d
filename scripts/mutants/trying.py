"""One pytest that collects the tests and runs none: each mutant is tried in a fork of it, by the tests that call the function.

The fastest come first, and the first that fails ends the trial.
"""

import ast
import functools
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest
from _pytest.runner import runtestprotocol

from scripts.mutants import killed, making

MEMORY: Final = 3 * 1024**3
"""Bytes that a mutant may take."""
SECONDS: Final = 20
"""Of processor time that a mutant may take beside three times what its tests take without it: some loop for ever."""


@dataclass
class Trial:
    """The pytest plugin that tries mutants instead of running the tests once."""

    mutants: Sequence[making.Mutant]
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
                killed.remember(mutant)
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
        for function in making.functions(ast.parse(Path(str(module.__file__)).read_text())):
            names[id(making.live(module, function).__code__)] = f"{name}:{function}"
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


def _lives(mutant: making.Mutant, tests: Sequence[pytest.Item], seconds: int) -> bool:
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
