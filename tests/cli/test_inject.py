import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
import yaml

from mesh_injector import documents
from tests.cli.conftest import MESH, NO_PORT, POD, SERVICE, Result

Run = Callable[..., Result]


def workload(kind: str, api_version: str, **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "ports": [{"containerPort": 80}]}]}}
    body = {"jobTemplate": {"spec": {"template": template}}} if kind == "CronJob" else {"template": template}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "namespace": "shop"}, "spec": {**spec, **body}}


def test_a_pod_gets_its_sidecar(run: Run) -> None:
    result = run("inject", "-f", "-", stdin=POD)
    assert result.exit_code == 0
    names = [container["name"] for container in yaml.safe_load(result.stdout)["spec"]["containers"]]
    assert names == ["web", "proxy"]


@pytest.mark.parametrize(
    ("kind", "api_version"),
    [
        ("Deployment", "apps/v1"),
        ("StatefulSet", "apps/v1"),
        ("DaemonSet", "apps/v1"),
        ("ReplicaSet", "apps/v1"),
        ("ReplicationController", "v1"),
        ("Job", "batch/v1"),
        ("CronJob", "batch/v1"),
    ],
)
def test_every_kind_of_workload_is_injected_in_its_template(run: Run, kind: str, api_version: str) -> None:
    body = workload(kind, api_version)
    result = run("inject", "-f", "-", "-o", "json", stdin=json.dumps(body))
    spec = result.json["spec"]["jobTemplate"]["spec"]["template"] if kind == "CronJob" else result.json["spec"]["template"]
    assert [container["name"] for container in spec["spec"]["containers"]] == ["web", "proxy"]
    assert "mesh-injector.io/status" in spec["metadata"]["annotations"]


def test_documents_come_out_in_order_and_untouched_ones_as_they_were_written(run: Run) -> None:
    result = run("inject", "-f", "-", stdin=f"{SERVICE}---\n{POD}---\n{SERVICE}")
    first, second, third = result.stdout.split("\n---\n")
    assert first.strip() == third.strip() == SERVICE.strip()
    assert "name: proxy" in second


def test_a_refused_pod_is_told_and_the_others_are_still_done(run: Run) -> None:
    result = run("inject", "-f", "-", stdin=f"{NO_PORT}---\n{POD}")
    refused, injected = result.stdout.split("\n---\n")
    assert result.exit_code == 1
    assert refused.strip() == NO_PORT.strip()
    assert "name: proxy" in injected
    assert "mesh-injector: [MI203] mesh mesh-system/web: the container `web` names no port" in result.stderr
    assert "fix: name its containerPort" in result.stderr


def test_a_skipped_pod_is_no_failure(run: Run) -> None:
    result = run("inject", "-f", "-", stdin=POD.replace("app: web", "app: db"))
    assert result.exit_code == 0
    assert "skipped    web (default): NoMeshMatched" in result.stderr


def test_one_document_as_json_is_one_object_and_several_are_a_list(run: Run) -> None:
    assert run("inject", "-f", "-", "-o", "json", stdin=POD).json["kind"] == "Pod"
    several = run("inject", "-f", "-", "-o", "json", stdin=f"{POD}---\n{SERVICE}").json
    assert (several["kind"], [item["kind"] for item in several["items"]]) == ("List", ["Pod", "Service"])


def test_one_document_as_jsonpatch_is_its_operations_and_they_apply(run: Run) -> None:
    patch = run("inject", "-f", "-", "-o", "jsonpatch", stdin=json.dumps(workload("CronJob", "batch/v1"))).json
    applied = jsonpatch.apply_patch(workload("CronJob", "batch/v1"), patch)
    assert applied == run("inject", "-f", "-", "-o", "json", stdin=json.dumps(workload("CronJob", "batch/v1"))).json


def test_several_documents_as_jsonpatch_are_a_line_each(run: Run) -> None:
    result = run("inject", "-f", "-", "-o", "jsonpatch", stdin=f"{POD}---\n{json.dumps(workload('Job', 'batch/v1'))}")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["kind"], line["namespace"], line["name"]) for line in lines] == [("Pod", "default", "web"), ("Job", "shop", "web")]
    assert lines[1]["patch"][0]["path"].startswith("/spec/template/spec/containers")


