"""A first test file: what comes out of some pods today, written down as what is expected."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mesh_injector import directory, documents, opening, reasons
from mesh_injector.cli import exits, source, standins, subjects
from mesh_injector.cli.subjects import Scope, Subject
from mesh_injector.cli.suites import snapshots
from mesh_injector.cli.suites.loading import ENDINGS
from mesh_injector.cli.suites.spec import API_VERSION, KIND
from mesh_injector.cli.terminal import Terminal
from mesh_injector.engine import address, record
from mesh_injector.engine.outcome import Outcome
from mesh_injector.errors import ConfigError, Problem
from mesh_injector.store import Snapshot

_HEADER: Final = """\
# Tests of the template: `mesh-injector test` runs them. Each names a pod and what must come out of it.
# This is what comes out today: delete what does not matter, add what does.
"""
_BOOKKEEPING: Final = ("creationTimestamp", "managedFields", "resourceVersion", "uid", "generation", "selfLink")
_Suite = dict[str, Any]


def write(where: str, sources: Sequence[str] | None, files: Sequence[str], terminal: Terminal) -> int:
    """Write a test file into a folder (or as the file that is named) and say what to do next.

    Raises ConfigError where there is one already, or nothing can be read.
    """
    target = Path(where) if where.endswith(directory.ENDINGS) else Path(where) / ENDINGS[0]
    if target.exists():
        raise ConfigError(Problem(reasons.DUPLICATE, "there is a test file already", str(target), "remove it, or name another file"))
    named = list(sources or [str(target.parent)])
    snapshot = source.load(named, "mesh-system", terminal)
    found, problems = _of_files(files, snapshot) if files else (_stand_ins(snapshot), [])
    for problem in problems:
        terminal.problem(problem)
    if problems:
        return exits.UNREADABLE
    if not found:
        what, fix = "there is no pod to write a test for", "name a file of pods or workloads by -f"
        raise ConfigError(Problem(reasons.NOTHING_FOUND, what, ", ".join(files) or ", ".join(named), fix))
    suite = _suite(found, [file for file in files if file != opening.STDIN], named, target.parent)
    target.write_text(_HEADER + documents.dump(suite), encoding="utf-8")
    kept = [(case, snapshots.of(one.outcome.operations)) for case, one in zip(suite["tests"], found, strict=True)]
    snapshots.write(str(target), {case["name"]: patch for case, patch in kept if "snapshot" in case["expect"]})
    terminal.say(f"{target}: {len(found)} test{'s' if len(found) != 1 else ''}; run `mesh-injector test {target}`")
    return exits.DONE


def _of_files(files: Sequence[str], snapshot: Snapshot) -> tuple[list[Subject[Outcome]], list[Problem]]:
    judged, problems = subjects.read(files, Scope(), subjects.injecting(snapshot))
    return [subject for one in judged for subject in one.subjects], problems


def _stand_ins(snapshot: Snapshot) -> list[Subject[Outcome]]:
    """Make a pod for each mesh that selects it."""
    pods = [subjects.judge([document], Scope(), standins.deciding(snapshot, wanted)) for document, wanted in standins.of(snapshot)]
    return [subject for judged in pods for one in judged for subject in one.subjects]


def _suite(found: Sequence[Subject[Outcome]], files: Sequence[str], sources: Sequence[str], folder: Path) -> _Suite:
    """Write the test file's content; pods that stand in no file are written into it."""
    names = Counter(subject.workload.label for subject in found)
    called = [_full(subject) if names[subject.workload.label] > 1 else subject.workload.label for subject in found]
    inline = {name: _cleaned(one.document.body) for name, one in zip(called, found, strict=True) if one.document.origin.source not in files}
    around = {one.namespace.name: dict(one.namespace.labels) for one in found if one.document.origin.source == standins.SOURCE}
    suite: _Suite = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "source": [_relative(path, folder) for path in sources],
        "namespaces": {
            name: {key: text for key, text in labels.items() if not key.startswith("kubernetes.io/")} for name, labels in around.items()
        },
        "files": [_relative(path, folder) for path in files],
        "pods": inline,
        "tests": [_case(name, subject) for name, subject in zip(called, found, strict=True)],
    }
    return {name: value for name, value in suite.items() if value}


def _relative(path: str, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def _full(subject: Subject[Outcome]) -> str:
    return f"{subject.namespace.name}/{subject.workload.label}"


def _cleaned(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a cluster writes into an object."""
    metadata = {key: value for key, value in (body.get("metadata") or {}).items() if key not in _BOOKKEEPING}
    return {**{key: value for key, value in body.items() if key != "status"}, "metadata": metadata}


def _case(name: str, subject: Subject[Outcome]) -> dict[str, Any]:
    outcome = subject.outcome
    by = f" by {outcome.mesh}" if outcome.mesh else ""
    sentence = f"{name} in {subject.namespace.name} is {outcome.verdict}{by}" + ("" if outcome.operations else f": {outcome.reason}")
    return {"name": sentence, "pod": name, "expect": _expect(subject)}


def _expect(subject: Subject[Outcome]) -> dict[str, Any]:
    outcome = subject.outcome
    expect: dict[str, Any] = {"outcome": outcome.verdict.value, "reason": outcome.reason.value, "mesh": outcome.mesh or None}
    if outcome.error is not None:
        expect["message"] = outcome.error.problem.what
    if outcome.operations:
        after = subjects.apply(subject.workload.pod, outcome.operations)
        sealed = record.read(after["metadata"]["annotations"][record.ANNOTATION])
        added = sealed.added if sealed else ()
        images = {f"{name}.image": place.value["image"] for name in added if (place := _container(after, name)) is not None}
        expect |= {"adds": list(added)} | ({"pod": images} if images else {}) | {"snapshot": True}
    return expect


def _container(pod: dict[str, Any], name: str) -> address.Place | None:
    """Find a container that was added whole."""
    found = address.read(name)
    place = address.find(pod, found) if found and len(found) == 2 and found[0] in ("containers", "initContainers") else None
    return place if place is not None and "image" in place.value else None
