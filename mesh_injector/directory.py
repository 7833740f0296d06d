"""Documents from files, folders and standard input: `read` once, or `follow` them as they change.

A folder may be a mounted ConfigMap, whose files are links through a hidden `..data` that is swapped as a whole.
"""

# ruff: noqa: PTH112 - pathlib raises where a folder is closed, and takes "" for the current one

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from mesh_injector import documents, opening, reasons
from mesh_injector.documents import Parsed, Reading
from mesh_injector.errors import ConfigError, Problem

if TYPE_CHECKING:
    import asyncio  # who only reads need not wait for it

ENDINGS: Final = (".yaml", ".yml", ".json")

_Texts = tuple[tuple[str, str | Problem], ...]
"""Name and text of each file, or what is wrong with it: cheap to compare with what was there before."""
_Known = dict[tuple[str, str | Problem], Parsed]
"""What was found in a file of that name and text."""
_Found = TypeVar("_Found")


def read(paths: Sequence[str]) -> Reading:
    """The documents of files, of folders with all below them (sorted, nothing hidden), and of `-`; each file is read once.

    A file that was found in a folder and cannot be read is a problem of the reading. Raises ConfigError where a path itself cannot
    be read, is no UTF-8 or above the limit (UNREADABLE), and where a folder holds no file with one of `ENDINGS` (NOTHING_FOUND).
    """
    texts = _texts(paths)
    return _reading(texts, _parsed(texts, {}))


@dataclass(frozen=True, slots=True)
class Pace:
    """How quickly `follow` follows, in milliseconds.

    Changes within `debounce` are one. Every `interval` it looks without being told, for network file systems and replaced parents of
    which the kernel says nothing. What has changed is believed when it is the same after `settle`; where a file holds only the
    beginning of what it held, as one does that is being written, after `cut`.
    """

    debounce: int = 200
    interval: int = 1000
    settle: int = 100
    cut: int = 2000


async def follow(paths: Sequence[str], pace: Pace = Pace(), nudge: asyncio.Event | None = None) -> AsyncGenerator[Reading, None]:
    """The reading now, and another whenever it has changed; a path that cannot be read gives one that is not `ok`.

    `nudge` makes it look at once, and is cleared then. Raises ConfigError where `paths` holds `-`, which cannot be read twice.
    """
    import asyncio

    if opening.STDIN in paths:
        raise ConfigError(Problem(reasons.UNREADABLE, "standard input cannot be followed", "stdin", "name a file or folder"))
    last: _Texts | Problem | None = None
    nudge = nudge or asyncio.Event()
    known: _Known = {}
    while True:
        nudge.clear()
        texts: _Texts | Problem = await asyncio.to_thread(_tried, _texts, paths)
        if texts != last:
            texts = texts if last is None else await _settled(paths, last, texts, pace)
        if texts != last:
            last = texts
            if not isinstance(texts, Problem):
                known = await asyncio.to_thread(_parsed, texts, known)
            yield Reading((), (texts,), ok=False) if isinstance(texts, Problem) else _reading(texts, known)
        # A new watch each time finds folders that came or went.
        await _change(await asyncio.to_thread(_folders, paths), pace, nudge)


async def _settled(paths: Sequence[str], last: _Texts | Problem, texts: _Texts | Problem, pace: Pace) -> _Texts | Problem:
    """What the paths hold when nobody writes to them any more."""
    import asyncio

    quiet = 0
    while quiet < (pace.cut if _is_cut(last, texts) else pace.settle):
        await asyncio.sleep(pace.settle / 1000)
        again = await asyncio.to_thread(_tried, _texts, paths)
        quiet = quiet + pace.settle if again == texts else 0
        texts = again
    return texts


def _is_cut(last: _Texts | Problem, texts: _Texts | Problem) -> bool:
    """Whether a file holds only the beginning of what it held: valid YAML, it may be, that would take a mesh away."""
    if isinstance(last, Problem) or isinstance(texts, Problem):
        return False
    before = dict(last)
    return any(_is_beginning(text, before.get(source)) for source, text in texts)


def _is_beginning(text: str | Problem, whole: str | Problem | None) -> bool:
    return isinstance(text, str) and isinstance(whole, str) and len(text) < len(whole) and whole.startswith(text)


