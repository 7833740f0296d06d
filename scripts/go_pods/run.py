"""Build and run the Go program beside this file against one release of Kubernetes; its input and output pass through.

    python scripts/go_pods/run.py --version v1.37.0 judge < pods.jsonl

`go` must be installed; the first build of a release takes some minutes, a later one seconds. The go.mod is made here, because the
release decides what is in it: Kubernetes' own modules are published under the same number with 0 for 1.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
BUILT: Final = HERE / ".built"
"""One folder a release, ignored by git."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Build what is missing, and become the program."""
    parser = argparse.ArgumentParser(description="Ask Kubernetes' own code about pods.")
    parser.add_argument("--version", required=True, help="the Kubernetes release, such as v1.37.0")
    parser.add_argument("question", choices=("defaults", "judge"), help="what is filled in, or what is refused")
    options = parser.parse_args(arguments)
    if not (go := shutil.which("go")):
        sys.exit("`go` is not installed: it is needed to build against k8s.io/kubernetes (https://go.dev/doc/install)")
    program = build(go, options.version)
    os.execv(program, [str(program), options.question])


def build(go: str, version: str) -> Path:
    """The program for a release, built in a folder of its own; Go's cache makes a second build quick."""
    folder = BUILT / version
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "main.go", folder)
    (folder / "go.mod").write_text(go_mod(downloaded(go, version), version), "utf-8")
    environment = {**os.environ, "GOFLAGS": "-mod=mod -buildvcs=false"}
    subprocess.run([go, "build", "-o", "go_pods", "."], cwd=folder, env=environment, check=True)
    return folder / "go_pods"


def downloaded(go: str, version: str) -> str:
    """Kubernetes' own go.mod; ends the program with a message if the release cannot be fetched."""
    done = subprocess.run([go, "mod", "download", "-json", f"k8s.io/kubernetes@{version}"], capture_output=True, text=True, check=False)
    module: dict[str, Any] = json.loads(done.stdout or "{}")
    if "Dir" not in module:
        sys.exit(f"cannot fetch {module.get('Error') or done.stderr.strip()}")
    return Path(module["Dir"], "go.mod").read_text("utf-8")


def go_mod(theirs: str, version: str) -> str:
    """A go.mod that takes Kubernetes' staging modules from where they are published."""
    language = re.search(r"^go .+$", theirs, re.MULTILINE)
    staging = re.findall(r"^\s*(k8s\.io/\S+) => \./staging", theirs, re.MULTILINE)
    published = version.replace("v1.", "v0.", 1)
    replaced = "".join(f"replace {name} => {name} {published}\n" for name in staging)
    return f"module go_pods\n\n{language[0] if language else ''}\n\nrequire k8s.io/kubernetes {version}\n\n{replaced}"


if __name__ == "__main__":
    main()
