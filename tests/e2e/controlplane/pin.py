"""Pin a Kubernetes version for the end-to-end tests: write the go.mod and go.sum of the folder v1.N beside this file.

    python tests/e2e/controlplane/pin.py v1.38.0

k8s.io/kubernetes replaces its staging modules by folders, which only works within its own repository; here each is replaced by its release.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
COMMANDS: Final = ("kube-apiserver", "kube-controller-manager", "kubectl")
MODULE: Final = """\
module mesh-injector.io/tests/e2e/controlplane

go {go}

godebug default=go{language}

tool (
{tools}
)

require k8s.io/kubernetes {version}

replace (
{replacements}
)
"""


def pin(version: str) -> Path:
    """Write the folder of a version such as `v1.37.0` and return it."""
    downloaded = subprocess.run(["go", "mod", "download", "-json", f"k8s.io/kubernetes@{version}"], capture_output=True, check=True)
    theirs = Path(json.loads(downloaded.stdout)["GoMod"]).read_text(encoding="utf-8")
    go = re.findall(r"^go (\S+)$", theirs, re.MULTILINE)[0]
    staged = re.findall(r"(k8s\.io/\S+) => \./staging/", theirs)
    folder = HERE / version.rpartition(".")[0]
    folder.mkdir(exist_ok=True)
    text = MODULE.format(
        go=go,
        language=".".join(go.split(".")[:2]),
        version=version,
        tools="\n".join(f"\tk8s.io/kubernetes/cmd/{command}" for command in COMMANDS),
        replacements="\n".join(f"\t{module} => {module} v0.{version.removeprefix('v1.')}" for module in staged),
    )
    (folder / "go.mod").write_text(text, encoding="utf-8")
    subprocess.run(["go", "mod", "tidy"], cwd=folder, check=True)
    return folder


if __name__ == "__main__":
    print(pin(sys.argv[1]))
