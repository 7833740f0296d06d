"""Build `kubectl mesh-injector` as krew ships it: an archive for each platform, and the manifest that names them with their digests.

An archive holds a launcher and, for each version of Python, all packages as wheels for that platform; the user brings `python3`.
Source of the manifest's fields: https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/
"""

import argparse
import filecmp
import gzip
import hashlib
import platform
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml

from mesh_injector import __version__
from mesh_injector.cli.version import COMMIT

ROOT: Final = Path(__file__).resolve().parents[1]
LAUNCHER: Final = "kubectl-mesh_injector"
VERSIONS: Final = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS: Final = {
    ("linux", "amd64"): "x86_64-manylinux_2_28",
    ("linux", "arm64"): "aarch64-manylinux_2_28",
    ("darwin", "arm64"): "aarch64-apple-darwin",
    ("darwin", "amd64"): "x86_64-apple-darwin",
}
"""krew's words for a platform, and uv's."""
ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
SCRIPT: Final = '''\
#!/usr/bin/env python3
"""Start mesh-injector with the packages beside this file that fit this Python."""

import os
import sys

lib = os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib")
version = "%d.%d" % sys.version_info[:2]
if not os.path.isdir(os.path.join(lib, version)):
    there = " or ".join(sorted(set(os.listdir(lib)) - {"common"}))
    sys.exit("kubectl mesh-injector needs Python %s, and `python3` is %s" % (there, version))
sys.path[:0] = [os.path.join(lib, version), os.path.join(lib, "common")]
from mesh_injector.cli import main

main()
'''


def main() -> None:
    """Build what is asked for into dist/."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--all", action="store_true", help="for every platform; without it for this one")
    parser.add_argument("--python", nargs="+", default=VERSIONS, metavar="VERSION", help="versions of Python; default: %(default)s")
    parser.add_argument("--url", default=f"https://example.com/mesh-injector/v{__version__}", help="where the archives will be served")
    parser.add_argument("--to", type=Path, default=ROOT / "dist", metavar="DIR")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    here = (platform.system().lower(), ARCHITECTURES.get(platform.machine(), platform.machine()))
    archives = {target: build(target, given.python, given.to) for target in (PLATFORMS if given.all else [here])}
    manifest = given.to / "mesh-injector.yaml"
    manifest.write_text(yaml.safe_dump(describe(archives, given.url), sort_keys=False), encoding="utf-8")
    for file in (*archives.values(), manifest):
        print(file)


def build(target: tuple[str, str], versions: list[str], to: Path) -> Path:
    """Make the archive of a platform, the same bytes for the same commit and wheels."""
    with tempfile.TemporaryDirectory() as folder:
        lib = Path(folder) / "lib"
        for version in versions:
            install(lib / version, version, PLATFORMS[target])
        share(lib, versions)
        launcher = Path(folder) / LAUNCHER
        launcher.write_text(SCRIPT, encoding="utf-8")
        launcher.chmod(0o755)
        shutil.copy(ROOT / "LICENSE", folder)
        archive = to / f"kubectl-mesh_injector-{'-'.join(target)}.tar.gz"
        pack(Path(folder), archive)
    return archive


def install(into: Path, version: str, wheels: str) -> None:
    """Install the locked packages and this one, as wheels for a Python and a platform that need not be here."""
    locked = uv("export", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes", "--quiet")
    fitting = ("--python-version", version, "--python-platform", wheels, "--target", str(into), "--no-deps", "--quiet")
    uv("pip", "install", *fitting, "--only-binary", ":all:", "--requirements", "-", given=locked)
    uv("pip", "install", *fitting, str(ROOT))
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    if commit:
        (into / "mesh_injector" / COMMIT).write_text(commit, encoding="utf-8")
    shutil.rmtree(into / "bin", ignore_errors=True)


def share(lib: Path, versions: list[str]) -> None:
    """Keep once what is the same for all versions: whole packages, since Python looks for a package in one place."""
    first, *others = (lib / version for version in versions)
    (lib / "common").mkdir()
    for entry in sorted(first.iterdir()):
        if others and all(same(entry, other / entry.name) for other in others):
            entry.rename(lib / "common" / entry.name)
            for other in others:
                copy = other / entry.name
                shutil.rmtree(copy) if copy.is_dir() else copy.unlink()


def same(one: Path, other: Path) -> bool:
    """Whether two files or folders hold the same bytes."""
    if not one.is_dir() or not other.is_dir():
        return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)
    names = {file.name for file in one.iterdir()}
    return names == {file.name for file in other.iterdir()} and all(same(one / name, other / name) for name in names)


def pack(folder: Path, archive: Path) -> None:
    """Write a tar.gz without times and owners."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        return entry

    files = sorted(file for file in folder.rglob("*") if file.is_file())
    with archive.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for file in files:
            tar.add(file, str(file.relative_to(folder)), recursive=False, filter=plain)


def describe(archives: dict[tuple[str, str], Path], url: str) -> dict[str, Any]:
    """Write krew's manifest."""
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "mesh-injector"},
        "spec": {
            "version": f"v{__version__}",
            "homepage": url.rpartition("/")[0],
            "shortDescription": "Inject sidecars offline, and explain why or why not",
            "description": "Shows what the sidecar injector mesh-injector does to pods and workloads and why, before\n"
            "they are created: inject, uninject, explain, render, lint and test. Works without a cluster.\n",
            "caveats": f"Needs python3, one of {', '.join(VERSIONS)}.\n",
            "platforms": [
                {
                    "selector": {"matchLabels": {"os": system, "arch": architecture}},
                    "uri": f"{url}/{archive.name}",
                    "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
                    "bin": LAUNCHER,
                }
                for (system, architecture), archive in archives.items()
            ],
        },
    }


def uv(*arguments: str, given: str = "") -> str:
    """Run uv and return what it prints."""
    found = shutil.which("uv") or str(ROOT / ".bootstrap" / "bin" / "uv")
    return subprocess.run([found, *arguments], cwd=ROOT, input=given, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main()
