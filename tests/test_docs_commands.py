"""The pages about explain and test are true: what they show is what comes out."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mesh_injector.cli import app

ROOT = Path(__file__).parent.parent
EXPLAIN, TESTING, TUTORIAL = (
    (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("explain.md", "testing-templates.md", "tutorial.md")
)


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tutorial's mesh, in the current folder."""
    monkeypatch.chdir(tmp_path)
    mesh = next(block for block in blocks(TUTORIAL, "yaml") if "kind: Mesh" in block)
    (tmp_path / "mesh.yaml").write_text(mesh, encoding="utf-8")
    return tmp_path


def test_the_story_of_the_page_is_what_explain_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(app.app, ["explain", "-f", "-", "--source", "config/samples"], input=blocks(EXPLAIN, "yaml")[0])
    assert result.stdout.rstrip("\n") == blocks(EXPLAIN, "text")[0].rstrip("\n")


def test_the_test_file_of_the_page_passes(beside: Path) -> None:
    (beside / "mesh-injector-test.yaml").write_text(blocks(TESTING, "yaml")[0], encoding="utf-8")
    assert CliRunner().invoke(app.app, ["test", "--update"]).exit_code == 0
    result = CliRunner().invoke(app.app, ["test"])
    assert (result.exit_code, "4 passed" in result.stdout) == (0, True)


def test_a_failure_looks_as_the_page_shows_it(beside: Path) -> None:
    head, _, _ = blocks(TESTING, "yaml")[0].partition("tests:")
    expect = "{pod: {'containers[proxy].image': 'envoyproxy/envoy:v1.37.0'}}"
    case = f"tests:\n  - name: the image is the new one\n    pod: web\n    expect: {expect}\n"
    text = head.replace("# mesh-injector-test.yaml\n", "") + case
    (beside / "mesh-injector-test.yaml").write_text(text, encoding="utf-8")
    result = CliRunner().invoke(app.app, ["test"])
    assert re.sub(r"in \d.*", "in 0.00 s", result.stdout) == blocks(TESTING, "text")[0]


def test_every_field_and_expectation_stands_on_the_page() -> None:
    from mesh_injector.cli.suites import expectation, spec

    named = [field.alias or name for model in (spec.Suite, spec.Case, spec.Expect) for name, field in model.model_fields.items()]
    assert [
        name for name in named if not re.search(rf"`[^`]*\b{name}\b[^`]*`", TESTING) and name not in ("apiVersion", "kind", "metadata")
    ] == []
    assert [name for name in expectation.MATCHERS if f"{{{name}: " not in TESTING] == []
