"""Where rules come from: files, folders and the cluster, given by `--source`; by default the cluster of the pod, or the bundled samples."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from mesh_injector import directory, documents, store
from mesh_injector.cli import shipped
from mesh_injector.cli.terminal import Terminal
from mesh_injector.documents import Reading
from mesh_injector.errors import Problem
from mesh_injector.kube import credentials
from mesh_injector.kube.credentials import Credentials
from mesh_injector.store import Snapshot

CLUSTER: Final = "cluster"
"""The source that is no file or folder; a file of that name is `./cluster`."""
_USUAL: Final = Credentials()


def samples() -> Path:
    """Find the bundled samples."""
    return shipped.config() / "samples"


def names(given: Sequence[str] | None) -> tuple[str, ...]:
    """Name the sources: those given, else the cluster in a pod, else the bundled samples."""
    return tuple(given) if given else (CLUSTER if credentials.in_pod() else str(samples()),)


def announce(given: Sequence[str] | None, terminal: Terminal) -> None:
    """Name the sources: the first line on stderr."""
    told = names(given)
    default = "this pod is in it" if told == (CLUSTER,) else "the bundled samples"
    terminal.say(f"source: {', '.join(told)}" + ("" if given else f" ({default}; name yours by --source)"), style="dim")


def read(sources: Sequence[str], home: str, given: Credentials) -> Reading:
    """Read all sources as one. Raises ConfigError where a file or folder cannot be read at all, ClusterError where the cluster cannot."""
    paths = [source for source in sources if source != CLUSTER]
    readings = [directory.read(paths)] if paths else []
    if len(paths) < len(sources):
        from mesh_injector.kube import listing  # half a second, for those who ask for a cluster

        readings.insert(0, listing.read(given, home))  # of two documents for one object the later one counts: a file is what will be
    return documents.together(tuple(readings))


def load(given: Sequence[str] | None, home: str, terminal: Terminal, cluster: Credentials = _USUAL) -> Snapshot:
    """Read and compile the source; its first line on stderr names it, and what is broken in it is told and changes no exit code.

    Raises ConfigError when a source cannot be read at all, ClusterError when that is the cluster.
    """
    snapshot, problems = compiled(given, home, terminal, cluster)
    tell(snapshot, problems, terminal)
    return snapshot


def compiled(given: Sequence[str] | None, home: str, terminal: Terminal, cluster: Credentials) -> tuple[Snapshot, tuple[Problem, ...]]:
    """Read and compile the source as `load` does, for a command that tells itself what is broken in it."""
    announce(given, terminal)
    reading = read(names(given), home, cluster)
    snapshot = store.load(reading.documents, home, unread=reading.unread)
    return snapshot, (*reading.problems, *snapshot.problems)


def tell(snapshot: Snapshot, problems: Iterable[Problem], terminal: Terminal) -> None:
    """Tell what is broken in a source."""
    for problem in problems:
        terminal.problem(problem, "warning")
    if not snapshot.rules.meshes:
        terminal.say("warning: the source holds no Mesh that can be used, so nothing will be injected", style="yellow")
