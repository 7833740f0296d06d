"""Test files to suites that can run: everything that is wrong with a file is found here, with its line, before the first case runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from mesh_injector import directory, reasons, store, workloads
from mesh_injector.cli import mistyped
from mesh_injector.cli.suites import bodies, expectation, paths
from mesh_injector.cli.suites.paths import Mistaken
from mesh_injector.cli.suites.spec import API_VERSION, KIND, Case, Suite
from mesh_injector.documents import Document, fitting
from mesh_injector.engine.pod import Pod
from mesh_injector.errors import ConfigError, MeshInjectorError, Problem, ReviewError
from mesh_injector.formats import mesh
from mesh_injector.workloads import Workload

ENDINGS: Final = ("mesh-injector-test.yaml", "mesh-injector-test.yml")
"""How the names of test files end, by which they are found in folders: `mesh-injector-test.yaml`, `envoy.mesh-injector-test.yaml`."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A suite that can run: its document, the documents of its source with its namespaces, and its pods by the names cases call them."""

    document: Document
    suite: Suite
    source: tuple[Document, ...]
    pods: Mapping[str, Workload]
    problems: tuple[Problem, ...] = ()
    """What is broken in the source, as with every command: it changes no exit code."""

    @property
    def file(self) -> str:
        """The test file."""
        return self.document.origin.source

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.document.name or self.file

    def workload(self, case: Case) -> Workload:
        """The pod of a case, as the suite has it."""
        return self.pods[case.pod] if isinstance(case.pod, str) else bodies.workload(bodies.completed(case.pod, "pod"))

    def line(self, case: Case) -> int:
        """The line of the test file where a case begins."""
        return self.document.locate(("tests", self.suite.tests.index(case))).line


def load(given: Sequence[str], sources: Sequence[str] | None = None) -> tuple[list[Loaded], list[Problem]]:
    """Load the test files that are given or stand below folders; `sources` are read instead of those that the suites name.

    Raises ConfigError where there is none, or a path cannot be read.
    """
    loaded: list[Loaded] = []
    problems: list[Problem] = []
    for file in _files(given):
        reading = directory.read([file])
        problems += reading.problems
        for document in reading.documents:
            found = list(_load(document, sources, given))
            loaded += [one for one in found if isinstance(one, Loaded)]
            problems += [one for one in found if isinstance(one, Problem)]
    return loaded, problems


def _files(given: Sequence[str]) -> list[str]:
    """Find the test files: those given, and in folders those that are named so."""
    found: dict[str, None] = {}
    for path in given:
        below = sorted(file for ending in ENDINGS for file in Path(path).rglob(f"*{ending}")) if Path(path).is_dir() else [path]
        found |= dict.fromkeys(str(file) for file in below)
    if not found:
        what = f"no file here is named `{ENDINGS[0]}`, nor ends so"
        raise ConfigError(Problem(reasons.NOTHING_FOUND, what, ", ".join(given), "write one by `mesh-injector test --init`, or name it"))
    return list(found)


def _load(document: Document, sources: Sequence[str] | None, given: Sequence[str]) -> Iterator[Loaded | Problem]:
    if (document.api_version, document.kind) != (API_VERSION, KIND):
        origin = document.locate(("kind",))
        what, fix = f"`{document.api_version}` `{document.kind}` is no test", f"write `apiVersion: {API_VERSION}` and `kind: {KIND}`"
        yield Problem(reasons.FIELD_WRONG, what, str(origin), fix, document.excerpt(origin))
        return
    try:
        suite = Suite.model_validate(document.body)
    except ValidationError as error:
        yield from fitting.problems(document, error, Suite)
        return
    loading = _Loading(document, suite, given)
    source, broken = loading.source(sources)
    pods = loading.pods()
    wrong = [*loading.problems, *loading.cases(pods, source)]
    if wrong:
        yield from wrong
    else:
        yield Loaded(document, suite, source, pods, broken)


