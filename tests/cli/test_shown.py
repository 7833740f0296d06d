"""Whatever a name holds, no output of any command holds what a terminal would obey, and programs still read the same value."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import MESH, POD, Result

Run = Callable[..., Result]
HOSTILE = "web\x9b31m\u202e\u2028\x7f\U000e0041"
NAMED = '"' + "".join(f"\\U{ord(character):08x}" for character in HOSTILE) + '"'
HOSTILE_POD = POD.replace("metadata: {name: web, ", f"metadata: {{name: {NAMED}, annotations: {{{NAMED}: {NAMED}}}, ")
SOURCE = MESH.replace("level: info", f"level: {NAMED}")
WRONG = SOURCE.replace("  overrides", f"  {NAMED}: {NAMED}\n  overrides")
SUITE = f"""\
apiVersion: cli.mesh-injector.io/v1alpha1
kind: Test
metadata: {{name: {NAMED}}}
source: [source/mesh.yaml]
pods:
  {NAMED}:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: web, image: nginx, ports: [{{containerPort: 80}}]}}]}}
tests:
  - {{name: {NAMED}, pod: {NAMED}, expect: {{outcome: skipped, pod: {{"labels[app]": {NAMED}}}}}}}
"""
COMMANDS = {
    "explain -f pod.yaml": "json",
    "inject -f pod.yaml": "json jsonpatch diff summary yaml",
    "inject -f pod.yaml -f pod.yaml": "json jsonpatch",
    "render -f pod.yaml --mesh web": "json",
    "render -f pod.yaml --mesh web --vars": "json",
    "lint wrong": "json sarif github",
    "diff new -f pod.yaml": "json summary",
    "test suite.mesh-injector-test.yaml": "json junit",
}
CALLS = [f"{command} {form}".strip() for command, forms in COMMANDS.items() for form in ["", *(f"-o {one}" for one in forms.split())]]


@pytest.mark.parametrize("color", ["", " --color always"])
@pytest.mark.parametrize("call", [call for call in CALLS if call not in ("inject -f pod.yaml", "inject -f pod.yaml -o yaml")])
def test_no_output_obeys_a_name(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, color: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pod.yaml").write_text(HOSTILE_POD, encoding="utf-8")
    (tmp_path / "suite.mesh-injector-test.yaml").write_text(SUITE, encoding="utf-8")
    for folder, text in (("source", SOURCE), ("wrong", WRONG), ("new", SOURCE.replace("image: proxy:1", "image: proxy:2"))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mesh.yaml").write_text(text, encoding="utf-8")
    source = [] if call.startswith(("test", "lint")) else ["--source", str(tmp_path / "source")]
    shown = run(*f"{call}{color}".split(), *source)
    assert not {*"\x9b\u202e\u2028\x7f\U000e0041"} & {*shown.stdout, *shown.stderr}
    assert "web" in shown.stdout + shown.stderr
    if call.endswith("json") and not color:
        assert HOSTILE in json.dumps(json.loads(shown.stdout), ensure_ascii=False)
