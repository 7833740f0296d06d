"""`lint` as its users run it: a folder, a bare template, pre-commit, an editor, CI."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mesh_injector.cli import app, forms
from mesh_injector.documents import Origin
from mesh_injector.errors import ConfigError, Problem
from mesh_injector.formats.mesh.linting import Finding, Severity
from tests.cli.conftest import MESH, POD, Result

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Run a command without the source that other commands are given."""

    def call(*arguments: str, stdin: str = "") -> Result:
        result = CliRunner().invoke(app.app, [*arguments], input=stdin)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Result(result.exit_code, result.stdout, result.stderr)

    return call


BAD = MESH.replace("image: proxy:1", "imagee: proxy:1")


@pytest.fixture
def lint(run: Run, tmp_path: Path) -> Callable[..., Result]:
    """Lint one text as mesh.yaml, with further arguments."""

    def call(text: str, *arguments: str, name: str = "mesh.yaml") -> Result:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return run("lint", str(file), *arguments)

    return call


def place(text: str, word: str) -> tuple[int, int]:
    line = next(number for number, line in enumerate(text.splitlines(), 1) if word in line)
    return line, text.splitlines()[line - 1].index(word) + 1


def test_a_folder_without_a_fault_is_done_and_quiet_says_nothing(run: Run, mesh: str) -> None:
    result = run("lint", "-f", mesh, "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_a_misspelt_field_is_told_with_its_place_in_the_file(lint: Run, tmp_path: Path) -> None:
    result = lint(BAD)
    line, column = place(BAD, "imagee")
    assert result.exit_code == 1
    head = result.stdout.splitlines()[0]
    assert head.startswith(f"{tmp_path}/mesh.yaml:{line}:{column}: error [MI401] mesh ")
    assert head.endswith("`spec.containers[0].imagee`: unknown field `imagee`")
    assert "fix: did you mean `image`?" in result.stdout
    assert "1 error in 1 file" in result.stderr


def test_a_warning_changes_no_exit_code(lint: Run) -> None:
    result = lint(MESH.replace("proxy:1", "proxy"), "-o", "json")
    assert result.exit_code == 0
    assert [(item["code"], item["severity"]) for item in result.json["items"]] == [("MI705", "warning")]


def test_a_bare_template_is_linted_alone_and_in_a_folder(lint: Run, run: Run, tmp_path: Path) -> None:
    text = "containers:\n  - name: a\n    image: {{ mesh_nam }}\n"
    for result in (lint(text, "-o", "json", name="only/patch.yaml.j2"), run("lint", "-f", str(tmp_path / "only"), "-o", "json")):
        assert result.exit_code == 1
        (item,) = result.json["items"]
        assert (item["code"], item["line"], item["column"]) == ("MI302", 3, 15)
        assert item["file"].endswith("only/patch.yaml.j2")


def test_what_a_shell_has_opened_is_judged_and_pipes_of_a_folder_are_told(tmp_path: Path) -> None:
    mesh = tmp_path / "mesh.yaml"
    mesh.write_text("apiVersion: mesh-injector.io/v1alpha1\nkind: Mesh\nmetadata: {name: A_B}\n", encoding="utf-8")
    line = f"{sys.executable} -m mesh_injector lint <(cat {mesh})"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "no DNS label" in done.stdout) == (1, True), done
    for name in ("pipe.yaml", "pipe.j2"):
        os.mkfifo(tmp_path / name)
    result = CliRunner().invoke(app.app, ["lint", str(tmp_path)])
    assert (result.exit_code, result.stdout.count("it is no regular file")) == (3, 2)


@pytest.mark.parametrize("output", ["text", "json", "sarif", "github"])
@pytest.mark.parametrize(("name", "what"), [("x.j2", "it is not UTF-8"), ("y.j2", "it cannot be read"), ("y.yaml", "it cannot be read")])
def test_what_cannot_be_read_is_told_beside_the_findings_of_the_others(run: Run, tmp_path: Path, name: str, what: str, output: str) -> None:
    (tmp_path / "x.j2").write_bytes(b"\xff")
    (tmp_path / "bad.yaml").write_text(BAD, encoding="utf-8")
    result = run("lint", str(tmp_path / name), str(tmp_path / "bad.yaml"), "-o", output)
    assert result.exit_code == 3
    assert what in result.stdout
    assert "unknown field" in result.stdout
    if output in ("json", "sarif"):
        assert result.json


def test_a_source_that_cannot_be_read_at_all_is_an_error(run: Run, mesh: str) -> None:
    with pytest.raises(ConfigError, match="it cannot be read"):  # which the command line tells in one line, with exit 3
        run("lint", mesh, "--source", "nowhere")


