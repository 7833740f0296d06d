"""The flags that commands share, each also an environment variable `MESH_INJECTOR_<FLAG>`."""

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGES: Final = timedelta(days=36500)


def flag(*names: str, help: str, **settings: Any) -> Any:  # noqa: A002 # typer's own word
    """Make an option whose environment variable follows from its long name."""
    long = next(name for name in names if name.startswith("--"))
    variable = f"MESH_INJECTOR_{long.split('/')[0].lstrip('-').replace('-', '_').upper()}"
    return typer.Option(*names, help=help, envvar=variable, show_envvar=False, **settings)


def named(paths: list[str] | None) -> list[str] | None:
    """Refuse an empty name, such as a variable of a script leaves that is not set."""
    if paths and "" in paths:
        raise typer.BadParameter("an empty text names no file or folder")
    return paths


def lifetime(text: str | timedelta) -> timedelta:
    """Read a length of time: a number and `s`, `m`, `h` or `d`."""
    found = text if isinstance(text, timedelta) else None
    if found is None and (match := re.fullmatch(r"([0-9]{1,6})([smhd])", str(text))):
        found = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if found is None or found >= _AGES:
        raise typer.BadParameter(f"{text!r:.60} is no length of time: write a number and s, m, h or d, such as 90d, less than 100 years")
    return found


class Color(StrEnum):
    """When to colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


Sources = Annotated[
    list[str] | None,
    flag(
        "--source",
        metavar="FILE|DIR|cluster",
        callback=named,
        help="Meshes, template ConfigMaps and Namespaces; repeatable, all read as one. Default: in a pod the cluster, else samples.",
    ),
]
Kubeconfig = Annotated[
    str,
    flag(
        "--kubeconfig",
        metavar="FILE",
        help="The kubeconfig for `--source cluster`. Default: as kubectl finds it, or the pod's own account.",
    ),
]
Context = Annotated[str, flag("--context", metavar="NAME", help="A context of the kubeconfig. Default: its current one.")]
Home = Annotated[
    str, flag("--home-namespace", metavar="NAME", help="The injector's own namespace, whose Meshes may select pods everywhere.")
]
_FILES: Final = flag(
    "-f", "--filename", metavar="FILE|DIR|-", callback=named, help="Pods and workloads; repeatable, `-` is standard input."
)
Files = Annotated[list[str], _FILES]
OptionalFiles = Annotated[list[str] | None, _FILES]
NamespaceFlag = Annotated[
    str, flag("-n", "--namespace", metavar="NAME", help="The namespace of documents that name none; one that names another is an error.")
]
AllNamespaces = Annotated[bool, flag("-A", "--all-namespaces", help="Take documents of every namespace, whatever -n says.")]
Labels = Annotated[
    str, flag("-l", "--selector", metavar="SELECTOR", help="Only objects with these labels, as kubectl writes it: app=web,!old.")
]
ColorFlag = Annotated[Color, flag("--color", help="Colour the output: auto (on a terminal), always or never.")]
Quiet = Annotated[bool, flag("-q", "--quiet", help="Say nothing on stderr but errors.")]
TlsDir = Annotated[
    Path | None,
    flag("--tls-dir", metavar="DIR", help="Folder of tls.crt, tls.key and optionally ca.crt. Default: a self-signed certificate."),
]
