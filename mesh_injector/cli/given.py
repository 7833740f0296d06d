"""What `lint` is given: documents and bare templates, each file and standard input read once, whatever names it.

What cannot be read is a problem beside what can, so that one file never hides what is wrong with the others.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mesh_injector import directory, opening, reasons
from mesh_injector.cli.source import CLUSTER
from mesh_injector.documents import Document, Reading
from mesh_injector.errors import ConfigError, InjectionError, Problem

TEMPLATES: Final = (".j2", ".jinja", ".jinja2")
"""The endings of files that hold a template and nothing else."""


@dataclass(slots=True)
class Given:
    """What some paths hold: documents, the texts of templates by their files, what cannot be read, all files, those passed over, and the
    namespaces of a cluster whose ConfigMaps cannot be read."""

    documents: list[Document] = field(default_factory=list)
    templates: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    unread: dict[str, InjectionError] = field(default_factory=dict)


class Reader:
    """Reads paths; what was read before is left out."""

    def __init__(self, cluster: Callable[[], Reading]) -> None:
        """Read the cluster by `cluster` where it is named as a source."""
        self._known: set[str] = set()
        self._cluster = cluster

    def judged(self, paths: Sequence[str], plain: Sequence[str] = ()) -> Given:
        """Read what is to be judged; a path that cannot be read is a problem like any other.

        `plain` are files as pre-commit gives them, everything that it finds in a folder: those that cannot be ours are passed over.
        """
        given = Given(passed=[path for path in plain if not _may_be_ours(path)])
        for path in (*paths, *(path for path in plain if path not in given.passed)):
            try:
                self._documents(path, given)
            except ConfigError as error:
                given.problems.append(error.problem)
                given.files.append("stdin" if path == opening.STDIN else path)
            for file in sorted(map(str, _templates(path))):
                self._template(file, given)
        self._pass_over(given, plain)
        return given

    @staticmethod
    def _pass_over(given: Given, plain: Sequence[str]) -> None:
        """Leave alone the documents of plain files that are no Kubernetes objects, such as values.yaml."""
        foreign = [problem for problem in given.problems if problem.code == reasons.NOT_A_MANIFEST and _is_of(problem, plain)]
        given.problems = [problem for problem in given.problems if problem not in foreign]
        given.passed += [file for file in plain if any(_is_of(problem, [file]) for problem in foreign)]

    def beside(self, paths: Sequence[str]) -> Given:
        """Read the documents that stand beside those that are judged. Raises ConfigError when a path cannot be read at all."""
        given = Given()
        for path in paths:
            self._documents(path, given)
        return given

    def _documents(self, path: str, given: Given) -> None:
        """Read the documents of a file or folder; a template has none, nor has a folder of nothing but templates."""
        if path == CLUSTER:
            self._objects(given)
            return
        if path.endswith(TEMPLATES) or _identity(path) in self._known or (_templates(path) and not _has_manifests(path)):
            return
        reading = directory.read([path])
        files = [file for file in reading.files if self._is_new("-" if path == opening.STDIN else file)]
        given.documents += [document for document in reading.documents if document.origin.source in files]
        given.problems += [problem for problem in reading.problems if _is_of(problem, files)]
        given.files += files

    def _objects(self, given: Given) -> None:
        """Read the cluster once; its objects have no files, and go by their names."""
        if self._is_new(CLUSTER):
            reading = self._cluster()
            given.documents += reading.documents
            given.files += [document.origin.source for document in reading.documents]
            given.unread.update(reading.unread)

    def _template(self, file: str, given: Given) -> None:
        if not self._is_new(file):
            return
        given.files.append(file)
        try:
            given.templates[file] = opening.text(file)
        except ConfigError as error:
            given.problems.append(error.problem)

    def _is_new(self, file: str) -> bool:
        """Note a file, and say whether it was not known."""
        known = len(self._known)
        self._known.add(_identity(file))
        return len(self._known) > known


def _may_be_ours(path: str) -> bool:
    return (
        not os.path.lexists(path)  # a name that is mistyped is no other product's file
        or path == opening.STDIN
        or opening.is_opened(path)
        or Path(path).is_dir()
        or path.endswith((*directory.ENDINGS, *TEMPLATES))
    )


def _identity(path: str) -> str:
    return path if path == opening.STDIN else os.path.realpath(path)


def _is_of(problem: Problem, files: Sequence[str]) -> bool:
    return any(problem.where == file or problem.where.startswith(f"{file}:") for file in files)


def _has_manifests(folder: str) -> bool:
    return any(file.name.endswith(directory.ENDINGS) for file in _visible(folder))


def _templates(path: str) -> list[Path]:
    """Find the templates of a folder, or the file that is one itself."""
    if Path(path).is_dir():
        return [file for file in _visible(path) if file.name.endswith(TEMPLATES)]
    return [Path(path)] if path.endswith(TEMPLATES) else []


def _visible(folder: str) -> Iterator[Path]:
    """Iterate over the files below a folder; names that begin with a dot are left out, as for every command."""
    for file in Path(folder).rglob("*"):
        if not file.is_dir() and not any(part.startswith(".") for part in file.relative_to(folder).parts):
            yield file
