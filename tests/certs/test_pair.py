"""Reading a pair from a folder."""

import os
from pathlib import Path

import pytest

from mesh_injector import certs, reasons
from mesh_injector.errors import ConfigError


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_bytes(name.encode())
    return folder


def test_three_files_make_a_pair_that_knows_its_folder(tmp_path: Path) -> None:
    pair = certs.read(write(tmp_path, "tls.crt", "tls.key", "ca.crt"))
    assert pair == certs.Pair(b"tls.crt", b"tls.key", b"ca.crt")
    assert pair.origin == str(tmp_path)


def test_the_ca_may_be_missing(tmp_path: Path) -> None:
    assert certs.read(write(tmp_path, "tls.crt", "tls.key")).ca == b""


def test_a_mounted_secret_is_read_through_its_links(tmp_path: Path) -> None:
    data = tmp_path / "..2031"
    data.mkdir()
    write(data, "tls.crt", "tls.key")
    (tmp_path / "..data").symlink_to("..2031")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    assert certs.read(tmp_path) == certs.Pair(b"tls.crt", b"tls.key")


@pytest.mark.parametrize("missing", ["tls.crt", "tls.key"])
def test_a_missing_file_is_told_with_its_path_and_the_fix(tmp_path: Path, missing: str) -> None:
    write(tmp_path, *({"tls.crt", "tls.key"} - {missing}))
    with pytest.raises(ConfigError) as error:
        certs.read(tmp_path)
    problem = error.value.problem
    assert (problem.code, problem.where) == (reasons.UNREADABLE, str(tmp_path / missing))
    assert "No such file" in problem.what
    assert "tls.crt, tls.key" in problem.fix


def test_a_folder_in_the_place_of_the_ca_is_told_with_its_path(tmp_path: Path) -> None:
    (write(tmp_path, "tls.crt", "tls.key") / "ca.crt").mkdir()
    with pytest.raises(ConfigError, match=r"ca\.crt"):
        certs.read(tmp_path)


@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "ca.crt"])
def test_a_pipe_is_told_and_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(write(tmp_path, *({"tls.crt", "tls.key", "ca.crt"} - {name})) / name)
    with pytest.raises(ConfigError) as error:
        certs.read(tmp_path)
    problem = error.value.problem
    assert (problem.code, problem.what, problem.where) == (reasons.UNREADABLE, "it is no regular file", str(tmp_path / name))
    assert "tls.crt, tls.key" in problem.fix


@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "ca.crt"])
def test_a_file_above_the_limit_is_told(tmp_path: Path, name: str) -> None:
    with (write(tmp_path, "tls.crt", "tls.key", "ca.crt") / name).open("wb") as file:
        file.truncate(2**20 + 1)
    with pytest.raises(ConfigError) as error:
        certs.read(tmp_path)
    assert (error.value.problem.what, error.value.problem.where) == ("it is larger than 1 MiB", str(tmp_path / name))
