"""`version`: which release this is."""

import typer

from mesh_injector import __version__


def version() -> int:
    """Print the version."""
    typer.echo(f"mesh-injector {__version__}")
    return 0
