"""What may be opened and waited for, and what only looks like it."""

import os
from pathlib import Path

import pytest

from mesh_injector import opening, reasons
from mesh_injector.errors import ConfigError


def refused(path: str, limit: int = 2**20) -> tuple[str, str, str]:
    with pytest.raises(ConfigError) as error:
        opening.read(path, limit, "the caller's fix")
    assert error.value.problem.fix == "the caller's fix"
    return error.value.problem.code, error.value.problem.what, error.value.problem.where


@pytest.mark.parametrize("path", ["/dev/stdin", "/dev/fd/0", "/dev/fd/63", "/proc/self/fd/63"])
def test_a_shell_names_what_it_has_opened_like_this(path: str) -> None:
    assert opening.is_opened(path)


@pytest.mark.parametrize("path", ["-", "/dev/stdin/x", "/dev/stdin2", "/dev/fd/", "/dev/fd/x", "/proc/self/fd/1/../../x", "fd/1"])
def test_nothing_else_counts_as_opened(path: str) -> None:
    assert not opening.is_opened(path)


@pytest.mark.parametrize("opened", ["/dev/fd", "/proc/self/fd"])
def test_a_pipe_that_is_reached_through_what_is_opened_is_not_waited_for(tmp_path: Path, opened: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    path = f"{opened}/{'../' * (1 + os.path.realpath(opened).count('/'))}{tmp_path.relative_to('/')}/pipe"
    assert refused(path) == (reasons.UNREADABLE, "it is no regular file", path)


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 2**20)
    assert len(opening.read(str(file), 2**20)) == 2**20
    file.write_bytes(b"x" * (2**20 + 1))
    assert refused(str(file)) == (reasons.UNREADABLE, "it is larger than 1 MiB", str(file))


def test_a_pipe_that_is_opened_is_read(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.write(write, b"text")
    os.close(write)
    assert opening.text(f"/dev/fd/{read}") == "text"
    os.close(read)
