import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mesh_injector import __version__
from mesh_injector.cli import app, exits, version
from mesh_injector.engine import schema

PROGRAM = [sys.executable, "-m", "mesh_injector"]


def call(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False)


def test_the_program_tells_its_version_and_what_a_report_of_a_bug_should_say() -> None:
    first, *others = call("version").stdout.splitlines()
    assert first == f"mesh-injector {__version__}"
    told = json.loads(call("version", "-o", "json").stdout)
    assert told.pop("version") == __version__
    assert dict(line.split(maxsplit=1) for line in others) == {name: value or "unknown" for name, value in told.items()}
    assert told["python"] == platform.python_version()
    assert told["kubernetes"] == schema.KUBERNETES_VERSION


def test_the_version_may_be_asked_for_as_a_flag() -> None:
    told = call("--version")
    assert (told.returncode, told.stdout, told.stderr) == (0, f"mesh-injector {__version__}\n", "")
    assert re.search(r"^  --version +Print the version and exit\.$", call("--help").stdout, re.MULTILINE)


def test_in_a_clone_the_commit_is_that_of_its_head_wherever_git_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> str:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.com")
        command = ["git", "-C", str(clone), *who, *arguments]
        alone = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=alone).stdout.strip()

    clone = tmp_path / "clone"
    (clone / "mesh_injector").mkdir(parents=True)
    monkeypatch.setattr("importlib.resources.files", lambda _: clone / "mesh_injector")
    git("init", "-q", "-b", "main")
    assert version._commit() is None
    git("commit", "-q", "--allow-empty", "-m", "one")
    commits = {version._commit()}
    git("pack-refs", "--all")
    commits.add(version._commit())
    git("checkout", "-q", "--detach")
    commits.add(version._commit())
    assert commits == {git("rev-parse", "HEAD")}
    git("worktree", "add", "-q", "-b", "other", str(tmp_path / "other"))
    clone = tmp_path / "other"
    (clone / "mesh_injector").mkdir()
    git("commit", "-q", "--allow-empty", "-m", "two")
    assert version._commit() == git("rev-parse", "HEAD") not in commits
    (clone / ".git").write_text("gitdir: ../nowhere\n", encoding="utf-8")
    assert version._commit() is None


