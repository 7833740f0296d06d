"""Where rules come from: files and folders given by `--source`, or the samples that come with the package."""

from collections.abc import Sequence
from pathlib import Path

from mesh_injector import directory, store
from mesh_injector.cli.terminal import Terminal
from mesh_injector.store import Snapshot


def samples() -> Path:
    """Find the bundled samples: inside the installed package, or in the checkout that it runs from."""
    package = Path(__file__).parent.parent
    installed = package / "samples"
    return installed if installed.is_dir() else package.parent / "config" / "samples"


def paths(given: Sequence[str] | None) -> tuple[str, ...]:
    """Name the sources: those given, else the bundled samples."""
    return tuple(given) if given else (str(samples()),)


def announce(given: Sequence[str] | None, terminal: Terminal) -> None:
    """Name the sources: the first line on stderr."""
    terminal.say(f"source: {', '.join(paths(given))}" + ("" if given else " (the bundled samples; name yours by --source)"), style="dim")


def load(given: Sequence[str] | None, home: str, terminal: Terminal) -> Snapshot:
    """Read and compile the source; its first line on stderr names it, and what is broken in it is told and changes no exit code.

    Raises ConfigError when a source cannot be read at all.
    """
    announce(given, terminal)
    reading = directory.read(paths(given))
    snapshot = store.load(reading.documents, home)
    for problem in (*reading.problems, *snapshot.problems):
        terminal.problem(problem, "warning")
    if not snapshot.rules.meshes:
        terminal.say("warning: the source holds no Mesh that can be used, so nothing will be injected", style="yellow")
    return snapshot
