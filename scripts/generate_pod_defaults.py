"""Write mesh_injector/engine/pod_defaults.json: what Kubernetes fills into a pod, and which false and 0 it leaves out.

    python scripts/generate_pod_defaults.py            write what the release of the bundled schema does
    python scripts/generate_pod_defaults.py --check    is the file what Kubernetes does? exit 1 if not

Kubernetes' own defaulting answers, by scripts/go_pods, about a pod in which every optional struct is present. `make schema` runs this
after the schema, whose release it takes, so that the two files never disagree.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
ENGINE: Final = HERE.parent / "mesh_injector" / "engine"
TARGET: Final = ENGINE / "pod_defaults.json"
LEFT_OUT: Final = ("ephemeralContainers", "initContainers")
"""Lists that are not told: Kubernetes refuses the first when a pod is created, and fills in the second as it does `containers`."""


def pod_defaults(answer: Mapping[str, Any], version: str) -> dict[str, Any]:
    """The file of an answer `{before, after, dropped}`: defaults by field, `containers.livenessProbe.periodSeconds`.

    Raises ValueError if init containers are filled in differently from containers.
    """
    filled = dict(_filled(answer["before"]["spec"], answer["after"]["spec"], ""))
    inits = {name.replace("initContainers.", "containers."): value for name, value in filled.items() if name.startswith("initContainers.")}
    if inits != {name: value for name, value in filled.items() if name.startswith("containers.")}:
        raise ValueError("init containers have other defaults than containers")
    return {
        "x-kubernetes-version": version,
        "filled": {name: value for name, value in sorted(filled.items()) if not name.startswith(LEFT_OUT)},
        "dropped": {name: value for name, value in sorted(answer["dropped"].items()) if not name.startswith(LEFT_OUT)},
    }


def _filled(before: Any, after: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves that are new, by the names of the fields that lead to them; the skeleton's lists have one item."""
    if isinstance(after, dict):
        for key, value in after.items():
            yield from _filled((before or {}).get(key), value, f"{name}.{key}".lstrip("."))
    elif isinstance(after, list):
        for here, value in zip(before or [None], after, strict=True):
            yield from _filled(here, value, name)
    elif after != before:
        yield name, after


def as_text(defaults: Mapping[str, Any]) -> str:
    """The file's text: sorted JSON, one default a line."""
    return json.dumps(defaults, indent=1, sort_keys=True) + "\n"


def ask(version: str) -> dict[str, Any]:
    """What Kubernetes answers; ends the program when it cannot be asked."""
    done = subprocess.run(
        [sys.executable, HERE / "go_pods" / "run.py", "--version", version, "defaults"], stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        sys.exit(done.returncode)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file, or check it."""
    parser = argparse.ArgumentParser(description="Write the bundled defaults from Kubernetes' own defaulting.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the file is not what would be written")
    options = parser.parse_args(arguments)
    version = json.loads((ENGINE / "pod_schema.json").read_bytes())["x-kubernetes-version"]
    text = as_text(pod_defaults(ask(version), version))
    if not options.check:
        TARGET.write_text(text, "utf-8")
        print(f"wrote {TARGET}, {len(text):,} bytes")
    elif not TARGET.exists() or TARGET.read_text("utf-8") != text:
        sys.exit(f"{TARGET} is not what this script writes: run it without --check and commit the file")


if __name__ == "__main__":
    main()
