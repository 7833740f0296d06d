"""The command line's table of contents: every command, registered under its name."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from mesh_injector import __version__
from mesh_injector.cli import demo, explain, inject, lint, render, serve, uninject

app = typer.Typer(
    help="A Kubernetes sidecar injector with templates that cannot be broken into and decisions that explain themselves.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _register(command: Callable[..., int]) -> None:
    """Register a command: what it returns is the exit code."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        raise typer.Exit(command(*arguments, **options))

    app.command()(run)


def version() -> int:
    """Print the version."""
    typer.echo(f"mesh-injector {__version__}")
    return 0


for _command in (demo.demo, serve.serve, inject.inject, uninject.uninject, explain.explain, render.render, lint.lint, version):
    _register(_command)
