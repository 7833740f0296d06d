"""The command line's table of contents: every command with its module, which is imported when the command is asked for.

The modules bring pydantic, jinja2, rich and the server along; whoever asks for help or the version need not wait for them.
"""

import difflib
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from inspect import cleandoc
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from mesh_injector import __version__

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": (
        "mesh_injector.cli.demo",
        "Show the whole path: the HTTPS webhook, on the samples. It is sent real AdmissionReviews, tells what happened, and ends.",
    ),
    "serve": (
        "mesh_injector.cli.serve",
        "Serve the webhook over HTTPS. A change of the source is live at once, a broken one leaves the last good one serving.",
    ),
    "inject": ("mesh_injector.cli.inject", "Inject pods and workloads offline, just as the webhook would."),
    "uninject": ("mesh_injector.cli.uninject", "Take out of pods and workloads exactly what was injected. Their record lists it."),
    "explain": (
        "mesh_injector.cli.explain",
        "Explain why a pod is injected, or why not. It tells every mesh considered, and what to change.",
    ),
    "render": ("mesh_injector.cli.render", "Render a mesh's template for pods. Without a file it is rendered for a stand-in pod."),
    "lint": ("mesh_injector.cli.lint", "Find what is wrong with Meshes and templates, without a pod."),
    "diff": ("mesh_injector.cli.diff", "Show what a new template or Mesh would change for pods. Nothing is applied."),
    "test": ("mesh_injector.cli.test", "Run your own tests of your templates. They are files named mesh-injector-test.yaml beside them."),
    "manifests": ("mesh_injector.cli.manifests", "Print what is to be installed on a cluster. It is YAML for kubectl apply."),
    "certs": (
        "mesh_injector.cli.certs",
        "Show the serving certificate and its CAs, or have it renewed. The CAs are those that API servers are told.",
    ),
    "check": (
        "mesh_injector.cli.check",
        "Check whether the installation is healthy. It has your own rights: what you may not see is told, and is no failure.",
    ),
    "status": (
        "mesh_injector.cli.status",
        "Show which pods are injected, outdated or missed. It tells by which mesh and template, and how to move them.",
    ),
    "version": (
        "mesh_injector.cli.version",
        "Print the version, and what a report of a bug needs. That is the commit, Python, and the Kubernetes whose pods are known.",
    ),
}
"""The module of each command, which has a function of the command's name, and the first line of that function's docstring."""


_OF_PYDANTIC: Final = (
    ("Value error, ", ""),
    ("Input should be a valid integer, unable to parse string as an integer", "write a whole number"),
    ("Input should be less than or equal to ", "write at most "),
    ("Input should be greater than or equal to ", "write at least "),
)
"""How pydantic begins what it says of a value, and what we say."""


class _Flags:
    """Flags that are not given are "no" from the start: typer would import pydantic to learn that None is no boolean. What is wrong with
    a value is told in plain words."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for parameter in self.get_params(ctx):  # type: ignore[attr-defined] # a command has it
            if parameter.default is None and getattr(parameter, "is_flag", False):
                parameter.default = False
        try:
            parsed: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        except typer.BadParameter as error:
            error.message = _plain(error.message)
            raise
        return parsed


def _plain(message: str) -> str:
    """Say what is wrong with a value without pydantic's own words, and ask whether the nearest of several choices was meant."""
    for said, ours in _OF_PYDANTIC:
        message = ours + message.removeprefix(said) if message.startswith(said) else message
    given, among, choices = message.removesuffix(".").rpartition(" is not one of ")
    close = difflib.get_close_matches(given[1:100].rstrip("'"), choices[1:-1].split("', '"), n=1) if among else []
    return f"{given}{among}{choices}{f'; did you mean {close[0]!r}?' if close else ''}"


class _Command(_Flags, TyperCommand):
    """One command."""


class _Commands(_Flags, TyperGroup):
    """Lists every command, and imports the one that is asked for."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] in COMMANDS:
            self.commands[args[0]] = command(args[0])
        return super().resolve_command(ctx, args)


def command(name: str) -> Any:
    """Import a command and make it one of the command line, with its flags; what its function returns is the exit code."""
    made = typer.Typer(add_completion=False, **_SETTINGS)
    run = function(name)
    made.command(name, cls=_Command, help=_laid_out(run.__doc__ or ""))(_exiting(run))
    return typer.main.get_command(made)


def function(name: str) -> Callable[..., int]:
    """Import the function of a command."""
    found: Callable[..., int] = getattr(import_module(COMMANDS[name][0]), name)
    return found


def _laid_out(text: str) -> str:
    """Keep each example of a docstring on a line of its own, as it is to be typed: after a backspace nothing is wrapped."""
    about, title, examples = cleandoc(text).partition("Examples:\n")
    return about + title + "\n\b\n" + "\n".join(filter(None, examples.split("\n"))) if title else about


def _exiting(run: Callable[..., int]) -> Callable[..., None]:
    @wraps(run)
    def exiting(*arguments: Any, **options: Any) -> None:
        raise typer.Exit(run(*arguments, **options))

    return exiting


def _listed() -> None:
    """Stand for a command that is only listed."""


def _tell_version(asked: bool) -> None:
    """Print the first line of the command `version`, and end."""
    if asked:
        typer.echo(f"mesh-injector {__version__}")
        raise typer.Exit


_SETTINGS: Final[dict[str, Any]] = {"pretty_exceptions_enable": False, "rich_markup_mode": None}
app = typer.Typer(
    cls=_Commands,
    help="A Kubernetes sidecar injector with templates that cannot be broken into and decisions that explain themselves.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    **_SETTINGS,
)


@app.callback()
def _program(
    version: Annotated[bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Take what may stand before a command."""


for _name, (_, _summary) in COMMANDS.items():
    app.command(_name, help=_summary)(_listed)