def test_a_build_tells_the_commit_that_it_was_made_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.resources.files", lambda _: tmp_path)
    assert version._commit() is None
    (tmp_path / "COMMIT").write_text("0123abc\n", encoding="utf-8")
    assert version._commit() == "0123abc"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            "manifests --variant certmanager",
            "'certmanager' is not one of 'cert-manager', 'prometheus', 'grafana'; did you mean 'cert-manager'?",
        ),
        ("explain -o yaml", "'yaml' is not one of 'text', 'json'"),
        ("explain -o jsn", "'jsn' is not one of 'text', 'json'; did you mean 'json'?"),
        ("certs renwe", "'renwe' is not one of 'show', 'renew'; did you mean 'renew'?"),
        ("manifests --replicas many", "write a whole number"),
        ("manifests --replicas 101", "write at most 100"),
        ("manifests --replicas 0", "write at least 1"),
    ],
)
def test_a_value_that_a_flag_does_not_take_is_told_in_plain_words(arguments: str, told: str) -> None:
    result = CliRunner().invoke(app.app, arguments.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(f": {told}\n")


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


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_flag_has_an_environment_variable_named_after_it(name: str) -> None:
    for option in app.command(name).params:
        if option.name == "help" or not any(text.startswith("--") for text in option.opts):
            continue
        long = next(text for text in option.opts if text.startswith("--"))
        assert option.envvar == "MESH_INJECTOR_" + long[2:].replace("-", "_").upper(), long


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_command_has_the_help_that_is_listed_and_an_example(name: str) -> None:
    text = app.function(name).__doc__ or ""
    assert app.COMMANDS[name][1] == text.splitlines()[0]
    assert "Examples:" in text


def test_the_help_lists_every_command_and_that_of_a_command_its_flags() -> None:
    listed = call("--help").stdout
    assert all(f"\n  {name} " in listed for name in app.COMMANDS)
    assert "..." not in listed.partition("Commands:")[2]  # nothing is cut on a narrow terminal
    assert "--home-namespace" in call("lint", "--help").stdout
    assert call("test", "--help").stdout.splitlines()[0] == "Usage: mesh-injector test [OPTIONS] [FILE|DIR]..."
    assert call("explain", "--help").stdout.splitlines()[0] == "Usage: mesh-injector explain [OPTIONS] [pod/NAME]..."


def test_the_readme_names_every_command() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert [name for name in app.COMMANDS if f"| `mesh-injector {name}" not in readme] == []


def test_a_command_that_does_not_exist_is_2_with_a_suggestion() -> None:
    result = call("injct")
    assert result.returncode == 2
    assert "Did you mean 'inject'" in result.stderr


def test_the_shell_completes_commands_and_their_flags() -> None:
    def complete(words: str, at: int) -> str:
        given = {"_MESH_INJECTOR_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        program = [sys.executable, "-c", "from mesh_injector.cli import main; main()"]
        return subprocess.run(program, env=os.environ | given, capture_output=True, text=True, timeout=60, check=False).stdout

    assert complete("mesh-injector unin", 1).split() == ["uninject"]
    assert complete("mesh-injector lint --home", 2).split() == ["--home-namespace"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_each_shell(shell: str) -> None:
    program = [sys.executable, "-c", "from mesh_injector.cli import main; main()"]
    given = {**os.environ, "_MESH_INJECTOR_COMPLETE": f"source_{shell}"}
    script = subprocess.run(program, env=given, capture_output=True, text=True, timeout=60, check=True).stdout
    assert f"_MESH_INJECTOR_COMPLETE=complete_{shell}" in script
    if shell == "bash":
        registered = subprocess.run(["bash", "-c", f"{script}\ncomplete -p mesh-injector"], capture_output=True, text=True, check=True)
        assert "-F _mesh_injector_completion mesh-injector" in registered.stdout


@pytest.mark.parametrize(
    ("words", "found"), [(["uninj"], ["uninject"]), (["inject", "-o", "jsonp"], ["jsonpatch"]), (["inject", "-f", "a"], [])]
)
def test_kubectl_is_told_completions_and_that_files_will_do_where_there_are_none(words: list[str], found: list[str]) -> None:
    program = [sys.executable, "-c", "from mesh_injector.cli import completion; completion.kubectl()", *words]
    told = subprocess.run(program, capture_output=True, text=True, timeout=60, check=True).stdout
    assert told.splitlines() == [*found, ":0"]


def imported(*arguments: str) -> set[str]:
    """Run the program and return the packages that it imported."""
    code = (
        "import atexit, sys; from mesh_injector.cli import main; file = sys.argv.pop(1); "
        "atexit.register(lambda: open(file, 'w').write(' '.join(sys.modules))); main()"
    )
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as file:
        subprocess.run([sys.executable, "-c", code, file.name, *arguments], capture_output=True, timeout=60, check=False)
        return set(file.read().split())


HEAVY = {"pydantic", "jinja2", "fastapi", "uvicorn", "starlette", "kubernetes", "rich", "cryptography", "http.client", "ssl", "yaml"}


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], [], ["injct"]])
def test_what_needs_no_document_imports_nothing_heavy(arguments: list[str]) -> None:
    found = imported(*arguments)
    assert "typer" in found
    assert not found & HEAVY


def test_the_version_imports_no_engine_but_what_knows_the_release_of_kubernetes() -> None:
    assert not imported("version") & (HEAVY - {"pydantic"})  # typer imports that for the form of the output


SERVING = {"fastapi", "uvicorn", "starlette", "kubernetes", "cryptography", "http.client", "watchfiles", "asyncio"}


@pytest.mark.parametrize("command", ["inject", "uninject", "explain", "lint"])
def test_what_works_offline_imports_no_server_and_into_a_pipe_no_rich(command: str) -> None:
    found = imported(command, "-f", "config/samples/workloads.yaml")
    assert "mesh_injector.documents" in found
    assert not found & (SERVING | {"rich"})


def test_the_reader_of_the_output_may_go_away() -> None:
    arguments = "explain -q -f config/samples/workloads.yaml -l app!=x"
    command = f"{sys.executable} -m mesh_injector {arguments} | head -c 1 | (sleep 0; cat >/dev/null); exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in result.stderr
    assert result.returncode in (exits.DONE, exits.NO)