@pytest.mark.parametrize("flag", ["-f", "--source", "--"])
def test_an_empty_name_is_a_usage_error(run: Run, flag: str) -> None:
    result = run("lint", flag, "")
    assert result.exit_code == 2
    assert "an empty text names no file or folder" in result.stderr


def test_a_document_that_cannot_be_read_is_told_with_its_line_and_is_3(lint: Run) -> None:
    result = lint("a: [\n", "-o", "json")
    assert result.exit_code == 3
    assert [(item["code"], item["line"] > 0) for item in result.json["items"]] == [("MI101", True)]


def test_a_source_is_read_beside_the_files_and_not_judged(run: Run, tmp_path: Path) -> None:
    mesh, _, config_map = BAD.partition("---\n")
    (tmp_path / "a.yaml").write_text(mesh, encoding="utf-8")
    (tmp_path / "b.yaml").write_text(config_map, encoding="utf-8")
    alone = run("lint", str(tmp_path / "a.yaml"), "-o", "json")
    assert [item["code"] for item in alone.json["items"]] == ["MI205"]
    assert run("lint", str(tmp_path / "a.yaml"), "--source", str(tmp_path)).exit_code == 0
    assert run("lint", str(tmp_path / "b.yaml"), "--source", str(tmp_path)).exit_code == 1


def test_standard_input_is_judged_also_with_a_source_beside_it(run: Run, tmp_path: Path) -> None:
    mesh, _, config_map = BAD.partition("---\n")
    (tmp_path / "mesh.yaml").write_text(mesh, encoding="utf-8")
    result = run("lint", "-f", "-", "--source", str(tmp_path / "mesh.yaml"), "-o", "json", stdin=config_map)
    assert [(item["code"], item["file"]) for item in result.json["items"]] == [("MI401", "stdin")]
    assert result.exit_code == 1


@pytest.mark.parametrize(
    "broken", ["a: [\n", MESH.partition("---\n")[0].replace("values:", "valuess:").replace("name: web", "name: other")]
)
def test_what_is_broken_in_a_source_is_told_on_stderr_and_changes_no_exit_code(run: Run, mesh: str, tmp_path: Path, broken: str) -> None:
    (tmp_path / "broken.yaml").write_text(broken, encoding="utf-8")
    result = run("lint", mesh, "--source", str(tmp_path / "broken.yaml"), "--source", mesh, "-o", "json")
    assert "warning [MI10" in result.stderr
    assert f"{tmp_path}/broken.yaml:" in result.stderr
    assert (result.exit_code, result.json) == (0, {"items": []})


def test_a_file_that_is_judged_and_stands_in_the_source_is_told_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("a: [\n", encoding="utf-8")
    result = run("lint", str(tmp_path / "broken.yaml"), "--source", f"{tmp_path}/../{tmp_path.name}", "-q", "-o", "json")
    assert (result.exit_code, len(result.json["items"]), result.stderr) == (3, 1, "")


def test_a_source_alone_is_judged(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BAD, encoding="utf-8")
    assert run("lint", "--source", str(tmp_path)).exit_code == 1


def test_items_of_a_list_and_standard_input_are_linted(run: Run) -> None:
    documents = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"mesh-injector.io/template": "true"}},
                  "data": {"x": "a: {{ nope }}"}}]  # fmt: skip
    result = run("lint", "-f", "-", "-o", "json", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))
    assert sorted(item["code"] for item in result.json["items"]) == ["MI302", "MI703"]
    assert {item["file"] for item in result.json["items"]} == {"stdin"}


@pytest.mark.parametrize("name", ["folder/", "folder", "mesh.yaml", "patch.j2", "README"])
def test_a_path_that_is_not_there_is_unreadable_however_it_is_given(run: Run, tmp_path: Path, name: str) -> None:
    for flags in ([], ["-f"]):
        result = run("lint", *flags, f"{tmp_path}/{name}")
        assert result.exit_code == 3
        assert "No such file or directory" in result.stdout


def test_that_no_file_was_looked_at_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# a", encoding="utf-8")
    (tmp_path / "LICENSE").symlink_to(tmp_path / "nowhere")
    result = run("lint", f"{tmp_path}/README.md", f"{tmp_path}/LICENSE")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[-1] == "no file was looked at"


def test_what_is_no_mesh_is_passed_over(lint: Run) -> None:
    assert lint(POD, "-o", "json").json == {"items": []}


