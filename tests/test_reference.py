"""The reference says what the code says: nothing of it is stale, and nothing of the program is missing from it."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from mesh_injector.cli import app
from mesh_injector.formats.mesh import spec
from mesh_injector.metrics import Metrics
from mesh_injector.reasons import Reason
from scripts import generate_reference

DOCS = generate_reference.DOCS
COMMANDS, MESH, METRICS, MESSAGES = (
    (DOCS / name).read_text(encoding="utf-8")
    for name in ("reference/commands.md", "reference/mesh.md", "reference/metrics.md", "messages.md")
)


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Documents that may be written."""
    shutil.copytree(DOCS, tmp_path / "docs")
    monkeypatch.setattr(generate_reference, "DOCS", tmp_path / "docs")
    return tmp_path / "docs"


def section(title: str) -> str:
    return COMMANDS.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_page_says_what_the_code_says() -> None:
    generate_reference.main(["--check"])


@pytest.mark.parametrize(("name", "part"), list(generate_reference.PARTS))
def test_a_part_that_was_changed_by_hand_is_told_and_written_anew(copied: Path, name: str, part: str) -> None:
    good = (copied / name).read_text(encoding="utf-8")
    stale = good.replace(f"\n<!-- end of {part} -->", f"| by hand |\n\n<!-- end of {part} -->")
    (copied / name).write_text(stale, encoding="utf-8")
    with pytest.raises(SystemExit, match="run `make reference`"):
        generate_reference.main(["--check"])
    assert (copied / name).read_text(encoding="utf-8") == stale != good
    generate_reference.main([])
    assert (copied / name).read_text(encoding="utf-8") == good


def test_a_page_without_its_marks_is_an_error() -> None:
    with pytest.raises(ValueError, match="lacks the marks of `commands`"):
        generate_reference.page("reference/commands.md", "# Commands\n")


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_flag_that_help_lists_is_on_the_page_with_its_environment_variable(name: str) -> None:
    shown = CliRunner().invoke(app.app, [name, "--help"], env={"COLUMNS": "200"}).stdout
    flags = re.findall(r"^  (?:-\w, )?(--[a-z-]+)", shown, re.MULTILINE)
    assert flags[-1] == "--help"
    for flag in flags[:-1]:
        variable = f"MESH_INJECTOR_{flag.lstrip('-').replace('-', '_').upper()}"
        assert re.search(rf"^\| `[^`]*{flag}\b[^`]*` .*\| `{variable}` \|", section(f"mesh-injector {name}"), re.MULTILINE), flag


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_example_of_help_is_on_the_page(name: str) -> None:
    shown = CliRunner().invoke(app.app, [name, "--help"], env={"COLUMNS": "200"}).stdout
    examples = re.findall(r"^    (\S.*)$", shown.partition("Examples:")[2].partition("\n\nOptions:")[0], re.MULTILINE)
    assert [example for example in examples if f"\n{example}\n" not in section(f"mesh-injector {name}")] == []
    assert examples or name == "version"


def test_every_field_of_a_mesh_is_on_the_page() -> None:
    paths = [f"| `{field.alias}` |" for field in spec.MeshSpec.model_fields.values()]
    assert [path for path in paths if path not in MESH] == []
    assert "| `status.conditions" not in MESH, "paths begin below spec and status"
    assert "| `conditions[].reason` |" in MESH


def test_the_example_of_the_page_has_every_field() -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", MESH, re.DOTALL)
    assert set(yaml.safe_load(example)["spec"]) == {field.alias for field in spec.MeshSpec.model_fields.values()}


def test_every_metric_is_on_the_page_with_the_labels_that_its_family_has() -> None:
    for family in Metrics("0").collect():
        [row] = re.findall(rf"^\| `{family.name}(?:_total|_info)?` \|.*$", METRICS, re.MULTILINE)
        assert all(f"`{label}`" in row for label in getattr(family, "_labelnames", ()))


def test_every_reason_is_on_the_page_once() -> None:
    rows = re.findall(r"^\| (?:MI\d+ \| )?(\w+) \|", MESSAGES, re.MULTILINE)
    assert [reason for reason in Reason if rows.count(reason.value) != 1] == []
