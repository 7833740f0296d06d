from collections.abc import Callable
from pathlib import Path

import yaml

from tests.cli.conftest import MESH, NO_PORT, POD, Result

Run = Callable[..., Result]


def test_a_template_is_rendered_for_a_pod(run: Run) -> None:
    result = run("render", "--mesh", "web", "-f", "-", stdin=POD)
    assert result.exit_code == 0
    env = yaml.safe_load(result.stdout)["spec"]["containers"][0]["env"]
    assert env == [{"name": "PORTS", "value": "80"}, {"name": "LEVEL", "value": "info"}]


def test_without_a_file_it_is_rendered_for_a_stand_in_pod(run: Run) -> None:
    result = run("render", "--mesh", "mesh-system/web", "-o", "json")
    assert result.json["spec"]["containers"][0]["env"][0]["value"] == "8080"
    assert "stand-in pod" in result.stderr


def test_the_variables_are_listed_with_their_use_and_value(run: Run) -> None:
    lines = {line.split()[0]: line for line in run("render", "--mesh", "web", "--vars").stdout.splitlines() if line.strip()}
    assert lines["app_ports"].split()[1] == "needed"
    assert "8080" in lines["app_ports"]
    assert "level: info" in lines["values"]
    assert lines["region"].split()[1] == "-"


def test_a_mesh_that_is_not_there_is_a_usage_error_that_lists_those_that_are(run: Run) -> None:
    result = run("render", "--mesh", "nope")
    assert result.exit_code == 2
    assert "mesh-system/web" in result.stderr


def test_what_the_template_needs_and_the_pod_lacks_is_a_no(run: Run) -> None:
    result = run("render", "--mesh", "web", "-f", "-", stdin=NO_PORT)
    assert result.exit_code == 1
    assert "MI203" in result.stderr


def test_a_template_that_does_not_compile_is_a_no_with_its_place(run: Run, tmp_path: Path) -> None:
    bad = MESH.replace("app_ports", "app_port")
    (tmp_path / "bad.yaml").write_text(bad, encoding="utf-8")
    result = run("render", "--mesh", "web", "--source", str(tmp_path / "bad.yaml"))
    assert result.exit_code == 1
    line = next(number for number, text in enumerate(bad.splitlines(), 1) if "app_port" in text)
    column = bad.splitlines()[line - 1].index("app_port") + 1
    assert f"bad.yaml:{line}:{column}" in result.stderr
    assert "did you mean `app_ports`?" in result.stderr


def test_the_variables_are_given_to_programs_whole(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MESH.replace("level: info", f"level: {'x' * 5000}"), encoding="utf-8")
    arguments = ("render", "--mesh", "web", "-f", "-", "--vars", "--source", f"{tmp_path}/m.yaml")
    (item,) = run(*arguments, "-o", "json", stdin=POD).json["items"]
    assert item["pod"] == "web"
    assert item["variables"]["values"] == {"use": "needed", "value": {"level": "x" * 5000}}
    assert "`-o json` has all" in " ".join(run(*arguments, stdin=POD).stdout.split())
