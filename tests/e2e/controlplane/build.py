"""Build a Kubernetes control plane from its Go modules into a cache: etcd, kube-apiserver, kube-controller-manager, kubectl and helm.

    python tests/e2e/controlplane/build.py              build what is missing, and print the folder
    python tests/e2e/controlplane/build.py --if-able    the same, but without Go only say so

KUBERNETES chooses the version, a folder beside this file (v1.37 by default); KUBEBUILDER_ASSETS is a folder that has the binaries already.
The cache is keyed by the go.mod and go.sum files: about ten minutes on two cores the first time, a second afterwards.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

HERE: Final = Path(__file__).resolve().parent
DEFAULT: Final = "v1.37"


class Binary(NamedTuple):
    """What is built: a name, the Go package, and the folder of its go.mod; None is that of the Kubernetes version."""

    name: str
    package: str
    module: str | None = None


BINARIES: Final = (
    Binary("etcd", "go.etcd.io/etcd/server/v3", "etcd"),
    Binary("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    Binary("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    Binary("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    Binary("helm", "helm.sh/helm/v3/cmd/helm", "helm"),
)
ENVIRONMENT: Final = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
"""What makes a build the same on every machine; -mod=readonly holds it to the committed go.sum."""


class Unbuildable(Exception):
    """Why there is no control plane, and what to do about it."""


class NotPinned(Unbuildable):
    """A version was chosen that has no folder here: a mistake, and no reason to go on without a control plane."""


def assets() -> Path:
    """Name the folder of the binaries, whether they are there or not. Raises NotPinned for a version without a folder here."""
    if is_given():
        return Path(os.environ["KUBEBUILDER_ASSETS"])
    chosen = _chosen()
    key = hashlib.sha256(_ldflags().encode())
    for module in (HERE / "etcd", HERE / "helm", chosen):
        for name in ("go.mod", "go.sum"):
            key.update((module / name).read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "mesh-injector" / "controlplane" / f"{chosen.name}-{key.hexdigest()[:12]}"


def is_given() -> bool:
    """Whether the binaries are somebody else's."""
    return bool(os.environ.get("KUBEBUILDER_ASSETS"))


def version() -> str:
    """Name the exact version that is pinned, such as `v1.37.0`."""
    found = re.search(r"^\s*(?:require )?k8s\.io/kubernetes (v\S+)", (_chosen() / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    assert found, "pin.py writes that line"
    return found[1]


def missing() -> list[str]:
    """Name the binaries that are not there yet."""
    folder = assets()
    return [binary.name for binary in BINARIES if not (folder / binary.name).is_file()]


def _chosen() -> Path:
    name = os.environ.get("KUBERNETES") or DEFAULT
    pinned = {path.parent.name: path.parent for path in sorted(HERE.glob("v1.*/go.sum"))}
    if name not in pinned:
        known = ", ".join(pinned)
        raise NotPinned(f"KUBERNETES={name} is not pinned here, only {known}; tests/e2e/controlplane/pin.py v1.38.0 would pin v1.38")
    return pinned[name]


def _ldflags() -> str:
    """Give the version that a binary reports; without it clients take the server for an ancient one."""
    major, minor, _patch = version().removeprefix("v").split(".", 2)
    at = "-X k8s.io/component-base/version.git"
    return f"-s -w {at}Version={version()} {at}Major={major} {at}Minor={minor}"


def build() -> Path:
    """Build what is missing and return the folder. Raises Unbuildable without Go, and where Go fails."""
    folder, wanted = assets(), missing()
    if not wanted:
        return folder
    if is_given():
        raise Unbuildable(f"KUBEBUILDER_ASSETS={folder} lacks {', '.join(wanted)}: add them, or unset it to have all of them built")
    if not shutil.which("go"):
        raise Unbuildable("Go is not installed (https://go.dev/dl/), and KUBEBUILDER_ASSETS names no folder that has the binaries")
    print(f"building {', '.join(wanted)} into {folder} (about ten minutes on two cores, once)", file=sys.stderr)
    with _alone(folder):
        for binary in BINARIES:
            if not (folder / binary.name).is_file():
                _build(binary, folder)
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait for another build of the same folder, which then has done the work."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(binary: Binary, folder: Path) -> None:
    """Build into a name of its own, so that an interrupted build leaves nothing that looks finished."""
    module = HERE / binary.module if binary.module else _chosen()
    unfinished = folder / f".{binary.name}.unfinished"
    command = [
        "go",
        "build",
        "-v",
        "-trimpath",
        "-ldflags",
        _ldflags() if module == _chosen() else "-s -w",
        "-o",
        str(unfinished),
        binary.package,
    ]
    began, told, lines = time.monotonic(), 0.0, []
    with subprocess.Popen(command, cwd=module, env={**os.environ, **ENVIRONMENT}, stderr=subprocess.PIPE, text=True) as go:
        for line in go.stderr or ():  # -v names each package that is compiled
            lines.append(line)
            if time.monotonic() - told > 10:
                told = time.monotonic()
                print(f"  {binary.name}: {len(lines)} packages, {told - began:.0f} s", file=sys.stderr, flush=True)
    if go.returncode:
        raise Unbuildable(f"{' '.join(command)} in {module} failed:\n{''.join(lines[-15:])}")
    unfinished.replace(folder / binary.name)
    print(f"  {binary.name}: done in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def main() -> int:
    """Build, print the folder, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--if-able", action="store_true", help="where it cannot be built only say so, with exit 0")
    arguments = parser.parse_args()
    try:
        print(build())
    except Unbuildable as error:
        print(f"no control plane: {error}", file=sys.stderr)
        return 0 if arguments.if_able and not isinstance(error, NotPinned) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
