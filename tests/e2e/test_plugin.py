"""`kubectl mesh-injector` as krew installs it: built, unpacked, linked and run by a real kubectl, with the packages of the archive only."""

import hashlib
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import build_plugin
from tests.e2e.controlplane import build

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of this platform, for this Python only, and the manifest."""
    to = tmp_path_factory.mktemp("dist")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = [sys.executable, "-m", "scripts.build_plugin", "--to", str(to), "--python", version, "--url", "https://example.com/a/v1"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    return to


@pytest.fixture(scope="module")
def manifest(dist: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((dist / "mesh-injector.yaml").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def programs(dist: Path, manifest: dict[str, Any]) -> Path:
    """The folder that krew puts on the path: a link to the plugin, its dashes made underscores, and kubectl."""
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(dist / "store", filter="data")
    linked = dist / "bin"
    linked.mkdir()
    (linked / f"kubectl-{manifest['metadata']['name'].replace('-', '_')}").symlink_to(
        dist / "store" / manifest["spec"]["platforms"][0]["bin"]
    )
    (linked / "kubectl").symlink_to(build.assets() / "kubectl")
    (linked / "python3").symlink_to(sys.executable)
    return linked


def kubectl(programs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run kubectl where nothing of this checkout is installed."""
    clean = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(programs), "PYTHONNOUSERSITE": "1"}
    command = [str(programs / "kubectl"), *arguments]
    return subprocess.run(command, env=clean, cwd=ROOT / "templates", capture_output=True, text=True, timeout=120, check=False)


def test_kubectl_finds_the_plugin_and_runs_it_with_the_packages_of_the_archive(programs: Path) -> None:
    assert "kubectl-mesh_injector" in kubectl(programs, "plugin", "list").stdout
    done = kubectl(programs, "mesh-injector", "inject", "-q", "-f", "envoy/app.yaml", "--source", "envoy/mesh.yaml", "-o", "summary")
    assert (done.returncode, "mesh-system/envoy" in done.stdout) == (0, True), done.stderr


def test_the_plugin_tells_the_commit_that_it_was_built_from(programs: Path) -> None:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    assert f"commit        {commit or 'unknown'}\n" in kubectl(programs, "mesh-injector", "version").stdout


def test_kubectl_completes_the_plugins_commands(programs: Path) -> None:
    (programs / "kubectl_complete-mesh_injector").symlink_to(Path(sys.executable).parent / "kubectl_complete-mesh_injector")
    found = kubectl(programs, "__complete", "mesh-injector", "uninj").stdout
    assert found.splitlines() == ["uninject", ":0"]


def test_the_manifest_says_what_krew_asks_for(dist: Path, manifest: dict[str, Any]) -> None:
    (archive,) = dist.glob("*.tar.gz")
    spec = manifest["spec"]
    assert (manifest["apiVersion"], manifest["kind"]) == ("krew.googlecontainertools.github.com/v1alpha2", "Plugin")
    assert re.fullmatch(r"v\d+\.\d+\.\d+", spec["version"])
    assert len(spec["shortDescription"]) <= 55
    (platform,) = spec["platforms"]
    assert platform["uri"] == f"https://example.com/a/v1/{archive.name}"
    assert platform["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert set(platform["selector"]["matchLabels"]) == {"os", "arch"}


def test_another_python_is_told_which_would_do(tmp_path: Path) -> None:
    launcher = tmp_path / build_plugin.LAUNCHER
    launcher.write_text(build_plugin.SCRIPT, encoding="utf-8")
    for folder in ("2.7", "common"):
        (tmp_path / "lib" / folder).mkdir(parents=True)
    done = subprocess.run([sys.executable, str(launcher)], capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 1
    assert done.stderr.startswith("kubectl mesh-injector needs Python 2.7, and `python3` is ")


def test_what_is_the_same_for_all_versions_is_kept_once(tmp_path: Path) -> None:
    for version in ("1", "2"):
        for file, text in {"pure/a.py": "same", "native/a.so": version, "one.py": "same", f"only{version}.py": ""}.items():
            (tmp_path / version / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / version / file).write_text(text, encoding="utf-8")
    build_plugin.share(tmp_path, ["1", "2"])
    left = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file())
    assert left == ["1/native/a.so", "1/only1.py", "2/native/a.so", "2/only2.py", "common/one.py", "common/pure/a.py"]
