"""Let Kubernetes' own code judge the cases of our checks anew, and write down what we find: tests/engine/checks/kubernetes_cases.json.

    python scripts/judge_cases.py

Each case is a template; the pod that Kubernetes judges is a plain one with the template's fields in it. To add a case, add its
`template` to the file and run this; a test fails where the two disagree.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from mesh_injector.engine import checks, schema
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.union import Union

HERE: Final = Path(__file__).parent
CASES: Final = HERE.parent / "tests" / "engine" / "checks" / "kubernetes_cases.json"
BARE: Final = Pod(b'{"metadata":{},"spec":{"containers":[{"name":"app","image":"app:1"}]}}')


def main() -> None:
    """Rewrite the file in place, for the release of the bundled schema."""
    version = schema.KUBERNETES_VERSION
    cases = json.loads(CASES.read_bytes())["cases"]
    pods = "".join(json.dumps(pod_of(case["template"])) + "\n" for case in cases)
    command = [sys.executable, str(HERE / "go_pods" / "run.py"), "--version", version, "judge"]
    answers = subprocess.run(command, input=pods.encode(), stdout=subprocess.PIPE, check=True).stdout.splitlines()
    judged = [
        {
            "template": case["template"],
            "kubernetes": [told(error) for error in json.loads(answer)["errors"]],
            "found": found(case["template"]),
        }
        for case, answer in zip(cases, answers, strict=True)
    ]
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in judged)
    CASES.write_text(f'{{"kubernetes": "{version}", "cases": [\n{lines}\n]}}\n', "utf-8")
    print(f"{len(judged)} cases, {sum(bool(case['kubernetes']) for case in judged)} of which Kubernetes {version} refuses")


def pod_of(template: dict[str, Any]) -> dict[str, Any]:
    """A plain pod with the template's fields in it."""
    spec = template.get("spec", {})
    containers = [{"name": "app", "image": "app:1"}, *spec.get("containers", [])]
    metadata = {"name": "cart", **template.get("metadata", {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**spec, "containers": containers}}


def found(template: dict[str, Any]) -> list[str]:
    """What our checks find, in the template and in its union with the plain pod."""
    findings = checks.of_overlay(template, privileged=True)
    findings = findings or list(Union(template.get("spec", {}), template.get("metadata", {}).get("annotations")).find(BARE))
    return [f"{checks.field_name(finding.path)}: {finding.what}; {finding.fix}" for finding in findings]


def told(error: dict[str, str]) -> str:
    """An error of Kubernetes on one line, cut where it repeats a long value."""
    return f"{error['field']}: {error['message']}"[:200]


if __name__ == "__main__":
    main()
