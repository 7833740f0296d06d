"""Files, folders and standard input become documents, and a change of any of them a new reading."""

import asyncio
import contextlib
import io
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mesh_injector import directory, opening, reasons
from mesh_injector.directory import Pace
from mesh_injector.documents import Reading
from mesh_injector.errors import ConfigError, Problem

LOOK_MS = 500
"""An interval that no test lives to see: what it notices, it was told by the kernel."""


def manifest(name: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"


def put(path: Path, name: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(manifest(name or path.stem), encoding="utf-8")
    return path


def names(reading: Reading) -> list[str]:
    return [document.name for document in reading.documents]


def refused(*paths: object) -> Problem:
    with pytest.raises(ConfigError) as error:
        directory.read([str(path) for path in paths])
    assert error.value.problem.fix
    return error.value.problem


# ---- reading


def test_a_folder_is_read_in_sorted_order_with_all_that_is_below(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "sub/deep/c.json", "sub/a.yaml", "readme.md", "yaml"):
        put(tmp_path / name, name.replace("/", "-").partition(".")[0])
    (tmp_path / "sub/deep/c.json").write_text(
        '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sub-deep-c"}}', encoding="utf-8"
    )
    reading = directory.read([str(tmp_path)])
    assert names(reading) == ["a", "b", "sub-a", "sub-deep-c"]
    assert reading.files == tuple(f"{tmp_path}/{name}" for name in ("a.yaml", "b.yml", "sub/a.yaml", "sub/deep/c.json"))
    assert (reading.problems, reading.ok) == ((), True)


def test_relative_paths_stay_relative_in_every_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "conf/a.yaml")
    put(tmp_path / "b.yaml")
    reading = directory.read(["./b.yaml", "conf"])
    assert reading.files == ("./b.yaml", "conf/a.yaml")
    assert [document.origin.source for document in reading.documents] == ["./b.yaml", "conf/a.yaml"]


def test_a_file_that_is_named_may_have_any_ending_and_a_hidden_name(tmp_path: Path) -> None:
    assert names(directory.read([str(put(tmp_path / ".hidden.txt", "x"))])) == ["x"]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    for name in (".a.yaml", ".git/b.yaml", "c.yaml"):
        put(tmp_path / name)
    assert names(directory.read([str(tmp_path)])) == ["c"]


def mount(folder: Path, generation: str) -> None:
    """Write what the kubelet writes: a new hidden folder, and `..data` swapped to it by a rename."""
    put(folder / generation / "a.yaml", generation.lstrip("."))
    (folder / "..data_tmp").symlink_to(generation)
    (folder / "..data_tmp").rename(folder / "..data")


def mounted(folder: Path) -> Path:
    folder.mkdir()
    mount(folder, "..one")
    (folder / "a.yaml").symlink_to("..data/a.yaml")
    return folder


def test_each_file_of_a_mounted_config_map_is_read_once(tmp_path: Path) -> None:
    assert names(directory.read([str(mounted(tmp_path / "mount"))])) == ["one"]


def test_links_that_lead_in_circles_end(tmp_path: Path) -> None:
    put(tmp_path / "conf/a.yaml")
    (tmp_path / "conf/again").symlink_to(tmp_path / "conf")
    (tmp_path / "conf/up").symlink_to(tmp_path)
    assert names(directory.read([str(tmp_path / "conf")])) == ["a"]


def test_a_linked_folder_is_read(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere/a.yaml")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/linked").symlink_to(tmp_path / "elsewhere")
    assert directory.read([str(tmp_path / "conf")]).files == (f"{tmp_path}/conf/linked/a.yaml",)


def test_a_file_that_is_reached_twice_is_read_once(tmp_path: Path) -> None:
    file = put(tmp_path / "a.yaml")
    assert names(directory.read([str(file), str(tmp_path), str(file), str(tmp_path)])) == ["a"]


def test_standard_input_is_read_once_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(manifest("in").encode())))
    reading = directory.read([str(put(tmp_path / "a.yaml")), "-", "-"])
    assert names(reading) == ["a", "in"]
    assert reading.files[1] == reading.documents[1].origin.source == "stdin"


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbf" + manifest("a").encode())
    reading = directory.read([str(tmp_path)])
    assert (names(reading), reading.problems) == (["a"], ())


def test_no_path_gives_an_empty_reading() -> None:
    assert directory.read([]) == Reading((), (), ())


