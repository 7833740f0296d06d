"""What is right and seldom meant: a Job that waits for its proxy, and two containers that want one port."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import MESH
from tests.cli.test_inject import Run, workload

WAITS = "the Job finishes only when the container `proxy` does"
SIDECAR = MESH.replace("    containers:\n", "    initContainers:\n").replace("proxy:1\n", "proxy:1\n        restartPolicy: Always\n")


def listening(port: str, text: str = MESH) -> str:
    return text.replace("image: proxy:1\n", f"image: proxy:1\n        ports: [{port}]\n")


def warnings(run: Run, tmp_path: Path, mesh: str, body: dict[str, Any]) -> list[str]:
    """What `explain` warns of, which `inject` says on stderr too."""
    (tmp_path / "other.yaml").write_text(mesh, encoding="utf-8")
    asked = ("-f", "-", "--source", str(tmp_path / "other.yaml"))
    (item,) = run("explain", *asked, "-o", "json", stdin=json.dumps(body)).json["items"]
    said = run("inject", *asked, stdin=json.dumps(body)).stderr
    assert item["outcome"] == "injected"
    assert all(warning in said for warning in item["warnings"])
    assert said.count("warning:") == len(item["warnings"])
    return list(item["warnings"])


@pytest.mark.parametrize("kind", ["Job", "CronJob"])
def test_a_job_that_would_wait_for_its_proxy_is_told(run: Run, tmp_path: Path, kind: str) -> None:
    (warning,) = warnings(run, tmp_path, MESH, workload(kind, "batch/v1"))
    assert warning.startswith(WAITS)
    assert "`restartPolicy: Always`" in warning


def test_neither_a_deployment_nor_a_job_with_a_sidecar_is_told_of_waiting(run: Run, tmp_path: Path) -> None:
    assert warnings(run, tmp_path, MESH, workload("Deployment", "apps/v1")) == []
    assert warnings(run, tmp_path, SIDECAR, workload("Job", "batch/v1")) == []


CONTENDED = "`proxy` and the pod's own `web` both list port 80/TCP"


@pytest.mark.parametrize("mesh", [MESH, SIDECAR], ids=["a container", "a sidecar"])
def test_a_container_that_listens_where_one_of_the_pods_own_does_is_told(run: Run, tmp_path: Path, mesh: str) -> None:
    (warning,) = warnings(run, tmp_path, listening("{containerPort: 80}", mesh), workload("Deployment", "apps/v1"))
    assert warning.startswith(CONTENDED)


@pytest.mark.parametrize("port", ["{containerPort: 81}", "{containerPort: 80, protocol: UDP}"])
def test_another_port_or_protocol_is_no_matter(run: Run, tmp_path: Path, port: str) -> None:
    assert warnings(run, tmp_path, listening(port), workload("Deployment", "apps/v1")) == []


def test_an_init_container_that_ends_before_holds_no_port(run: Run, tmp_path: Path) -> None:
    mesh = listening("{containerPort: 80}", MESH.replace("    containers:\n", "    initContainers:\n"))
    assert warnings(run, tmp_path, mesh, workload("Deployment", "apps/v1")) == []


def test_a_job_that_is_linted_beside_the_mesh_is_told_at_the_templates_line(run: Run, mesh: str, tmp_path: Path) -> None:
    (tmp_path / "jobs.json").write_text(json.dumps(workload("Job", "batch/v1")), encoding="utf-8")
    (tmp_path / "cron.json").write_text(json.dumps(workload("CronJob", "batch/v1")), encoding="utf-8")
    assert run("lint", mesh, "-o", "json", "--source", mesh).json == {"items": []}
    result = run("lint", mesh, str(tmp_path / "jobs.json"), str(tmp_path / "cron.json"), "-o", "json", "--source", mesh)
    (item,) = result.json["items"]
    line = next(number for number, text in enumerate(MESH.splitlines(), 1) if "- name: proxy" in text)
    assert (item["code"], item["severity"], item["line"], result.exit_code) == ("MI712", "warning", line, 0)
    assert "Job/web in namespace shop" in item["what"]


def test_a_job_that_no_mesh_selects_or_that_gets_a_sidecar_is_linted_in_silence(run: Run, tmp_path: Path, mesh: str) -> None:
    job = workload("Job", "batch/v1")
    (tmp_path / "sidecar.yaml").write_text(SIDECAR, encoding="utf-8")
    (tmp_path / "job.json").write_text(json.dumps(job), encoding="utf-8")
    sidecar = str(tmp_path / "sidecar.yaml")
    assert run("lint", sidecar, str(tmp_path / "job.json"), "-o", "json", "--source", sidecar).json["items"] == []
    job["spec"]["template"]["metadata"]["labels"]["app"] = "other"
    (tmp_path / "job.json").write_text(json.dumps(job), encoding="utf-8")
    assert run("lint", mesh, str(tmp_path / "job.json"), "-o", "json", "--source", mesh).json["items"] == []


@pytest.mark.parametrize("ports", ["x", [80], [{"containerPort": []}], {"a": 1}])
def test_ports_of_any_form_are_no_bug_of_ours(run: Run, tmp_path: Path, ports: Any) -> None:
    body = workload("Deployment", "apps/v1")
    body["spec"]["template"]["spec"]["containers"][0]["ports"] = ports
    mesh = listening("{containerPort: 80}").replace("          - {name: PORTS, value: {{ app_ports }}}\n", "")
    (tmp_path / "other.yaml").write_text(mesh, encoding="utf-8")
    assert run("explain", "-f", "-", "--source", str(tmp_path / "other.yaml"), stdin=json.dumps(body)).exit_code in (0, 1, 3)
