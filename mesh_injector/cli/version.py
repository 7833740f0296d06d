"""`version`: which release this is, and what else a report of a bug should say."""

import platform
import re
from enum import StrEnum
from importlib import metadata, resources
from pathlib import Path
from typing import Annotated, Final

import typer

from mesh_injector import __version__
from mesh_injector.cli.flags import flag

COMMIT: Final = "COMMIT"
"""The file in the package that holds the commit it was built from; builds from a checkout write it, a checkout has none."""
_HASH: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Output(StrEnum):
    """The forms of the output."""

    TEXT = "text"
    JSON = "json"


def version(output: Annotated[Output, flag("-o", "--output", help="text or json.")] = Output.TEXT) -> int:
    """Print the version, and what a report of a bug needs. That is the commit, Python, and the Kubernetes whose pods are known.

    Examples:

      mesh-injector version

      mesh-injector version -o json
    """
    import json

    from mesh_injector.engine import schema

    facts = {
        "version": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "kubernetes": schema.KUBERNETES_VERSION,
    }
    if output is Output.JSON:
        typer.echo(json.dumps(facts, indent=2))
    else:
        typer.echo(f"mesh-injector {facts.pop('version')}")
        for name, value in facts.items():
            typer.echo(f"{name:13} {value or 'unknown'}")
    return 0


def _commit() -> str | None:
    """Find the commit: what a build wrote down, that of the clone this runs in, or what pip noted of a repository (PEP 610); else None."""
    package = Path(str(resources.files("mesh_injector")))
    if (built := package / COMMIT).is_file():
        return built.read_text(encoding="utf-8").strip()
    if found := _checked_out(package.parent):
        return found
    import json

    try:
        noted = metadata.distribution("mesh-injector").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    commit: str | None = json.loads(noted or "{}").get("vcs_info", {}).get("commit_id")
    return commit


def _checked_out(folder: Path) -> str | None:
    """Find the commit of a clone without asking git, also of a worktree; None where there is none.

    Source: https://git-scm.com/docs/gitrepository-layout
    """
    git = folder / ".git"
    try:
        if git.is_file():
            git = folder / _first(git).removeprefix("gitdir: ")
        common = git / _first(git / "commondir") if (git / "commondir").is_file() else git
        _, is_named, name = (found := _first(git / "HEAD")).partition("ref: ")
        if is_named and (common / name).is_file():
            found = _first(common / name)
        elif is_named:
            packed = (common / "packed-refs").read_text(encoding="utf-8").splitlines()
            found = next((line.partition(" ")[0] for line in packed if line.endswith(f" {name}")), "")
    except (OSError, ValueError):
        return None
    return found if _HASH.fullmatch(found) else None


def _first(file: Path) -> str:
    return file.read_text(encoding="utf-8").strip()
