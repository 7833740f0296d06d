"""What may be opened and waited for: regular files, standard input, and what a shell has opened for a command, all within a limit.

Of other pipes and devices nobody knows an end, and of no file how large somebody has made it.
"""

# ruff: noqa: PTH116, PTH123 - pathlib takes "" for the current folder

import os
import re
import stat
import sys
from typing import Final

from mesh_injector import reasons
from mesh_injector.errors import ConfigError, Problem

STDIN: Final = "-"
LIMIT_BYTES: Final = 64 * 1024 * 1024
"""The largest file of manifests that is read: some thousand pods as `kubectl get -o yaml` writes them."""
_OPENED: Final = re.compile(r"/dev/stdin|(/dev/fd|/proc/self/fd)/[0-9]+")


def is_opened(path: str) -> bool:
    """Whether a path is how a shell names what it has opened for a command, as in `lint <(kustomize build)`; no path through one is."""
    return _OPENED.fullmatch(path) is not None


def text(path: str) -> str:
    """The text of a file or of standard input. Raises ConfigError (UNREADABLE), also for a pipe or device that nobody opened."""
    try:
        return read(path, LIMIT_BYTES).decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _unreadable("it is not UTF-8", f"{_source(path)}:{line}", "save it as UTF-8") from error


def read(path: str, limit: int, fix: str = "") -> bytes:
    """The content of a file or of standard input, at most `limit` bytes. Raises ConfigError (UNREADABLE), with a `fix` of the caller's."""
    try:
        found = _bytes(path, limit + 1, fix)
    except OSError as error:
        what = f"it cannot be read ({error.strerror})"
        raise _unreadable(what, _source(path), fix or "check the path and its permissions") from error
    if len(found) > limit:
        raise _unreadable(f"it is larger than {limit // 2**20} MiB", _source(path), fix or "split it into several files")
    return found


def _bytes(path: str, most: int, fix: str) -> bytes:
    if path == STDIN:
        return sys.stdin.buffer.read(most)
    kind = stat.S_IFMT(os.stat(path).st_mode)
    if kind not in (stat.S_IFREG, stat.S_IFDIR) and path != os.devnull and not is_opened(path):
        fix = fix or "name a file or a folder, or give it to standard input and name `-`"
        raise _unreadable("it is no regular file", path, fix)
    with open(path, "rb") as file:
        return file.read(most)


def _source(path: str) -> str:
    return "stdin" if path == STDIN else path


def _unreadable(what: str, where: str, fix: str) -> ConfigError:
    return ConfigError(Problem(reasons.UNREADABLE, what, where, fix))
