"""The page of the command line: every command with its arguments, flags, environment variables and examples, from the program itself."""

from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer

from mesh_injector.cli import app
from scripts.reference.markdown import code, table

_EXAMPLES = "Examples:\n"


def page() -> str:
    """The commands, in the order in which `mesh-injector --help` lists them."""
    summaries = ([f"[`{name}`](#mesh-injector-{name})", summary] for name, (_, summary) in app.COMMANDS.items())
    return table(("command", "what it does"), summaries) + _program() + "".join(map(_section, app.COMMANDS))


def _program() -> str:
    """The flags that stand before a command or instead of one."""
    group: Any = typer.main.get_command(app.app)
    flags = ([code(each.opts[0]), each.help] for each in group.params)
    return "\n" + table(("flag without a command", "meaning"), flags)


def _section(name: str) -> str:
    command = app.command(name)
    about, _, examples = (command.help or "").partition(_EXAMPLES)
    shown = "".join(f"{line.removeprefix('  ')}\n" for line in examples.strip("\b\n").splitlines())
    context = typer.Context(command, info_name=name)
    parts = [about.strip(), f"```sh\n{shown}```" if shown else "", *_tables(command, context)]
    return f"\n## mesh-injector {name}\n\n" + "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def _tables(command: Any, context: typer.Context) -> Iterator[str]:
    arguments = [parameter for parameter in command.params if parameter.envvar is None and not parameter.opts[0].startswith("-")]
    if arguments:
        yield table(("argument", "default", "meaning"), ([_names(each, context), _default(each), each.help] for each in arguments))
    flags = [parameter for parameter in command.params if parameter.envvar is not None]
    rows = ([_names(each, context), _default(each), code(each.envvar), each.help] for each in flags)
    yield table(("flag", "default", "environment", "meaning"), rows)


def _names(parameter: Any, context: typer.Context) -> str:
    """What is typed, with what it takes, as `--help` has it."""
    return code(parameter.get_help_record(context)[0].removesuffix(" <list[str]>"))


def _default(parameter: Any) -> str:
    """What counts where nothing is given; of a flag that is on or off, nothing."""
    default = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    if parameter.required:
        return "required"
    return "" if default in (None, False, "", ()) else code(str(default.value if isinstance(default, Enum) else default))
