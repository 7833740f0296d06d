"""The image as far as it can be tried without a container engine: its Dockerfile carried out, and the program started from it."""

import http.client
import json
import re
import stat
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from mesh_injector import certs
from scripts import rehearse_image
from scripts.rehearse_image import Stage
from tests.e2e.processes import child, eventually, free_ports

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PROBE = """
import json, os, sys

def refused(path):
    try:
        open(path + "/written", "w").close()
    except OSError as error:
        return error.strerror

status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "user": [os.getuid(), os.getgid()],
    "capabilities": [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
    "no new privileges": status["NoNewPrivs"],
    "refused": [refused(path) for path in ("", "/program", "/packages/yaml", "/tmp", "/usr/bin", "/etc")],
    "path": sys.path,
}))
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return rehearse_image.build(tmp_path_factory.mktemp("image") / "stages", COMMIT)


def run(image: Stage, *arguments: str, entrypoint: Sequence[str] = ()) -> str:
    command = rehearse_image.started(image, arguments, entrypoint=entrypoint)
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def test_the_linter_of_dockerfiles_has_nothing_to_say() -> None:
    linted = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (linted.returncode, linted.stdout) == (0, "")


def test_the_program_starts_and_knows_the_commit_it_was_built_from(image: Stage) -> None:
    facts = json.loads(run(image, "version", "-o", "json"))
    assert facts["commit"] == COMMIT


def test_it_is_another_user_without_privileges_who_can_write_nowhere(image: Stage) -> None:
    seen = json.loads(run(image, "-c", PROBE, entrypoint=image.entrypoint[:1]))
    assert seen["user"] == [65532, 65532]
    assert (set(seen["capabilities"]), seen["no new privileges"]) == ({"0" * 16}, "1")
    assert seen["refused"] == ["Read-only file system"] * 6
    assert seen["path"][:2] == ["/program", "/packages"]


def test_there_is_no_shell_and_nothing_of_the_build_in_it(image: Stage) -> None:
    programs = {file.name for folder in ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin") for file in (image.root / folder).glob("*")}
    assert programs <= {"python3", "setpriv"}  # the rehearsal itself brings setpriv in
    packages = {folder.name for folder in (image.root / "packages").iterdir()}
    assert {"msgspec", "opentelemetry"} <= packages
    assert not {"pytest", "_pytest", "hatchling", "hypothesis", "mypy", "mesh_injector"} & packages


def test_every_file_can_be_read_by_any_user_and_is_compiled(image: Stage) -> None:
    files = [file for part in ("program", "packages") for file in (image.root / part).rglob("*")]
    unreadable = [file for file in files if not file.stat().st_mode & stat.S_IROTH]
    assert (len(files) > 1000, unreadable) == (True, [])
    own = list((image.root / "program/mesh_injector").rglob("*.py"))
    assert [file for file in own if not list((file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"))] == []


def test_it_serves_with_the_flags_of_the_deployment_and_a_mounted_certificate(image: Stage, tmp_path: Path) -> None:
    pair = certs.issue(["127.0.0.1"], datetime.now(UTC), valid=timedelta(days=1))
    for name, content in (("tls.crt", pair.certificate), ("tls.key", pair.key)):
        (tmp_path / name).write_bytes(content)
    port, health = free_ports(2)
    samples = ROOT / "config" / "samples"
    flags = [f"--source={samples}", f"--tls-dir={tmp_path}", "--host=127.0.0.1", f"--port={port}", f"--health-port={health}"]
    with child(rehearse_image.started(image, ["serve", *flags], [samples, tmp_path]), tmp_path / "serve.log") as server:
        eventually(lambda: ready(health), "the server in the image is ready", 60, [server])


def ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_the_deployment_starts_what_the_image_is() -> None:
    deployment: dict[str, Any] = yaml.safe_load((ROOT / "config/deployment/deployment.yaml").read_text(encoding="utf-8"))
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    said = dict(rehearse_image.instructions())
    user = pod["securityContext"]
    assert said["USER"] == f"{user['runAsUser']}:{user['runAsGroup']}"
    assert said["EXPOSE"].split() == [str(port["containerPort"]) for port in container["ports"]]
    assert "command" not in container


def bases() -> list[str]:
    return [value.partition(" AS ")[0] for word, value in rehearse_image.instructions() if word == "FROM"]


def test_every_base_image_is_named_by_tag_and_digest() -> None:
    assert len(bases()) == 3
    assert [base for base in bases() if not re.fullmatch(r"[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}", base)] == []


def test_it_is_built_by_the_version_of_python_that_runs_it() -> None:
    [built] = re.findall(r"/python:(3\.\d+)[.-]", " ".join(bases()))
    [debian] = re.findall(r"/python3-debian(\d+):", " ".join(bases()))
    assert built == {"12": "3.11", "13": "3.13"}[debian]
    assert built in yaml.safe_load((WORKFLOWS / "ci.yaml").read_text(encoding="utf-8"))["jobs"]["run"]["strategy"]["matrix"]["python"]


@pytest.mark.parametrize("name", ["ci.yaml", "release.yaml"])
def test_every_action_is_named_by_a_commit_and_says_its_version(name: str) -> None:
    used = re.findall(r"uses: (.*)", (WORKFLOWS / name).read_text(encoding="utf-8"))
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)] == []