def test_a_text_that_is_no_manifest_is_a_problem_and_the_other_files_go_on(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [", encoding="utf-8")
    put(tmp_path / "b.yaml")
    reading = directory.read([str(tmp_path)])
    assert names(reading) == ["b"]
    assert [problem.where.startswith(f"{tmp_path}/a.yaml:") for problem in reading.problems] == [True]


def test_a_file_in_a_folder_that_is_not_utf_8_is_a_problem_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: b\nc: \xff\n")
    put(tmp_path / "b.yaml")
    reading = directory.read([str(tmp_path)])
    assert (names(reading), reading.files) == (["b"], (f"{tmp_path}/a.yaml", f"{tmp_path}/b.yaml"))
    assert reading.problems == (Problem(reasons.UNREADABLE, "it is not UTF-8", f"{tmp_path}/a.yaml:2", "save it as UTF-8"),)


def test_a_link_in_a_folder_that_leads_nowhere_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("gone")
    (problem,) = directory.read([str(tmp_path)]).problems
    assert (problem.code, problem.where) == (reasons.UNREADABLE, f"{tmp_path}/a.yaml")
    assert "No such file" in problem.what


def test_a_pipe_in_a_folder_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    put(tmp_path / "b.yaml")
    reading = directory.read([str(tmp_path)])
    assert names(reading) == ["b"]
    assert [(problem.what, problem.where) for problem in reading.problems] == [("it is no regular file", f"{tmp_path}/a.yaml")]


def test_what_has_no_end_is_refused_where_it_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for path in (tmp_path / "pipe", tmp_path / "socket", Path("/dev/zero")):
            problem = refused(path)
            assert (problem.code, problem.what, problem.where) == (reasons.UNREADABLE, "it is no regular file", str(path))
    assert directory.read(["/dev/null"]).documents == ()


def test_what_a_shell_has_opened_is_read(tmp_path: Path) -> None:
    for command in ("<(cat {0})", "/dev/stdin < {0}", "/dev/stdin < <(cat {0})", "- < <(cat {0})"):
        program = "import sys; from mesh_injector import directory; print(directory.read(sys.argv[1:]).documents[0].name)"
        line = f"{sys.executable} -c '{program}' {command.format(put(tmp_path / 'a.yaml'))}"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=60)
        assert done.stdout == "a\n", (line, done.stderr)


def test_a_file_above_the_limit_is_a_problem_that_says_the_limit(tmp_path: Path) -> None:
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(opening.LIMIT_BYTES + 1)
    (problem,) = directory.read([str(tmp_path)]).problems
    assert (problem.code, problem.what) == (reasons.UNREADABLE, "it is larger than 64 MiB")


def test_a_path_that_does_not_exist_is_refused_with_its_name(tmp_path: Path) -> None:
    problem = refused(tmp_path / "gone")
    assert (problem.code, problem.where) == (reasons.UNREADABLE, f"{tmp_path}/gone")


def test_the_empty_path_is_not_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(put(tmp_path / "a.yaml").parent)
    assert refused("").code == reasons.UNREADABLE


def test_a_named_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe")
    assert refused(tmp_path / "a.yaml").where == f"{tmp_path}/a.yaml:1"


def test_a_folder_without_manifests_is_refused_with_the_endings(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    problem = refused(tmp_path)
    assert (problem.code, problem.where) == (reasons.NOTHING_FOUND, str(tmp_path))
    assert ".yaml, .yml, .json" in problem.what


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder with a manifest and a closed folder, looked at by a user without rights."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        put(folder / "a.yaml")
        put(folder / "closed/b.yaml").parent.chmod(0)
        os.seteuid(user or 65534)
        try:
            yield folder
        finally:
            os.seteuid(user)
            (folder / "closed").chmod(0o755)


def test_a_closed_folder_within_a_folder_is_a_problem_and_the_others_go_on(closed: Path) -> None:
    reading = directory.read([str(closed)])
    assert names(reading) == ["a"]
    (problem,) = reading.problems
    assert (problem.code, problem.where) == (reasons.UNREADABLE, f"{closed}/closed")
    assert "Permission denied" in problem.what


@pytest.mark.parametrize("path", ["closed", "closed/b.yaml", "closed/sub/c.yaml"])
def test_a_closed_path_is_refused(closed: Path, path: str) -> None:
    problem = refused(closed / path)
    assert (problem.code, problem.where) == (reasons.UNREADABLE, f"{closed}/{path}")
    assert "Permission denied" in problem.what


# ---- following


@contextlib.asynccontextmanager
async def followed(*paths: Path, interval_ms: int = LOOK_MS) -> AsyncIterator[AsyncIterator[Reading]]:
    async with asyncio.timeout(30):
        readings = directory.follow([str(path) for path in paths], Pace(debounce=50, interval=interval_ms, settle=20, cut=200))
        async with contextlib.aclosing(readings):
            yield readings


def test_the_first_reading_is_what_is_there(tmp_path: Path) -> None:
    async def run() -> None:
        async with followed(put(tmp_path / "a.yaml").parent) as readings:
            assert await anext(readings) == directory.read([str(tmp_path)])

    asyncio.run(run())


def test_a_file_that_is_written_in_place_gives_a_new_reading(tmp_path: Path) -> None:
    async def run() -> None:
        async with followed(put(tmp_path / "a.yaml").parent) as readings:
            await anext(readings)
            put(tmp_path / "a.yaml", "new")
            assert names(await last(readings, "new")) == ["new"]

    asyncio.run(run())


async def last(readings: AsyncIterator[Reading], name: str) -> Reading:
    """The first reading that has a document of this name: a file that is written in place may be seen empty before."""
    async for reading in readings:
        if name in names(reading):
            return reading
    raise AssertionError(name)


@pytest.mark.parametrize("follow_file", [True, False])
def test_an_editor_that_writes_by_rename_gives_a_new_reading_each_time(tmp_path: Path, follow_file: bool) -> None:
    async def run() -> None:
        file = put(tmp_path / "a.yaml")
        async with followed(file if follow_file else tmp_path) as readings:
            await anext(readings)
            for name in ("new", "newer"):
                put(tmp_path / ".a.swp", name).rename(file)
                assert names(await anext(readings)) == [name]

    asyncio.run(run())


def test_a_file_that_comes_or_goes_in_a_folder_below_gives_a_new_reading(tmp_path: Path) -> None:
    async def run() -> None:
        put(tmp_path / "a.yaml")
        (tmp_path / "sub").mkdir()
        async with followed(tmp_path) as readings:
            await anext(readings)
            put(tmp_path / ".b").rename(tmp_path / "sub/b.yaml")
            assert names(await anext(readings)) == ["a", ".b"]
            (tmp_path / "a.yaml").unlink()
            assert names(await anext(readings)) == [".b"]

    asyncio.run(run())


@pytest.mark.parametrize("follow_file", [True, False])
def test_a_mounted_config_map_that_is_swapped_gives_a_new_reading_each_time(tmp_path: Path, follow_file: bool) -> None:
    async def run() -> None:
        folder = mounted(tmp_path / "mount")
        async with followed(folder / "a.yaml" if follow_file else folder) as readings:
            await anext(readings)
            for generation in ("two", "three"):
                mount(folder, f"..{generation}")
                assert names(await anext(readings)) == [generation]

    asyncio.run(run())


def test_a_change_where_a_link_leads_gives_a_new_reading(tmp_path: Path) -> None:
    async def run() -> None:
        file = put(tmp_path / "elsewhere/a.yaml")
        (tmp_path / "conf").mkdir()
        (tmp_path / "conf/a.yaml").symlink_to(file)
        async with followed(tmp_path / "conf") as readings:
            await anext(readings)
            put(file.parent / ".new", "new").rename(file)
            assert names(await anext(readings)) == ["new"]

    asyncio.run(run())


def test_a_folder_that_vanishes_is_told_and_awaited(tmp_path: Path) -> None:
    async def run() -> None:
        folder = put(tmp_path / "conf/a.yaml").parent
        async with followed(folder) as readings:
            before = await anext(readings)
            for _ in range(2):
                folder.rename(tmp_path / "away")
                gone = await anext(readings)
                assert (gone.ok, gone.documents, gone.files) == (False, (), ())
                assert [(problem.code, problem.where) for problem in gone.problems] == [(reasons.UNREADABLE, str(folder))]
                (tmp_path / "away").rename(folder)
                assert await anext(readings) == before

    asyncio.run(run())


def test_a_path_that_is_not_there_yet_is_awaited_with_all_above_it(tmp_path: Path) -> None:
    async def run() -> None:
        file = tmp_path / "not/yet/a.yaml"
        async with followed(file) as readings:
            assert not (await anext(readings)).ok
            assert names(await last(readings, put(file).stem)) == ["a"]

    asyncio.run(run())


def test_the_last_manifest_that_goes_leaves_a_reading_that_is_not_ok(tmp_path: Path) -> None:
    async def run() -> None:
        async with followed(put(tmp_path / "a.yaml").parent) as readings:
            await anext(readings)
            (tmp_path / "a.yaml").unlink()
            gone = await anext(readings)
            assert (gone.ok, gone.problems[0].code) == (False, reasons.NOTHING_FOUND)

    asyncio.run(run())


def test_a_document_that_breaks_is_a_problem_of_a_reading_that_is_ok(tmp_path: Path) -> None:
    async def run() -> None:
        async with followed(put(tmp_path / "a.yaml").parent) as readings:
            await anext(readings)
            (tmp_path / "broken").write_text("a: [", encoding="utf-8")
            (tmp_path / "broken").rename(tmp_path / "a.yaml")
            reading = await anext(readings)
            assert (reading.ok, len(reading.problems)) == (True, 1)

    asyncio.run(run())


def test_looking_at_what_has_not_changed_gives_no_reading(tmp_path: Path) -> None:
    async def run() -> None:
        async with followed(put(tmp_path / "a.yaml").parent, interval_ms=10) as readings:
            await anext(readings)
            put(tmp_path / "a.txt")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(readings), 0.3)

    asyncio.run(run())


def rename_main_thread(name: str) -> None:
    Path(f"/proc/self/task/{os.getpid()}/comm").write_text(name, encoding="utf-8")


def test_a_change_of_which_the_kernel_says_nothing_is_found_by_looking() -> None:
    main_thread = Path("/proc/self/comm")
    before = main_thread.read_text(encoding="utf-8")

    async def run() -> None:
        async with followed(main_thread, interval_ms=50) as readings:
            first = await anext(readings)
            rename_main_thread("renamed")
            assert await anext(readings) != first

    try:
        asyncio.run(run())
    finally:
        rename_main_thread(before)


def test_a_nudge_makes_it_look_at_once() -> None:
    main_thread, nudge = Path("/proc/self/comm"), asyncio.Event()
    before = main_thread.read_text(encoding="utf-8")

    async def run() -> None:
        async with asyncio.timeout(15):
            readings = directory.follow([str(main_thread)], Pace(interval=60_000, settle=10), nudge)
            async with contextlib.aclosing(readings):
                first = await anext(readings)
                rename_main_thread("nudged")
                asyncio.get_running_loop().call_later(0.2, nudge.set)
                assert await anext(readings) != first

    try:
        asyncio.run(run())
    finally:
        rename_main_thread(before)
    assert not nudge.is_set()


WHOLE = "".join(f"---\n{manifest(name)}" for name in ("a", "b", "c"))
HALF = WHOLE[: WHOLE.rindex("---")]


def test_a_file_that_is_cut_while_it_is_written_takes_no_document_away(tmp_path: Path) -> None:
    async def run() -> None:
        file = tmp_path / "all.yaml"
        file.write_text(WHOLE)
        async with asyncio.timeout(30):
            readings = directory.follow([str(tmp_path)], Pace(debounce=50, interval=50, settle=10, cut=20_000))
            async with contextlib.aclosing(readings):
                await anext(readings)
                file.write_text(HALF)
                asyncio.get_running_loop().call_later(0.5, file.write_text, WHOLE + f"---\n{manifest('d')}")
                assert names(await anext(readings)) == ["a", "b", "c", "d"]

    asyncio.run(run())


def test_a_file_that_stays_shorter_is_believed(tmp_path: Path) -> None:
    async def run() -> None:
        (tmp_path / "all.yaml").write_text(WHOLE)
        async with followed(tmp_path) as readings:
            await anext(readings)
            (tmp_path / "all.yaml").write_text(HALF)
            assert names(await anext(readings)) == ["a", "b"]

    asyncio.run(run())


def test_a_file_that_has_not_changed_is_not_parsed_again(tmp_path: Path) -> None:
    async def run() -> None:
        put(tmp_path / "same.yaml")
        put(tmp_path / "other.yaml")
        async with followed(tmp_path) as readings:
            before = await anext(readings)
            put(tmp_path / "other.yaml", "new")
            after = await last(readings, "new")
            assert before.documents[1] is after.documents[1]

    asyncio.run(run())


def test_a_folder_that_goes_before_it_is_watched_is_no_error(tmp_path: Path) -> None:
    asyncio.run(directory._change([str(tmp_path / "gone")], Pace(50, 50), asyncio.Event()))


def test_whoever_stops_following_does_not_wait_for_the_interval(tmp_path: Path) -> None:
    put(tmp_path / "a.yaml")

    async def run() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                async for _ in directory.follow([str(tmp_path)], Pace(interval=20_000)):
                    pass

    began = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - began < 10


def test_standard_input_cannot_be_followed() -> None:
    async def run() -> None:
        with pytest.raises(ConfigError, match="stdin"):
            await anext(directory.follow(["-"]))

    asyncio.run(run())