def test_the_items_of_a_list_are_injected_inside_it(run: Run) -> None:
    pods = [documents.parse(POD, "x").documents[0].body, documents.parse(SERVICE, "x").documents[0].body]
    result = run("inject", "-f", "-", "-o", "json", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}))
    items = result.json["items"]
    assert [len(item["spec"].get("containers", ())) for item in items] == [2, 0]
    assert items[1] == pods[1]


def test_injecting_what_was_injected_changes_nothing(run: Run) -> None:
    once = run("inject", "-f", "-", stdin=POD).stdout
    again = run("inject", "-f", "-", stdin=once)
    assert again.stdout == once
    assert "AlreadyInjected" in again.stderr


def test_a_diff_shows_what_is_added(run: Run) -> None:
    result = run("inject", "-f", "-", "-o", "diff", stdin=POD)
    assert "+  - name: proxy" in result.stdout
    assert "\x1b[" not in result.stdout
    assert "\x1b[32m+  - name: proxy" in run("inject", "-f", "-", "-o", "diff", "--color", "always", stdin=POD).stdout


def test_the_summary_is_a_table_with_the_reason(run: Run) -> None:
    lines = run("inject", "-f", "-", "-o", "summary", stdin=f"{POD}---\n{NO_PORT}").stdout.splitlines()
    assert lines[0].split() == ["POD", "NAMESPACE", "OUTCOME", "MESH", "WHY"]
    assert lines[1].split() == ["web", "default", "injected", "mesh-system/web", "Injected"]
    assert "refused" in lines[2]
    assert "ContainerPortMissing" in lines[2]


@pytest.mark.parametrize("output", ["yaml", "json", "diff", "jsonpatch", "summary"])
def test_the_exit_code_does_not_depend_on_the_output(run: Run, output: str) -> None:
    assert run("inject", "-f", "-", "-o", output, stdin=POD).exit_code == 0
    assert run("inject", "-f", "-", "-o", output, stdin=NO_PORT).exit_code == 1
    assert run("inject", "-f", "-", "-o", output, stdin=f"{POD}---\na: [").exit_code == 3


def test_a_broken_document_is_told_with_its_place_and_the_others_are_done(run: Run) -> None:
    result = run("inject", "-f", "-", stdin=f"{POD}---\nkind: Pod\nspec: [unclosed\n---\n{POD}")
    assert result.exit_code == 3
    assert result.stdout.count("name: proxy") == 2
    assert "error [MI101]" in result.stderr
    assert "--> stdin:" in result.stderr


def test_a_file_that_is_not_there_ends_with_3_and_no_traceback(run: Run) -> None:
    from mesh_injector.cli import exits
    from mesh_injector.errors import ConfigError

    with pytest.raises(ConfigError) as caught:
        run("inject", "-f", "nowhere.yaml")
    assert exits.report(caught.value) == 3


def test_a_broken_document_of_the_source_changes_no_exit_code(run: Run, mesh: str) -> None:
    Path(mesh, "broken.yaml").write_text("kind: [", encoding="utf-8")
    result = run("inject", "-f", "-", stdin=POD)
    assert result.exit_code == 0
    assert "name: proxy" in result.stdout
    assert "warning [MI101]" in result.stderr
    assert "broken.yaml:" in result.stderr


def test_the_first_line_on_stderr_names_the_source(run: Run, mesh: str) -> None:
    assert run("inject", "-f", "-", stdin=POD).stderr.startswith(f"source: {mesh}\n")


def test_several_sources_are_read_as_one(run: Run, tmp_path: Path) -> None:
    mesh, config_map = MESH.split("---\n")
    (tmp_path / "a.yaml").write_text(mesh, encoding="utf-8")
    (tmp_path / "b.yaml").write_text(config_map, encoding="utf-8")
    result = run("inject", "-f", "-", "--source", str(tmp_path / "a.yaml"), "--source", str(tmp_path / "b.yaml"), stdin=POD)
    assert "name: proxy" in result.stdout