def test_hostile_names_do_not_draw_on_the_terminal(lint: Run) -> None:
    assert "\x1b[2J" not in lint('a: "\\e[2J"\nb: [', "-o", "github").stdout + lint(MESH.replace("info", '"\\e[2J"')).stdout


# --- forms --------------------------------------------------------------------------------------------------------------------------


def finding(what: str = "50%: a,b\nc", file: str = "a b/c,d:e%.yaml", line: int = 3) -> Finding:
    return Finding(Severity.ERROR, Problem("MI302", what, fix="x: y, z"), Origin(file, line, 5 if line else 0))


def test_a_command_of_github_is_escaped() -> None:
    told = forms.as_github([finding("50%: a,b")])
    assert told == "::error file=a b/c%2Cd%3Ae%25.yaml,line=3,col=5,title=MI302 UndefinedVariable::50%25: a,b; fix: x: y, z\n"


def test_a_message_for_github_is_one_line_and_severities_are_its_words() -> None:
    found = [Finding(severity, finding().problem, Origin("a")) for severity in Severity]
    lines = forms.as_github(found).splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::error", "::warning", "::notice"]


def test_sarif_names_rules_with_help_and_regions_from_1() -> None:
    sarif = json.loads(
        forms.as_sarif([finding(), finding(line=0), Finding(Severity.NOTE, Problem("MI706", "w"), Origin("./x.yaml", 1, 0))])
    )
    assert (sarif["version"], sarif["$schema"].endswith("sarif-schema-2.1.0.json")) == ("2.1.0", True)
    (run,) = sarif["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["MI302", "MI706"]
    assert all(rule["help"]["text"] and rule["help"]["markdown"] and rule["shortDescription"]["text"] for rule in rules)
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert places[0]["region"] == {"startLine": 3, "startColumn": 5}
    assert "region" not in places[1]
    assert places[2] == {"artifactLocation": {"uri": "x.yaml"}, "region": {"startLine": 1, "startColumn": 1}}
    assert places[0]["artifactLocation"]["uri"] == "a%20b/c%2Cd%3Ae%25.yaml"
    assert [result["level"] for result in run["results"]] == ["error", "error", "note"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])


def test_sarif_and_json_of_nothing_are_still_documents(lint: Run) -> None:
    assert lint(MESH, "-o", "sarif").json["runs"][0]["results"] == []
    assert lint(MESH, "-o", "json").json == {"items": []}


@pytest.mark.parametrize("output", ["text", "json", "sarif", "github"])
def test_the_exit_is_the_same_in_every_form(lint: Run, output: str) -> None:
    assert lint(BAD, "-o", output).exit_code == 1
    assert lint(MESH, "-o", output).exit_code == 0


def test_the_hook_runs_a_command_that_there_is(run: Run, mesh: str) -> None:
    import yaml

    (hook,) = yaml.safe_load((Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    _, *arguments = hook["entry"].split()
    assert run(*arguments, f"{mesh}/mesh.yaml").exit_code == 0


def test_the_hook_of_the_documentation_passes_an_ordinary_folder(run: Run, tmp_path: Path) -> None:
    import yaml

    root = Path(__file__).parents[2]
    (hook,) = yaml.safe_load((root / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert (hook["types_or"], "files" in hook) == (["yaml", "json", "jinja"], False)  # `files` of a user would take its place
    example = (root / "docs/lint.md").read_text(encoding="utf-8").partition("## In pre-commit\n\n```yaml\n")[2].partition("```")[0]
    (used,) = yaml.safe_load(example)["repos"][0]["hooks"]
    folder = tmp_path / "mesh"
    folder.mkdir()
    texts = {"mesh.yaml": MESH, "README.md": "# a", "run.sh": "#!/bin/sh", "values.yaml": "image: x\n", "package.json": '{"name": "x"}',
             "kustomization.yaml": "resources: [mesh.yaml]\n", "picture.png": "\x89"}  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    _, *arguments = hook["entry"].split()
    arguments += [argument.replace("mesh/", str(folder)) for argument in used["args"]]
    given = sorted(map(str, folder.iterdir()))
    quiet, loud = (run(*some, *given) for some in (arguments, [one for one in arguments if one != "--quiet"]))
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, "", "")
    assert (loud.exit_code, loud.stderr.count("left alone")) == (0, 6)
    (folder / "mesh.yaml").write_text(BAD, encoding="utf-8")
    assert run(*arguments, *given).exit_code == 1
    assert run(*arguments, str(folder / "README.md")).exit_code == 0
    assert run("lint", "-f", str(folder / "values.yaml")).exit_code == 3
