"""`version`: which release this is, and what else a report of a bug should say."""

import platform
from enum import StrEnum
from importlib import metadata, resources
from typing import Annotated, Final

import typer

from mesh_injector import __version__
from mesh_injector.cli.flags import flag

COMMIT: Final = "COMMIT"
"""The file in the package that holds the commit it was built from; builds from a checkout write it, a checkout has none."""


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
    """Find the commit: what a build wrote down, or what pip noted of a repository (PEP 610); None where nobody did."""
    built = resources.files("mesh_injector") / COMMIT
    if built.is_file():
        return built.read_text(encoding="utf-8").strip()
    import json

    try:
        noted = metadata.distribution("mesh-injector").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    commit: str | None = json.loads(noted or "{}").get("vcs_info", {}).get("commit_id")
    return commit
