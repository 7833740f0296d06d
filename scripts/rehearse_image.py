"""Carry out the Dockerfile where no container engine is: each stage in a folder that a chroot in namespaces of its own takes for the root.

The base images are played by this machine: its Python, its libraries, its uv. What that does not prove is told in docs/decisions/0012.
Source of the instructions: https://docs.docker.com/reference/dockerfile/
"""

import argparse
import json
import os
import shlex
import shutil
import string
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dockerfile_parse import DockerfileParser

ROOT: Final = Path(__file__).resolve().parents[1]
PYTHON: Final = Path(sys.executable).resolve()
SHELL: Final = Path("/bin/sh").resolve()
SETPRIV: Final = Path("/usr/bin/setpriv")
LENT: Final = [*map(Path, ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc")), PYTHON, Path(sys.base_prefix, "lib")]
"""What a base image has of its own, and this machine lends: never a program but the interpreter."""
OPEN: Final = ("/dev", "/proc")
OTHER: Final = [path for path in Path("/usr/lib").glob("python3.*") if path.resolve() != Path(os.__file__).resolve().parent]
"""The libraries of a Python that is not lent: `/usr/bin/python3` would take them for its own."""
USER: Final = "65532"
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENTER: Final = """\
root=$1; shift
mount --bind "$root" "$root"
lend() {
  if [ "$1" = no ]; then mount -t tmpfs none "$root$2"; return; fi
  if [ -L "$2" ]; then [ -L "$root$2" ] || cp -P "$2" "$root$2"; return; fi
  if [ -d "$2" ]; then mkdir -p "$root$2"; else mkdir -p "$(dirname "$root$2")"; touch "$root$2"; fi
  mount --rbind "$2" "$root$2"
  [ "$1" = rw ] || close "$root$2"
}
close() { # what was mounted without set-user-id, devices or programs must stay so
  flags=$(findmnt --noheadings --output VFS-OPTIONS --target "$1")
  mount -o "remount,bind,ro${flags#r?}" "$1"
}
while [ "$1" != -- ]; do lend "$1" "$2"; shift 2; done; shift
"""
"""Make a root of a folder. Arguments come in pairs, `ro`, `rw` or `no` (hidden) and a path of this machine, up to `--`; then a command."""
RUN: Final = ENTER + 'exec chroot "$root" "$@"'
START: Final = ENTER + f'close "$root"; exec unshare --map-user={USER} --map-group={USER} --keep-caps chroot "$root" "$@"'
UNPRIVILEGED: Final = (str(SETPRIV), "--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all")


@dataclass
class Stage:
    """One stage of the build: its root, and what its instructions have set."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    entrypoint: list[str] = field(default_factory=list)


def main() -> None:
    """Build into a folder, and run the program from it if arguments are left."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", type=Path, default=ROOT / "dist" / "image", metavar="DIR")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what the container is started with")
    given = parser.parse_args()
    image = build(given.to)
    if given.arguments:
        sys.exit(subprocess.run(started(image, given.arguments), check=False).returncode)


def build(to: Path, commit: str = "") -> Stage:
    """Carry out all instructions, and return the last stage, which is the image."""
    shutil.rmtree(to, ignore_errors=True)
    context, stages = to / "context", dict[str, Stage]()
    send(context)
    stage = Stage(to)
    given = {"COMMIT": commit}
    for instruction, value in instructions():
        if instruction == "FROM":
            name = value.partition(" AS ")[2] or "image"
            stage = stages[name] = Stage(to / name)
            base(name, stage)
        else:
            follow(instruction, value, stage, stages | {"": Stage(context)}, given)
    return stage


def instructions() -> list[tuple[str, str]]:
    """Read the Dockerfile, continued lines joined."""
    with (ROOT / "Dockerfile").open("rb") as file:
        found: list[Any] = DockerfileParser(fileobj=file).structure
    return [(entry["instruction"], entry["value"]) for entry in found if entry["instruction"] != "COMMENT"]


def send(context: Path) -> None:
    """Copy what an engine would be sent: the files of the repository that .dockerignore lets through."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = [line.removeprefix("!") for line in lines if line.startswith("!")]
    listed = subprocess.run(["git", "ls-files", "-z", "--", *sent], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.rstrip("\0").split("\0"):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, context / name)


def base(name: str, stage: Stage) -> None:
    """Put into a fresh root what its base image has and this machine must lend as a copy: uv, or the name of the interpreter."""
    (stage.root / "usr/bin").mkdir(parents=True)
    (stage.root / "tmp").mkdir(mode=0o1777)
    if name == "uv":
        shutil.copy(uv(), stage.root / "uv")
    else:
        (stage.root / "usr/bin/python3").symlink_to(PYTHON)


def follow(instruction: str, value: str, stage: Stage, others: Mapping[str, Stage], given: Mapping[str, str]) -> None:
    """Carry out one instruction within a stage."""
    match instruction:
        case "ARG":
            name, _, default = value.partition("=")
            stage.variables[name] = given.get(name, default)
        case "ENV":
            stage.variables |= dict(pair.split("=", 1) for pair in shlex.split(value))
        case "WORKDIR":
            stage.folder = value
            inside(stage, value).mkdir(parents=True, exist_ok=True)
        case "COPY":
            copy(shlex.split(string.Template(value).safe_substitute(stage.variables)), stage, others)
        case "RUN":
            subprocess.run(building(stage, value), check=True)
        case "ENTRYPOINT":
            stage.entrypoint = json.loads(value)
        case "USER" if value != f"{USER}:{USER}":
            raise ValueError(f"the rehearsal runs as {USER}, and the image as {value}")


def inside(stage: Stage, path: str) -> Path:
    """Find a path of a stage here."""
    return stage.root / os.path.normpath(f"{stage.folder}/{path}" if not path.startswith("/") else path).lstrip("/")


def copy(words: list[str], stage: Stage, others: Mapping[str, Stage]) -> None:
    """Copy files, or what is in a folder, from the context or another stage."""
    source = others[words.pop(0).removeprefix("--from=")] if words[0].startswith("--from=") else others[""]
    *names, target = words
    for name in names:
        origin, into = inside(source, name), inside(stage, target)
        if origin.is_dir():
            shutil.copytree(origin, into, dirs_exist_ok=True)
        else:
            into = into / origin.name if target.endswith("/") or into.is_dir() else into
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(origin, into)


def building(stage: Stage, command: str) -> list[str]:
    """Word a RUN: root of a namespace of its own, with a shell and with uv's cache, so that nothing is downloaded twice."""
    cache = subprocess.run([uv(), "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    settings = {"PATH": PATH, **stage.variables, "UV_CACHE_DIR": cache}
    lent = mounts([*LENT, SHELL]) + mounts(OTHER, "no") + mounts([*OPEN, cache], "rw")
    return [*entering(RUN, settings), str(stage.root), *lent, "--", str(SHELL), "-ec", f"cd {stage.folder}; {command}"]


def started(image: Stage, arguments: Sequence[str], shown: Sequence[Path] = (), entrypoint: Sequence[str] = ()) -> list[str]:
    """Word a start of the container as its Deployment has it: another user, no privileges, no shell, a root that nobody writes to.

    `shown` are files and folders of this machine that it sees read-only, where they are here.
    """
    settings = {"PATH": PATH, **image.variables}
    lent = mounts([*LENT, SETPRIV, *shown]) + mounts(OTHER, "no") + mounts(OPEN, "rw")
    command = (*UNPRIVILEGED, *(entrypoint or image.entrypoint), *arguments)
    return ["env", "--ignore-environment", *entering(START, settings), str(image.root), *lent, "--", *command]


def entering(script: str, settings: Mapping[str, str]) -> list[str]:
    """Word the way into the namespaces."""
    environment = [f"{name}={value}" for name, value in settings.items()]
    return ["env", *environment, "unshare", "--user", "--map-root-user", "--mount", "sh", "-euc", script, "sh"]


def mounts(paths: Sequence[Path | str], access: str = "ro") -> list[str]:
    """Pair each path that is here with its access."""
    return [word for path in dict.fromkeys(map(str, paths)) if Path(path).exists() for word in (access, path)]


def uv() -> str:
    """Find the program of uv, and not a script in its place: uv tells those that it runs (its documentation, "Environment variables")."""
    found = shutil.which("uv") or str(ROOT / ".bootstrap/bin/uv")
    command = [found, "run", "--no-project", "--quiet", "printenv", "UV"]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