class _Loading:
    """One suite, loaded; problems are collected."""

    def __init__(self, document: Document, suite: Suite, given: Sequence[str]) -> None:
        self.document, self.suite, self.given = document, suite, given
        self.folder = Path(document.origin.source).parent if document.origin.source != "stdin" else Path()
        self.problems: list[Problem] = []

    def source(self, given: Sequence[str] | None) -> tuple[tuple[Document, ...], tuple[Problem, ...]]:
        """Read the source; a path of it that cannot be read is a problem of the test file."""
        found: list[Document] = []
        broken: list[Problem] = []
        for at, name in enumerate(self.suite.source if given is None else given):
            try:
                reading = directory.read([self._file(name) if given is None else name])
            except ConfigError as error:
                if given is not None:
                    raise
                self.problems.append(self._at(("source", at), f"{error.problem.where}: {error.problem.what}", error.problem.fix))
            else:
                found += reading.documents
                broken += reading.problems
        namespaces = [self._namespace(name, labels) for name, labels in self.suite.namespaces.items()]
        return tuple(store.expanded((*found, *namespaces))[0]), tuple(broken)

    def _file(self, name: str) -> str:
        """The path of a file or folder that the suite names.

        Raises ConfigError where it leads out of the folders that the tests are about: the first lines of what cannot be read are shown,
        and whoever proposes a test file to a project has it run by the project's CI.
        """
        path = self.folder / name
        if not any(path.resolve().is_relative_to(folder.resolve()) for folder in (self.folder, Path(), *map(Path, self.given))):
            what = "it is neither below the test file's folder, nor below one that is tested, nor below the one you are in"
            raise ConfigError(Problem(reasons.UNREADABLE, what, str(path), "move it there, or run the tests from a folder that holds both"))
        return str(path)

    def _namespace(self, name: str, labels: Mapping[str, str]) -> Document:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}
        return Document(body, self.document.locate(("namespaces", name)))

    def pods(self) -> dict[str, Workload]:
        """Find the pods that cases may name: those of `pods`, and those of `files` by the names of their workloads."""
        found: dict[str, Workload | None] = {}
        for name, body in self.suite.pods.items():
            part = Document(bodies.completed(body, name), self.document.origin, "", (self.document, ("pods", name)))
            found |= self._checked(part, name)
        for at, name in enumerate(self.suite.files):
            try:
                reading = directory.read([self._file(name)])
            except ConfigError as error:
                self.problems.append(self._at(("files", at), f"{error.problem.where}: {error.problem.what}", error.problem.fix))
                continue
            self.problems += reading.problems
            for document in store.expanded(reading.documents)[0]:
                bodies.call(self._checked(document), found)
        return {name: workload for name, workload in found.items() if workload is not None}

    def _checked(self, document: Document, name: str = "") -> dict[str, Workload]:
        """Find the pod of a document; what is no pod is told only where a pod was meant."""
        try:
            workload = workloads.find(document.body)
            if workload is None:
                if name:
                    origin = document.locate(())
                    fix = "write a Pod or a workload"
                    self.problems.append(Problem(reasons.FIELD_WRONG, f"`{name}` holds no pod", str(origin), fix, document.excerpt(origin)))
                return {}
            Pod.from_document(workload.pod)
        except ReviewError as error:
            self.problems.append(mistyped.problem(error.problem, document))
        except MeshInjectorError as error:
            self.problems.append(Problem(error.problem.code, error.problem.what, str(document.locate(())), error.problem.fix))
        else:
            return {name or workload.label: workload}
        return {}

    def cases(self, pods: Mapping[str, Workload], source: Sequence[Document]) -> Iterator[Problem]:
        """Find what is wrong with the cases: a name twice, a pod or mesh that is not there, a path that no pod has."""
        meshes = {
            name for document in source if mesh.is_mesh(document) for name in (document.name, f"{document.namespace}/{document.name}")
        }
        first: dict[str, int] = {}
        for at, case in enumerate(self.suite.tests):
            if first.setdefault(case.name, at) != at:
                yield self._at(("tests", at, "name"), f"two tests are named `{case.name}`", "give each a name of its own")
            yield from self._pod(at, case, pods)
            for name in case.meshes:
                if name not in meshes:
                    yield fitting.unknown(self.document, ("tests", at, "meshes", name), f"the source has no Mesh `{name}`", meshes)
            yield from self._expectations(at, case)

    def _pod(self, at: int, case: Case, pods: Mapping[str, Workload]) -> Iterator[Problem]:
        if isinstance(case.pod, str):
            if case.pod not in pods:
                yield self._at(("tests", at, "pod"), *bodies.unknown(case.pod, pods))
            return
        before = len(self.problems)
        self._checked(Document(bodies.completed(case.pod, "pod"), self.document.origin, "", (self.document, ("tests", at, "pod"))), "pod")
        yield from self.problems[before:]

    def _expectations(self, at: int, case: Case) -> Iterator[Problem]:
        for index, name in enumerate(case.expect.adds or ()):
            yield from self._path(("tests", at, "expect", "adds", index), name)
        for name, wanted in (case.expect.pod or {}).items():
            where = ("tests", at, "expect", "pod", name)
            yield from self._path(where, name)
            try:
                expectation.check_value(wanted)
            except Mistaken as error:
                yield self._at(where, error.what, error.fix)

    def _path(self, where: tuple[str | int, ...], name: str) -> Iterator[Problem]:
        try:
            paths.parse(name)
        except Mistaken as error:
            origin = self.document.locate(where, key=True)
            yield Problem(reasons.FIELD_UNKNOWN, error.what, str(origin), error.fix, self.document.excerpt(origin))

    def _at(self, path: tuple[str | int, ...], what: str, fix: str) -> Problem:
        origin = self.document.locate(path)
        return Problem(reasons.FIELD_WRONG, what, str(origin), fix, self.document.excerpt(origin))
