import subprocess
import sys
from pathlib import Path

import pytest

from mesh_injector import __version__
from mesh_injector.cli import exits

PROGRAM = [sys.executable, "-m", "mesh_injector"]


def call(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False)


def test_the_program_tells_its_version() -> None:
    assert call("version").stdout == f"mesh-injector {__version__}\n"


def test_a_source_that_is_not_there_is_3_with_what_where_and_how_to_fix() -> None:
    result = call("inject", "-f", "-", "--source", "nowhere")
    assert result.returncode == 3
    assert "[MI106]" in result.stderr
    assert "nowhere" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_flag_that_does_not_exist_is_2_with_a_suggestion() -> None:
    result = call("inject", "--sourc", "x")
    assert result.returncode == 2
    assert "--source" in result.stderr


def test_a_bug_is_70_with_a_reference_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        print(1 // 0)
    assert exits.report(caught.value) == 70
    line = capsys.readouterr().err
    assert line.startswith("[MI900] this is a bug of mesh-injector (ZeroDivisionError")
    assert line.count("\n") == 1
    path = Path(line.rstrip().rpartition(" ")[2])
    assert "Traceback" in path.read_text(encoding="utf-8")
    path.unlink()


def test_every_flag_has_an_environment_variable_named_after_it() -> None:
    import typer.main

    from mesh_injector.cli import app

    group = typer.main.get_command(app.app)
    for command in group.commands.values():  # type: ignore[attr-defined]
        for option in command.params:
            if option.name == "help" or not any(name.startswith("--") for name in option.opts):
                continue
            long = next(name for name in option.opts if name.startswith("--"))
            assert option.envvar == "MESH_INJECTOR_" + long[2:].replace("-", "_").upper(), (command.name, long)


def test_every_command_has_help_with_an_example() -> None:
    from mesh_injector.cli import app

    for command in app.app.registered_commands:
        assert command.callback is not None
        text = command.callback.__doc__ or ""
        assert command.callback.__name__ == "version" or "Examples:" in text


def test_the_reader_of_the_output_may_go_away() -> None:
    arguments = "explain -q -f config/samples/workloads.yaml -l app!=x"
    command = f"{sys.executable} -m mesh_injector {arguments} | head -c 1 | (sleep 0; cat >/dev/null); exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in result.stderr
    assert result.returncode in (exits.DONE, exits.NO)