def _parsed(texts: _Texts, known: _Known) -> _Known:
    """What the files hold; one that has not changed is not parsed again."""
    return {file: known.get(file) or _parse(*file) for file in texts}


def _parse(source: str, text: str | Problem) -> Parsed:
    return Parsed((), (text,)) if isinstance(text, Problem) else documents.parse(text, source)


def _reading(texts: _Texts, known: _Known) -> Reading:
    parsed = [(file[0], known[file]) for file in texts]
    found = tuple(document for _, each in parsed for document in each.documents)
    problems = tuple(problem for _, each in parsed for problem in each.problems)
    broken = tuple(source for source, each in parsed if each.problems or not each.documents)
    return Reading(found, problems, tuple(source for source, _ in texts), broken)


def _texts(paths: Sequence[str]) -> _Texts:
    texts: dict[str, tuple[str, str | Problem]] = {}
    for path in paths:
        if path != opening.STDIN and os.path.isdir(path):
            for file in _manifests(path):
                texts.setdefault(os.path.realpath(file), (str(file), _tried(opening.text, str(file))))
        elif (identity := path if path == opening.STDIN else os.path.realpath(path)) not in texts:
            texts[identity] = ("stdin" if path == opening.STDIN else path, opening.text(path))
    return tuple(texts.values())


def _tried(read: Callable[[Any], _Found], path: Any) -> _Found | Problem:
    try:
        return read(path)
    except ConfigError as error:
        return error.problem


def _unreadable(what: str, where: str, fix: str) -> ConfigError:
    return ConfigError(Problem(reasons.UNREADABLE, what, where, fix))


def _manifests(top: str) -> list[Path]:
    """The manifests below a folder, sorted. Raises ConfigError where it cannot be listed or has none."""
    found: list[Path] = []

    def refused(error: OSError) -> None:
        if error.filename == top:
            raise _unreadable(f"the folder cannot be listed ({error.strerror})", top, "check its permissions") from error
        found.append(Path(error.filename))  # opening it as a file fails for the same reason, which makes it a problem

    found += [file for _, files in _walk(top, refused) for file in files]
    if not found:
        what = f"the folder holds no file that ends in {', '.join(ENDINGS)}"
        raise ConfigError(Problem(reasons.NOTHING_FOUND, what, top, "put manifests there; names that begin with a dot are left out"))
    return sorted(found)


def _walk(top: str, refused: Callable[[OSError], None] | None = None) -> Iterator[tuple[Path, list[Path]]]:
    """A folder and each one below it with its manifests; links are followed, and each folder is entered once."""
    entered: set[str] = set()
    for name, folders, files in os.walk(top, onerror=refused, followlinks=True):
        folders[:] = [folder for folder in sorted(folders) if not folder.startswith(".")]
        if (identity := os.path.realpath(name)) in entered:
            folders.clear()
            continue
        entered.add(identity)
        yield Path(name), [Path(name, file) for file in files if not file.startswith(".") and file.endswith(ENDINGS)]


def _folders(paths: Sequence[str]) -> list[str]:
    """The folders where a change may matter and that exist now: those above, within, and where links to files lead."""
    found: set[Path] = set()
    for path in map(Path, paths):
        found.add(next(filter(os.path.isdir, path.absolute().parents), path))
        files = [path]
        for folder, manifests in _walk(str(path)):
            found.add(folder)
            files += manifests
        found.update(Path(os.path.realpath(file)).parent for file in files)
    return [str(folder) for folder in found if os.path.isdir(folder)]


async def _change(folders: list[str], pace: Pace, nudge: asyncio.Event) -> None:
    """Wait for a change in the folders, at most for the interval.

    The interval also covers what changes before the watch has begun, and kernels that have no more watches to give.
    """
    import asyncio

    from watchfiles import awatch

    try:
        watch = awatch(
            *folders,
            watch_filter=None,
            debounce=pace.debounce,
            step=50,
            stop_event=nudge,
            rust_timeout=pace.interval,
            yield_on_timeout=True,
            recursive=False,
        )
        async with contextlib.aclosing(watch) as changes:
            await anext(changes, None)
    except OSError:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pace.interval / 1000):
                await nudge.wait()