def test_a_source_without_a_mesh_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "service.yaml").write_text(SERVICE, encoding="utf-8")
    result = run("inject", "-f", "-", "--source", str(tmp_path / "service.yaml"), stdin=POD)
    assert "the source holds no Mesh that can be used" in result.stderr
    assert result.exit_code == 0


def test_flags_come_from_the_environment_too(run: Run) -> None:
    result = run("inject", "-f", "-", stdin=POD, MESH_INJECTOR_OUTPUT="jsonpatch", MESH_INJECTOR_NAMESPACE="shop")
    assert result.json[0]["op"] == "add"
    assert "web (shop)" in result.stderr


def test_a_namespace_flag_that_contradicts_the_document_is_an_error_as_in_kubectl(run: Run) -> None:
    pod = POD.replace("name: web, labels", "name: web, namespace: other, labels")
    result = run("inject", "-f", "-", "-n", "shop", stdin=pod)
    assert result.exit_code == 3
    assert "web is in namespace other, and -n says shop" in result.stderr
    assert run("inject", "-f", "-", "-n", "shop", "-A", stdin=pod).exit_code == 0


def test_a_selector_leaves_the_others_as_they_are(run: Run) -> None:
    result = run("inject", "-f", "-", "-l", "app!=web", stdin=POD)
    assert result.stdout.strip() == POD.strip()
    assert run("inject", "-f", "-", "-l", "app in (", stdin=POD).exit_code == 2


def test_a_pod_that_a_controller_owns_gets_a_warning(run: Run) -> None:
    body = documents.parse(POD, "x").documents[0].body
    body["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "web-1", "controller": True, "apiVersion": "apps/v1", "uid": "1"}]
    assert "ReplicaSet/web-1 controls it, so changing it has no effect" in run("inject", "-f", "-", stdin=json.dumps(body)).stderr


def test_input_without_a_pod_is_said_and_comes_out(run: Run) -> None:
    result = run("inject", "-f", "-", stdin=SERVICE)
    assert result.stdout.strip() == SERVICE.strip()
    assert "there is no pod or workload in the input" in result.stderr


def test_quiet_says_nothing_but_errors(run: Run) -> None:
    assert run("inject", "-f", "-", "-q", stdin=POD).stderr == ""
    assert "MI203" in run("inject", "-f", "-", "-q", stdin=NO_PORT).stderr


def test_a_workload_with_a_malformed_template_is_told_with_file_and_field(run: Run) -> None:
    result = run("inject", "-f", "-", stdin="apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {template: 3}\n")
    assert result.exit_code == 3
    assert "stdin:1" in result.stderr
    assert "spec.template" in result.stderr


def test_terminal_escapes_of_a_name_are_shown_and_not_executed(run: Run) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a\x1b[31mb", "labels": {"app": "web"}}, "spec": {"containers": []}}
    result = run("inject", "-f", "-", "-o", "summary", stdin=json.dumps(pod))
    assert "\x1b" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("wrong", "right"),
    [(("v1", "pod"), "`apiVersion: v1` and `kind: Pod`"), (("v1", "Deployment"), "`apiVersion: apps/v1` and `kind: Deployment`")],
)
def test_a_kind_that_kubernetes_does_not_have_is_told_and_not_passed_over(
    run: Callable[..., Result], wrong: tuple[str, str], right: str
) -> None:
    result = run(
        "inject", "-f", "-", stdin=POD.replace("apiVersion: v1", f"apiVersion: {wrong[0]}").replace("kind: Pod", f"kind: {wrong[1]}")
    )
    assert result.exit_code == 3
    assert f"`{wrong[0]}` `{wrong[1]}` is no kind that Kubernetes has" in result.stderr
    assert "stdin:3:7" in result.stderr
    assert f"fix: write {right}" in result.stderr


def test_a_name_with_a_line_end_tells_no_line_of_its_own(run: Run) -> None:
    annotations = {"values.mesh-injector.io/\nINJECTED": "x"}
    metadata = {"name": "a\r\nINJECTED", "namespace": "b\nINJECTED", "labels": {"app": "web"}, "annotations": annotations}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": []}}
    result = run("inject", "-f", "-", stdin=json.dumps(pod))
    assert "INJECTED" in result.stderr
    assert not [line for line in result.stderr.splitlines() if line.startswith("INJECTED")]
