"""The README and the pages about explain, lint and test are true: what they show is what comes out."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mesh_injector import admission, documents
from mesh_injector.cli import app
from tests.test_docs_howto import is_what_comes_out, write

ROOT = Path(__file__).parent.parent
README, EXPLAIN, LINT, TESTING, TUTORIAL = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "docs/explain.md", "docs/lint.md", "docs/testing-templates.md", "docs/tutorial.md")
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


def test_what_the_readme_shows_of_the_samples_is_what_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    [shown] = [block for block in blocks(README, "console") if "explain" in block]
    assert is_what_comes_out(shown)


def test_the_mesh_of_the_readme_injects_its_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [text] = blocks(README, "yaml")
    Path("mesh.yaml").write_text(text, encoding="utf-8")
    [command] = re.findall(r"`mesh-injector (inject -f mesh.yaml[^`]*)`", README)
    result = CliRunner().invoke(app.app, [*command.split(), "-o", "summary"])
    assert (result.exit_code, "injected" in result.stdout) == (0, True)


def test_what_lint_says_of_the_mesh_of_its_page_is_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(blocks(LINT, "yaml")[0])
    assert is_what_comes_out(blocks(LINT, "console")[0])


def test_the_story_of_the_page_is_what_explain_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(app.app, ["explain", "-f", "-", "--source", "config/samples"], input=blocks(EXPLAIN, "yaml")[0])
    assert result.stdout.rstrip("\n") == blocks(EXPLAIN, "text")[0].rstrip("\n")


def test_the_review_of_the_tutorial_asks_for_its_pod() -> None:
    [review] = blocks(TUTORIAL, "json")
    [pod] = [block for block in blocks(TUTORIAL, "yaml") if block.startswith("# pod.yaml")]
    request = admission.decode(review.encode())
    assert (request.namespace, request.pod is None, request.fault) == ("default", False, None)
    assert json.loads(review)["request"]["object"] == documents.parse(pod, "pod.yaml").documents[0].body


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
