"""Every example of every command's help is run as it stands, in a folder that holds what it names."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mesh_injector.cli import app, exits
from tests.cli.conftest import MESH, POD
from tests.e2e import processes, webhook

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "mesh_injector"]
SERVING = ("serve", "demo --keep")
"""What goes on until it is told to stop."""
ASKING = ("explain pod/", "--source cluster")
"""What asks a cluster, of which there is none here."""
ON_A_CLUSTER = ("check", "status")
"""Whose examples need a real cluster: `tests/e2e` runs them."""


def examples(name: str) -> list[str]:
    """The examples in the help of a command."""
    return [line.strip() for line in (app.function(name).__doc__ or "").partition("Examples:")[2].splitlines() if line.strip()]


TESTS = """\
apiVersion: cli.mesh-injector.io/v1alpha1
kind: Test
files: app.yaml
tests:
  - {name: a pod gets its sidecar, pod: web, expect: {outcome: injected}}
"""
EXAMPLES = [example for name in app.COMMANDS if name not in ON_A_CLUSTER for example in examples(name)]


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with a mesh, pods, an injected pod, a bare template, a certificate, and a kubectl that knows one Deployment."""
    (tmp_path / "mesh").mkdir()
    (tmp_path / "mesh" / "payments.yaml").write_text(MESH.replace("{name: web, namespace", "{name: payments, namespace"), encoding="utf-8")
    shutil.copytree(tmp_path / "mesh", tmp_path / "new")
    (tmp_path / "new" / "payments.yaml").rename(tmp_path / "new" / "mesh.yaml")
    for file in ("pod.yaml", "deployment.yaml", "workloads.yaml", "mesh/app.yaml"):
        (tmp_path / file).write_text(POD, encoding="utf-8")
    (tmp_path / "patch.yaml.j2").write_text(list(yaml.safe_load_all(MESH))[-1]["data"]["patch.yaml.j2"], encoding="utf-8")
    injected = [*PROGRAM, "inject", "-q", "-f", "pod.yaml", "--source", "mesh/"]
    (tmp_path / "injected.yaml").write_bytes(subprocess.run(injected, cwd=tmp_path, capture_output=True, check=True).stdout)
    webhook.issue_certificate(tmp_path / "tls", "localhost")
    (tmp_path / "bin").mkdir()
    scripts = {"kubectl": '[ "$1" = get ] && exec cat injected.yaml; cat', "mesh-injector": f'exec {" ".join(PROGRAM)} "$@"'}
    for name, script in scripts.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def environment(workplace: Path) -> dict[str, str]:
    """Flags that examples leave out, for brevity or because everybody has the default."""
    flags = {"MESH_INJECTOR_PORT": "0", "MESH_INJECTOR_HEALTH_PORT": "0", "MESH_INJECTOR_SOURCE": "mesh/", "HOME": str(workplace)}
    return {**os.environ, **flags, "PATH": f"{workplace / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def is_asking(example: str) -> bool:
    return any(words in example for words in ASKING)


def is_serving(example: str) -> bool:
    return any(f"mesh-injector {words}" in example for words in SERVING) and not is_asking(example)


@pytest.mark.parametrize("example", [example for example in EXAMPLES if is_asking(example)])
def test_an_example_that_asks_a_cluster_says_that_there_is_none(workplace: Path, example: str) -> None:
    command = ["bash", "-c", example]
    given = {key: value for key, value in environment(workplace).items() if key != "KUBECONFIG"}
    done = subprocess.run(command, cwd=workplace, env=given, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, "[MI801]" in done.stderr) == (exits.NO_CLUSTER, True), done.stderr


@pytest.mark.parametrize("example", [example for example in EXAMPLES if not is_serving(example) and not is_asking(example)])
def test_an_example_does_what_it_says(workplace: Path, example: str) -> None:
    if " test " in example and "--init" not in example:
        (workplace / "mesh" / "mesh-injector-test.yaml").write_text(TESTS, encoding="utf-8")
    command = ["bash", "-o", "pipefail", "-c", example]
    done = subprocess.run(command, cwd=workplace, env=environment(workplace), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("example", [example for example in EXAMPLES if is_serving(example)])
def test_an_example_that_serves_becomes_ready(workplace: Path, example: str) -> None:
    where = f"cd {workplace} && exec {example}"
    with processes.child(("bash", "-c", where), workplace / "serving.log", environment(workplace)) as serving:
        processes.eventually(lambda: "ready: https://" in serving.said(), "it is ready", while_lives=(serving,))


@pytest.mark.parametrize("name", app.COMMANDS)
def test_the_help_of_a_command_is_one_screen_on_which_no_example_is_wrapped(name: str) -> None:
    command = [*PROGRAM, name, "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env={**os.environ, "COLUMNS": "80"}).stdout
    lines = [line.strip() for line in shown.splitlines()]
    assert [example for example in examples(name) if example not in lines] == []
    assert len(lines) <= 66
