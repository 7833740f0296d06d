"""`uninject`: the way back of `inject`, with the same inputs, outputs and exit codes."""

import json
from collections.abc import Callable
from typing import Any

import jsonpatch
import pytest
import yaml
from typer.testing import CliRunner

from mesh_injector import documents
from mesh_injector.cli import app
from tests.cli.conftest import POD, SERVICE, Result
from tests.cli.test_inject import workload

Run = Callable[..., Result]
STATUS = "mesh-injector.io/status"


@pytest.fixture
def undo() -> Run:
    """Run `uninject`, which takes no source."""

    def call(*arguments: str, stdin: str) -> Result:
        result = CliRunner().invoke(app.app, ["uninject", "-f", "-", *arguments], input=stdin)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Result(result.exit_code, result.stdout, result.stderr)

    return call


@pytest.fixture
def injected(run: Run) -> Callable[[str], str]:
    """Inject documents."""
    return lambda text: run("inject", "-f", "-", stdin=text).stdout


Injected = Callable[[str], str]


def with_record(text: str) -> str:
    """Make a pod carry an annotation in the place of its record."""
    body: dict[str, Any] = documents.parse(POD, "x").documents[0].body
    body["metadata"]["annotations"] = {STATUS: text}
    return json.dumps(body)


def test_what_was_injected_is_taken_out_again(injected: Injected, undo: Run) -> None:
    result = undo(stdin=injected(POD))
    assert result.exit_code == 0
    assert yaml.safe_load(result.stdout) == yaml.safe_load(POD)
    assert result.stderr == "uninjected web (default), mesh mesh-system/web: 2 things taken out\n"


@pytest.mark.parametrize(
    ("kind", "version"),
    [("Deployment", "apps/v1"), ("StatefulSet", "apps/v1"), ("DaemonSet", "apps/v1"), ("Job", "batch/v1"), ("CronJob", "batch/v1")],
)
def test_every_kind_of_workload_comes_back_as_it_was(injected: Injected, undo: Run, kind: str, version: str) -> None:
    body = workload(kind, version)
    there = injected(json.dumps(body))
    assert STATUS in there
    assert undo("-o", "json", stdin=there).json == body


def test_documents_come_out_in_order_and_untouched_ones_as_they_were_written(injected: Injected, undo: Run) -> None:
    result = undo(stdin=f"{SERVICE}---\n{injected(POD)}---\n{POD}")
    service, pod, plain = result.stdout.split("\n---\n")
    assert (service.strip(), plain.strip()) == (SERVICE.strip(), POD.strip())
    assert yaml.safe_load(pod) == yaml.safe_load(POD)
    assert "untouched  web (default): it carries no record" in result.stderr


def test_the_items_of_a_list_are_uninjected_inside_it(run: Run, undo: Run) -> None:
    items = [documents.parse(text, "x").documents[0].body for text in (POD, SERVICE)]
    listed = {"apiVersion": "v1", "kind": "List", "items": items}
    there = run("inject", "-f", "-", "-o", "json", stdin=json.dumps(listed)).json
    assert there != listed
    assert undo("-o", "json", stdin=json.dumps(there)).json == listed


def test_the_operations_apply_to_the_document(injected: Injected, undo: Run) -> None:
    there = injected(json.dumps(workload("CronJob", "batch/v1")))
    patch = undo("-o", "jsonpatch", stdin=there).json
    assert jsonpatch.apply_patch(yaml.safe_load(there), patch) == workload("CronJob", "batch/v1")
    several = undo("-o", "jsonpatch", stdin=f"{there}---\n{SERVICE}").stdout.splitlines()
    assert [(line["kind"], bool(line["patch"])) for line in map(json.loads, several)] == [("CronJob", True), ("Service", False)]


def test_a_diff_shows_what_goes(injected: Injected, undo: Run) -> None:
    result = undo("-o", "diff", stdin=injected(POD))
    assert "-  - name: proxy" in result.stdout
    assert "\x1b[31m-  - name: proxy" in undo("-o", "diff", "--color", "always", stdin=injected(POD)).stdout


def test_the_summary_is_a_table_with_the_mesh(injected: Injected, undo: Run) -> None:
    lines = undo("-o", "summary", stdin=f"{injected(POD)}---\n{POD}").stdout.splitlines()
    assert lines[1].split()[:4] == ["web", "default", "uninjected", "mesh-system/web"]
    assert lines[2].split()[:4] == ["web", "default", "untouched", "-"]


def test_a_pod_that_never_was_injected_comes_out_as_it_is_and_is_no_failure(undo: Run) -> None:
    result = undo(stdin=POD)
    assert (result.exit_code, result.stdout.strip()) == (0, POD.strip())


LIES = [
    ("x", "the annotation is no record: JSON is malformed"),
    ('{"version":0,"mesh":"m","template":"t"}', "is of version 0, which there never was"),
    ('{"version":1,"mesh":"m","template":"t","added":["containers"]}', "lists `containers` as added, which mesh-injector never writes"),
    ('{"version":1,"mesh":"m","template":"t","added":["containers[web]"]}', "leaves no container in the pod"),
    ('{"version":9,"mesh":"m","template":"t"}', "the record is of version 9, and this program knows versions up to 2"),
    ("[" * 100_000, "the annotation is"),
]


@pytest.mark.parametrize(("text", "told"), LIES)
@pytest.mark.parametrize("output", ["yaml", "json", "diff", "jsonpatch", "summary"])
def test_a_record_that_is_none_is_told_and_the_document_comes_out_unchanged(undo: Run, text: str, told: str, output: str) -> None:
    result = undo("-q", "-o", output, stdin=with_record(text))
    assert result.exit_code == 1
    assert told in result.stderr
    assert f"at metadata.annotations[{STATUS}]" in result.stderr
    if output == "json":
        assert result.json == json.loads(with_record(text))


def test_the_others_are_still_done_beside_a_record_that_is_none(injected: Injected, undo: Run) -> None:
    result = undo("-o", "json", stdin=f"{with_record('x')}\n---\n{injected(POD)}")
    assert result.exit_code == 1
    assert result.json["items"][1] == yaml.safe_load(POD)


def test_a_document_that_cannot_be_read_is_3_and_the_others_are_done(injected: Injected, undo: Run) -> None:
    result = undo(stdin=f"{injected(POD)}---\na: [")
    assert result.exit_code == 3
    assert "error [MI101]" in result.stderr
    assert "proxy" not in result.stdout


def test_namespace_and_selector_choose_as_for_inject(injected: Injected, undo: Run) -> None:
    there = injected(POD)
    assert "uninjected web (shop)" in undo("-n", "shop", stdin=there).stderr
    assert undo("-l", "app!=web", stdin=there).stdout.strip() == there.strip()


def test_a_pod_that_a_controller_owns_gets_a_warning(injected: Injected, undo: Run) -> None:
    body = yaml.safe_load(injected(POD))
    body["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "web-1", "controller": True, "apiVersion": "apps/v1", "uid": "1"}]
    assert "ReplicaSet/web-1 controls it, so changing it has no effect; change ReplicaSet instead" in undo(stdin=json.dumps(body)).stderr


def test_what_others_added_since_stays(injected: Injected, undo: Run) -> None:
    body = yaml.safe_load(injected(POD))
    body["spec"]["containers"].append({"name": "vault", "image": "vault:1"})
    body["metadata"]["annotations"]["vault"] = "yes"
    after = undo("-o", "json", stdin=json.dumps(body)).json
    assert [container["name"] for container in after["spec"]["containers"]] == ["web", "vault"]
    assert after["metadata"]["annotations"] == {"vault": "yes"}
