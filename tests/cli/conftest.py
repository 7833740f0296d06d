import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mesh_injector.cli import app

MESH = """\
apiVersion: mesh-injector.io/v1alpha1
kind: Mesh
metadata: {name: web, namespace: mesh-system}
spec:
  enableAutoInject: true
  injectionSelector:
    podSelector: {matchLabels: {app: web}}
  sidecarPatchConfigMap: {name: proxy}
  values: {level: info}
  overrides: [level]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: proxy, namespace: mesh-system, labels: {mesh-injector.io/template: "true"}}
data:
  patch.yaml.j2: |
    containers:
      - name: proxy
        image: proxy:1
        env:
          - {name: PORTS, value: {{ app_ports }}}
          - {name: LEVEL, value: {{ values.level }}}
"""
POD = """\
# a comment that must survive
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
    - {name: web, image: nginx, ports: [{containerPort: 80}]}
"""
NO_PORT = POD.replace(", ports: [{containerPort: 80}]", "").replace("name: web, labels", "name: no-port, labels")
SERVICE = """\
# no workload: it comes out as it was written
apiVersion: v1
kind: Service
metadata: {name:   web}
spec: {selector: {app: web}}
"""


@dataclass(frozen=True)
class Result:
    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


@pytest.fixture
def mesh(tmp_path: Path) -> str:
    folder = tmp_path / "mesh"
    folder.mkdir()
    (folder / "mesh.yaml").write_text(MESH, encoding="utf-8")
    return str(folder)


@pytest.fixture
def run(mesh: str) -> Callable[..., Result]:
    """Run a command on the mesh above; `stdin` is what `-f -` reads."""

    def call(*arguments: str, stdin: str = "", **environment: str) -> Result:
        given = [*arguments] if "--source" in arguments else [*arguments, "--source", mesh]
        result = CliRunner().invoke(app.app, given, input=stdin, env=environment)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Result(result.exit_code, result.stdout, result.stderr)

    return call
